"""What can be changed so that a server fits: one lever a flag, steps from least to most.

Ranks say which lever is pulled first among as many changes: what costs nothing but headroom comes
before what costs context, concurrency, speed, accuracy, and money, in this order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from rightslice.core.catalog.device import Device
from rightslice.core.catalog.gpu import MatmulDtype
from rightslice.core.catalog.model import Model
from rightslice.core.catalog.server import ServerConfig
from rightslice.core.catalog.share import Exclusive
from rightslice.core.sizing.kv_cache import kv_layout
from rightslice.core.sizing.parameters import RUNTIME_FORMATS
from rightslice.core.sizing.result import Change, EffectiveFlags, Sizing
from rightslice.core.sizing.variants import EIGHT_BIT, FOUR_BIT, Variant, quantized

Value = int | float | str

LENGTH_STEP: Final = 16
"""Tokens of a default KV block: shorter steps free nothing."""
_SHORTEST_CONTEXT: Final = 2048
"""A context below this is not proposed: most prompts would be refused."""
_FEWEST_SEQUENCES: Final = 8
"""Fewer running sequences than this are not proposed."""
_FEWEST_TOKENS: Final = 512
_HIGHEST_PERCENT: Final = 97
"""A CUDA context and the graphs of older releases live beyond the utilization."""
_LOWEST_PERCENT: Final = 50
_GPUS_PER_NODE: Final = (1, 2, 4, 8)
_POOL_STEP: Final = 64 * 1024**2
_FP8_CACHE_CAPABILITY: Final = (8, 0)
"""vLLM reads 8-bit KV caches from Ampere on (FlashInfer and Triton attention)."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A server that may or may not fit."""

    model: Model
    device: Device
    server: ServerConfig


@dataclass(frozen=True, kw_only=True)
class Lever:
    """One thing to change, in steps."""

    flag: str
    rank: int
    was: Value
    values: Sequence[Value]
    """From the smallest change to the largest."""
    put: Callable[[Trial, int], Trial]
    """Apply the step with this index."""
    cost: Callable[[Value], str]
    rising: bool = True
    """Whether each step frees more than the one before."""

    def change(self, step: int) -> Change:
        """Return the change that step *step* makes."""
        return Change(flag=self.flag, value=self.values[step], was=self.was)


def levers(sizing: Sizing, alternatives: Sequence[Device]) -> tuple[Lever, ...]:
    """Return everything that could be changed about *sizing*."""
    found = [
        *_utilization(sizing),
        *_batched_tokens(sizing.flags),
        *_context(sizing.flags, sizing.model),
        *_sequences(sizing.flags),
        *_cache_dtype(sizing),
        *_eager(sizing.flags),
        *_fixed_pool(sizing),
        *_weights(sizing),
        *_profiles(sizing.device, alternatives),
        *_tensor_parallel(sizing),
    ]
    return tuple(lever for lever in found if len(lever.values) > 0)


def _flag(field: str, values: Sequence[Value]) -> Callable[[Trial, int], Trial]:
    def put(trial: Trial, step: int) -> Trial:
        changed: dict[str, object] = {field: values[step]}
        return replace(trial, server=replace(trial.server, **changed))  # type: ignore[arg-type]  # each field gets its own type of value

    return put


def _utilization(sizing: Sizing) -> Iterator[Lever]:
    flags = sizing.flags
    if flags.kv_cache_memory_bytes is not None:
        return
    now = round(flags.gpu_memory_utilization * 100)
    raised = tuple(percent / 100 for percent in range(now + 1, _HIGHEST_PERCENT + 1))
    lowered = tuple(percent / 100 for percent in range(now - 1, _LOWEST_PERCENT - 1, -1))
    for values, cost in (
        (raised, "less headroom beyond gpu-memory-utilization"),
        (lowered, "a smaller KV cache"),
    ):
        yield Lever(
            flag="gpu-memory-utilization",
            rank=1,
            was=flags.gpu_memory_utilization,
            values=values,
            put=_flag("gpu_memory_utilization", values),
            cost=lambda _, cost=cost: cost,  # type: ignore[misc]  # binds this round's text
            rising=False,
        )


def _batched_tokens(flags: EffectiveFlags) -> Iterator[Lever]:
    now = flags.max_num_batched_tokens
    floor = flags.max_model_len if not flags.chunked_prefill else _FEWEST_TOKENS
    values = [now >> shift for shift in range(1, 12) if now >> shift >= floor]
    yield Lever(
        flag="max-num-batched-tokens",
        rank=2,
        was=now,
        values=values,
        put=_flag("max_num_batched_tokens", values),
        cost=lambda value: f"prompts are read {value} tokens a step instead of {now}",
    )


def _context(flags: EffectiveFlags, model: Model) -> Iterator[Lever]:
    now = flags.max_model_len
    start = min((now - 1) // LENGTH_STEP * LENGTH_STEP, model.max_position)
    values = range(start, min(now, _SHORTEST_CONTEXT) - 1, -LENGTH_STEP)
    yield Lever(
        flag="max-model-len",
        rank=3,
        was=now,
        values=values,
        put=_flag("max_model_len", values),
        cost=lambda value: f"context shrinks from {now} to {value} tokens",
    )


def _sequences(flags: EffectiveFlags) -> Iterator[Lever]:
    now = flags.max_num_seqs
    values = range(now - 1, min(now, _FEWEST_SEQUENCES) - 1, -1)
    yield Lever(
        flag="max-num-seqs",
        rank=3,
        was=now,
        values=values,
        put=_flag("max_num_seqs", values),
        cost=lambda value: f"at most {value} sequences run at once instead of {now}",
    )


def _cache_dtype(sizing: Sizing) -> Iterator[Lever]:
    if sizing.flags.kv_cache_dtype.startswith("fp8") or not takes_fp8_cache(sizing.device):
        return
    yield Lever(
        flag="kv-cache-dtype",
        rank=5,
        was=sizing.flags.kv_cache_dtype,
        values=("fp8",),
        put=_flag("kv_cache_dtype", ("fp8",)),
        cost=lambda _: "keys and values are kept in 8 bit",
    )


def takes_fp8_cache(device: Device) -> bool:
    """Whether vLLM can keep keys and values of 8 bit on *device*."""
    text = device.gpu.compute_capability
    if text is None:
        return False
    major, _, minor = text.partition(".")
    return (int(major), int(minor or 0)) >= _FP8_CACHE_CAPABILITY


def _eager(flags: EffectiveFlags) -> Iterator[Lever]:
    if flags.enforce_eager:
        return

    def put(trial: Trial, _step: int) -> Trial:
        return replace(trial, server=replace(trial.server, enforce_eager=True))

    yield Lever(
        flag="enforce-eager",
        rank=6,
        was="false",
        values=("true",),
        put=put,
        cost=lambda _: "no CUDA graphs: small batches decode more slowly",
    )


def _fixed_pool(sizing: Sizing) -> Iterator[Lever]:
    """Down to what one request needs: a smaller pool could serve nobody."""
    now = sizing.flags.kv_cache_memory_bytes
    if now is None:
        return
    layout = kv_layout(sizing.model, sizing.flags, sizing.engine)
    start = min(now - _POOL_STEP, sizing.device.memory_bytes)
    values = range(start, layout.needed(sizing.flags.max_model_len) - 1, -_POOL_STEP)
    yield Lever(
        flag="kv-cache-memory-bytes",
        rank=2,
        was=now,
        values=values,
        put=_flag("kv_cache_memory_bytes", values),
        cost=lambda value: f"the KV cache shrinks from {now} to {value} bytes",
    )


def _weights(sizing: Sizing) -> Iterator[Lever]:
    """Run-time fp8 where the 16-bit weights can be loaded first; else a quantized checkpoint."""
    model, device = sizing.model, sizing.device
    if model.quantization is not None or sizing.server.quantization in RUNTIME_FORMATS:
        return
    weights = sizing.term("weights").size_bytes.high + sizing.term("cuda context").size_bytes.high
    runtime = MatmulDtype.FP8 in device.gpu.flops and weights < device.memory_bytes
    if runtime:
        yield Lever(
            flag="quantization",
            rank=8,
            was="none",
            values=("fp8",),
            put=_flag("quantization", ("fp8",)),
            cost=lambda _: "weights are quantized to 8 bit at load: check the answers",
        )
    variants = (FOUR_BIT,) if runtime else (EIGHT_BIT, FOUR_BIT)
    yield Lever(
        flag="checkpoint",
        rank=9,
        was=str(model.name),
        values=[variant.name for variant in variants],
        put=_variant(variants),
        cost=lambda value: f"needs an {value} of the model" if value == EIGHT_BIT.name
        else f"needs a {value} of the model: check the answers",
    )  # fmt: skip


def _variant(variants: Sequence[Variant]) -> Callable[[Trial, int], Trial]:
    def put(trial: Trial, step: int) -> Trial:
        return replace(trial, model=quantized(trial.model, variants[step]))

    return put


def _profiles(device: Device, alternatives: Sequence[Device]) -> Iterator[Lever]:
    larger = sorted(
        (other for other in alternatives if other.memory_bytes > device.memory_bytes),
        key=lambda other: (other.memory_bytes, other.sms or 0),
    )

    def put(trial: Trial, step: int) -> Trial:
        return replace(trial, device=larger[step])

    yield Lever(
        flag="profile",
        rank=12,
        was=device.label,
        values=[other.label for other in larger],
        put=put,
        cost=lambda value: f"takes {value} instead of {device.label}",
    )


def _tensor_parallel(sizing: Sizing) -> Iterator[Lever]:
    """More GPUs for a whole card; one only for a slice, which can have no partner."""
    now = sizing.flags.tensor_parallel
    exclusive = isinstance(sizing.device.share, Exclusive)
    larger = [size for size in _GPUS_PER_NODE if size > now]
    smaller = [size for size in reversed(_GPUS_PER_NODE) if size < now]
    values = [*larger, *smaller] if exclusive else [1] * (now > 1)
    yield Lever(
        flag="tensor-parallel-size",
        rank=20 if exclusive else 1,
        was=now,
        values=values,
        put=_flag("tensor_parallel", values),
        cost=lambda value: f"{value} GPUs instead of {now}",
        rising=False,
    )
