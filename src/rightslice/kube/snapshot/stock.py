"""What a cluster hands out now, priced: every offer with how many there are and how many are free.

An offer is one device (or, whole, so many cards of one node). *Free* is what no bound pod holds on
nodes that are ready; pods that wait for the same resource are counted beside it. Quotas, taints
and other needs of one pod are the webhook's business (`kube.admission.offers`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import ClassVar

from rightslice.core.catalog.device import Device, device_of
from rightslice.core.catalog.fleet import NodeGroup
from rightslice.core.catalog.gpu import Gpu
from rightslice.core.catalog.mig import ProfileName
from rightslice.core.catalog.question import Question
from rightslice.core.catalog.share import Exclusive, MigSlice, Share
from rightslice.core.fit.constants import FittedConstants
from rightslice.core.fit.fit import fit
from rightslice.core.fit.offers import CardKind, offers
from rightslice.core.fit.result import Offer, Recommendation
from rightslice.errors import InputError
from rightslice.kube.cluster.dra import DraPool, DraUnit
from rightslice.kube.snapshot.claims import DraDevice, DraView
from rightslice.kube.snapshot.fleet import Seen, look
from rightslice.kube.snapshot.groups import Facts, NodeCards, group_nodes
from rightslice.kube.snapshot.value import Snapshot


@dataclass(frozen=True, kw_only=True)
class Stock:
    """One offer of the cluster."""

    __record__: ClassVar = ("offer_name", "resource", "total", "free", "waiting")

    offer: Offer = field(repr=False)
    resource: str
    total: int
    """Replicas of this size that the nodes could hold if nothing ran."""
    free: int
    """Replicas of this size that can be put somewhere now."""
    waiting: int
    """How many of the resource pods wait for; they may take what is free."""

    @property
    def offer_name(self) -> str:
        """The offer, as the recommendation calls it."""
        return self.offer.name


@dataclass(frozen=True, kw_only=True)
class ClusterFit:
    """The answer to a question over what a cluster hands out."""

    recommendation: Recommendation
    """Over everything that it hands out, free or not."""
    free_now: str | None
    """The cheapest offer that holds the load and is free now; None when none is."""
    stock: tuple[Stock, ...]
    problems: tuple[str, ...]


def fit_cluster(
    question: Question, snapshot: Snapshot, facts: Facts, constants: FittedConstants
) -> ClusterFit:
    """Return the cheapest offer of the cluster that holds the load, and the cheapest free one.

    Raises:
        InputError: when the cluster hands out no GPU that is known.
    """
    seen = look(snapshot, facts)
    stock = stock_of(seen, facts)
    if not stock:
        raise InputError(
            "the cluster hands out no GPU that is known: "
            + ("; ".join(seen.problems) or "no node has an NVIDIA GPU")
        )
    answer = fit(question, [one.offer for one in stock], constants=constants)
    free = {one.offer_name: one.free for one in stock}
    return ClusterFit(
        recommendation=answer,
        free_now=next(
            (
                one.offer.name
                for one in answer.candidates
                if one.holds is not None and one.holds.replicas <= free[one.offer.name]
            ),
            None,
        ),
        stock=stock,
        problems=seen.problems,
    )


def stock_of(seen: Seen, facts: Facts) -> tuple[Stock, ...]:
    """Return every offer that the nodes hand out as they are cut now."""
    grouped = group_nodes(seen.cards, {}, facts, keeps_mig=True)
    cards = {one.node.name: one for one in seen.cards}
    claims = _Claims(seen.dra)
    found: list[Stock] = []
    for group in grouped.groups:
        kinds: dict[str, list[_Unit]] = {}
        for name in grouped.nodes[group.name]:
            for unit in claims.units(cards[name]) or _units(cards[name], seen):
                kinds.setdefault(f"{unit.resource} {unit.device.label}", []).append(unit)
        for units in kinds.values():
            waiting = int(seen.cluster.pending.get(units[0].resource, Fraction(0)))
            found += _offers(group, units, waiting)
    return tuple(found)


@dataclass(frozen=True, kw_only=True)
class _Unit:
    """One device of one node: how many, and how many of them are free."""

    resource: str
    device: Device
    total: int
    free: int


def _units(cards: NodeCards, seen: Seen) -> list[_Unit]:
    node = cards.node
    return [
        _Unit(
            resource=one.resource,
            device=one.device,
            total=int(node.allocatable[one.resource]),
            free=int(node.free(one.resource)),
        )
        for one in seen.hardware[node.name].handed_out
    ]


class _Claims:
    """The devices of DRA nodes: by the counters of their cards, where the driver publishes them.

    Without counters, as in slices of older drivers, a card whose devices are claimed in part is
    free for no one else: too few where slices are made on demand, and never too many.
    """

    def __init__(self, view: DraView) -> None:
        self._nodes: dict[str, list[DraDevice]] = {}
        for device in view.devices.values():
            self._nodes.setdefault(device.node, []).append(device)
        self._busy = {(one.device.node, one.device.card) for one in view.claimed}
        self._taken = Counter((one.device.node, one.device.profile) for one in view.claimed)

    def units(self, cards: NodeCards) -> list[_Unit]:
        """Return what a node's ResourceSlices hand out; [] for a node without any."""
        name, pool = cards.node.name, cards.node.dra
        if pool is not None and pool.stock.counters:
            return list(_counted(cards.gpu, pool))
        found = []
        listed = self._nodes.get(name, [])
        free = cards.cards - len({card for node, card in self._busy if node == name})
        for profile in sorted({one.profile or "" for one in listed}):
            alike = [one for one in listed if (one.profile or "") == profile]
            total, left = cards.cards, free
            share: Share = Exclusive()
            if profile:
                share = MigSlice(profile=ProfileName(profile))
                if all(one.exists for one in alike):
                    total = len(alike)
                    left = total - self._taken[name, profile]
                else:
                    grid = cards.gpu.mig
                    most = grid.profile(profile).max_instances if grid is not None else None
                    total, left = total * (most or 1), left * (most or 1)
            device = device_of(cards.gpu, share)
            found.append(_Unit(resource="DRA", device=device, total=total, free=max(left, 0)))
        return found


def _counted(gpu: Gpu, pool: DraPool) -> Iterator[_Unit]:
    """Yield how many claims of each profile the counters of a node's cards hold at once."""
    for product, profile in sorted(pool.stock.by_unit, key=lambda key: key[1] or ""):
        unit = DraUnit(product=product, profile=profile, device_class="")
        share: Share = Exclusive() if profile is None else MigSlice(profile=profile)
        device = device_of(gpu, share)
        total, free = pool.total(unit), pool.free(unit)
        yield _Unit(resource="DRA", device=device, total=total, free=free)


def _offers(group: NodeGroup, units: list[_Unit], waiting: int) -> Iterator[Stock]:
    device = units[0].device
    whole = isinstance(device.share, Exclusive)
    kind = CardKind(
        pool=group.name,
        gpu=group.gpu,
        cards_per_node=group.gpus_per_node if whole else 1,
        memory_bytes=None if isinstance(device.share, MigSlice) else group.gpu_memory_bytes,
        instance=group.instance,
        price=group.price,
        card_usd_per_hour=group.card_usd_per_hour,
    )
    for offer in offers(kind, [device.share]):
        ranks = offer.tensor_parallel
        yield Stock(
            offer=offer,
            resource=units[0].resource,
            total=sum(one.total // ranks for one in units),
            free=sum(one.free // ranks for one in units),
            waiting=waiting,
        )
