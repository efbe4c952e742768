"""The flags as they will hold: what was given, what this vLLM release takes by default, and why.

The rules are vLLM's own (``EngineArgs`` and ``SchedulerConfig``; facts per release in
``data/engines.toml``). What a MIG slice changes: vLLM asks NVML for the memory class of the
device, NVML answers for the parent board and refuses inside a container, so that even a large
slice gets the small defaults (vllm-project/vllm#55381). Known gap: where the parent is readable
(bare metal, privileged containers) the large ones hold; setting the flags cures both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from rightslice.core.catalog.device import Device
from rightslice.core.catalog.engine import BatchDefaults, EngineRelease
from rightslice.core.catalog.model import Model, StateSpace
from rightslice.core.catalog.server import ServerConfig
from rightslice.core.catalog.share import MigSlice, MpsShare, TimeSlice
from rightslice.core.sizing.coefficients import release_number
from rightslice.core.sizing.result import EffectiveFlags, Flag

GIVEN: Final = "given"
CHOSEN: Final = "chosen for this load and device"
_DTYPES: Final = {"half": "float16", "float": "float32"}
_V0_CHUNKED_PREFILL_ABOVE: Final = 32_768
"""V0 turns chunked prefill on by itself beyond this context (vllm 0.6.6 engine/arg_utils.py)."""
_STATE_PREFIX_CACHING_FROM: Final = (0, 16)
"""Prefix caching for state-space layers: on by default in the releases whose logs we have."""
_BLOCK_SIZE: Final = 16


@dataclass(frozen=True, slots=True)
class _Sizes:
    max_num_seqs: int
    max_num_batched_tokens: int
    seqs_origin: str
    tokens_origin: str


def effective_flags(
    model: Model, device: Device, server: ServerConfig, engine: EngineRelease
) -> EffectiveFlags:
    """Return every flag that decides memory or speed, with the origin of each."""
    default = f"vLLM {engine.version} default"
    length = server.max_model_len or model.max_position
    chunked = engine.chunked_prefill or (
        engine.generation == "V0" and length > _V0_CHUNKED_PREFILL_ABOVE
    )
    sizes = _batch_sizes(device, server, engine, length=length if chunked else -length)
    utilization, utilization_origin = _utilization(device, server, engine)
    dtype, dtype_origin = _dtype(model, server)
    prefix, prefix_origin = _prefix_caching(model, server, engine)
    eager = True if server.enforce_eager else None
    values: list[tuple[str, int | float | str, str]] = [
        ("gpu-memory-utilization", utilization, utilization_origin),
        ("max-model-len", length, GIVEN if server.max_model_len else "the model's longest context"),
        ("max-num-seqs", sizes.max_num_seqs, sizes.seqs_origin),
        ("max-num-batched-tokens", sizes.max_num_batched_tokens, sizes.tokens_origin),
        ("dtype", dtype, dtype_origin),
        ("kv-cache-dtype", server.kv_cache_dtype or "auto", _given(server.kv_cache_dtype, default)),
        ("block-size", server.block_size or _BLOCK_SIZE, _given(server.block_size, default)),
        ("enforce-eager", str(server.enforce_eager).lower(), _given(eager, default)),
        ("enable-chunked-prefill", str(chunked).lower(), _chunked_origin(chunked, engine)),
        ("enable-prefix-caching", str(prefix).lower(), prefix_origin),
    ]  # fmt: skip
    if server.kv_cache_memory_bytes is not None:
        origin = "given: gpu-memory-utilization no longer counts"
        values.append(("kv-cache-memory-bytes", server.kv_cache_memory_bytes, origin))
    if server.tensor_parallel > 1:
        values.append(("tensor-parallel-size", server.tensor_parallel, GIVEN))
    if server.pipeline_parallel > 1:
        values.append(("pipeline-parallel-size", server.pipeline_parallel, GIVEN))
    if server.decode_context_parallel > 1:
        origin = f"{GIVEN}: no log tells what it takes beside the cache"
        values.append(("decode-context-parallel-size", server.decode_context_parallel, origin))
    return EffectiveFlags(
        gpu_memory_utilization=utilization,
        kv_cache_memory_bytes=server.kv_cache_memory_bytes,
        max_model_len=length,
        max_num_seqs=sizes.max_num_seqs,
        max_num_batched_tokens=sizes.max_num_batched_tokens,
        dtype=dtype,
        kv_cache_dtype=server.kv_cache_dtype or "auto",
        block_size=server.block_size or _BLOCK_SIZE,
        tensor_parallel=server.tensor_parallel,
        pipeline_parallel=server.pipeline_parallel,
        decode_context_parallel=server.decode_context_parallel,
        expert_parallel=server.expert_parallel,
        enforce_eager=server.enforce_eager,
        chunked_prefill=chunked,
        prefix_caching=prefix,
        explained=tuple(
            Flag(name=name, value=value, origin=_who(name, why, server))
            for name, value, why in values
        ),
    )


def _who(name: str, origin: str, server: ServerConfig) -> str:
    """Tell flags that were sized to a load from flags that somebody gave."""
    if GIVEN not in origin or not server.chosen:
        return origin
    field = name.replace("-", "_").removesuffix("_size")
    return origin.replace(GIVEN, CHOSEN) if field in server.chosen else origin


def _given(value: object, default: str) -> str:
    return default if value is None else GIVEN


def _chunked_origin(chunked: bool, engine: EngineRelease) -> str:  # noqa: FBT001 - the value itself
    if engine.generation == "V0" and chunked:
        return "V0 turns it on above 32k tokens of context"
    return f"vLLM {engine.version} default"


def memory_class(device: Device, engine: EngineRelease) -> tuple[BatchDefaults, str]:
    """Return the default batch sizes that the release picks for *device*, and why."""
    release = f"vLLM {engine.version} default"
    if isinstance(device.share, MigSlice):
        reason = "inside a MIG container NVML refuses the parent's memory, so small defaults hold"
        return engine.small, f"{release}: {reason}"
    board = device.gpu.memory_bytes or device.memory_bytes
    if engine.huge is not None and board >= (engine.huge_gpu_bytes or board + 1):
        return engine.huge, f"{release} for the largest GPUs"
    if engine.large_gpu_bytes is None:
        return engine.small, release
    if engine.a100_counts_as_small and "a100" in device.gpu_name.lower():
        return engine.small, f"{release}: this release counts an A100 as small"
    if board >= engine.large_gpu_bytes:
        return engine.large, f"{release} for GPUs of {engine.large_gpu_bytes / 2**30:.0f} GiB up"
    return engine.small, f"{release} for GPUs below {engine.large_gpu_bytes / 2**30:.0f} GiB"


def _batch_sizes(
    device: Device, server: ServerConfig, engine: EngineRelease, *, length: int
) -> _Sizes:
    """Negative *length*: chunked prefill is off, so that a whole prompt must fit one step."""
    defaults, origin = memory_class(device, engine)
    seqs, seqs_origin = server.max_num_seqs, GIVEN
    if seqs is None:
        seqs, seqs_origin = defaults.max_num_seqs, origin
    tokens, tokens_origin = server.max_num_batched_tokens, GIVEN
    if tokens is None:
        tokens, tokens_origin = defaults.max_num_batched_tokens, origin
        if length < 0 and -length > tokens:
            tokens, tokens_origin = -length, "max-model-len: chunked prefill is off"
        if engine.generation == "V1" and seqs * abs(length) < tokens:
            tokens, tokens_origin = seqs * abs(length), "clamped by max-num-seqs x max-model-len"
    if server.max_num_seqs is None and seqs > tokens:
        seqs, seqs_origin = tokens, "clamped by max-num-batched-tokens"
    return _Sizes(seqs, tokens, seqs_origin, tokens_origin)


def _utilization(device: Device, server: ServerConfig, engine: EngineRelease) -> tuple[float, str]:
    value = server.gpu_memory_utilization
    origin = GIVEN if value is not None else f"vLLM {engine.version} default"
    ratio = engine.gpu_memory_utilization if value is None else value
    if isinstance(device.share, TimeSlice | MpsShare):
        whole = ratio / device.share.replicas
        origin += f", of the share: vLLM must be told {whole:.3g}, it sees the whole card"
    return ratio, origin


def _dtype(model: Model, server: ServerConfig) -> tuple[str, str]:
    if server.dtype is not None and server.dtype != "auto":
        return _DTYPES.get(server.dtype, server.dtype), GIVEN
    if model.checkpoint_dtype == "float32":
        return "float16", "auto: a float32 checkpoint is loaded in 16 bit"
    return model.checkpoint_dtype, "auto: as the checkpoint is stored"


def _prefix_caching(model: Model, server: ServerConfig, engine: EngineRelease) -> tuple[bool, str]:
    if server.enable_prefix_caching is not None:
        return server.enable_prefix_caching, GIVEN
    enabled = engine.generation == "V1"
    if enabled and release_number(engine.version) < _STATE_PREFIX_CACHING_FROM:
        enabled = not any(isinstance(layer.mixer, StateSpace) for layer in model.layers)
    return enabled, f"vLLM {engine.version} default"
