"""``rightslice calibrate``: measured points in, constants of one model and board out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Annotated

import typer

from rightslice.core.catalog.device import Device, device_of
from rightslice.core.catalog.engine import EngineRelease
from rightslice.core.catalog.estimate import check_confidence
from rightslice.core.catalog.lengths import Lengths
from rightslice.core.catalog.mig import ProfileName
from rightslice.core.catalog.model import Model
from rightslice.core.catalog.question import Isolation, Question
from rightslice.core.catalog.server import ServerConfig
from rightslice.core.catalog.share import (
    Exclusive,
    MigSlice,
    MpsShare,
    Share,
    TimeSlice,
    sharing_key,
)
from rightslice.core.catalog.traffic import Slo, Traffic
from rightslice.core.fit.constants import FittedConstants
from rightslice.core.fit.result import Offer
from rightslice.core.perf.calibration import Calibration, serving
from rightslice.core.perf.observation import Observation
from rightslice.core.perf.result import PerfConstants
from rightslice.core.sizing.memory import size
from rightslice.core.sizing.result import Sizing
from rightslice.edge.calibration_files import write_calibration
from rightslice.edge.catalog_files import Catalog
from rightslice.edge.constants import constants_with
from rightslice.edge.text_files import check_target
from rightslice.edge.trace_files import read_lengths
from rightslice.entry.cli.calibrate_points import Bench, fitted, known_points, read_points
from rightslice.entry.cli.calibrate_result import CalibrationAnswer, NextPoints, PointNotUsed
from rightslice.entry.cli.confidence import DEFAULT_CONFIDENCE, ConfidenceOption, ReplicasOption
from rightslice.entry.cli.console import Exit, Output, console, print_json, warn, working
from rightslice.entry.cli.offers import read_offers
from rightslice.entry.cli.options import (
    CalibrationsOption,
    ConcurrencyOption,
    EngineVersionOption,
    GpuMemoryOption,
    GpuOption,
    ModelArgument,
    PercentileOption,
    ProfileOption,
    RateOption,
    TpotOption,
    TtftOption,
    accepts_server_flags,
    named,
    read_load,
    read_outputs,
    read_slo,
)
from rightslice.errors import InputError

PointsOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--points",
        metavar="FILE",
        help="JSON of `vllm bench serve`, guidellm or inference-perf, or CSV. May be repeated.",
    ),
]
SharingOption = Annotated[
    str | None,
    typer.Option(
        "--sharing",
        metavar="HOW",
        help="Measured beside busy neighbours on a shared card: mps/2 or time/4.",
    ),
]
OutOption = Annotated[
    Path | None, typer.Option("--out", metavar="FILE.json", help="Store the calibration there.")
]
AdviseOption = Annotated[
    int, typer.Option("--advise", min=0, max=20, metavar="N", help="Say which points to measure.")
]
LoadInputOption = Annotated[
    str | None,
    typer.Option("--input", metavar="LENGTHS", help="With --advise: prompt tokens of your load."),
]
LoadOutputOption = Annotated[
    list[str] | None,
    typer.Option(
        "--output",
        "-o",
        metavar="LENGTHS|json",
        help="With --advise: output tokens of your load; json for the answer's form.",
    ),
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
    inputs: LoadInputOption = None,
    output: LoadOutputOption = None,
    concurrency: ConcurrencyOption = None,
    rate: RateOption = None,
    tpot: TpotOption = None,
    ttft: TtftOption = None,
    percentile: PercentileOption = None,
    confidence: ConfidenceOption = None,
    max_replicas: ReplicasOption = 1,
    profile: ProfileOption = None,
    sharing: SharingOption = None,
    gpu_memory: GpuMemoryOption = None,
    engine_version: EngineVersionOption = None,
    calibrations: CalibrationsOption = None,
    server: ServerConfig,
) -> int:
    """Fit the constants of one model on one board to points that you measured.

    Example: rightslice calibrate opt-1.3b --gpu L4 --advise 3
    """
    _check_asked(points, out, advise)
    lengths, form = _read_lengths(inputs, output)
    slo = read_slo(tpot, ttft, percentile)
    catalog, shipped = Catalog(), constants_with(calibrations)
    engine = catalog.engine(engine_version)
    share = _share(profile, sharing)
    device = device_of(catalog.gpu(gpu), share, memory_bytes=gpu_memory)
    bench = _bench(catalog.model(model), device, engine, server, shipped)
    measured = _measured(points or (), bench, catalog, shipped)
    if measured.made is not None and out is not None:
        write_calibration(out, measured.made)
    asked: NextPoints | None = None
    if advise:
        has_load = concurrency is not None or rate is not None
        wanted = Wanted(
            traffic=_traffic(lengths, concurrency, rate) if has_load else None,
            lengths=lengths,
            slo=_target(slo) if has_load else slo,
            max_replicas=max_replicas,
            confidence=check_confidence(confidence or DEFAULT_CONFIDENCE),
            count=advise,
        )
        asked = _advice(wanted, bench, server, measured, (catalog, shipped))
    _print(measured, asked, (form, out), shipped.era(engine))
    return Exit.DONE


def _share(profile: str | None, sharing: str | None) -> Share:
    """Return how the measured server holds its card."""
    name = None if profile is None else ProfileName(profile)
    if sharing is None:
        return Exclusive() if name is None else MigSlice(profile=name)
    how, _, count = sharing.partition("/")
    if not count.isdecimal() or how not in ("mps", "time") or (how == "time" and name):
        raise InputError(f"--sharing {sharing}: write mps/2, or time/4 without --profile")
    if how == "time":
        return TimeSlice(replicas=int(count))
    return MpsShare(replicas=int(count), profile=name)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What ``--advise`` is asked for."""

    traffic: Traffic | None
    """A load to be put on an offer."""
    lengths: tuple[Lengths, Lengths] | None
    slo: Slo | None
    max_replicas: int
    confidence: float
    count: int


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What is known of the server from points, new ones and those stored."""

    points: tuple[Observation, ...]
    not_used: tuple[PointNotUsed, ...]
    made: Calibration | None
    """Of the new points, together with those stored."""


def _check_asked(points: list[Path] | None, out: Path | None, advise: int) -> None:
    if not points and not advise:
        raise InputError(
            "give --points, as in --points run.json, or --advise 3 for what to measure"
        )
    if out is not None:
        if not points:
            raise InputError("--out stores what is fitted to --points, and none are given")
        check_target(out)


def _read_lengths(
    inputs: str | None, output: list[str] | None
) -> tuple[tuple[Lengths, Lengths] | None, Output]:
    """Return the lengths of the load, if they are given, and the answer's form."""
    forms = {form.value for form in Output}
    given = [text for text in output or () if text not in forms]
    if inputs is None and not given:
        wanted = [text for text in output or () if text in forms]
        return None, Output(wanted[-1]) if wanted else Output.TABLE
    if inputs is None:
        raise InputError("--output names the output tokens of a load: give --input, too")
    outputs, form = read_outputs(output or [])
    read = named("--input", read_lengths)(inputs), named("--output", read_lengths)(outputs)
    return read, form


def _traffic(
    lengths: tuple[Lengths, Lengths] | None, concurrency: int | None, rate: float | None
) -> Traffic:
    if lengths is None:
        raise InputError("a load has lengths: give --input and --output, as in --input 1024")
    load = read_load(concurrency, rate)
    return Traffic(load=load, input=lengths[0], output=lengths[1])


def _target(slo: Slo | None) -> Slo:
    if slo is None:
        raise InputError("a load needs a target to decide on: give --tpot, as in 30ms, or --ttft")
    return slo


def _identity(point: Observation) -> tuple[float | None, ...]:
    """Return what tells one measured point from another: a file given twice counts once."""
    lengths = point.traffic.input.mean, point.traffic.output.mean
    ranks = point.served.tensor_parallel
    return (point.sequences, *lengths, ranks, point.tpot_seconds, point.ttft_seconds)


def _bench(
    model: Model,
    device: Device,
    engine: EngineRelease,
    server: ServerConfig,
    shipped: FittedConstants,
) -> Bench:
    @lru_cache
    def sized(tensor_parallel: int) -> Sizing:
        flags = replace(server, tensor_parallel=tensor_parallel)
        return size(model, device, flags, engine=engine, coefficients=shipped.memory)

    return Bench(
        model=model,
        gpu=str(device.gpu_name),
        engine=engine,
        sized=sized,
        tensor_parallel=server.tensor_parallel,
    )


def _measured(
    paths: Sequence[Path], bench: Bench, catalog: Catalog, shipped: FittedConstants
) -> Measured:
    """Read and fit the points of *paths*, after those of a stored calibration of this board."""
    sharing = sharing_key(bench.sized(bench.tensor_parallel).device.share)
    stored = serving(shipped.calibrations, bench.model, bench.engine, bench.gpu, sharing)
    is_own = stored is not None and stored.gpu == bench.gpu
    known = known_points(stored, bench) if stored is not None and is_own else ()
    if not paths:
        return Measured(points=known, not_used=(), made=None)
    prior = shipped.era(bench.engine)
    new, refused = read_points(paths, bench, catalog, prior)
    for item in refused:
        warn(f"{item.source} is not used: {item.reason}")
    if not new:
        raise InputError("none of the points can be used, so nothing is calibrated")
    given = {_identity(point) for point in new}
    every = (*(point for point in known if _identity(point) not in given), *new)
    return Measured(points=every, not_used=refused, made=fitted(every, bench, prior))


def _advice(
    wanted: Wanted,
    bench: Bench,
    server: ServerConfig,
    measured: Measured,
    known: tuple[Catalog, FittedConstants],
) -> NextPoints:
    from rightslice.entry.cli.calibrate_advice import Decision, next_points  # noqa: PLC0415 - only with --advise

    catalog, shipped = known
    question: Question | None = None
    offers: tuple[Offer, ...] = ()
    if wanted.traffic is not None and wanted.slo is not None:
        share = bench.sized(bench.tensor_parallel).device.share
        held = share.profile if isinstance(share, MigSlice) else sharing_key(share)
        where = f"{bench.gpu}:{held}" if held else bench.gpu
        offers = read_offers(where, catalog, {})
        question = Question(
            model=bench.model,
            engine=bench.engine,
            server=server,
            tensor_parallel=server.tensor_parallel if server.tensor_parallel > 1 else None,
            traffic=wanted.traffic,
            slo=wanted.slo,
            max_replicas=wanted.max_replicas,
            isolation=Isolation.NONE if sharing_key(share) else Isolation.HARDWARE,
            confidence=wanted.confidence,
        )
    decision = Decision(question=question, offers=offers, lengths=wanted.lengths, slo=wanted.slo)
    now = shipped if measured.made is None else replace(shipped, calibrations=(measured.made,))
    prior = shipped.era(bench.engine)
    with working("choosing points"):
        return next_points(decision, bench, measured.points, (now, prior), wanted.count)


def _print(
    measured: Measured,
    asked: NextPoints | None,
    shown: tuple[Output, Path | None],
    prior: PerfConstants,
) -> None:
    form, out = shown
    if form is Output.JSON:
        answer = CalibrationAnswer(
            calibration=measured.made, not_used=measured.not_used, next_points=asked
        )
        print_json(answer)
        return
    from rightslice.entry.cli.calibrate_tables import print_fit, print_next  # noqa: PLC0415 - rich loads here

    if measured.made is not None:
        print_fit(measured.points, prior, measured.made)
    if measured.made is not None and out is not None:
        console().print(f"\nwritten: {out}; use it with --calibrations {out.parent}")
    if asked is not None:
        print_next(asked)
