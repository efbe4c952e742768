"""``--cluster``: a snapshot, or the live cluster, in place of what a verb else reads.

``--cluster`` alone is the cluster that kubectl would speak to. What reads clusters loads where it
is used, since every verb's command line comes through here.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rightslice.entry.cli.console import CLUSTER, LIVE, warn, working
from rightslice.entry.cli.options import named
from rightslice.errors import InputError, UnavailableError
from rightslice.units import parse_ratio

if TYPE_CHECKING:
    from rightslice.core.catalog.instance import Price
    from rightslice.core.catalog.question import Question
    from rightslice.core.fit.constants import FittedConstants
    from rightslice.core.packing.live import LiveState
    from rightslice.kube.operate.decided import Decided
    from rightslice.kube.snapshot.compare import Asking
    from rightslice.kube.snapshot.fleet import Rules
    from rightslice.kube.snapshot.result import ClusterPlan
    from rightslice.kube.snapshot.stock import ClusterFit
    from rightslice.kube.snapshot.value import Snapshot


ClusterOption = Annotated[
    Path | None,
    typer.Option(
        CLUSTER,
        metavar="[STATE]",
        help="A cluster: a file of `rightslice snapshot`, kubectl's objects, or alone: live.",
    ),
]
KeepMigOption = Annotated[
    bool,
    typer.Option(
        "--keep-mig", help="With --cluster: nodes keep their mig.strategy; else cards may be cut."
    ),
]
SureOption = Annotated[
    float | None,
    typer.Option(
        "--confidence",
        parser=named("--confidence", parse_ratio),
        metavar="C",
        help="With --cluster: how sure an offer must be to hold; 90 if absent.",
    ),
]
UntaggedOption = Annotated[
    str | None,
    typer.Option(
        "--engine-version",
        metavar="V",
        help="With --cluster: vLLM release of images whose tag names none.",
    ),
]


def snapshot_at(cluster: Path) -> Snapshot:
    """Return the snapshot at *cluster*, or of the live cluster; tell what it lacks.

    Raises:
        InputError: when the file is no such thing.
        UnavailableError: when the cluster or the file cannot be read.
    """
    if str(cluster) == LIVE:
        found = live_snapshot()
    else:
        from rightslice.edge.cluster.snapshot import read_snapshot  # noqa: PLC0415 - only here

        found = read_snapshot(cluster)
    tell_gaps(found)
    return found


def live_snapshot(
    kubeconfig: Path | None = None, context: str | None = None, namespace: str | None = None
) -> Snapshot:
    """Return the snapshot of the live cluster, as of now.

    Raises:
        UnavailableError: when there is no way to it, or its packages are not installed.
    """
    try:
        from rightslice.edge.cluster.listing import (  # noqa: PLC0415 - the cluster's packages load where they are used
            Way,
            take_snapshot,
        )
    except ModuleNotFoundError as error:
        raise UnavailableError(
            f"{error.name} is not installed: install rightslice[cluster], or read files of kubectl"
        ) from None
    way = Way(kubeconfig=kubeconfig, context=context, namespace=namespace)
    now = dt.datetime.now(tz=dt.UTC).isoformat(timespec="seconds")
    with working("reading the cluster"):
        return take_snapshot(way, taken_at=now)


def tell_gaps(snapshot: Snapshot) -> None:
    """Say on standard error what could not be listed."""
    for one in snapshot.not_read:
        warn(f"{one.object_kind}s could not all be listed: {one.reason}")


def read_rules(*, keep_mig: bool, confidence: float | None, engine_version: str | None) -> Rules:
    """Return how a snapshot is to be read.

    Raises:
        InputError: when the confidence is no chance that can be promised.
    """
    from rightslice.core.catalog.estimate import check_confidence  # noqa: PLC0415 - only here
    from rightslice.kube.parse.question import Defaults  # noqa: PLC0415 - only here
    from rightslice.kube.snapshot.fleet import Rules  # noqa: PLC0415 - only here

    sure = Defaults.confidence if confidence is None else check_confidence(confidence)
    defaults = Defaults(confidence=sure, engine_version=engine_version)
    return Rules(keeps_mig=keep_mig, defaults=defaults)


def planned_cluster(
    cluster: Path, own_prices: Mapping[str, Price], rules: Rules, asking: Asking
) -> ClusterPlan:
    """Return the plan of the cluster at *cluster*; tell which servers are not placed."""
    from rightslice.edge.catalog_files import Catalog  # noqa: PLC0415 - only here
    from rightslice.edge.cluster.snapshot import sources_of  # noqa: PLC0415 - only here
    from rightslice.kube.snapshot.compare import plan_cluster  # noqa: PLC0415 - only here

    snapshot = snapshot_at(cluster)
    with working("fitting the cluster's servers"):
        asking = replace(asking, decided=decided_in(snapshot, asking.constants))
        found = plan_cluster(snapshot, sources_of(Catalog(), own_prices), rules, asking)
    for one in found.servers:
        if one.proposed is None:
            warn(f"{one.name} is not placed: {one.reason}")
    return found


def decided_in(snapshot: Snapshot, constants: FittedConstants) -> tuple[Decided, ...]:
    """Return what the operator decides about the ModelDeployments of *snapshot*."""
    if not snapshot.of("ModelDeployment"):
        return ()
    from rightslice.edge.catalog_files import Catalog  # noqa: PLC0415 - only here
    from rightslice.edge.cluster.operated import operated  # noqa: PLC0415 - only here
    from rightslice.edge.cluster.recommenders import Recommenders  # noqa: PLC0415 - only here

    now = dt.datetime.now(tz=dt.UTC)
    return operated(snapshot, Catalog(), Recommenders(constants).by, now).decided()


def fitted_cluster(
    question: Question,
    cluster: Path,
    own_prices: Mapping[str, Price],
    constants: FittedConstants,
) -> ClusterFit:
    """Return the answer to *question* over what the cluster at *cluster* hands out."""
    from rightslice.edge.catalog_files import Catalog  # noqa: PLC0415 - only here
    from rightslice.edge.cluster.snapshot import sources_of  # noqa: PLC0415 - only here
    from rightslice.kube.snapshot.stock import fit_cluster  # noqa: PLC0415 - only here

    facts = sources_of(Catalog(), own_prices).facts
    return fit_cluster(question, snapshot_at(cluster), facts, constants)


def live_state_at(state: Path | None, cluster: Path | None, gpu: str | None) -> LiveState:
    """Return what runs in the slices at *state*, or in the cluster at *cluster*.

    Raises:
        InputError: when neither or both are given, or they tell of no slices.
        UnavailableError: when they cannot be read.
    """
    from rightslice.edge.catalog_files import Catalog  # noqa: PLC0415 - only here
    from rightslice.edge.cluster.snapshot import is_snapshot, live_of  # noqa: PLC0415 - only here
    from rightslice.edge.live.read import read_live  # noqa: PLC0415 - only here

    if (state is None) == (cluster is None):
        raise InputError("give either a state (a file or a folder) or --cluster")
    if state is not None and not is_snapshot(state):
        return read_live(state, Catalog(), gpu=gpu)
    where = cluster or state
    assert where is not None
    return live_of(snapshot_at(where), Catalog(), gpu=gpu, where=str(where))
