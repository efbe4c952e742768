"""Decisions on capacity: the largest batch within a TPOT target, predicted and measured.

A curve is all rows of one server and one kind of request at three or more batches. Targets lie at
25, 50 and 75 % of its measured range of TPOT; the true capacity is where the measured points,
joined by straight lines, reach the target. The predicted one is the largest batch whose TPOT stays
within the target with the confidence stated: what `largest_load` answers, with TPOT defined as the
rows define it, read from 80 batches up to 16 times the largest measured one.

Which confidence serves best is chosen without the decision's own (model, board) pair: the least at
which at most one decision in twenty on all other pairs is too large by a tenth. `read_off` takes
the capacity from predictions of the measured batches alone, joined by lines as the measured ones.
"""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from rightslice.core.catalog.estimate import normal_quantile
from rightslice.core.catalog.share import MigSlice
from rightslice.core.perf.arrays import Array
from rightslice.core.perf.observation import Observation, doubt_as_measured, tpot_as_measured
from rightslice.core.perf.result import PerfConstants

Curves = dict[tuple[object, ...], list[Observation]]
SHARES: Final = (0.25, 0.5, 0.75)
CLOSE: Final = 0.1
TRIED: Final = (0.5, 0.52, 0.54, 0.56, 0.58, 0.6, 0.62, 0.64, 0.66, 0.68, 0.7)
"""Confidences among which one is chosen."""
_OVER: Final = 0.05
AIM: Final = 1 - CLOSE / 2
"""Below the expected capacity by half of the tolerance: what is right to 5 % stays close, and what
is up to 15 % too large becomes so."""
_LEAST_RANGE: Final = 1.02
_LEAST_BATCHES: Final = 3
_BEYOND: Final = 16.0
_TRIED_BATCHES: Final = 80


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
    curve: Sequence[Observation], constants: PerfConstants, confidences: Sequence[float]
) -> list[list[float]]:
    """Return predicted over true capacity, less one, by confidence, for every target of *curve*."""
    most = max(row.sequences for row in curve)
    logs = np.linspace(0.0, math.log(_BEYOND * most), _TRIED_BATCHES)
    there = [replace(curve[0], sequences=float(batch)) for batch in np.exp(logs)]
    tpots = np.log([tpot_as_measured(point, constants) for point in there])
    doubts = np.array([doubt_as_measured(point, constants).tpot for point in there])
    found = []
    for confidence in confidences:
        sure = np.maximum.accumulate(tpots + normal_quantile(confidence) * doubts)
        found.append(
            [_within(math.log(target), sure, logs) / truth - 1 for target, truth in _targets(curve)]
        )
    return found


def _within(target: float, tpots: Array, logs: Array) -> float:
    """Return the largest batch whose log TPOT is within *target*; 0 when none is."""
    return math.exp(float(np.interp(target, tpots, logs))) if tpots[0] <= target else 0.0


def read_off(curve: Sequence[Observation], predicted: Mapping[int, float]) -> list[float]:
    """Return the same from the TPOT *predicted* for each row, by row number; 0 below all."""
    batches, tpots = _joined((row.sequences, predicted[row.row]) for row in curve)
    return [
        (float(np.interp(target, tpots, batches)) if target >= tpots[0] else 0.0) / truth - 1
        for target, truth in _targets(curve)
    ]


def chosen_without_pair(
    tried: Mapping[float, Mapping[tuple[str, str], Sequence[float]]],
) -> list[float]:
    """Return the errors at confidences chosen pair by pair on the decisions on all others.

    *tried* holds the errors by confidence and pair.
    """
    found: list[float] = []
    for pair in tried[TRIED[0]]:
        for confidence in TRIED:
            others = [e for own, errors in tried[confidence].items() if own != pair for e in errors]
            if sum(error > CLOSE for error in others) <= _OVER * len(others):
                break
        found += tried[confidence][pair]
    return found


def _targets(curve: Sequence[Observation]) -> list[tuple[float, float]]:
    """Return the TPOT targets of a curve with the batch at which each is reached; none if flat."""
    batches, tpots = _joined((row.sequences, row.tpot_seconds or math.nan) for row in curve)
    if tpots[-1] < _LEAST_RANGE * tpots[0]:
        return []
    targets = [float(tpots[0] + share * (tpots[-1] - tpots[0])) for share in SHARES]
    return [(target, float(np.interp(target, tpots, batches))) for target in targets]


def _joined(rows: Iterable[tuple[float, float]]) -> tuple[list[float], Array]:
    """Return batches in order with their TPOT, never falling."""
    by_batch: dict[float, list[float]] = defaultdict(list)
    for batch, tpot in rows:
        by_batch[batch].append(tpot)
    batches = sorted(by_batch)
    return batches, np.maximum.accumulate([statistics.median(by_batch[b]) for b in batches])


def line(errors: Sequence[float]) -> str:
    """Return how far off decisions are: the median, and the shares close, above and below."""
    count = len(errors)
    close = sum(abs(error) <= CLOSE for error in errors) / count
    over = sum(error > CLOSE for error in errors) / count
    median = statistics.median(abs(error) for error in errors)
    return f"{count:>8}{median:>9.1%}{close:>12.1%}{over:>12.1%}{1 - close - over:>12.1%}"
