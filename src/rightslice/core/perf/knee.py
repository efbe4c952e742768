"""Where more concurrency buys little throughput: the knee.

Stated definition: the last batch at which one more sequence still adds a fifth of what the first
one brought to the throughput, whatever the memory holds; the memory's own limit is given apart,
and the smaller of the two binds. (The *last* such batch: a mixture of experts gains little while
each sequence still wakes new experts, and more once all are awake.)
"""

from __future__ import annotations

from typing import Final

from rightslice.core.catalog.traffic import Traffic
from rightslice.core.perf.batching import closed_loop
from rightslice.core.perf.result import Capacity, Knee
from rightslice.core.perf.roofline import Step

_GAIN: Final = 0.2
"""Share of the first sequence's throughput below which a further one is said to buy little."""
_LARGEST: Final = 2**16


def knee_of(step: Step, traffic: Traffic, capacity: Capacity) -> Knee:
    """Return the knee of the latency-throughput curve, or the capacity where that comes first."""
    best = _knee_batch(step, traffic)
    at = min(best, capacity.sequences)
    binding = "latency-throughput knee" if best <= capacity.sequences else capacity.limit
    if at < 1:
        return Knee(
            concurrency=0,
            output_tokens_per_second=0.0,
            tpot_seconds=0.0,
            capacity=capacity,
            binding=binding,
        )
    state = closed_loop(step, traffic, at, at)
    return Knee(
        concurrency=at,
        output_tokens_per_second=state.requests_per_second * traffic.output.mean,
        tpot_seconds=state.tpot.mean,
        capacity=capacity,
        binding=binding,
    )


def _knee_batch(step: Step, traffic: Traffic) -> int:
    enough = _GAIN * _rate(step, traffic, 1)
    low = _LARGEST
    while low > 1 and _gain(step, traffic, low) < enough:
        low //= 2
    high = 2 * low
    while high - low > 1:
        middle = (low + high) // 2
        if _gain(step, traffic, middle) >= enough:
            low = middle
        else:
            high = middle
    return low


def _rate(step: Step, traffic: Traffic, batch: int) -> float:
    return closed_loop(step, traffic, batch, batch).requests_per_second


def _gain(step: Step, traffic: Traffic, batch: int) -> float:
    return _rate(step, traffic, batch + 1) - _rate(step, traffic, batch)
