"""The command lines that measure one point: ``vllm serve`` and ``vllm bench serve``.

Flags as in vLLM 0.9.2 and 0.33.0 (vllm/benchmarks/serve.py and datasets; both modules were run with
these very flags). Before 0.9 the same flags belong to the repository's
``benchmarks/benchmark_serving.py``. Random prompts of one seed are the same in every run, and the
prefix cache would then answer them, so each run has a seed of its own.
"""

from __future__ import annotations

import shlex
from dataclasses import fields
from typing import Final

from rightslice.core.catalog.server import ServerConfig
from rightslice.core.catalog.share import MigSlice
from rightslice.core.perf.observation import Observation
from rightslice.core.sizing.coefficients import release_number
from rightslice.core.sizing.result import Sizing

ROUNDS: Final = 10
"""Requests a client and run, as InferenceX sends them; a start in step is then a tenth of it."""
FEWEST_REQUESTS: Final = 20
_BENCH_FROM: Final = (0, 9)
"""``vllm bench serve`` with these flags: read in the wheel of vLLM 0.9.2."""
_RANKS: Final = ("tensor_parallel", "pipeline_parallel", "decode_context_parallel")
_NO_FLAG: Final = ("chosen", "max_loras", "max_lora_rank", *_RANKS)
_SPELLED: Final = {"expert_parallel": "enable-expert-parallel"}


def serve_command(sizing: Sizing) -> str:
    """Return the command that starts the server: the model and the flags given."""
    server, share = sizing.server, sizing.device.share
    words = ["vllm", "serve", str(sizing.model.name)]
    for name in _RANKS:
        if getattr(server, name) > 1:
            words += [f"--{name.replace('_', '-')}-size", str(getattr(server, name))]
    words += [*_given(server), *_lora(server)]
    line = shlex.join(words)
    if isinstance(share, MigSlice):
        return f"CUDA_VISIBLE_DEVICES=MIG-<uuid of a {share.profile}> {line}"
    return line


def _given(server: ServerConfig) -> list[str]:
    words = []
    for item in fields(server):
        value = getattr(server, item.name)
        if item.name in _NO_FLAG or item.name in server.chosen or value == item.default:
            continue
        flag = _SPELLED.get(item.name, item.name.replace("_", "-"))
        if value is False:
            words.append(f"--no-{flag}")
        else:
            words += [f"--{flag}"] if value is True else [f"--{flag}", str(value)]
    return words


def _lora(server: ServerConfig) -> list[str]:
    if not server.max_loras:
        return []
    slots, rank = str(server.max_loras), str(server.max_lora_rank)
    return ["--enable-lora", "--max-loras", slots, "--max-lora-rank", rank]


def bench_command(sizing: Sizing, point: Observation, seed: int) -> str:
    """Return the command that measures *point* on the running server and keeps the result."""
    clients, ranks = round(point.sequences), sizing.flags.tensor_parallel
    inputs, outputs = round(point.traffic.input.mean), round(point.traffic.output.mean)
    tool = ["vllm", "bench", "serve"]
    if release_number(sizing.engine.version) < _BENCH_FROM:
        tool = ["python", "benchmarks/benchmark_serving.py", "--backend", "vllm"]
    notes = {
        "gpu": sizing.device.gpu_name,
        "vllm_version": sizing.engine.version,
        "tensor_parallel_size": ranks,
    }
    name = f"tp{ranks}-c{clients}-i{inputs}-o{outputs}.json"
    flags = {
        "model": sizing.model.name,
        "dataset-name": "random",
        "random-input-len": inputs,
        "random-output-len": outputs,
        "max-concurrency": clients,
        "num-prompts": max(ROUNDS * clients, FEWEST_REQUESTS),
        "seed": seed,
    }
    words = [word for flag, value in flags.items() for word in (f"--{flag}", str(value))]
    noted = [f"{key}={value}" for key, value in notes.items()]
    kept = ["--save-result", "--result-filename", name]
    return shlex.join([*tool, *words, "--ignore-eos", "--metadata", *noted, *kept])
