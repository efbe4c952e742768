"""What runs where: every GPU node of a snapshot, its cards, and who holds which slice.

DRA and DAS tell which slice a pod holds. Under the device plugin a cluster tells counts: layouts
and holders are then worked out as `repack` does, node by node, and marked as inferred.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from rightslice.core.packing.live import LiveCard
from rightslice.edge.catalog_files import Catalog
from rightslice.edge.cluster.snapshot import sources_of
from rightslice.edge.live.counts import read_counts
from rightslice.edge.live.das import read_das
from rightslice.edge.live.dra import read_dra
from rightslice.edge.live.state import Found, FoundCard, live_state
from rightslice.errors import InputError
from rightslice.kube.cluster.hardware import gpu_resources
from rightslice.kube.cluster.view import ClusterNode
from rightslice.kube.operate.gather import object_key
from rightslice.kube.snapshot.fleet import Seen, look
from rightslice.kube.snapshot.holders import Held, Key
from rightslice.kube.snapshot.owners import owners_of
from rightslice.kube.snapshot.value import Snapshot

_WHERE: Final = "the cluster"


@dataclass(frozen=True, kw_only=True)
class Holder:
    """A pod that holds a part of a node's GPUs."""

    namespace: str
    pod: str
    model_deployment: str | None
    """Whose pod it is; None: nobody's that the operator knows."""
    resource: str
    count: int


@dataclass(frozen=True, kw_only=True)
class SliceUse:
    """One slice of a card."""

    profile: str
    start: int
    pod: str | None
    """``namespace/pod``; None: nobody holds it."""
    model_deployment: str | None


@dataclass(frozen=True, kw_only=True)
class CardUse:
    """One card that is cut into slices."""

    name: str
    slices: tuple[SliceUse, ...]


@dataclass(frozen=True, kw_only=True)
class NodeUse:
    """One node and what its GPUs are used for."""

    name: str
    gpu: str
    """The board, as the catalogue calls it; "" where it is not known."""
    is_ready: bool
    is_inferred: bool
    """Whether layouts and holders were worked out from counts."""
    cards: tuple[CardUse, ...]
    """Cards that are cut into slices."""
    holders: tuple[Holder, ...]
    free: Mapping[str, int]
    """What no pod holds, by resource."""
    problem: str | None = None
    """Why its cards cannot be drawn."""


@dataclass
class _Node:
    """What is known of a node while it is put together."""

    cards: list[FoundCard] = field(default_factory=list)
    is_inferred: bool = False
    problem: str | None = None


def node_uses(snapshot: Snapshot, catalog: Catalog) -> tuple[NodeUse, ...]:
    """Return every node with GPUs, by name.

    Raises:
        InputError: when the snapshot has no nodes, or pods could not be listed.
    """
    seen = look(snapshot, sources_of(catalog, {}).facts)
    owners = {key: owner[1] for key, owner in owners_of(snapshot).items()}
    held: dict[str, list[Held]] = {}
    for one in seen.held:
        held.setdefault(one.node, []).append(one)
    exact, told = _exact(snapshot)
    found = []
    for node in sorted(seen.cluster.nodes, key=lambda one: one.name):
        if node.name in exact or gpu_resources(node):
            here = exact.get(node.name) or _counted(snapshot, node.name, catalog)
            here.problem = here.problem or told or seen.hardware[node.name].problem
            found.append(_used(node, here, (seen, catalog), (held.get(node.name, []), owners)))
    return tuple(found)


def _objects(snapshot: Snapshot) -> dict[str, list[dict[str, Any]]]:
    return {kind: [dict(one) for one in every] for kind, every in snapshot.objects.items()}


def _exact(snapshot: Snapshot) -> tuple[dict[str, _Node], str | None]:
    """Return the nodes whose slices DRA or DAS tell, and what was wrong with what they tell."""
    objects = _objects(snapshot)
    nodes: dict[str, _Node] = {}
    readers = (("ResourceSlice", read_dra), ("NodeAccelerator", read_das))
    for kind, read in readers:
        if kind not in objects:
            continue
        try:
            cards = read(objects, where=_WHERE).cards
        except InputError as error:
            return {}, str(error)
        for card in cards:
            nodes.setdefault(card.node, _Node()).cards.append(card)
    return nodes, None


def _counted(snapshot: Snapshot, name: str, catalog: Catalog) -> _Node:
    """Return the cards of a node under the device plugin, worked out from counts."""
    objects = {
        "Node": [dict(one) for one in snapshot.of("Node") if object_key(one)[1] == name],
        "Pod": [dict(one) for one in snapshot.of("Pod") if _is_on(one, name)],
    }
    try:
        cards = read_counts(objects, catalog=catalog, where=_WHERE).cards
    except InputError as error:
        return _Node(problem=str(error), is_inferred=True)
    return _Node(cards=list(cards), is_inferred=bool(cards))


def _is_on(pod: Mapping[str, Any], node: str) -> bool:
    spec = pod.get("spec")
    return isinstance(spec, dict) and spec.get("nodeName") == node


def _used(
    node: ClusterNode,
    here: _Node,
    known: tuple[Seen, Catalog],
    holders: tuple[list[Held], Mapping[Key, str]],
) -> NodeUse:
    seen, catalog = known
    held, owners = holders
    whose = {f"{one.namespace}/{one.pod}": owners.get(one.owner) for one in held}
    problem, cards = here.problem, tuple[CardUse, ...]()
    try:
        if here.cards:
            state = live_state(
                Found(cards=tuple(here.cards)), catalog=catalog, gpu=None, where=_WHERE
            )
            cards = tuple(_card_uses(state.cards, whose))
    except InputError as error:
        problem = str(error)
    return NodeUse(
        name=node.name,
        gpu=_board(node, here, seen, catalog),
        is_ready=node.is_ready,
        is_inferred=here.is_inferred,
        cards=cards,
        holders=tuple(
            Holder(
                namespace=one.namespace, pod=one.pod, model_deployment=owners.get(one.owner),
                resource=one.resource if one.device is None or one.resource != "DRA"
                else one.device.label,
                count=one.count,
            )
            for one in sorted(held, key=lambda one: (one.namespace, one.pod))
        ),
        free={name: int(node.free(name)) for name in gpu_resources(node)},
        problem=problem,
    )  # fmt: skip


def _card_uses(cards: Iterable[LiveCard], whose: Mapping[str, str | None]) -> Iterator[CardUse]:
    for card in cards:
        yield CardUse(
            name=card.name.rpartition("/")[2],
            slices=tuple(
                SliceUse(
                    profile=str(each.placement.profile),
                    start=each.placement.start,
                    pod=None if each.pod is None else each.pod.name,
                    model_deployment=None if each.pod is None else whose.get(each.pod.name),
                )
                for each in sorted(card.slices, key=lambda one: one.placement.start)
            ),
        )


def _board(node: ClusterNode, here: _Node, seen: Seen, catalog: Catalog) -> str:
    for one in seen.hardware[node.name].handed_out:
        return str(one.device.gpu.name)
    for card in here.cards:
        try:
            return str(catalog.mig_gpu(card.product).name)
        except InputError:
            return ""
    return ""
