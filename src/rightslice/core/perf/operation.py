"""A server in steady state, in plain numbers: what the loops return before bands are put on.

Every number may be an array of one number a server and load (`arithmetic`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

from rightslice.core.catalog.estimate import normal_quantile
from rightslice.core.perf.arithmetic import SCALAR, Arithmetic

QUANTILES: Final = (0.5, 0.9, 0.95, 0.99)
"""The percentiles kept of every latency."""
NORMAL: Final = tuple(normal_quantile(q) for q in QUANTILES)
"""The same of a standard normal."""


class Spread(NamedTuple):
    """A latency's mean and percentiles over requests, in seconds."""

    mean: float
    p50: float
    p90: float
    p95: float
    p99: float

    @classmethod
    def never(cls) -> Spread:
        """Return the latency of a request that is never served."""
        return cls(math.inf, math.inf, math.inf, math.inf, math.inf)

    @classmethod
    def normal(cls, mean: float, sd: float, arithmetic: Arithmetic = SCALAR) -> Spread:
        """Return a latency that varies normally, never below zero."""
        larger = arithmetic.larger
        return cls(mean, *[larger(mean + z * sd, 0.0) for z in NORMAL])

    def times(self, factor: float) -> Spread:
        """Return the latency with every figure *factor* times as long."""
        return Spread(*[value * factor for value in self])

    @classmethod
    def ascending(
        cls, mean: float, quantiles: tuple[float, ...], arithmetic: Arithmetic = SCALAR
    ) -> Spread:
        """Return *quantiles* (p50, p90, p95, p99) with each at least as large as the one before."""
        p50, p90, p95, p99 = quantiles
        p90 = arithmetic.larger(p50, p90)
        p95 = arithmetic.larger(p90, p95)
        return cls(mean, p50, p90, p95, arithmetic.larger(p95, p99))

    def at(self, percentile: float | None, arithmetic: Arithmetic = SCALAR) -> float:
        """Return the mean (None) or the given percentile, log-interpolated between those kept."""
        if percentile is None:
            return self.mean
        below, above, share = between(percentile)
        low, high = self[1 + below], self[1 + above]
        if not share:
            return low
        positive = arithmetic.where(low > 0, low, 1.0)
        return arithmetic.where(low > 0, positive * (high / positive) ** share, high)


@lru_cache(maxsize=64)
def between(percentile: float) -> tuple[int, int, float]:
    """Return the indices in `QUANTILES` around *percentile*, and how far it is from the first.

    >>> between(0.95), between(0.7)[:2]
    ((2, 2, 0.0), (0, 1))
    """
    below = max((i for i, q in enumerate(QUANTILES) if q <= percentile), default=0)
    last = len(QUANTILES) - 1
    above = min((i for i, q in enumerate(QUANTILES) if q >= percentile), default=last)
    if below >= above:
        return above, above, 0.0
    low, high = QUANTILES[below], QUANTILES[above]
    return below, above, (percentile - low) / (high - low)


@dataclass(frozen=True, kw_only=True, slots=True)
class Operation:
    """One server under one load, in steady state."""

    running: float
    waiting: float
    tpot: Spread
    ttft: Spread
    requests_per_second: float
    utilization: float
    prefill_per_token: float
    """Part of the mean TPOT that goes to prompts of other requests."""

    @classmethod
    def unserved(cls, *, waiting: float, utilization: float) -> Operation:
        """Return the state of a server that cannot serve its load."""
        return cls(
            running=0.0,
            waiting=waiting,
            tpot=Spread.never(),
            ttft=Spread.never(),
            requests_per_second=0.0,
            utilization=utilization,
            prefill_per_token=0.0,
        )


def end_to_end(
    ttft: Spread,
    tpot: Spread,
    output_tokens: tuple[float, tuple[float, ...]],
    arithmetic: Arithmetic = SCALAR,
) -> Spread:
    """Return the latency of whole requests from its two parts and the output lengths.

    *output_tokens* holds the mean and the lengths at each percentile kept. Deviations of the three
    from their means are taken as independent and add as squares; medians add. Both latencies are
    finite.
    """
    mean_tokens, tokens = output_tokens
    larger, hypot = arithmetic.larger, arithmetic.hypot
    rest = larger(mean_tokens - 1, 0.0)
    mean = ttft.mean + rest * tpot.mean
    values = []
    for q, first, per_token, length in zip(QUANTILES, ttft[1:], tpot[1:], tokens, strict=True):
        a, b, c = (
            first - ttft.mean,
            rest * (per_token - tpot.mean),
            (length - mean_tokens) * tpot.mean,
        )
        if q == QUANTILES[0]:
            values.append(mean + (a + b + c))
        else:
            values.append(mean + hypot(hypot(larger(a, 0.0), larger(b, 0.0)), larger(c, 0.0)))
    return Spread.ascending(mean, tuple(values), arithmetic)
