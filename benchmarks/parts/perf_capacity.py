"""Decisions on capacity: the largest batch within a TPOT target, predicted and measured.

A curve is all rows of one server and one kind of request at three or more batches. Targets lie at
25, 50 and 75 % of its measured range of TPOT; the true capacity is where the measured points,
joined by straight lines, reach the target. The predicted one is the largest batch whose TPOT stays
within the target with the confidence stated: what `largest_load` answers, with TPOT defined as the
rows define it.
"""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from rightslice.core.catalog.estimate import normal_quantile
from rightslice.core.catalog.share import MigSlice
from rightslice.core.perf.observation import Observation, doubt_as_measured, tpot_as_measured
from rightslice.core.perf.result import PerfConstants

Curves = dict[tuple[object, ...], list[Observation]]
SHARES: Final = (0.25, 0.5, 0.75)
CLOSE: Final = 0.1
_LEAST_RANGE: Final = 1.02
_LEAST_BATCHES: Final = 3
_BEYOND: Final = 16.0
_HALVINGS: Final = 14


def curves_of(
    points: Sequence[Observation], series: Callable[[Observation], tuple[str, ...]]
) -> Curves:
    """Return the rows of whole cards that differ in the batch alone, by curve."""
    found: Curves = defaultdict(list)
    for point in points:
        if point.tpot_seconds is not None and not isinstance(point.device.share, MigSlice):
            lengths = (point.traffic.input.mean, point.traffic.output.mean)
            kind = (point.tpot_kind, point.served.kv_bytes_per_value, point.chunk_tokens)
            found[*series(point), *lengths, *kind].append(point)
    return {
        key: rows
        for key, rows in found.items()
        if len({row.sequences for row in rows}) >= _LEAST_BATCHES
    }


def decisions(
    curve: Sequence[Observation], constants: PerfConstants, confidence: float
) -> list[float]:
    """Return predicted over true capacity, less one, for every target of *curve*."""
    by_batch: Mapping[float, list[float]] = defaultdict(list)
    for row in curve:
        by_batch[row.sequences].append(row.tpot_seconds or math.nan)
    batches = sorted(by_batch)
    tpots = np.maximum.accumulate([statistics.median(by_batch[batch]) for batch in batches])
    if tpots[-1] < _LEAST_RANGE * tpots[0]:
        return []
    found = []
    for share in SHARES:
        target = float(tpots[0] + share * (tpots[-1] - tpots[0]))
        truth = float(np.interp(target, tpots, batches))
        found.append(_largest(curve[0], target, constants, confidence, batches[-1]) / truth - 1)
    return found


def _largest(
    point: Observation, target: float, constants: PerfConstants, confidence: float, most: float
) -> float:
    z = normal_quantile(confidence)

    def is_held(batch: float) -> bool:
        there = replace(point, sequences=batch)
        doubt = doubt_as_measured(there, constants).tpot if z else 0.0
        return tpot_as_measured(there, constants) * math.exp(z * doubt) <= target

    if not is_held(1.0):
        return 0.0
    low, high = 1.0, _BEYOND * most
    for _ in range(_HALVINGS):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if is_held(middle) else (low, middle)
    return low


def line(errors: Sequence[float]) -> str:
    """Return how far off decisions are: the median, and the shares close, above and below."""
    count = len(errors)
    close = sum(abs(error) <= CLOSE for error in errors) / count
    over = sum(error > CLOSE for error in errors) / count
    median = statistics.median(abs(error) for error in errors)
    return f"{count:>8}{median:>9.1%}{close:>12.1%}{over:>12.1%}{1 - close - over:>12.1%}"
