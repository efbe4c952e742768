"""What a token waits for: the parts of the mean time per output token, and the largest of them."""

from __future__ import annotations

import math
from operator import itemgetter
from typing import Final

from rightslice.core.perf.result import Bound, StepTerm
from rightslice.core.perf.roofline import Step

_FORMULAS: Final = {
    "weights": "weight bytes a step / bandwidth, times a fitted ratio",
    "kv cache": "context bytes of all sequences / bandwidth, times a fitted ratio",
    "compute": "operations of all sequences / peak FLOP/s, times a fitted ratio",
    "prefill of other requests": "prompts that others start while one token is made",
    "overhead": "fitted seconds a layer and a sequence; the same on a slice",
    "all-reduce": "two a layer: fitted latency + bytes / link",
}


def terms_of(
    step: Step, sequences: float, *, prefill_per_token: float, tpot_seconds: float
) -> tuple[StepTerm, ...]:
    """Return the parts of *tpot_seconds*, the mean at a mean batch of *sequences*; they sum to it.

    The soft corner makes memory and compute take less than their sum: its square is divided
    between them in proportion to their squares, memory's part by bytes. What a varying batch adds
    falls on all parts but the prompts.
    """
    n = step.a_stage(sequences)
    experts = sum(size * (1.0 - untouched**n) for size, untouched in step.experts)
    weights = step.weights + experts
    cache = step.memory_per_sequence * n
    compute = step.compute_per_sequence * n
    memory = weights + cache
    corner = math.hypot(memory, compute)
    parts = (
        memory * weights / corner,
        memory * cache / corner,
        compute * compute / corner,
        step.overhead + step.host_per_sequence * n,
        step.all_reduce + step.all_reduce_per_sequence * n,
    )
    factor = (tpot_seconds - prefill_per_token) / sum(parts)
    streamed, cached, computed, host, reduced = [part * factor for part in parts]
    seconds = (streamed, cached, computed, prefill_per_token, host, reduced)
    return tuple(
        [
            StepTerm(name=name, seconds=value, formula=formula)
            for (name, formula), value in zip(_FORMULAS.items(), seconds, strict=True)
        ]
    )


def bound_of(terms: tuple[StepTerm, ...]) -> Bound:
    """Return what most of the time per output token waits for."""
    weights, cache, compute, prompts, overhead, reduces = [term.seconds for term in terms]
    sums = (
        (weights + cache, Bound.MEMORY_BANDWIDTH),
        (compute, Bound.COMPUTE),
        (prompts, Bound.PREFILL),
        (overhead, Bound.OVERHEAD),
        (reduces, Bound.ALL_REDUCE),
    )
    return max(sums, key=itemgetter(0))[1]
