"""Whether a server starts, and if not: in which phase it dies and what vLLM prints.

Phases in order: configuration, load (weights), profile (activation), cache (KV pool), graphs,
sampler warm-up, runtime. Messages read in ``vllm/v1/worker/utils.py``,
``v1/core/kv_cache_utils.py``, ``v1/worker/gpu_model_runner.py``; V0: ``vllm/worker/worker.py``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import Final

from rightslice.core.catalog.estimate import BAND_CONFIDENCE, Band, normal_quantile
from rightslice.core.sizing.coefficients import release_number
from rightslice.core.sizing.configuration import refused_configuration
from rightslice.core.sizing.kv_cache import KvLayout
from rightslice.core.sizing.result import Fits, Phase, TooBig, Verdict
from rightslice.core.sizing.startup import Startup
from rightslice.units import GIB, format_gib

_MODELS_S_UNTIL: Final = (0, 16)
"""0.8 to 0.15 print "the models's max seq len"."""


@dataclass(frozen=True, slots=True)
class Budget:
    """The terms of one rank, as the verdict needs them."""

    weights: Band
    activation: Band
    sampler_bytes: int
    non_torch: Band
    graphs: Band
    context: Band
    has_unfused_experts: bool
    pool: Band


@dataclass(frozen=True, slots=True)
class _Check:
    """One condition of a start: what must not be negative, and how it fails."""

    phase: Phase
    margin_bytes: int
    spread_bytes: float
    """Half width of the margin's band on its low side; 0 when it is exact."""
    largest_term: str
    reason: Callable[[], str]
    error: Callable[[], str]


def verdict_of(startup: Startup, budget: Budget, layout: KvLayout) -> Verdict:
    """Return the first check that fails at the expected values, or that all hold."""
    refusal = refused_configuration(startup)
    if refusal is not None:
        return refusal
    checks = list(_checks(startup, budget, layout))
    for check in checks:
        if check.margin_bytes < 0:
            return _too_big(check, max(-other.margin_bytes for other in checks))
    return Fits(
        headroom_bytes=max(0, _beyond(startup, budget, high=True)),
        probability=min(_probability(check) for check in checks),
    )


def _too_big(check: _Check, short_by_bytes: int) -> TooBig:
    """The first failing check gives phase and words, the worst one how much is missing."""
    more = ""
    if short_by_bytes > -check.margin_bytes:
        more = f"; to serve one full request {format_gib(short_by_bytes)} are missing"
    return TooBig(
        phase=check.phase,
        short_by_bytes=short_by_bytes,
        largest_term=check.largest_term,
        reason=check.reason() + more,
        error_text=check.error(),
    )


def _probability(check: _Check) -> float:
    if check.spread_bytes == 0:
        return 1.0
    score = check.margin_bytes / check.spread_bytes
    return _tail(round(min(9.0, score), 3))


@lru_cache(maxsize=16384)
def _tail(score: float) -> float:
    """Return the chance of a margin *score* half bands above zero to stay there."""
    return NormalDist().cdf(score * normal_quantile(0.5 + BAND_CONFIDENCE / 2))


def _checks(startup: Startup, budget: Budget, layout: KvLayout) -> Iterator[_Check]:
    if startup.flags.kv_cache_memory_bytes is None:
        yield _free_at_start(startup, budget)
    yield _load(startup, budget)
    yield _profile(startup, budget)
    yield from _cache(startup, budget, layout)
    yield from _after_cache(startup, budget)


def _taken(startup: Startup, *bands: Band) -> tuple[int, float]:
    """Return what the device has left after *bands*, and how uncertain that is."""
    left = startup.device.memory_bytes - startup.neighbours_bytes
    return (
        left - sum(band.expected for band in bands),
        math.hypot(*(band.high - band.expected for band in bands)),
    )


def _free_at_start(startup: Startup, budget: Budget) -> _Check:
    free, spread = _taken(startup, budget.context)
    total, requested = startup.device.memory_bytes, startup.requested_bytes
    ratio = startup.flags.gpu_memory_utilization
    return _Check(
        Phase.LOAD,
        free - requested,
        spread,
        "neighbours" if startup.neighbours_bytes else "gpu-memory-utilization",
        lambda: (
            f"{format_gib(requested)} are asked for, {format_gib(free)} of {format_gib(total)}"
            " are free at the start"
        ),
        lambda: (
            f"ValueError: Free memory on device cuda:0 ({free / GIB:.2f}/{total / GIB:.2f} GiB) on"
            f" startup is less than desired GPU memory utilization ({ratio:g},"
            f" {requested / GIB:.2f} GiB). Decrease GPU memory utilization or reduce GPU memory"
            " used by other processes."
        ),
    )


def _load(startup: Startup, budget: Budget) -> _Check:
    left, spread = _taken(startup, budget.context, budget.weights)
    return _Check(
        Phase.LOAD,
        left,
        spread,
        "weights",
        lambda: (
            f"the weights alone ({format_gib(budget.weights.expected)}) are larger than the"
            f" device's free memory ({format_gib(left + budget.weights.expected)})"
        ),
        lambda: _out_of_memory(startup),
    )


def _profile(startup: Startup, budget: Budget) -> _Check:
    left, spread = _taken(
        startup, budget.context, budget.weights, budget.non_torch, budget.activation
    )
    sampling = budget.sampler_bytes >= budget.activation.expected
    return _Check(
        Phase.PROFILE,
        left,
        spread,
        "weights" if budget.weights.expected > budget.activation.expected else "activation",
        lambda: (
            f"weights ({format_gib(budget.weights.expected)}) and the profile run"
            f" ({format_gib(budget.activation.expected)}) need {format_gib(-left)} too much"
        ),
        lambda: _warm_up_error(startup) if sampling else _out_of_memory(startup),
    )


def _cache(startup: Startup, budget: Budget, layout: KvLayout) -> Iterator[_Check]:
    pool, length = budget.pool, startup.flags.max_model_len
    spread = pool.expected - pool.low
    largest = "weights" if budget.weights.expected >= budget.activation.expected else "activation"
    yield _Check(
        Phase.CACHE,
        pool.expected - 1,
        spread,
        largest,
        lambda: (
            f"nothing is left for the KV cache: {format_gib(pool.expected)} of the"
            f" {format_gib(startup.requested_bytes)} that"
            f" gpu-memory-utilization {startup.flags.gpu_memory_utilization:g} grants"
        ),
        lambda: (
            "ValueError: No available memory for the cache blocks. Try increasing"
            " `gpu_memory_utilization` when initializing the engine."
        ),
    )
    needed = layout.needed(length)
    yield _Check(
        Phase.CACHE,
        pool.expected - needed,
        spread,
        "kv cache",
        lambda: (
            f"one request of {length} tokens needs {format_gib(needed)} of KV cache,"
            f" {format_gib(pool.expected)} are left"
        ),
        lambda: _too_long_error(startup, pool.expected, layout),
    )


def _after_cache(startup: Startup, budget: Budget) -> Iterator[_Check]:
    pool = Band.exact(budget.pool.expected)
    left, spread = _taken(
        startup, budget.context, budget.weights, budget.non_torch, budget.graphs, pool
    )
    if startup.flags.kv_cache_memory_bytes is None:
        # Within the budget the pool gives way: what remains uncertain lies beyond it.
        spread = math.hypot(
            budget.context.high - budget.context.expected,
            0 if startup.engine.graphs_in_budget else budget.graphs.high - budget.graphs.expected,
        )
    yield _Check(
        Phase.GRAPHS,
        left,
        spread,
        "cuda graphs",
        lambda: f"after the KV cache {format_gib(-left)} are missing for CUDA graphs",
        lambda: _out_of_memory(startup),
    )
    warm_up = startup.coefficients.warm_up
    ratio = warm_up.unfused_ratio if budget.has_unfused_experts else warm_up.fused_ratio
    sampler = round(budget.sampler_bytes * ratio)
    yield _Check(
        Phase.WARM_UP,
        left - sampler,
        spread,
        "activation",
        lambda: (
            f"sampling for {startup.sampling_rows} rows needs {format_gib(sampler)} after CUDA"
            f" graphs are captured, {format_gib(left)} are left"
        ),
        lambda: _warm_up_error(startup),
    )
    peak = budget.activation.expected
    yield _Check(
        Phase.RUNTIME,
        left - peak,
        spread,
        "activation",
        lambda: f"a full step needs {format_gib(peak)}, {format_gib(left)} are left",
        lambda: _out_of_memory(startup),
    )


def _beyond(startup: Startup, budget: Budget, *, high: bool) -> int:
    """Device memory beyond every claim, the activation peak's included."""
    bands = [budget.context, budget.weights, budget.non_torch, budget.activation, budget.graphs]
    counted = [budget.context] + ([] if startup.engine.graphs_in_budget else [budget.graphs])
    left = startup.device.memory_bytes - startup.neighbours_bytes
    if startup.flags.kv_cache_memory_bytes is not None:
        return (
            left
            - sum(band.high if high else band.expected for band in bands)
            - (budget.pool.expected)
        )
    return (
        left
        - startup.requested_bytes
        - sum(band.high if high else band.expected for band in counted)
    )


def _out_of_memory(startup: Startup) -> str:
    total = startup.device.memory_bytes / GIB
    return (
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate ... GPU 0 has a total"
        f" capacity of {total:.2f} GiB"
    )


def _warm_up_error(startup: Startup) -> str:
    return (
        "RuntimeError: CUDA out of memory occurred when warming up sampler with"
        f" {startup.sampling_rows} dummy requests. Please try lowering `max_num_seqs` or"
        " `gpu_memory_utilization` when initializing the engine."
    )


def _too_long_error(startup: Startup, pool: int, layout: KvLayout) -> str:
    length = startup.flags.max_model_len
    if startup.engine.generation == "V0":
        tokens = layout.blocks(pool) * startup.flags.block_size
        return (
            f"ValueError: The model's max seq len ({length}) is larger than the maximum number of"
            f" tokens that can be stored in KV cache ({tokens}). Try increasing"
            " `gpu_memory_utilization` or decreasing `max_model_len` when initializing the engine."
        )
    old = release_number(startup.engine.version) < _MODELS_S_UNTIL
    estimated = longest_request(layout, pool, length)
    hint = (
        f"Based on the available memory, the estimated maximum model length is {estimated}. "
        if estimated > 0
        else ""
    )
    return (
        f"ValueError: To serve at least one request with the {'models' if old else 'model'}'s max"
        f" seq len ({length}), ({layout.needed(length) / GIB:.2f} GiB KV cache is needed, which"
        f" is larger than the available KV cache memory ({pool / GIB:.2f} GiB). {hint}Try"
        " increasing `gpu_memory_utilization` or decreasing `max_model_len` when initializing the"
        " engine."
    )


def longest_request(layout: KvLayout, pool_bytes: int, limit: int) -> int:
    """Return the longest context, up to *limit*, of which one request fits *pool_bytes*.

    A binary search, as vLLM's own ``estimate_max_model_len``; 0 when not even one token fits.
    """
    if layout.needed(1) > pool_bytes:
        return 0
    low, high = 1, limit
    while low < high:
        middle = (low + high + 1) // 2
        if layout.needed(middle) <= pool_bytes:
            low = middle
        else:
            high = middle - 1
    return low
