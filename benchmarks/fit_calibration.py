"""Fit what calibration takes as known: how far servers, and the model's own error, spread.

    .venv/bin/python benchmarks/fit_calibration.py [--without-each-source] [--rows 12]

Every series (source, engine, model, board) is predicted with constants refitted without its pair.
Its log errors follow a Student process: log slopes times the spread of constants, plus an error
that is alike for alike loads, plus noise (`anchors`). The spreads are those of highest likelihood,
series weighing alike. --without-each-source fits once more without each source and predicts the
source with that (nested cross-validation). `SERVER_SD`, `MISFIT_SD` and `REACH` in the product are
rounded from such a fit on 25 rows of each series drawn by lot; the noise is what two runs alike
differ by.
"""

from __future__ import annotations

import argparse
import math
from collections import defaultdict
from dataclasses import dataclass
from typing import Final

import numpy as np
from perf_accuracy import OTHER_ENGINES, OWN, constants_for, series_of
from scipy.optimize import minimize

from rightslice.core.catalog.share import MigSlice
from rightslice.core.perf.anchors import POINT_NOISE
from rightslice.core.perf.calibrate import log_slopes
from rightslice.core.perf.fitting import NAMES, Array, features_of, tpot_error
from rightslice.core.perf.observation import place_of
from rightslice.edge.perf_points import read_points

DEGREES: Final = 5.0
CONSTANTS: Final = [0.2, 1, 0.08, 0.2, 0.2, 0.5, 0.7, 0.7, 0.7, 0.7]
COUNT: Final = len(CONSTANTS)
START: Final = np.log([*CONSTANTS, 0.1, 0.03, 0.1, 4, 8, 8, 3, 1])
"""Constants in the order of `NAMES`, one scale, noise, misfit, and five reaches."""
FREEDOM: Final = np.array([0.7] * COUNT + [0.5, 0.15, 0.5] + [0.5] * 5)
_PULL: Final = 0.15
_POINTS: Final = 3
_WEIGHT: Final = 5.0


@dataclass(frozen=True)
class Series:
    """Left-out errors of one series."""

    source: str
    slopes: Array
    places: Array
    errors: Array


def series_by_source(rows: int) -> list[Series]:
    """Return up to *rows* rows of every series, spread evenly."""
    found = []
    for table in (OWN, OTHER_ENGINES):
        points = [
            point
            for point in read_points(table)
            if point.tpot_seconds is not None and not isinstance(point.device.share, MigSlice)
        ]
        constants = constants_for(points)
        members = defaultdict(list)
        for point in points:
            members[series_of(point, "group")].append(point)
        for key, all_rows in members.items():
            few = all_rows[:: math.ceil(len(all_rows) / rows)]
            own = constants[few[0].row]
            values = np.array([getattr(own, name) for name in NAMES])
            found.append(
                Series(
                    source=key[0],
                    slopes=log_slopes(features_of(few, own), values),
                    places=np.array([place_of(point).logs for point in few]),
                    errors=np.array([-tpot_error(point, own) for point in few]),
                )
            )
    return found


def unlikely(trial: Array, series: list[Series]) -> float:
    """Return the negative log likelihood of *series*, each weighing alike, and of the trial."""
    values = np.exp(trial)
    total = _PULL * float((((trial - START) / FREEDOM) ** 2).sum())
    for each in series:
        count = len(each.errors)
        whole = covariance_of(each, values)
        lower = np.linalg.cholesky(whole + np.eye(count) * values[COUNT + 1] ** 2)
        whitened = np.linalg.solve(lower, each.errors)
        likely = math.lgamma((DEGREES + count) / 2) - math.lgamma(DEGREES / 2)
        likely -= count / 2 * math.log(DEGREES) + float(np.log(np.diag(lower)).sum())
        likely -= (DEGREES + count) / 2 * math.log1p(float(whitened @ whitened) / DEGREES)
        total -= _WEIGHT * likely / count
    return total


def fitted(series: list[Series]) -> Array:
    """Return the spreads of highest likelihood, as in `START` but not in logs."""
    found = minimize(unlikely, START, args=(series,), method="L-BFGS-B", options={"maxiter": 40})
    spreads: Array = np.exp(found.x)
    return spreads


def covariance_of(each: Series, spreads: Array) -> Array:
    """Return the covariance of a series' log errors, without noise."""
    spread = np.diag(spreads[:COUNT] ** 2) + spreads[COUNT] ** 2
    apart = np.abs(each.places[:, None] - each.places[None]) / spreads[COUNT + 3 :]
    whole: Array = each.slopes @ spread @ each.slopes.T
    whole += spreads[COUNT + 2] ** 2 * np.exp(-apart.sum(-1))
    return whole


def error_after(each: Series, spreads: Array, count: int) -> float:
    """Return the median error of a series' other rows once *count* are measured (linearised)."""
    whole = covariance_of(each, spreads)
    left, chosen = whole.copy(), list[int]()
    for _ in range(count):
        noise = np.diag(left) + POINT_NOISE**2
        gains = np.square(left).sum(axis=0) / noise
        gains[chosen] = -1.0
        best = int(np.argmax(gains))
        chosen.append(best)
        left = left - np.outer(left[:, best], left[best]) / noise[best]
    known = whole[np.ix_(chosen, chosen)] + np.eye(count) * POINT_NOISE**2
    moved = whole[:, chosen] @ np.linalg.solve(known, each.errors[chosen])
    rest = np.setdiff1d(np.arange(len(moved)), chosen)
    return float(np.median(np.abs(np.exp(moved - each.errors)[rest] - 1)))


def nested(series: list[Series], usual: Array) -> None:
    """Print, source by source, the error after three points with spreads fitted without it."""
    for source in sorted({each.source for each in series}):
        without = fitted([each for each in series if each.source != source])
        own = [each for each in series if each.source == source and len(each.errors) > _POINTS]
        print(line(f"- {source}", without))
        medians = [
            float(np.median([error_after(each, spreads, _POINTS) for each in own]))
            for spreads in (without, usual)
        ]
        print(
            f"  median error of its {len(own)} series after {_POINTS} points:"
            f" {medians[0]:.1%}, with the spreads of all {medians[1]:.1%}"
        )


def line(name: str, spreads: Array) -> str:
    """Return one line of the table."""
    return f"{name:<28}" + "".join(f"{value:>8.3g}" for value in spreads)


def main() -> None:
    """Print the spreads fitted on all, and without each source."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--rows", type=int, default=12)
    parser.add_argument("--without-each-source", action="store_true")
    arguments = parser.parse_args()
    series = series_by_source(arguments.rows)
    heads = "layer host weights kv compute prefill reduce context launch ring"
    heads += " scale noise misfit batch in out tp bytes"
    print(f"{'':<28}" + "".join(f"{head:>8}" for head in heads.split()))
    usual = fitted(series)
    print(line(f"{len(series)} series", usual))
    if arguments.without_each_source:
        nested(series, usual)


if __name__ == "__main__":
    main()
