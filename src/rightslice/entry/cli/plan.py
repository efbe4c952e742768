"""``rightslice plan``: a fleet file in, a fitted plan out, with manifests and a report."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

import typer

from rightslice.core.catalog.share import sharing_key
from rightslice.core.catalog.traffic import ClosedLoop
from rightslice.core.fit.constants import FittedConstants
from rightslice.core.packing.backends import Backend
from rightslice.core.perf.predict import curve
from rightslice.core.perf.result import Curve
from rightslice.core.plan.plan import plan as plan_fleet
from rightslice.core.plan.result import Plan
from rightslice.edge.catalog_files import Catalog
from rightslice.edge.constants import constants_with
from rightslice.edge.fleet_file import read_fleet
from rightslice.edge.plan_files import write_plan
from rightslice.edge.prices_file import read_prices
from rightslice.edge.text_files import check_target, write_text
from rightslice.entry.cli.calibrations import Server, print_calibrations
from rightslice.entry.cli.clusters import (
    ClusterOption,
    KeepMigOption,
    SureOption,
    UntaggedOption,
    planned_cluster,
    read_rules,
)
from rightslice.entry.cli.console import Exit, Output, OutputOption, print_json, warn, working
from rightslice.entry.cli.options import CalibrationsOption, PricesOption
from rightslice.errors import InputError
from rightslice.kube.snapshot.compare import Asking
from rightslice.kube.snapshot.result import ClusterPlan

FleetArgument = Annotated[
    Path | None, typer.Argument(metavar="FLEET.yaml", help="The fleet file (kind: Fleet).")
]
WriteOption = Annotated[
    Path | None,
    typer.Option("--write", metavar="DIR", help="Write manifests and node configuration there."),
]
ReportOption = Annotated[
    Path | None,
    typer.Option("--report", metavar="FILE.html", help="Write one self-contained HTML file."),
]
WhyOption = Annotated[
    bool, typer.Option("--why", help="For every workload, why each cheaper offer was not taken.")
]
TimeOption = Annotated[
    float,
    typer.Option("--time-limit", min=0.1, max=600, metavar="SECONDS", help="For the packing."),
]
BackendOption = Annotated[
    Backend,
    typer.Option("--backend", help="Who cuts the cards: what --write and its README are for."),
]
DayOption = Annotated[
    dt.datetime | None,
    typer.Option(
        "--day",
        formats=["%Y-%m-%d"],
        metavar="DATE",
        help="The day for which the age of prices is judged; today if absent.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the verb to *app*."""
    app.command("plan")(plan)


def plan(  # noqa: PLR0913 - one parameter an option
    *,
    fleet: FleetArgument = None,
    cluster: ClusterOption = None,
    keep_mig: KeepMigOption = False,
    confidence: SureOption = None,
    engine_version: UntaggedOption = None,
    write: WriteOption = None,
    backend: BackendOption = Backend.DEVICE_PLUGIN,
    report: ReportOption = None,
    prices: PricesOption = None,
    why: WhyOption = False,
    time_limit: TimeOption = 3.0,
    day: DayOption = None,
    calibrations: CalibrationsOption = None,
    output: OutputOption = Output.TABLE,
) -> int:
    """Offer, replicas, flags, place and price for every workload of a fleet, with the reasons.

    With --cluster the fleet is what a cluster has now, and each server's present GPU stands beside
    the proposal.

    Example: rightslice plan examples/gpu-as-a-service/fleet.yaml --write out/manifests
    """
    own = {} if prices is None else read_prices(prices)
    constants = constants_with(calibrations)
    today = (day or dt.datetime.now(tz=dt.UTC)).date()
    if cluster is not None:
        if fleet is not None or write is not None:
            raise InputError("--cluster takes the place of a fleet file, and has no --write")
        asking = Asking(constants=constants, today=today, time_limit_seconds=time_limit)
        rules = read_rules(keep_mig=keep_mig, confidence=confidence, engine_version=engine_version)
        found = planned_cluster(cluster, own, rules, asking)
        return _cluster(found, constants, (report, today), output)
    if fleet is None:
        raise InputError("give a fleet file, or --cluster STATE")
    if keep_mig or confidence is not None or engine_version is not None:
        raise InputError("--keep-mig, --confidence and --engine-version go with --cluster only")
    described = read_fleet(fleet, catalog=Catalog(), own_prices=own)
    with working(f"fitting {len(described.workloads)} workloads"):
        answer = plan_fleet(
            described,
            constants=constants,
            today=today,
            time_limit_seconds=time_limit,
        )
    curves = curves_of(answer, constants) if report is not None else {}
    written = _write(answer, (write, backend), report, (curves, today))
    if output is Output.JSON:
        print_json(answer)
    else:
        from rightslice.entry.cli.plan_tables import print_plan  # noqa: PLC0415 - rich loads where it is used

        print_plan(answer, why=why, written=written)
        print_calibrations(constants, _servers(answer), today)
    for item in answer.not_placed:
        warn(f"{item.name} is not placed: {item.outcome.reason}")  # type: ignore[union-attr]  # not_placed holds no Placed
    return Exit.NO if answer.not_placed else Exit.DONE


def _cluster(
    found: ClusterPlan,
    constants: FittedConstants,
    shown: tuple[Path | None, dt.date],
    output: Output,
) -> int:
    """Print the plan of a cluster."""
    report, today = shown
    curves = curves_of(found.plan, constants) if report is not None else {}
    written = _write(found.plan, (None, Backend.DEVICE_PLUGIN), report, (curves, today))
    if output is Output.JSON:
        print_json(found)
    else:
        from rightslice.entry.cli.cluster_tables import print_cluster_plan  # noqa: PLC0415 - rich loads where it is used

        print_cluster_plan(found, written=written)
        print_calibrations(constants, _servers(found.plan), today)
    return Exit.NO if any(one.proposed is None for one in found.servers) else Exit.DONE


def _write(
    answer: Plan,
    target: tuple[Path | None, Backend],
    report: Path | None,
    shown: tuple[Mapping[str, Curve], dt.date],
) -> tuple[Path, ...]:
    """Write what is asked for; the report is made first, so that its faults leave nothing."""
    page = ""
    if report is not None:
        from rightslice.entry.report.report import render_report  # noqa: PLC0415 - only for a report

        check_target(report)
        curves, today = shown
        page = render_report(answer, curves=curves, generated=today.isoformat())
    written: list[Path] = []
    folder, backend = target
    if folder is not None:
        write_plan(answer, folder, backend)
        written.append(folder)
    if report is not None:
        write_text(report, page)
        written.append(report)
    return tuple(written)


def _servers(answer: Plan) -> Iterator[Server]:
    """Yield what runs where, workload by workload."""
    for item in answer.workloads:
        if item.placed is not None:
            yield Server(
                name=item.name,
                model=item.workload.model,
                engine=item.workload.engine,
                gpu=str(item.placed.candidate.offer.device.gpu_name),
                sharing=sharing_key(item.placed.candidate.offer.device.share),
            )


def curves_of(answer: Plan, constants: FittedConstants) -> dict[str, Curve]:
    """Return the latency-throughput curve of every workload that runs, on its offer."""
    found = {}
    for item in answer.workloads:
        placed = item.placed
        if placed is None or placed.candidate.sizing is None:
            continue
        prediction = placed.candidate.prediction
        assert prediction is not None
        traffic = prediction.traffic
        load = traffic.load
        at = load.concurrency if isinstance(load, ClosedLoop) else math.ceil(prediction.running)
        limit = max(prediction.capacity.sequences, 1)
        points = sorted(
            {*(1 << n for n in range(limit.bit_length())), limit, max(at, 1), limit * 2}
        )
        found[item.name] = curve(
            placed.candidate.sizing,
            traffic,
            constants=constants.on(item.workload, placed.candidate.offer.device),
            points=points,
        )
    return found
