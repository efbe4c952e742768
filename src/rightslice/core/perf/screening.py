"""Measured points against physics: what no server can do was not measured as stated.

Two limits: a step cannot read its weights and caches faster than the memory's stated bandwidth,
and no more sequences run at once than the KV pool holds (the others queue, and the figures are
those of waves). Public tables have rows of both kinds: 12 and 128 of 3,533.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from rightslice.core.catalog.device import SWITCHING_RATIO
from rightslice.core.catalog.share import MpsShare, Share, TimeSlice
from rightslice.core.perf.capacity import capacity_of
from rightslice.core.perf.observation import Observation, step_for, tpot_factors
from rightslice.core.perf.result import PerfConstants
from rightslice.core.sizing.result import Sizing
from rightslice.units import format_duration

_TOLERANCE: Final = 0.97
"""Clocks and published bandwidths are exact to a few percent."""


def _neighbourhood(share: Share) -> float:
    """Return how many times as fast as its part a share may run: all of it, beside idle ones."""
    match share:
        case TimeSlice(replicas=replicas):
            return replicas * SWITCHING_RATIO
        case MpsShare(replicas=replicas):
            return float(replicas)
        case _:
            return 1.0


def refusal(point: Observation, sizing: Sizing, constants: PerfConstants) -> str | None:
    """Return why *point* cannot have been measured as stated on the sized server, or None."""
    n = point.sequences
    places = capacity_of(sizing, point.traffic)
    if n > places.sequences:
        return (
            f"{n:,.0f} at once do not run together: {places.limit} holds {places.sequences:,}"
            " sequences of this length, so the figures are those of waves"
        )
    ideal = replace(constants, weight_ratio=1.0, kv_ratio=1.0)
    step = step_for(point, ideal)
    reading = step.weights + step.memory_per_sequence * n
    reading += sum(size * (1.0 - untouched**n) for size, untouched in step.experts)
    least = tpot_factors(point, step)[0] * reading / _neighbourhood(point.device.share)
    if point.tpot_seconds is not None and point.tpot_seconds < _TOLERANCE * least:
        return (
            f"TPOT {format_duration(point.tpot_seconds)} is faster than the memory bandwidth of"
            f" {point.device.label} allows: reading weights and caches alone takes"
            f" {format_duration(least)}"
        )
    return None
