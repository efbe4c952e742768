"""Fit the constants of every engine era and print (or write) data/perf.toml.

    .venv/bin/python benchmarks/fit_perf_constants.py --data measurements.csv [--write FILE]

Rows on MIG slices are never fitted: they test the scaling rule. Spreads are those of rows left out
with their whole (model, board) pair: their 90 % band holds nine rows of ten.
"""

from __future__ import annotations

import argparse
import math
from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

import numpy as np

from rightslice.core.catalog.share import MigSlice
from rightslice.core.perf.fitting import fit, fit_without, prior_of, tpot_error, ttft_error
from rightslice.core.perf.observation import Observation
from rightslice.core.perf.result import PerfConstants
from rightslice.edge.perf_points import read_points

_Z90: Final = 1.645
HEADER: Final = """\
# Constants of the step-time model, one table an engine era: fitted ratios to the catalogue's
# bandwidth and FLOP/s, so a changed catalogue figure means a refit. Written by
# benchmarks/fit_perf_constants.py; sources and licences: benchmarks/data/PERF_POINTS.md.
# Plain years are vLLM (2024: 0.6 and 0.7; 2025: 0.8 and newer). Other engines serve as peers in
# benchmarks/perf_accuracy.py only.
"""


def spread(errors: Sequence[float]) -> float:
    """Return the log-scale sd whose 90 % band holds 90 % of *errors*."""
    return float(np.quantile(np.abs(errors), 0.9)) / _Z90


def fit_era(era: str, points: Sequence[Observation]) -> PerfConstants:
    """Return the constants of one era with their spreads, those of left-out rows."""
    prior = prior_of(era)
    by_pair = _left_out(points, prior, [point.pair for point in points])
    by_gpu = _left_out(points, prior, [point.pair[1] for point in points])
    same, other = (spread(tpot_errors(errors)) for errors in (by_pair, by_gpu))
    first = [
        ttft_error(point, constants)
        for point, constants in by_pair
        if point.ttft_seconds is not None
    ]
    return replace(
        fit(points, prior),
        log_sd_tpot=same,
        log_sd_ttft=max(spread(first), same) if first else prior.log_sd_ttft,
        log_sd_new_gpu=max(math.sqrt(max(other**2 - same**2, 0.0)), 0.05),
        fitted_gpus=tuple(sorted({point.pair[1] for point in points})),
        source=_source(points),
    )


LeftOut = list[tuple[Observation, PerfConstants]]


def _left_out(
    points: Sequence[Observation], prior: PerfConstants, keys: Sequence[Hashable]
) -> LeftOut:
    """Return every point with constants fitted without its key."""
    fitted = fit_without(points, prior, keys)
    return [(point, fitted[key]) for point, key in zip(points, keys, strict=True)]


def tpot_errors(left_out: LeftOut) -> list[float]:
    """Return log(predicted / measured) of the points that have a TPOT."""
    return [tpot_error(point, k) for point, k in left_out if point.tpot_seconds is not None]


def _source(points: Sequence[Observation]) -> str:
    counts = Counter(point.source for point in points)
    rows = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
    pairs = len({point.pair for point in points})
    return f"{sum(counts.values())} rows of {pairs} (model, board) pairs: {rows}"


def _toml(constants: PerfConstants) -> str:
    lines = ["", "[[era]]"]
    for name, value in asdict(constants).items():
        if isinstance(value, float):
            lines.append(
                f"{name} = {value:.3g}" if "e" not in f"{value:.3g}" else f"{name} = {value:.2e}"
            )
        elif isinstance(value, tuple):
            lines.append(f"{name} = [" + ", ".join(f'"{item}"' for item in value) + "]")
        else:
            lines.append(f'{name} = "{value}"')
    return "\n".join(lines)


def main() -> None:
    """Fit, print, and write when asked to."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()
    by_era: dict[str, list[Observation]] = defaultdict(list)
    for point in read_points(arguments.data):
        if not isinstance(point.device.share, MigSlice):
            by_era[point.era].append(point)
    tables = [_toml(fit_era(era, points)) for era, points in sorted(by_era.items())]
    text = HEADER + "\n".join(tables) + "\n"
    print(text)
    if arguments.write is not None:
        arguments.write.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
