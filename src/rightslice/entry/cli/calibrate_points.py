"""Points in, constants out: what ``calibrate --points`` does with files."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from rightslice.core.catalog.engine import EngineRelease
from rightslice.core.catalog.model import Model
from rightslice.core.perf.calibration import Calibration, MeasuredPoint, architecture_of
from rightslice.core.perf.observation import Observation
from rightslice.core.perf.result import PerfConstants
from rightslice.core.perf.screening import refusal
from rightslice.core.sizing.result import Sizing
from rightslice.edge.benchmark_files import observe, read_runs
from rightslice.edge.benchmark_run import BenchmarkRun
from rightslice.edge.catalog_files import Catalog
from rightslice.entry.cli.calibrate_result import PointNotUsed
from rightslice.errors import InputError

MOST_POINTS: Final = 10_000
"""More is a log and not a calibration; the fit would take minutes."""


@dataclass(frozen=True, kw_only=True)
class Bench:
    """The server that is measured."""

    model: Model
    gpu: str
    engine: EngineRelease
    sized: Callable[[int], Sizing]
    """For a tensor-parallel size."""
    tensor_parallel: int
    """Where a run does not say its own."""


def read_points(
    paths: Sequence[Path], bench: Bench, catalog: Catalog, perf: PerfConstants
) -> tuple[tuple[Observation, ...], tuple[PointNotUsed, ...]]:
    """Return the points that can be believed, and why the others cannot.

    Raises:
        InputError: when a file is unusable, of another server, or no point is left.
    """
    runs = [run for path in paths for run in read_runs(path)]
    if len(runs) > MOST_POINTS:
        raise InputError(f"{len(runs):,} points are given; calibrate with at most {MOST_POINTS:,}")
    _check_models(runs, bench.model, catalog)
    for run in runs:
        _check_server(run, bench, catalog)
    used, refused = [], []
    for run in runs:
        sizing = bench.sized(run.tensor_parallel or bench.tensor_parallel)
        point = observe(run, sizing)
        reason = refusal(point, sizing, perf)
        if reason is None:
            used.append(point)
        else:
            refused.append(PointNotUsed(source=run.where, reason=reason))
    return tuple(used), tuple(refused)


def known_points(calibration: Calibration, bench: Bench) -> tuple[Observation, ...]:
    """Return the points of a stored *calibration*, to be fitted with new ones."""
    return tuple(
        observe(
            BenchmarkRun(
                where=point.source,
                model=None,
                concurrency=point.concurrency,
                input_tokens=point.input_tokens,
                output_tokens=point.output_tokens,
                tensor_parallel=point.tensor_parallel,
                tpot_seconds=point.tpot_seconds,
                ttft_seconds=point.ttft_seconds,
            ),
            bench.sized(point.tensor_parallel),
        )
        for point in calibration.points
    )


def fitted(points: Sequence[Observation], bench: Bench, prior: PerfConstants) -> Calibration:
    """Return the calibration that *points* give."""
    from rightslice.core.perf.calibrate import calibrate  # noqa: PLC0415 - numpy and scipy load here

    today = dt.datetime.now(tz=dt.UTC).date().isoformat()
    moved = calibrate(points, prior)
    name = architecture_of(bench.model)
    source = f"calibrated with {len(points)} points of {name} on {bench.gpu}, {today}"
    return Calibration(
        model=name,
        gpu=bench.gpu,
        engine_version=bench.engine.version,
        era=bench.engine.era,
        date=today,
        points=tuple(map(_evidence, points, moved.residuals)),
        constants=replace(moved.constants, source=source),
    )


def _evidence(point: Observation, residual: float) -> MeasuredPoint:
    assert point.tpot_seconds is not None
    return MeasuredPoint(
        source=point.source,
        concurrency=point.sequences,
        input_tokens=point.traffic.input.mean,
        output_tokens=point.traffic.output.mean,
        tensor_parallel=point.served.tensor_parallel,
        tpot_seconds=point.tpot_seconds,
        ttft_seconds=point.ttft_seconds,
        residual=residual,
    )


def _check_models(runs: Sequence[BenchmarkRun], model: Model, catalog: Catalog) -> None:
    """Refuse points of another model, or of several; names that nobody knows pass."""
    named = [run for run in runs if run.model is not None]
    for run in named[1:]:
        if run.model != named[0].model:
            raise InputError(
                f"{run.where}: is of {run.model}, {named[0].where} of {named[0].model}; calibrate"
                " one model at a time"
            )
    for run in named[:1]:
        try:
            measured = catalog.model(str(run.model))
        except InputError:
            return
        if architecture_of(measured) != architecture_of(model):
            raise InputError(
                f"{run.where}: is of {run.model}, which is not {model.name}; name that model, or"
                " give its own points"
            )


def _check_server(run: BenchmarkRun, bench: Bench, catalog: Catalog) -> None:
    """Refuse points of another board, or of a release whose host work is another."""
    if run.gpu is not None:
        try:
            board = catalog.gpu(run.gpu).name
        except InputError as error:
            raise InputError(f"{run.where}: gpu: {error}") from None
        if board != bench.gpu:
            raise InputError(
                f"{run.where}: was measured on {board}, not on {bench.gpu}; calibrate each board"
                " with its own points"
            )
    if run.engine_version is not None:
        try:
            era = catalog.engine(run.engine_version).era
        except InputError as error:
            raise InputError(f"{run.where}: {error}") from None
        if era != bench.engine.era:
            raise InputError(
                f"{run.where}: was measured with vLLM {run.engine_version}, whose host work is not"
                f" that of {bench.engine.version}; give --engine-version {run.engine_version}"
            )
