"""``rightslice schema``: JSON Schemas of the files that people write and of every answer."""

from __future__ import annotations

import json
from enum import Enum
from types import UnionType
from typing import Annotated

import typer

from rightslice.entry.cli.console import Exit


class Subject(Enum):
    """What a schema describes."""

    FLEET = "fleet"
    """The fleet file."""
    PRICES = "prices"
    """The price file."""
    SIZE = "size"
    CALIBRATE = "calibrate"
    PREDICT = "predict"
    FIT = "fit"
    SHARE = "share"
    PACK = "pack"
    REPACK = "repack"
    WHY_NOT = "why-not"
    LAYOUTS = "layouts"
    PLAN = "plan"
    CATALOG = "catalog"
    """Each list of the catalogue, by its name."""
    KUBECTL_STATUS = "kubectl-status"
    """What the kubectl plugin's verbs print; so the next two."""
    KUBECTL_EXPLAIN = "kubectl-explain"
    KUBECTL_WHATIF = "kubectl-whatif"


def register(app: typer.Typer) -> None:
    """Add the verb to *app*."""
    app.command("schema")(schema)


def schema(
    *, subject: Annotated[Subject, typer.Argument(help="A file's kind, or a verb's answer.")]
) -> int:
    """The JSON Schema of the fleet or price file, or of what a verb prints with --output json.

    Example: rightslice schema fleet > fleet.schema.json
    """
    typer.echo(json.dumps(schema_of(subject), indent=2, ensure_ascii=False))
    return Exit.DONE


def schema_of(subject: Subject) -> object:
    """Return the JSON Schema of *subject*."""
    if subject in (Subject.FLEET, Subject.PRICES):
        return _file_schema(subject)
    from rightslice.records import json_schema  # noqa: PLC0415 - only for a schema

    return json_schema(_answer(subject), title=f"rightslice {subject.value}")


def _file_schema(subject: Subject) -> object:
    import msgspec  # noqa: PLC0415 - only for a schema

    from rightslice.edge.fleet_schema import FleetFile, PricesFile  # noqa: PLC0415 - only here

    shape = FleetFile if subject is Subject.FLEET else PricesFile
    described = msgspec.json.schema(shape)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **described}


def _answer(subject: Subject) -> type | UnionType:  # noqa: C901, PLR0911 - one case an answer
    match subject:
        case Subject.SIZE:
            from rightslice.core.sizing.result import SizeAnswer  # noqa: PLC0415 - only here

            return SizeAnswer
        case Subject.CALIBRATE:
            from rightslice.entry.cli.calibrate_result import CalibrationAnswer  # noqa: PLC0415 - only here

            return CalibrationAnswer
        case Subject.PREDICT:
            from rightslice.core.perf.result import Outlook  # noqa: PLC0415 - only here
            from rightslice.entry.cli.predict_sweep import Sweep  # noqa: PLC0415 - only here

            return Outlook | Sweep
        case Subject.FIT:
            from rightslice.core.fit.result import Recommendation  # noqa: PLC0415 - only here
            from rightslice.kube.snapshot.stock import ClusterFit  # noqa: PLC0415 - only here

            return Recommendation | ClusterFit
        case Subject.SHARE:
            from rightslice.core.fit.sharing import SharingAdvice  # noqa: PLC0415 - only here

            return SharingAdvice
        case Subject.PACK:
            from rightslice.core.packing.node_ask import NodePacking  # noqa: PLC0415 - only here
            from rightslice.core.packing.offline import DoesNotFit, Packing  # noqa: PLC0415 - only here

            return Packing | DoesNotFit | NodePacking
        case Subject.REPACK:
            from rightslice.core.packing.repack import NoRepack, RepackPlan  # noqa: PLC0415 - only here

            return RepackPlan | NoRepack
        case Subject.WHY_NOT:
            from rightslice.core.packing.why_not import WhyNot  # noqa: PLC0415 - only here

            return WhyNot
        case Subject.LAYOUTS:
            from rightslice.core.packing.enumeration import GridLayouts  # noqa: PLC0415 - only here

            return GridLayouts
        case Subject.PLAN:
            from rightslice.core.plan.result import Plan  # noqa: PLC0415 - only here
            from rightslice.kube.snapshot.result import ClusterPlan  # noqa: PLC0415 - only here

            return Plan | ClusterPlan
        case Subject.CATALOG:
            from rightslice.core.catalog.engine import EngineRelease  # noqa: PLC0415 - only here
            from rightslice.core.catalog.gpu import Gpu  # noqa: PLC0415 - only here
            from rightslice.core.catalog.instance import InstanceType  # noqa: PLC0415 - only here
            from rightslice.core.catalog.mig import MigGrid  # noqa: PLC0415 - only here
            from rightslice.edge.huggingface.catalog import ModelEntry  # noqa: PLC0415 - only here

            boards = tuple[Gpu, ...] | tuple[MigGrid, ...] | tuple[InstanceType, ...]
            return boards | tuple[ModelEntry, ...] | tuple[EngineRelease, ...]
        case _:
            return _plugins(subject)


def _plugins(subject: Subject) -> type:
    """Return what a verb of the kubectl plugin answers."""
    from rightslice.entry.kubectl import answers  # noqa: PLC0415 - only here

    match subject:
        case Subject.KUBECTL_STATUS:
            return answers.ClusterStatus
        case Subject.KUBECTL_EXPLAIN:
            return answers.Explanation
        case Subject.KUBECTL_WHATIF:
            return answers.WhatIfAnswer
        case _:
            raise AssertionError(subject)
