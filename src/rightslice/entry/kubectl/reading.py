"""The cluster as the plugin's verbs read it: a snapshot, and what the operator sees in it."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from rightslice.edge.catalog_files import Catalog
from rightslice.edge.constants import constants_with
from rightslice.entry.cli.clusters import live_snapshot, snapshot_at, tell_gaps
from rightslice.entry.cli.console import warn
from rightslice.entry.kubectl.options import OperatorAs, Reach
from rightslice.errors import UnavailableError, UnknownNameError
from rightslice.kube.crd.definition import MODEL_DEPLOYMENT
from rightslice.kube.operate.gather import OperatorRules, operator_rules
from rightslice.kube.operate.view import Key, Served

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from rightslice.edge.cluster.listing import Way
    from rightslice.edge.cluster.operated import Operated
    from rightslice.edge.cluster.trial import Trials
    from rightslice.kube.snapshot.value import Snapshot

_VITAL = ("Node", "Pod", "Model", "ModelDeployment")


def read_cluster(reach: Reach) -> Snapshot:
    """Return the whole cluster: what one namespace gets rests on what all of them hold.

    Raises:
        UnavailableError: when it cannot be reached, or what decides may not be listed.
    """
    if reach.file is not None:
        return snapshot_at(reach.file)
    found = live_snapshot(reach.kubeconfig, reach.context)
    lacking = [one for one in found.not_read if one.object_kind in _VITAL]
    if lacking:
        raise UnavailableError("; ".join(f"{one.object_kind}: {one.reason}" for one in lacking))
    tell_gaps(found)
    return found


def reader_of(given: OperatorAs) -> Callable[[Snapshot], Operated]:
    """Return how to see a snapshot as the operator does; equal questions are answered once.

    Raises:
        InputError: when the calibrations are none.
    """
    from rightslice.edge.cluster.operated import operated  # noqa: PLC0415 - only with a cluster
    from rightslice.edge.cluster.recommenders import Recommenders  # noqa: PLC0415 - as above

    catalog, now = Catalog(), dt.datetime.now(tz=dt.UTC)
    recommend = Recommenders(constants_with(given.calibrations)).by
    return lambda snapshot: operated(snapshot, catalog, recommend, now, _rules(snapshot, given))


def _rules(snapshot: Snapshot, given: OperatorAs) -> OperatorRules:
    found = operator_rules(snapshot.of("Deployment"))
    if given.ceiling is None and given.settle_seconds is None:
        return found
    settle = given.settle_seconds
    return OperatorRules(
        ceiling=found.ceiling if given.ceiling is None else given.ceiling,
        settle_seconds=found.settle_seconds if settle is None else settle,
        origin="options of this command",
    )


def namespace_of(reach: Reach) -> str:
    """Return the namespace that is meant: the one given, the context's, or ``default``.

    Raises:
        UnavailableError: when there is no way to the cluster.
    """
    if reach.namespace is not None:
        return reach.namespace
    if reach.file is not None:
        return "default"
    from rightslice.edge.cluster.listing import context_namespace  # noqa: PLC0415 - as above

    return context_namespace(_way(reach))


def trials(reach: Reach) -> Trials:
    """Return the API server, to be asked.

    Raises:
        UnavailableError: when there is no way to it.
    """
    from rightslice.edge.cluster.listing import client_of  # noqa: PLC0415 - as above
    from rightslice.edge.cluster.trial import Trials  # noqa: PLC0415 - as above

    return Trials(client_of(_way(reach)))


def _way(reach: Reach) -> Way:
    try:
        from rightslice.edge.cluster.listing import Way  # noqa: PLC0415 - as above
    except ModuleNotFoundError as error:
        raise UnavailableError(
            f"{error.name} is not installed: install rightslice[cluster]"
        ) from None
    return Way(kubeconfig=reach.kubeconfig, context=reach.context)


def one_of(served: Mapping[Key, Served], key: Key) -> Served:
    """Return the ModelDeployment of *key*.

    Raises:
        UnknownNameError: when there is none of that name; near names of its namespace are told.
    """
    if key in served:
        return served[key]
    raise no_such(key, (one for one in served))


def no_such(key: Key, known: Iterable[Key]) -> UnknownNameError:
    """Return the error that says that there is no such ModelDeployment."""
    names = [name for namespace, name in known if namespace == key[0]]
    kind = f"{MODEL_DEPLOYMENT.kind} of namespace {key[0]}"
    return UnknownNameError(kind, key[1], names)


def tell_rules(found: OperatorRules) -> None:
    """Say on standard error by which rules was decided, where they are not the operator's own."""
    if not found.origin.startswith("arguments"):
        warn(
            f"ceiling {found.ceiling.value}, settling time {found.settle_seconds:g} s:"
            f" {found.origin}"
        )
