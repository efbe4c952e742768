"""Whether a server starts, and if not: in which phase it dies and what vLLM prints.

Phases in order: configuration, load (weights), profile (activation), cache (KV pool), graphs,
sampler warm-up, runtime. Messages read in ``vllm/v1/worker/utils.py``,
``v1/core/kv_cache_utils.py``, ``v1/worker/gpu_model_runner.py``; V0: ``vllm/worker/worker.py``.
"""

from __future__ import annotations

from typing import Final, assert_never

from rightslice.core.catalog.estimate import Band
from rightslice.core.sizing.budget import PHASES, Budget, Check, headroom, margins, probability
from rightslice.core.sizing.coefficients import release_number
from rightslice.core.sizing.configuration import refused_configuration
from rightslice.core.sizing.kv_cache import KvLayout
from rightslice.core.sizing.result import Fits, TooBig, Verdict
from rightslice.core.sizing.startup import Startup
from rightslice.units import GIB, format_gib

_MODELS_S_UNTIL: Final = (0, 16)
"""0.8 to 0.15 print "the models's max seq len"."""


_Words = tuple[str, str, str]
"""What the largest term is, why the check fails, and what vLLM prints."""


def verdict_of(startup: Startup, budget: Budget[int, Band], layout: KvLayout) -> Verdict:
    """Return the first check that fails at the expected values, or that all hold."""
    refusal = refused_configuration(startup)
    if refusal is not None:
        return refusal
    every = tuple(margins(budget))
    failing = next((margin for margin in every if margin.left_bytes < 0), None)
    if failing is None:
        return Fits(
            headroom_bytes=headroom(budget),
            probability=probability(min(margin.score for margin in every)),
        )
    short_by_bytes = max(-margin.left_bytes for margin in every)
    term, reason, error = _words(failing.check, startup, budget, layout)
    if short_by_bytes > -failing.left_bytes:
        reason += f"; to serve one full request {format_gib(short_by_bytes)} are missing"
    return TooBig(
        phase=PHASES[failing.check],
        short_by_bytes=short_by_bytes,
        largest_term=term,
        reason=reason,
        error_text=error,
    )


def _words(check: Check, startup: Startup, budget: Budget[int, Band], layout: KvLayout) -> _Words:
    match check:
        case Check.FREE:
            return _free_words(startup, budget)
        case Check.WEIGHTS:
            return _weights_words(startup, budget)
        case Check.PROFILE:
            return _profile_words(startup, budget)
        case Check.NO_CACHE | Check.ONE_REQUEST:
            return _cache_words(check, startup, budget, layout)
        case Check.GRAPHS | Check.WARM_UP | Check.FULL_STEP:
            return _after_cache_words(check, startup, budget)
        case _:
            assert_never(check)


def _free_words(startup: Startup, budget: Budget[int, Band]) -> _Words:
    free, total = budget.free_bytes - budget.context.expected, startup.device.memory_bytes
    requested, ratio = budget.requested_bytes, startup.flags.gpu_memory_utilization
    return (
        "neighbours" if startup.neighbours_bytes else "gpu-memory-utilization",
        (
            f"{format_gib(requested)} are asked for, {format_gib(free)} of {format_gib(total)}"
            " are free at the start"
        ),
        (
            f"ValueError: Free memory on device cuda:0 ({free / GIB:.2f}/{total / GIB:.2f} GiB) on"
            f" startup is less than desired GPU memory utilization ({ratio:g},"
            f" {requested / GIB:.2f} GiB). Decrease GPU memory utilization or reduce GPU memory"
            " used by other processes."
        ),
    )


def _weights_words(startup: Startup, budget: Budget[int, Band]) -> _Words:
    free = budget.free_bytes - budget.context.expected
    return (
        "weights",
        (
            f"the weights alone ({format_gib(budget.weights.expected)}) are larger than the"
            f" device's free memory ({format_gib(free)})"
        ),
        _out_of_memory(startup),
    )


def _profile_words(startup: Startup, budget: Budget[int, Band]) -> _Words:
    terms = (budget.context, budget.weights, budget.non_torch, budget.activation)
    missing = sum(term.expected for term in terms) - budget.free_bytes
    weights, peak = budget.weights.expected, budget.activation.expected
    return (
        "weights" if weights > peak else "activation",
        (
            f"weights ({format_gib(weights)}) and the profile run ({format_gib(peak)}) need"
            f" {format_gib(missing)} too much"
        ),
        _warm_up_error(startup) if budget.sampler_bytes >= peak else _out_of_memory(startup),
    )


def _cache_words(
    check: Check, startup: Startup, budget: Budget[int, Band], layout: KvLayout
) -> _Words:
    pool, length = budget.pool.expected, startup.flags.max_model_len
    if check is Check.ONE_REQUEST:
        return (
            "kv cache",
            (
                f"one request of {length} tokens needs {format_gib(budget.needed_bytes)} of KV"
                f" cache, {format_gib(pool)} are left"
            ),
            _too_long_error(startup, pool, layout),
        )
    weighty = budget.weights.expected >= budget.activation.expected
    return (
        "weights" if weighty else "activation",
        (
            f"nothing is left for the KV cache: {format_gib(pool)} of the"
            f" {format_gib(startup.requested_bytes)} that"
            f" gpu-memory-utilization {startup.flags.gpu_memory_utilization:g} grants"
        ),
        (
            "ValueError: No available memory for the cache blocks. Try increasing"
            " `gpu_memory_utilization` when initializing the engine."
        ),
    )


def _after_cache_words(check: Check, startup: Startup, budget: Budget[int, Band]) -> _Words:
    terms = (budget.context, budget.weights, budget.non_torch, budget.graphs, budget.pool)
    left = budget.free_bytes - sum(term.expected for term in terms)
    if check is Check.GRAPHS:
        reason = f"after the KV cache {format_gib(-left)} are missing for CUDA graphs"
        return "cuda graphs", reason, _out_of_memory(startup)
    if check is Check.WARM_UP:
        return (
            "activation",
            (
                f"sampling for {startup.sampling_rows} rows needs"
                f" {format_gib(budget.warm_up_bytes)} after CUDA graphs are captured,"
                f" {format_gib(left)} are left"
            ),
            _warm_up_error(startup),
        )
    peak = budget.activation.expected
    reason = f"a full step needs {format_gib(peak)}, {format_gib(left)} are left"
    return "activation", reason, _out_of_memory(startup)


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
