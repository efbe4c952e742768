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
from rightslice.kube.cluster.view import Cluster
from rightslice.kube.operate.view import Supply, SupplyKey, World
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
    known = world.supplies or supplies(world)
    return tuple(
        _priced(one, known[_key(one)]) for one in found if one.count <= known[_key(one)].largest
    )


def _key(one: ClusterOffer) -> SupplyKey:
    return one.resource, one.offer.device.label, one.offer.device.memory_bytes


def supplies(world: World) -> dict[SupplyKey, Supply]:
    """Return what the nodes of *world* hand out, by resource and device: of all, free or not."""
    largest: dict[SupplyKey, int] = {}
    prices: dict[SupplyKey, list[Fraction | None]] = {}
    for node in world.cluster.nodes:
        hardware = world.hardware.get(node.name)
        for one in () if hardware is None else hardware.handed_out:
            key = one.resource, one.device.label, one.device.memory_bytes
            amount = int(node.allocatable.get(one.resource, 0))
            largest[key] = max(largest.get(key, 0), amount)
            prices.setdefault(key, []).append(world.card_price(node))
    return {
        key: Supply(largest=amount, card_usd_per_hour=_dearest(prices[key]))
        for key, amount in largest.items()
    }


def _dearest(prices: list[Fraction | None]) -> Fraction | None:
    """Return the dearest card, so that a bill is never lower than said; None: one is not known."""
    known = [price for price in prices if price is not None]
    return max(known) if len(known) == len(prices) else None


def _priced(one: ClusterOffer, supply: Supply) -> ClusterOffer:
    price, cards = supply.card_usd_per_hour, one.offer.cards
    if price is None or cards is None:
        return one
    return replace(one, offer=replace(one.offer, usd_per_hour=cards * price))


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
