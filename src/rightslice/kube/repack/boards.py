"""The cards under DRA as the core's packing sees them: slices by claim, pods that may move.

One board is all cards of one product. A card that a claim holds whole, a node that takes no pods,
slices that were cut before (they publish no counters) and boards without a known grid are left out:
nothing can be moved there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from rightslice.core.catalog.mig import MigGrid, Placement
from rightslice.core.packing.live import LiveCard, LivePod, LiveSlice, LiveState
from rightslice.kube.cluster.dra import DraDevice, DraPool
from rightslice.kube.cluster.filters import NodeFilter
from rightslice.kube.cluster.hardware import NodeHardware
from rightslice.kube.cluster.view import Cluster, ClusterNode
from rightslice.kube.operate.pod import Where
from rightslice.kube.operate.view import Key
from rightslice.kube.repack.pods import OwnPod

_FILTER: Final = NodeFilter.of(Where().spec)
"""Of pods without settings of their own."""


@dataclass(frozen=True, kw_only=True)
class Board:
    """All cards of one product on which pods may be moved."""

    product: str
    state: LiveState
    pods: Mapping[str, OwnPod]
    """Pods that may be moved, by the name that they have in `state`."""
    nodes: Mapping[str, ClusterNode]
    """The node of each card, by the card's UUID."""


@dataclass
class _Cards:
    grid: MigGrid
    cards: list[LiveCard] = field(default_factory=list)
    nodes: dict[str, ClusterNode] = field(default_factory=dict)


def boards(
    cluster: Cluster,
    hardware: Mapping[str, NodeHardware],
    pods: Iterable[OwnPod],
    stays: Mapping[Key, str],
) -> tuple[Board, ...]:
    """Return the boards of *cluster*.

    Args:
        cluster: nodes with what they publish, and what claims hold of it.
        hardware: what each node's devices stand for.
        pods: of ModelDeployments.
        stays: the ModelDeployments whose pods are not to be moved, and why.
    """
    movable = {
        (pod.owner[0], pod.name): pod
        for pod in pods
        if pod.owner not in stays and pod.claims and pod.is_ready and not pod.is_going
        and pod.template_hash and pod.note is None and not pod.chooses_nodes
    }  # fmt: skip
    found: dict[str, _Cards] = {}
    for node in cluster.nodes:
        grids = _grids(hardware.get(node.name))
        if node.dra is None or not grids or not _FILTER.allows(node):
            continue
        for product, grid in grids.items():
            board = found.setdefault(product, _Cards(grid))
            for name, slices in _cards(node.dra, product, grid, movable).items():
                board.cards.append(LiveCard(name=name, node=node.name, slices=slices))
                board.nodes[name] = node
    return tuple(_board(product, one, movable) for product, one in found.items() if one.cards)


def _board(product: str, one: _Cards, movable: Mapping[Key, OwnPod]) -> Board:
    running = Counter(
        each.pod.workload for card in one.cards for each in card.slices if each.pod is not None
    )
    state = LiveState(grid=one.grid, cards=tuple(one.cards), floors=dict(running))
    pods = {"/".join(key): pod for key, pod in movable.items()}
    return Board(product=product, state=state, pods=pods, nodes=one.nodes)


def _grids(hardware: NodeHardware | None) -> dict[str, MigGrid]:
    """Return the grid of each product of a node that pods can ask for by claim."""
    found: dict[str, MigGrid] = {}
    for one in () if hardware is None else hardware.handed_out:
        grid = one.device.gpu.mig
        if one.unit is not None and grid is not None and grid.slots is not None:
            found[one.unit.product] = grid
    return found


def _cards(
    pool: DraPool, product: str, grid: MigGrid, movable: Mapping[Key, OwnPod]
) -> dict[str, tuple[LiveSlice, ...]]:
    """Return the slices of each card that can be cut further, by the card's UUID."""
    cards: dict[str, list[DraDevice]] = {}
    unfit: set[str] = set()
    known = {one.name for one in grid.profiles if one.starts}
    held = Counter(pool.holders.values())
    for device in pool.stock.devices:
        if device.product != product:
            continue
        cards.setdefault(device.card, [])
        if not device.takes or (device.name in pool.taken and device.profile not in known):
            unfit.add(device.card)
        elif device.name in pool.taken:
            cards[device.card].append(device)
    return {
        card: tuple(_slice(one, pool, held, movable) for one in devices)
        for card, devices in cards.items()
        if card not in unfit
    }


def _slice(
    device: DraDevice, pool: DraPool, held: Counter[Key], movable: Mapping[Key, OwnPod]
) -> LiveSlice:
    key = pool.holders.get(device.name)
    own = movable.get(key) if key is not None and held[key] == 1 else None
    profile, start = device.profile, device.start
    assert profile is not None and start is not None  # noqa: PT018 - a device with counters
    name, workload = device.name, device.name
    if own is not None:
        name, workload = own.called, "/".join(own.owner)
    pod = LivePod(name=name, workload=workload, pinned=own is None)
    return LiveSlice(placement=Placement(start=start, profile=profile), pod=pod)
