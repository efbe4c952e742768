"""The vLLM command line of a placed workload: every decided flag, said explicitly.

vLLM picks its own sizes from what NVML says, which on a MIG slice is the parent board or nothing
(vllm-project/vllm#55381), so nothing that the plan counted on is left to a default.
"""

from __future__ import annotations

import math
from typing import Final

from rightslice.core.catalog.share import MpsShare, Share, TimeSlice
from rightslice.core.sizing.coefficients import release_number
from rightslice.core.sizing.result import Sizing
from rightslice.kube.assignments import Assignment

PORT: Final = 8000
KV_BYTES_FROM: Final = (0, 10, 2)
"""First release with ``--kv-cache-memory-bytes`` (vLLM 0.10.2, vllm/engine/arg_utils.py)."""


COMMAND: Final = ("vllm", "serve")
"""The same for every release; the image's entry point is not (docs.vllm.ai "Using Kubernetes")."""


def server_args(assignment: Assignment) -> list[str]:
    """Return the model and the flags, one string each, as this release spells them."""
    sizing = assignment.sizing
    flags = sizing.flags
    sizes: dict[str, object] = {
        "port": PORT,
        "gpu-memory-utilization": f"{utilization_of_card(assignment):g}",
        "kv-cache-memory-bytes": kv_cache_bytes(assignment),
        "max-model-len": flags.max_model_len,
        "max-num-seqs": flags.max_num_seqs,
        "max-num-batched-tokens": flags.max_num_batched_tokens,
        "tensor-parallel-size": flags.tensor_parallel if flags.tensor_parallel > 1 else None,
        "pipeline-parallel-size": flags.pipeline_parallel if flags.pipeline_parallel > 1 else None,
    }
    if flags.decode_context_parallel > 1:
        sizes["decode-context-parallel-size"] = flags.decode_context_parallel
    return [
        str(sizing.model.name),
        *(f"--{name}={value}" for name, value in sizes.items() if value is not None),
        *_given(sizing),
    ]


def _given(sizing: Sizing) -> list[str]:
    """Flags that the owner gave; vLLM's own default holds for what is not given."""
    server = sizing.server
    values: dict[str, object] = {
        "dtype": server.dtype,
        "quantization": server.quantization,
        "kv-cache-dtype": server.kv_cache_dtype,
        "block-size": server.block_size,
        "max-loras": server.max_loras or None,
        "max-lora-rank": server.max_lora_rank if server.max_loras else None,
    }
    switches = {
        "enable-expert-parallel": server.expert_parallel,
        "enforce-eager": server.enforce_eager,
        "enable-lora": server.max_loras > 0,
        "enable-prefix-caching": server.enable_prefix_caching is True,
        # V0 has no --no- form, and no prefix caching unless asked for.
        "no-enable-prefix-caching": (
            server.enable_prefix_caching is False and sizing.engine.generation != "V0"
        ),
    }
    return [
        *(f"--{name}={value}" for name, value in values.items() if value is not None),
        *(f"--{name}" for name, wanted in switches.items() if wanted),
    ]


def utilization_of_card(assignment: Assignment) -> float:
    """Return the share of memory that vLLM may take of the device *as it sees it*.

    A time-sliced or MPS server sees the whole card, so its part of the card is told, rounded down.
    """
    return utilization_on(assignment.device.share, assignment.sizing.flags.gpu_memory_utilization)


def utilization_on(share: Share, utilization: float) -> float:
    """Return the share of the whole card that is *utilization* of a *share* of it."""
    if isinstance(share, TimeSlice | MpsShare):
        return math.floor(utilization / share.replicas * 10_000) / 10_000
    return utilization


def kv_cache_bytes(assignment: Assignment) -> int | None:
    """Return the KV pool to pin: the one given, or the planned one where neighbours share memory.

    Start-up profiling counts what neighbours allocate meanwhile (vllm-project/vllm#55827, #56830);
    a pinned pool skips it. The figure is what remains at the workload's confidence.
    """
    return pinned_kv_bytes(assignment.sizing, assignment.workload.confidence)


def pinned_kv_bytes(sizing: Sizing, confidence: float) -> int | None:
    """Return the KV pool to pin for a server of *sizing*; None where profiling may find it."""
    if sizing.flags.kv_cache_memory_bytes is not None:
        return sizing.flags.kv_cache_memory_bytes
    if not isinstance(sizing.device.share, TimeSlice | MpsShare):
        return None
    if release_number(sizing.engine.version) < KV_BYTES_FROM:
        return None
    pool = sizing.kv.size_bytes.at_least(confidence)
    return pool if pool > 0 else None
