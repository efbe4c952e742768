"""``rightslice calibrate``: measured points in, constants of one model and board out."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Final

import typer

from rightslice.core.catalog.device import device_of
from rightslice.core.catalog.lengths import Lengths
from rightslice.core.catalog.mig import ProfileName
from rightslice.core.catalog.model import Model
from rightslice.core.catalog.server import ServerConfig
from rightslice.core.catalog.share import Exclusive, MigSlice
from rightslice.core.catalog.traffic import ClosedLoop, Traffic
from rightslice.core.perf.calibration import Calibration, MeasuredPoint, architecture_of
from rightslice.core.perf.capacity import capacity_of
from rightslice.core.perf.observation import Observation, tpot_as_measured
from rightslice.core.perf.result import PerfConstants
from rightslice.core.perf.screening import refusal
from rightslice.core.sizing.memory import size
from rightslice.core.sizing.result import Sizing
from rightslice.edge.benchmark_files import BenchmarkRun, observe, read_runs
from rightslice.edge.calibration_files import write_calibration
from rightslice.edge.catalog_files import Catalog
from rightslice.edge.constants import fitted_constants
from rightslice.edge.text_files import check_target
from rightslice.entry.cli.console import Exit, console, warn
from rightslice.entry.cli.options import (
    EngineVersionOption,
    GpuMemoryOption,
    GpuOption,
    ModelArgument,
    ProfileOption,
    accepts_server_flags,
)
from rightslice.errors import InputError
from rightslice.units import format_duration

_LENGTHS: Final = ((128, 128), (1024, 128), (4096, 256), (512, 1024))
"""Chat, retrieval, long documents and long answers: what the points asked for are chosen from."""
_ROUNDS: Final = 10
"""Requests a client and run, as InferenceX sends them; a start in step is then a tenth of it."""
_FEWEST_REQUESTS: Final = 20

PointsOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--points", metavar="FILE", help="JSON of `vllm bench serve`, or CSV. May be repeated."
    ),
]
OutOption = Annotated[
    Path | None, typer.Option("--out", metavar="FILE.json", help="Store the calibration there.")
]
AdviseOption = Annotated[
    int, typer.Option("--advise", min=0, max=20, metavar="N", help="Say which points to measure.")
]


def register(app: typer.Typer) -> None:
    """Add the verb to *app*."""
    app.command("calibrate")(accepts_server_flags(calibrate))


def calibrate(  # noqa: PLR0913 - one parameter an option
    *,
    model: ModelArgument,
    gpu: GpuOption,
    points: PointsOption = None,
    out: OutOption = None,
    advise: AdviseOption = 0,
    profile: ProfileOption = None,
    gpu_memory: GpuMemoryOption = None,
    engine_version: EngineVersionOption = None,
    server: ServerConfig,
) -> int:
    """Fit the constants of one model on one board to points that you measured.

    Example: rightslice calibrate opt-1.3b --gpu L4 --advise 3
    """
    if not points and not advise:
        raise InputError(
            "give --points, as in --points run.json, or --advise 3 for what to measure"
        )
    if out is not None:
        if not points:
            raise InputError("--out stores what is fitted to --points, and none are given")
        check_target(out)
    catalog = Catalog()
    share = Exclusive() if profile is None else MigSlice(profile=ProfileName(profile))
    device = device_of(catalog.gpu(gpu), share, memory_bytes=gpu_memory)
    engine = catalog.engine(engine_version)
    constants = fitted_constants()
    described = catalog.model(model)

    def sized(tensor_parallel: int) -> Sizing:
        flags = replace(server, tensor_parallel=tensor_parallel)
        return size(described, device, flags, engine=engine, coefficients=constants.memory)

    perf = constants.era(engine)
    if points:
        runs = [run for path in points for run in read_runs(path)]
        _check_models(runs, described, catalog)
        perf = _fit(_screened(runs, sized, server, perf), perf, out)
    if advise:
        _advise(sized(server.tensor_parallel), perf, advise)
    return Exit.DONE


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


@dataclass(frozen=True, kw_only=True)
class _Screened:
    """What was read, what can be believed, and why the rest cannot."""

    sizing: Sizing
    points: tuple[Observation, ...]
    refused: tuple[tuple[str, str], ...]


def _screened(
    runs: Sequence[BenchmarkRun],
    sized: Callable[[int], Sizing],
    server: ServerConfig,
    perf: PerfConstants,
) -> _Screened:
    points, refused = [], []
    for run in runs:
        sizing = sized(run.tensor_parallel or server.tensor_parallel)
        point = observe(run, sizing)
        reason = refusal(point, sizing, perf)
        if reason is None:
            points.append(point)
        else:
            refused.append((run.where, reason))
    for where, reason in refused:
        warn(f"{where} is not used: {reason}")
    if not points:
        raise InputError("none of the points can be used, so nothing is calibrated")
    return _Screened(
        sizing=sized(server.tensor_parallel), points=tuple(points), refused=tuple(refused)
    )


def _fit(screened: _Screened, prior: PerfConstants, out: Path | None) -> PerfConstants:
    """Fit, show every point before and after, store, and return the constants."""
    from rightslice.core.perf.calibrate import (  # noqa: PLC0415 - numpy and scipy load here
        calibrate as fit_points,
    )

    sizing, points = screened.sizing, screened.points
    today = dt.datetime.now(tz=dt.UTC).date().isoformat()
    fitted = fit_points(points, prior)
    gpu = sizing.device.gpu_name
    source = (
        f"calibrated with {len(points)} points of {architecture_of(sizing.model)} on {gpu}, {today}"
    )
    constants = replace(fitted.constants, source=source)
    _print(points, prior, constants)
    if out is not None:
        calibration = Calibration(
            model=architecture_of(sizing.model),
            gpu=gpu,
            engine_version=sizing.engine.version,
            era=sizing.engine.era,
            date=today,
            points=tuple(map(_evidence, points, fitted.residuals)),
            constants=constants,
        )
        write_calibration(out, calibration)
        console().print(f"\nwritten: {out}; use it with --calibrations {out.parent}")
    return constants


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


def _print(points: Sequence[Observation], prior: PerfConstants, after: PerfConstants) -> None:
    from rich.table import Table  # noqa: PLC0415 - rich loads where it is used

    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("clients", "input", "output", "measured", "before", "after", "residual"):
        table.add_column(heading, justify="right")
    for point in points:
        assert point.tpot_seconds is not None
        known, moved = (tpot_as_measured(point, constants) for constants in (prior, after))
        table.add_row(
            f"{point.sequences:,.0f}",
            f"{point.traffic.input.mean:,.0f}",
            f"{point.traffic.output.mean:,.0f}",
            *(format_duration(seconds) for seconds in (point.tpot_seconds, known, moved)),
            f"{math.expm1(math.log(moved / point.tpot_seconds)):+.1%}",
        )
    console().print("TPOT, measured and predicted")
    console().print(table)


def _advise(sizing: Sizing, perf: PerfConstants, count: int) -> None:
    """Print the commands that measure the points which tell most."""
    from rightslice.core.perf.advice import advise  # noqa: PLC0415 - numpy and scipy load here

    offered = [observe(run, sizing) for run in _candidates(sizing)]
    if not offered:
        raise InputError(f"no request fits {sizing.device.label}, so there is nothing to measure")
    console().print("measure next:")
    for index in advise(offered, offered, perf, count):
        typer.echo(_command(sizing, offered[index]))


def _candidates(sizing: Sizing) -> list[BenchmarkRun]:
    """Return doublings of the clients that run at once, for each kind of request."""
    found = []
    for inputs, outputs in _LENGTHS:
        traffic = Traffic(
            load=ClosedLoop(concurrency=1),
            input=Lengths.fixed(inputs),
            output=Lengths.fixed(outputs),
        )
        places = capacity_of(sizing, traffic).sequences_low
        found += [
            BenchmarkRun(
                where="",
                model=None,
                concurrency=float(1 << power),
                input_tokens=float(inputs),
                output_tokens=float(outputs),
                tensor_parallel=None,
                tpot_seconds=1.0,
                ttft_seconds=None,
            )
            for power in range(places.bit_length())
        ]
    return found


def _command(sizing: Sizing, point: Observation) -> str:
    clients = round(point.sequences)
    inputs, outputs = round(point.traffic.input.mean), round(point.traffic.output.mean)
    return (
        f"vllm bench serve --model {sizing.model.name} --dataset-name random"
        f" --random-input-len {inputs} --random-output-len {outputs} --ignore-eos"
        f" --max-concurrency {clients} --num-prompts {max(_ROUNDS * clients, _FEWEST_REQUESTS)}"
        f" --save-result --result-filename c{clients}-i{inputs}-o{outputs}.json"
    )
