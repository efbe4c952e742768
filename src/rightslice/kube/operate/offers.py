"""What the cluster can offer a ModelDeployment, priced by the nodes that hand it out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

from rightslice.core.catalog.question import Question
from rightslice.core.fit.result import Candidate
from rightslice.kube.admission.decide import device_key
from rightslice.kube.admission.offers import ClusterOffer, cluster_offers, needs_of
from rightslice.kube.cluster.view import Cluster, ClusterNode
from rightslice.kube.operate.view import World
from rightslice.records import Json

TOLERATIONS: Final[list[Json]] = [
    {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
]
_RANKS: Final = (1, 2, 4, 8)


@dataclass(frozen=True, kw_only=True)
class Choice:
    """An offer that holds the load, with how many replicas of it."""

    candidate: Candidate
    cluster_offer: ClusterOffer
    replicas: int

    @property
    def name(self) -> str:
        """The offer's name."""
        return self.candidate.offer.name

    @property
    def amounts(self) -> tuple[str, int]:
        """Resource, and how much of it all replicas take."""
        return self.cluster_offer.resource, self.cluster_offer.count * self.replicas


def offers_for(question: Question, namespace: str, world: World) -> tuple[ClusterOffer, ...]:
    """Return every offer of the cluster, free or not, with its price where that is known."""
    sizes = _RANKS if question.tensor_parallel is None else (question.tensor_parallel,)
    found: list[ClusterOffer] = []
    for ranks in sizes:
        needs = needs_of({"spec": {"tolerations": TOLERATIONS}}, namespace, ranks)
        found += cluster_offers(needs, world.cluster, world.hardware)
    return tuple(_priced(one, world) for one in found if one.count <= _largest(one, world))


def _largest(offer: ClusterOffer, world: World) -> int:
    """Return how many of the offer's resource one node hands out at most."""
    amounts = [int(node.allocatable.get(offer.resource, 0)) for node in handing_out(offer, world)]
    return max(amounts, default=0)


def handing_out(offer: ClusterOffer, world: World) -> list[ClusterNode]:
    """Return the nodes that hand out *offer*."""
    device = offer.offer.device
    found = []
    for node in world.cluster.nodes:
        hardware = world.hardware.get(node.name)
        if hardware is not None and any(
            one.resource == offer.resource
            and (one.device.label, one.device.memory_bytes) == (device.label, device.memory_bytes)
            for one in hardware.handed_out
        ):
            found.append(node)
    return found


def _priced(one: ClusterOffer, world: World) -> ClusterOffer:
    """Price *one* by its dearest node, so that a bill is never lower than said."""
    prices = [world.card_price(node) for node in handing_out(one, world)]
    known = [price for price in prices if price is not None]
    cards = one.offer.cards
    if not known or len(known) < len(prices) or cards is None:
        return one
    return replace(one, offer=replace(one.offer, usd_per_hour=cards * max(known)))


def holding(candidates: Iterable[Candidate], offers: Iterable[ClusterOffer]) -> tuple[Choice, ...]:
    """Return every offer that holds the load, in price order."""
    by_device = {device_key(one.offer): one for one in reversed(tuple(offers))}
    return tuple(
        Choice(
            candidate=one,
            cluster_offer=by_device[device_key(one.offer)],
            replicas=one.judgement.replicas,
        )
        for one in candidates
        if one.judgement.replicas > 0
    )


def reserved(cluster: Cluster, resource: str, count: int) -> Cluster:
    """Return *cluster* with *count* of *resource* spoken for."""
    if count <= 0:
        return cluster
    pending = {**cluster.pending, resource: cluster.pending.get(resource, Fraction(0)) + count}
    return replace(cluster, pending=pending)
