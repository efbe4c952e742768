"""The frontier: what less latency costs, over every way that a load can be served.

A point is an offer that carries the load, whether or not it meets the targets: its price against
the upper end, at the confidence asked for, of the latency that the target names (TPOT when both
are named). The frontier is the points that no other one beats: dearer only where faster. Replicas
beyond those that hold the load are not tried.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby
from operator import attrgetter

from rightslice.core.catalog.estimate import Estimate
from rightslice.core.catalog.traffic import Slo


@dataclass(frozen=True, kw_only=True)
class FrontierPoint:
    """One offer that carries the load, with its price and its latency there."""

    offer: str
    replicas: int
    usd_per_hour: Fraction
    """All replicas together."""
    latency: Estimate
    upper_seconds: float
    """The latency's upper end at the confidence asked for: what is held against the target."""
    holds: bool
    """Whether every target is met, not only this latency's."""


@dataclass(frozen=True, kw_only=True)
class Frontier:
    """The offers that none beats in both price and latency, cheapest and slowest first."""

    latency: str
    """``TPOT`` or ``TTFT``."""
    percentile: float | None
    """None: the mean."""
    target_seconds: float
    points: tuple[FrontierPoint, ...]


def target_of(slo: Slo) -> tuple[str, float | None, float]:
    """Return the latency that a frontier is drawn over: its name, percentile and target."""
    if slo.tpot_seconds is not None:
        return "TPOT", slo.tpot_percentile, slo.tpot_seconds
    assert slo.ttft_seconds is not None, "a target names one latency at least"
    return "TTFT", slo.ttft_percentile, slo.ttft_seconds


def unbeaten(points: Iterable[FrontierPoint]) -> tuple[FrontierPoint, ...]:
    """Return the points that no other is both as cheap and as fast as, cheapest first."""
    kept: list[FrontierPoint] = []
    for _, equal in groupby(sorted(points, key=_order), key=attrgetter("usd_per_hour")):
        best = next(equal)
        if not kept or best.upper_seconds < kept[-1].upper_seconds:
            kept.append(best)
    return tuple(kept)


def _order(point: FrontierPoint) -> tuple[Fraction, float, bool, str]:
    return point.usd_per_hour, point.upper_seconds, not point.holds, point.offer


def staircase(points: Sequence[FrontierPoint]) -> tuple[tuple[float, float], ...]:
    """Return the corners of the line of best latencies over dollars an hour."""
    corners: list[tuple[float, float]] = []
    for point in points:
        price = float(point.usd_per_hour)
        if corners:
            corners.append((price, corners[-1][1]))
        corners.append((price, point.upper_seconds))
    return tuple(corners)
