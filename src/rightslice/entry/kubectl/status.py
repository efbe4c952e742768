"""``kubectl rightslice status``: what runs where, and every ModelDeployment in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from rightslice.edge.catalog_files import Catalog
from rightslice.entry.cli.console import Exit
from rightslice.entry.kubectl.options import (
    ClusterFile,
    Context,
    Everywhere,
    Form,
    FormOption,
    Kubeconfig,
    Namespace,
    Reach,
    print_record,
)
from rightslice.entry.kubectl.reading import namespace_of, read_cluster

if TYPE_CHECKING:
    from rightslice.entry.kubectl.answers import ClusterStatus
    from rightslice.kube.snapshot.value import Snapshot


def register(app: typer.Typer) -> None:
    """Add the verb to *app*."""
    app.command("status")(status)


def status(  # noqa: PLR0913 - one parameter an option
    *,
    namespace: Namespace = None,
    everywhere: Everywhere = False,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    cluster: ClusterFile = None,
    form: FormOption = Form.TABLE,
) -> int:
    """What runs where: each node's cards and slices drawn, and the table of ModelDeployments.

    Example: kubectl rightslice status -A
    """
    reach = Reach(
        kubeconfig=kubeconfig, context=context, namespace=namespace, everywhere=everywhere,
        file=cluster,
    )  # fmt: skip
    wanted = None if everywhere else namespace_of(reach)
    found = status_of_cluster(read_cluster(reach), wanted)
    if form in (Form.JSON, Form.YAML):
        print_record(found, form)
        return Exit.DONE
    from rightslice.entry.kubectl.pictures import DRAWN_NODES, node_lines  # noqa: PLC0415 - only to draw
    from rightslice.entry.kubectl.tables import print_status  # noqa: PLC0415 - rich loads where it is used

    most = len(found.nodes) if form is Form.WIDE else DRAWN_NODES
    print_status(found, node_lines(found.nodes, Catalog(), most), form)
    return Exit.DONE


def status_of_cluster(snapshot: Snapshot, namespace: str | None) -> ClusterStatus:
    """Return what *snapshot* tells of the ModelDeployments of *namespace* (None: all), and nodes.

    Raises:
        InputError: when it has no nodes.
    """
    from rightslice.edge.cluster.occupancy import node_uses  # noqa: PLC0415 - only with a cluster
    from rightslice.entry.kubectl.answers import ClusterStatus  # noqa: PLC0415 - as above
    from rightslice.kube.operate.decided import stored_of  # noqa: PLC0415 - as above
    from rightslice.kube.operate.gather import served_of  # noqa: PLC0415 - as above

    served = served_of(snapshot.of("ModelDeployment"), snapshot.of("Deployment"))
    stored = [stored_of(one) for one in served.values() if namespace in (None, one.namespace)]
    undecided = [
        f"{one.namespace}/{one.name}"
        for one in served.values()
        if namespace in (None, one.namespace) and one.before.observed_generation != one.generation
    ]
    return ClusterStatus(
        taken_at=snapshot.taken_at,
        nodes=node_uses(snapshot, Catalog()),
        model_deployments=tuple(sorted(stored, key=lambda one: one.key)),
        undecided=tuple(sorted(undecided)),
    )
