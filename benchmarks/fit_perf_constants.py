"""Fit the constants of every engine era and print (or write) data/perf.toml.

    .venv/bin/python benchmarks/fit_perf_constants.py [--data CSV...] [--write FILE]

Rows on MIG slices are never fitted: they test the scaling rule. Rows marked `set_aside` are not
fitted either, but count in the spread. Spreads are those of rows left out with their whole (model,
board) pair; a TPOT's is s0 + s_host * (host's share of it), as squares, the narrowest in the mean
whose 90 % band holds 88 % of the rows: single series on disturbed hosts do not set the width.
"""

from __future__ import annotations

import argparse
import math
from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

import numpy as np

from rightslice.core.catalog.device import Device, device_of
from rightslice.core.catalog.share import Exclusive, MigSlice, Share
from rightslice.core.perf.bands import dominates
from rightslice.core.perf.fitting import fit, fit_without, prior_of, tpot_error, ttft_error
from rightslice.core.perf.observation import Observation, host_share_of
from rightslice.core.perf.result import PerfConstants
from rightslice.edge.catalog_files import Catalog
from rightslice.edge.perf_points import read_points

_Z90: Final = 1.645
HELD: Final = 0.88
"""Share of left-out rows that a 90 % band is made to hold."""
_UNMEASURED_SD: Final = 0.1
"""Least further doubt about a board without rows: that about a slice."""
_LEAST_SD: Final = 0.05
_USUAL_TTFT_SD: Final = 0.35
_HANDFUL: Final = 5
_HOST_SDS: Final = tuple(step / 20 for step in range(13))
_TELLING_SHARE: Final = 0.1
_DATA: Final = Path(__file__).parent / "data"
TABLES: Final = (_DATA / "perf_points.csv", _DATA / "perf_points_other_engines.csv")
HEADER: Final = """\
# Constants of the step-time model, one table an engine era: fitted ratios to the catalogue's
# bandwidth and FLOP/s, so a changed catalogue figure means a refit. Written by
# benchmarks/fit_perf_constants.py; sources and licences: benchmarks/data/PERF_POINTS.md.
# fitted_gpus: boards with rows, and devices with at least as much of everything as one of them.
# Plain years are vLLM (2024: 0.6 and 0.7; 2025: 0.8 to 0.11; 2026: 0.12 and newer). Other engines
# serve as peers in benchmarks/perf_accuracy.py only.
"""


def spread(errors: Sequence[float]) -> float:
    """Return the log-scale sd whose 90 % band holds the stated share of *errors*."""
    return float(np.quantile(np.abs(errors), HELD)) / _Z90


def spread_by_host(left_out: LeftOut, usual: float) -> tuple[float, float]:
    """Return the sd apart from the host's part of TPOT, and that of the host's part.

    *usual* stands for the second where rows cannot tell: the host's part is small in all of them.
    """
    decoded = [(point, k) for point, k in left_out if point.tpot_seconds is not None]
    errors = np.abs([tpot_error(point, k) for point, k in decoded])
    shares = np.array([host_share_of(point, k) for point, k in decoded])
    tried = _HOST_SDS if np.median(shares) > _TELLING_SHARE else (usual,)
    found = []
    for host in tried:
        needed = (errors / _Z90) ** 2 - (host * shares) ** 2
        plain = max(math.sqrt(max(float(np.quantile(needed, HELD)), 0.0)), _LEAST_SD)
        found.append((float(np.mean(np.hypot(plain, host * shares))), plain, host))
    _, plain, host = min(found)
    return plain, host


def _drawn(found: float, rows: int) -> float:
    """Return the spread of few rows, drawn towards a usual one: rows count against a handful."""
    usual = _USUAL_TTFT_SD**2
    return math.sqrt((rows * found**2 + _HANDFUL * usual) / (rows + _HANDFUL))


def fit_era(era: str, points: Sequence[Observation]) -> PerfConstants:
    """Return the constants of one era with their spreads, those of left-out rows."""
    prior = prior_of(era)
    by_pair = _left_out(points, prior, [point.pair for point in points])
    by_gpu = _left_out(points, prior, [point.pair[1] for point in points])
    same, host = spread_by_host(by_pair, prior.log_sd_host)
    other = spread(tpot_errors(by_gpu))
    here = spread(tpot_errors(by_pair))
    fitted = [point for point in points if not point.is_set_aside]
    first = [
        ttft_error(point, constants)
        for point, constants in by_pair
        if point.ttft_seconds is not None
    ]
    return replace(
        fit(fitted, prior),
        log_sd_tpot=same,
        log_sd_host=host,
        log_sd_ttft=max(_drawn(spread(first), len(first)), same) if first else prior.log_sd_ttft,
        log_sd_new_gpu=max(math.sqrt(max(other**2 - here**2, 0.0)), _UNMEASURED_SD),
        fitted_gpus=tuple(sorted({point.pair[1] for point in fitted})),
        source=_source(fitted),
    )


def with_kin(eras: Sequence[PerfConstants], pairs: Mapping[str, int]) -> list[PerfConstants]:
    """Return *eras*, those of one board or one pair with doubts that the others show.

    Leaving the only pair out leaves nothing fitted: its errors are those of an engine never seen,
    and nothing tells that another model or board would be nearer.
    """
    boards = max(era.log_sd_new_gpu for era in eras if len(era.fitted_gpus) > 1)

    def with_doubts(era: PerfConstants) -> PerfConstants:
        kin = [other for other in eras if other.era[-4:] == era.era[-4:] and pairs[other.era] > 1]
        if pairs[era.era] == 1 and kin:
            tpot = max(other.log_sd_tpot for other in (era, *kin))
            ttft = max(other.log_sd_ttft for other in (era, *kin))
            era = replace(era, log_sd_tpot=tpot, log_sd_ttft=ttft)
        return replace(era, log_sd_new_gpu=boards) if len(era.fitted_gpus) == 1 else era

    return [with_doubts(era) for era in eras]


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


def with_dominating(era: PerfConstants, devices: Sequence[Device]) -> PerfConstants:
    """Return *era* with those of *devices* that have as much of everything as a fitted board."""
    fitted = [device for device in devices if device.label in era.fitted_gpus]
    more = {d.label for d in devices if any(dominates(d, board) for board in fitted)}
    return replace(era, fitted_gpus=tuple(sorted({*era.fitted_gpus, *more})))


def _devices() -> list[Device]:
    """Return every board, whole and in its slices."""
    found: list[Device] = []
    for gpu in Catalog().gpus():
        if gpu.memory_bytes is None:
            continue
        profiles = () if gpu.mig is None else gpu.mig.profiles
        slices = [MigSlice(profile=p.name) for p in profiles if p.memory_bytes and p.sms]
        shares: list[Share] = [Exclusive(), *slices]
        found.extend(device_of(gpu, share) for share in shares)
    return [device for device in found if device.flops]


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
        elif value is None or value == "":
            continue
        elif isinstance(value, tuple):
            lines.append(f"{name} = [" + ", ".join(f'"{item}"' for item in value) + "]")
        else:
            lines.append(f'{name} = "{value}"')
    return "\n".join(lines)


def main() -> None:
    """Fit, print, and write when asked to."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--data", type=Path, nargs="+", default=TABLES)
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()
    by_era: dict[str, list[Observation]] = defaultdict(list)
    for table in arguments.data:
        for point in read_points(table):
            if not isinstance(point.device.share, MigSlice):
                by_era[point.era].append(point)
    pairs = {era: len({point.pair for point in points}) for era, points in by_era.items()}
    eras = with_kin([fit_era(era, points) for era, points in sorted(by_era.items())], pairs)
    devices = _devices()
    tables = [_toml(with_dominating(constants, devices)) for constants in eras]
    text = HEADER + "\n".join(tables) + "\n"
    print(text)
    if arguments.write is not None:
        arguments.write.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
