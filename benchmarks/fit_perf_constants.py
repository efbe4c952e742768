"""Fit the constants of every engine era and print (or write) data/perf.toml.

    .venv/bin/python benchmarks/fit_perf_constants.py --data measurements.csv [--write FILE]

Rows on MIG slices are never fitted: they test the scaling rule. Spreads are those of rows left out
with their whole (model, board) pair: their 90 % band holds nine rows of ten.
"""

from __future__ import annotations

import argparse
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

import numpy as np

from rightslice.core.catalog.share import MigSlice
from rightslice.core.perf.fitting import fit_tpot, fit_without
from rightslice.core.perf.observation import Observation, tpot_as_measured, ttft_as_measured
from rightslice.core.perf.result import PerfConstants
from rightslice.edge.perf_points import read_points

PRIOR: Final = PerfConstants(
    era="",
    overhead_seconds_per_layer=64e-6,
    eager_factor=2.0,
    weight_ratio=1.05,
    kv_ratio=1.02,
    compute_ratio=0.86,
    prefill_ratio=1.79,
    all_reduce_seconds=1.3e-6,
    all_reduce_pcie_seconds=60e-6,
    host_seconds_per_sequence=3e-6,
    ttft_seconds=0.010,
    ttft_seconds_per_layer=0.0,
    log_sd_tpot=0.2,
    log_sd_ttft=0.5,
    log_sd_slice=0.10,
    log_sd_shared=0.30,
    log_sd_new_gpu=0.10,
    fitted_gpus=(),
    source="",
)
"""Dense rows of recent engines (aiconfigurator's silicon sample); all-reduce 5 to 15 us and more on
older engines; eager launches up to twice the overhead. Slices: error of constants carried between
boards of one host, 4 to 10 %. Shares under MPS and time-slicing: judgement, one public test."""
OLDER: Final = {"overhead_seconds_per_layer": 114e-6, "all_reduce_seconds": 15e-6}
_Z90: Final = 1.645
_FEW: Final = 8
"""Clients up to which the wait behind prompts hardly counts: they fix the constant of TTFT."""
TTFT_GRID: Final = tuple(
    (start / 1e3, layer / 1e6) for start in (2, 5, 10, 15, 20, 30) for layer in range(0, 1600, 100)
)
"""Constant part of TTFT, and part a layer, in seconds."""
HEADER: Final = """\
# Constants of the step-time model, one table an engine era: fitted ratios to the catalogue's
# bandwidth and FLOP/s, so a changed catalogue figure means a refit. Written by
# benchmarks/fit_perf_constants.py; sources and licences of the rows: benchmarks/data/README.md.
# Plain years are vLLM (2024: 0.6 and 0.7; 2025: 0.8 and newer). Other engines serve as peers in
# benchmarks/perf_accuracy.py only.
"""


def prior_of(era: str) -> PerfConstants:
    """Return where the fit of *era* starts."""
    older = {} if era.endswith("2025") else OLDER
    return replace(PRIOR, era=era, **older)  # type: ignore[arg-type]  # floats, both of them


def spread(errors: Sequence[float]) -> float:
    """Return the log-scale sd whose 90 % band holds 90 % of *errors*."""
    return float(np.quantile(np.abs(errors), 0.9)) / _Z90


def left_out_errors(
    points: Sequence[Observation],
    prior: PerfConstants,
    key: Callable[[Observation], Hashable],
) -> list[float]:
    """Return log(predicted / measured) TPOT of every point, its key left out of the fit."""
    keys = [key(point) for point in points]
    fitted = fit_without(points, prior, keys)
    return [
        math.log(tpot_as_measured(point, fitted[name]) / (point.tpot_seconds or math.nan))
        for point, name in zip(points, keys, strict=True)
    ]


def fit_era(era: str, points: Sequence[Observation]) -> PerfConstants:
    """Return the constants of one era with their spreads."""
    prior = prior_of(era)
    decoded = [point for point in points if point.tpot_seconds is not None]
    constants = fit_tpot(decoded, prior)
    by_pair = spread(left_out_errors(decoded, prior, lambda point: point.pair))
    by_gpu = spread(left_out_errors(decoded, prior, lambda point: point.pair[1]))
    first = [point for point in points if point.ttft_seconds is not None]
    (start, per_layer), ttft_sd = _fit_ttft(first, constants)
    return replace(
        constants,
        ttft_seconds=start,
        ttft_seconds_per_layer=per_layer,
        log_sd_tpot=by_pair,
        log_sd_ttft=max(ttft_sd, by_pair),
        log_sd_new_gpu=max(math.sqrt(max(by_gpu**2 - by_pair**2, 0.0)), 0.05),
        fitted_gpus=tuple(sorted({point.pair[1] for point in points})),
        source=_source(points),
    )


def _fit_ttft(
    points: Sequence[Observation], constants: PerfConstants
) -> tuple[tuple[float, float], float]:
    """Return the constant parts of TTFT with the least median error, and the spread then left."""
    if not points:
        return (constants.ttft_seconds, 0.0), constants.log_sd_ttft
    few = [point for point in points if point.sequences <= _FEW] or points

    def errors(start: tuple[float, float], chosen: Sequence[Observation]) -> list[float]:
        trial = replace(constants, ttft_seconds=start[0], ttft_seconds_per_layer=start[1])
        return [
            math.log(ttft_as_measured(point, trial) / (point.ttft_seconds or math.nan))
            for point in chosen
        ]

    best = min(TTFT_GRID, key=lambda start: float(np.median(np.abs(errors(start, few)))))
    return best, spread(errors(best, points))


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
