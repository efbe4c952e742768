"""``rightslice predict``: how fast a server answers at a load, and where its curve bends."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Annotated

import typer

from rightslice.core.catalog.device import device_of
from rightslice.core.catalog.engine import EngineRelease
from rightslice.core.catalog.mig import ProfileName
from rightslice.core.catalog.model import Model
from rightslice.core.catalog.server import ServerConfig
from rightslice.core.catalog.share import Exclusive, MigSlice
from rightslice.core.fit.constants import FittedConstants
from rightslice.core.perf.predict import outlook
from rightslice.core.sizing.memory import size
from rightslice.core.sizing.result import Sizing
from rightslice.edge.catalog_files import Catalog
from rightslice.edge.constants import constants_with
from rightslice.edge.text_files import check_target, write_text
from rightslice.edge.trace_files import read_lengths
from rightslice.entry.cli.calibrations import Server, print_calibrations
from rightslice.entry.cli.console import Exit, Output, console, print_json
from rightslice.entry.cli.options import (
    CalibrationsOption,
    ConcurrencyOption,
    EngineVersionOption,
    GpuMemoryOption,
    GpuOption,
    InputOption,
    ModelArgument,
    OutputsOption,
    PercentileOption,
    PrefixHitOption,
    ProfileOption,
    RateOption,
    TpotOption,
    TtftOption,
    accepts_server_flags,
    named,
    read_load,
    read_outputs,
    read_slo,
    read_traffic,
)
from rightslice.entry.cli.predict_sweep import Plant, as_csv, predict_points, read_axes
from rightslice.errors import InputError

PlotOption = Annotated[bool, typer.Option("--plot/--no-plot", help="Draw the curve.")]
SweepOption = Annotated[
    list[str] | None,
    typer.Option(
        "--sweep",
        metavar="AXIS=VALUES",
        help="Predict a range: concurrency=1..256, rate=1..9:2, input-tokens=, output-tokens=,"
        " tp=1,2,4, gpu=H100-80GB,L4. May be repeated.",
    ),
]
ExportOption = Annotated[
    str | None,
    typer.Option(
        "--export", metavar="csv|FILE.csv", help="The points of a sweep as CSV: printed, or a file."
    ),
]


def register(app: typer.Typer) -> None:
    """Add the verb to *app*."""
    app.command("predict")(accepts_server_flags(predict))


def predict(  # noqa: PLR0913 - one parameter an option
    *,
    model: ModelArgument,
    gpu: GpuOption,
    inputs: InputOption,
    output: OutputsOption,
    profile: ProfileOption = None,
    concurrency: ConcurrencyOption = None,
    rate: RateOption = None,
    tpot: TpotOption = None,
    ttft: TtftOption = None,
    percentile: PercentileOption = None,
    prefix_hit: PrefixHitOption = None,
    gpu_memory: GpuMemoryOption = None,
    engine_version: EngineVersionOption = None,
    calibrations: CalibrationsOption = None,
    plot: PlotOption = True,
    sweep: SweepOption = None,
    export: ExportOption = None,
    server: ServerConfig,
) -> int:
    """TPOT, TTFT, tokens a second and the knee of one server at a load.

    Example: rightslice predict opt-1.3b --gpu L4 --input 128 --output 128 --concurrency 16
    """
    lengths, form = read_outputs(output)
    slo = read_slo(tpot, ttft, percentile)
    catalog, constants = Catalog(), constants_with(calibrations)
    engine, described = catalog.engine(engine_version), catalog.model(model)

    here = gpu if profile is None else f"{gpu}:{profile}"
    sized = _sizes(catalog, constants, (described, engine), server, {here: gpu_memory})
    if sweep:
        has_load = concurrency is not None or rate is not None
        plant = Plant(
            device=here,
            tensor_parallel=server.tensor_parallel,
            sized=sized,
            constants=lambda device: constants.of(engine, described, device.gpu_name),
            input=named("--input", read_lengths)(inputs),
            output=named("--output", read_lengths)(lengths),
            load=read_load(concurrency, rate) if has_load else None,
            prefix_hit_ratio=prefix_hit or 0.0,
            slo=slo,
        )
        return _sweep(sweep, plant, (form, export), plot=plot)
    sizing = sized(here, server.tensor_parallel)
    traffic = read_traffic(inputs, lengths, concurrency, rate, prefix_hit)
    perf = constants.of(engine, described, sizing.device.gpu_name)
    answer = outlook(sizing, traffic, slo, constants=perf)
    if export is not None:
        raise InputError(
            "--export writes the points of a sweep: give --sweep, as in --sweep tp=1,2"
        )
    if form is Output.JSON:
        print_json(answer)
        return Exit.DONE if answer.is_held else Exit.NO
    from rightslice.entry.cli.predict_tables import print_outlook  # noqa: PLC0415 - rich loads here

    print_outlook(answer, plot=plot)
    asked = Server(name="", model=described, engine=engine, gpu=str(sizing.device.gpu_name))
    print_calibrations(constants, [asked], dt.datetime.now(tz=dt.UTC).date())
    return Exit.DONE if answer.is_held else Exit.NO


def _sizes(
    catalog: Catalog,
    constants: FittedConstants,
    served: tuple[Model, EngineRelease],
    server: ServerConfig,
    memory_bytes: Mapping[str, int | None],
) -> Callable[[str, int], Sizing]:
    """Return what sizes the model on a board or slice as typed, and a number of ranks."""
    model, engine = served

    @cache
    def sized(board: str, tensor_parallel: int) -> Sizing:
        name, _, profile = board.partition(":")
        share = MigSlice(profile=ProfileName(profile)) if profile else Exclusive()
        device = device_of(catalog.gpu(name), share, memory_bytes=memory_bytes.get(board))
        flags = replace(server, tensor_parallel=tensor_parallel)
        return size(model, device, flags, engine=engine, coefficients=constants.memory)

    return sized


def _sweep(
    texts: Sequence[str], plant: Plant, shown: tuple[Output, str | None], *, plot: bool
) -> int:
    """Predict every point, and print or write them."""
    form, export = shown
    if export is not None and export != "csv":
        check_target(Path(export))
    answer = predict_points(read_axes(texts), plant)
    if export == "csv":
        typer.echo(as_csv(answer.rows), nl=False)
    elif export is not None:
        write_text(Path(export), as_csv(answer.rows))
    if form is Output.JSON:
        print_json(answer)
    elif export != "csv":
        from rightslice.entry.cli.sweep_tables import print_sweep  # noqa: PLC0415 - rich loads here

        print_sweep(answer, plant, plot=plot)
        if export is not None:
            console().print(f"\nwritten: {export}", highlight=False)
    return Exit.DONE if any(row.held for row in answer.rows) else Exit.NO
