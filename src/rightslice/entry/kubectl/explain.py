"""``kubectl rightslice explain``: why a ModelDeployment has the offer that it has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import typer

from rightslice.entry.cli.console import Exit
from rightslice.entry.kubectl.options import (
    Calibrations,
    Ceiling,
    ClusterFile,
    Context,
    Form,
    FormOption,
    Kubeconfig,
    Name,
    Namespace,
    OperatorAs,
    Reach,
    Settle,
    print_record,
)
from rightslice.entry.kubectl.reading import (
    namespace_of,
    no_such,
    one_of,
    read_cluster,
    reader_of,
    trials,
)

if TYPE_CHECKING:
    from rightslice.entry.kubectl.answers import Explanation

_MOST_EVENTS: Final = 8
_NOT_YET: Final = (
    "the operator has not decided about this spec yet; this is what it would decide from what the"
    " cluster has now"
)


def register(app: typer.Typer) -> None:
    """Add the verb to *app*."""
    app.command("explain")(explain)


def explain(  # noqa: PLR0913 - one parameter an option
    *,
    name: Name,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    cluster: ClusterFile = None,
    ceiling: Ceiling = None,
    settle: Settle = None,
    calibrations: Calibrations = None,
    form: FormOption = Form.TABLE,
) -> int:
    """Why this offer: predicted numbers against the targets, the price, and each cheaper offer.

    Of a spec that the operator has not seen yet, what it would decide.

    Example: kubectl rightslice explain chat -n team-a
    """
    reach = Reach(kubeconfig=kubeconfig, context=context, namespace=namespace, file=cluster)
    key = namespace_of(reach), name
    given = OperatorAs(ceiling=ceiling, settle_seconds=settle, calibrations=calibrations)
    found = None if cluster is not None else stored(reach, key)
    found = found or worked_out(reach, key, given)
    if form in (Form.JSON, Form.YAML):
        print_record(found, form)
    else:
        from rightslice.entry.kubectl.tables import print_explanation  # noqa: PLC0415 - rich loads where it is used

        notes = () if found.is_stored else (_NOT_YET,)
        print_explanation(found.decided, found.events, notes)
    return Exit.DONE if found.decided.offer is not None else Exit.NO


def stored(reach: Reach, key: tuple[str, str]) -> Explanation | None:
    """Return what the status of a ModelDeployment says; None when not of its present spec.

    Raises:
        UnknownNameError: when there is none of that name.
        UnavailableError: when the cluster cannot be reached.
    """
    from rightslice.entry.kubectl.answers import Explanation  # noqa: PLC0415 - only with a cluster
    from rightslice.kube.operate.decided import stored_of  # noqa: PLC0415 - as above
    from rightslice.kube.operate.view import read_served  # noqa: PLC0415 - as above

    with trials(reach) as server:
        given = server.found(*key)
        if given is None:
            raise no_such(key, server.names(key[0]))
        events = tuple(_line(one) for one in server.events(*key)[:_MOST_EVENTS])
    served = read_served(given)
    if not served.before.conditions or served.before.observed_generation != served.generation:
        return None
    return Explanation(decided=stored_of(served), is_stored=True, events=events)


def worked_out(reach: Reach, key: tuple[str, str], given: OperatorAs) -> Explanation:
    """Return what the operator would decide from what the cluster has now.

    Raises:
        UnknownNameError: when there is no ModelDeployment of that name.
        UnavailableError: when the cluster cannot be reached.
    """
    from rightslice.entry.kubectl.answers import Explanation  # noqa: PLC0415 - only with a cluster

    operated = reader_of(given)(read_cluster(reach))
    one_of(operated.moment.served, key)
    decided = next(one for one in operated.decided() if one.key == key)
    return Explanation(decided=decided, is_stored=False, events=())


def _line(event: Mapping[str, Any]) -> str:
    times = event.get("count") or 1
    often = f" ({times} times)" if times > 1 else ""
    return f"{event.get('lastTimestamp')} {event.get('reason')}{often}: {event.get('message')}"
