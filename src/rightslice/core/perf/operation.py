"""A server in steady state, in plain numbers: what the loops return before bands are put on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, NamedTuple

from rightslice.core.catalog.estimate import normal_quantile

QUANTILES: Final = (0.5, 0.9, 0.95, 0.99)
"""The percentiles kept of every latency."""


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
    def normal(cls, mean: float, sd: float) -> Spread:
        """Return a latency that varies normally, never below zero."""
        if not sd:
            return cls(mean, mean, mean, mean, mean)
        return cls(mean, *(max(mean + normal_quantile(q) * sd, 0.0) for q in QUANTILES))

    def times(self, factor: float) -> Spread:
        """Return the latency with every figure *factor* times as long."""
        return self if factor == 1 else Spread(*(value * factor for value in self))

    @classmethod
    def ascending(cls, mean: float, quantiles: tuple[float, ...]) -> Spread:
        """Return *quantiles* (p50, p90, p95, p99) with each at least as large as the one before."""
        p50, p90, p95, p99 = quantiles
        p90 = max(p50, p90)
        p95 = max(p90, p95)
        return cls(mean, p50, p90, p95, max(p95, p99))


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
    ttft: Spread, tpot: Spread, output_tokens: tuple[float, tuple[float, ...]]
) -> Spread:
    """Return the latency of whole requests from its two parts and the output lengths.

    *output_tokens* holds the mean and the lengths at each percentile kept. Deviations of the three
    from their means are taken as independent and add as squares; medians add.
    """
    mean_tokens, tokens = output_tokens
    rest = max(mean_tokens - 1, 0.0)
    mean = ttft.mean + rest * tpot.mean
    if not math.isfinite(mean):
        return Spread.never()
    parts = [
        (first - ttft.mean, rest * (per_token - tpot.mean), (length - mean_tokens) * tpot.mean)
        for first, per_token, length in zip(ttft[1:], tpot[1:], tokens, strict=True)
    ]
    median = mean + sum(parts[0])
    upper = (mean + math.hypot(*(max(part, 0.0) for part in three)) for three in parts[1:])
    return Spread.ascending(mean, (median, *upper))
