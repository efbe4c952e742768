"""What the cluster can offer a ModelDeployment, priced by the nodes that hand it out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Final

from rightslice.core.catalog.question import Question
from rightslice.core.fit.result import Candidate, Offer
from rightslice.kube.admission.decide import device_key
from rightslice.kube.admission.offers import (
    ClusterOffer,
    Item,
    Shelf,
    cluster_offer,
    free_places,
    lost,
    needs_of,
    not_allowed,
    shelves,
    shortage,
)
from rightslice.kube.cluster.filters import NodeFilter
from rightslice.kube.crd.pod import PodSettings
from rightslice.kube.operate.host import Host, host_of
from rightslice.kube.operate.pod import Where
from rightslice.kube.operate.view import World

_RANKS: Final = (1, 2, 4, 8)
_NEEDS: Final = replace(needs_of({}, "", 1), by_claim=True)
"""What its pods need beside the GPU, which they ask DRA for by claims of their own."""
_Price = tuple[str, str, int]
"""Resource, and label and memory of the device behind it."""
Own = Mapping[str, int]
"""What pods of one ModelDeployment wait for, by resource."""


@dataclass(frozen=True, kw_only=True)
class Wants:
    """What pods of a ModelDeployment may ask for."""

    sizes: tuple[int, ...]
    """How many cards one may span."""
    host: Host
    """CPU and memory beside them."""
    where: Where
    """Which nodes will do."""


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
    def ranks(self) -> int:
        """How many cards or slices one server spans."""
        return self.candidate.offer.tensor_parallel

    @property
    def amounts(self) -> tuple[str, int]:
        """Resource, and how much of it all replicas take."""
        return self.cluster_offer.resource, self.cluster_offer.count * self.replicas


@dataclass
class Stock:
    """What the nodes of one moment have, and what of it is spoken for as decisions are made.

    Given what an earlier stock `known`, equal items are the same objects: quick to compare.
    """

    world: World
    known: dict[Wants, tuple[Item, ...]] = field(default_factory=dict)
    """What an earlier stock found; of this one too where it is equal."""
    _spoken: dict[str, int] = field(default_factory=dict)
    _shelves: dict[Wants, tuple[Shelf, ...]] = field(default_factory=dict)
    _refused: dict[tuple[str, str, int], str | None] = field(default_factory=dict)
    _prices: Mapping[_Price, Fraction | None] | None = None

    def shelves(self, wants: Wants) -> tuple[Shelf, ...]:
        """Return what there is for pods that ask for what *wants* say."""
        found = self._shelves.get(wants)
        if found is None:
            found = tuple(one for ranks in wants.sizes for one in self._read(ranks, wants))
            items = tuple(one.item for one in found)
            before = self.known.get(wants)
            if before == items:
                found = tuple(
                    replace(shelf, item=item) for shelf, item in zip(found, before, strict=True)
                )
            else:
                self.known[wants] = items
            self._shelves[wants] = found
        return found

    def items(self, wants: Wants) -> tuple[Item, ...]:
        """Return what `shelves` hold: the same object as long as it is equal."""
        self.shelves(wants)
        return self.known[wants]

    @property
    def looked_at(self) -> dict[Wants, tuple[Item, ...]]:
        """What was asked for since it was made, and what there is of it."""
        return {wants: self.known[wants] for wants in self._shelves}

    def free(self, shelf: Shelf, namespace: str, own: Own) -> int:
        """Return how many pods of *namespace* can be put somewhere now.

        What *own* pods wait for is not held back from them.
        """
        if self._not_allowed(shelf.item, namespace) is not None:
            return 0
        return free_places(shelf, self._waiting(shelf, own))

    def offer(self, shelf: Shelf, namespace: str, own: Own) -> ClusterOffer:
        """Return *shelf* as pods of *namespace* can have it now, waiting ones included."""
        free = self.free(shelf, namespace, own)
        why = None if free else self._not_allowed(shelf.item, namespace) or shortage(shelf)
        return cluster_offer(shelf.item, free, why)

    def speak_for(self, held: Iterable[tuple[str, int]]) -> None:
        """Hold so much of each resource back from whoever is asked for next."""
        for resource, count in held:
            self._spoken[resource] = self._spoken.get(resource, 0) + count

    def _waiting(self, shelf: Shelf, own: Own) -> int:
        pending = self.world.cluster.pending
        if any(own.values()):
            pending = {
                name: max(amount - own.get(name, 0), Fraction(0))
                for name, amount in pending.items()
            }
        return lost(shelf, pending) + lost(shelf, self._spoken)

    def _not_allowed(self, item: Item, namespace: str) -> str | None:
        key = namespace, item.resource, item.count
        if key not in self._refused:
            self._refused[key] = not_allowed(item, namespace, self.world.cluster)
        return self._refused[key]

    def _read(self, ranks: int, wants: Wants) -> list[Shelf]:
        if self._prices is None:
            self._prices = _prices(self.world)
        others = {**_NEEDS.others_milli, **wants.host.milli(ranks)}
        allowed = NodeFilter.of(wants.where.spec)
        needs = replace(_NEEDS, ranks=ranks, others_milli=others, filter=allowed)
        found = shelves(needs, self.world.cluster.nodes, self.world.hardware)
        return [_priced(one, self._prices) for one in found if one.item.count <= one.largest]


def wants_of(question: Question, settings: PodSettings) -> Wants:
    """Return what servers of *question* may ask for.

    Raises:
        InputError: when CPU or memory of *settings* is no quantity.
    """
    given = question.tensor_parallel
    sizes = _RANKS if given is None else (given,)
    host = host_of(question.model, settings)
    return Wants(sizes=sizes, host=host, where=Where.of(settings))


def offers_for(wants: Wants, namespace: str, stock: Stock, own: Own) -> tuple[ClusterOffer, ...]:
    """Return every offer of the cluster, free or not, with its price where that is known."""
    return tuple(stock.offer(one, namespace, own) for one in stock.shelves(wants))


def _prices(world: World) -> Mapping[_Price, Fraction | None]:
    """Return what a whole card behind each resource costs an hour: of all nodes, free or not."""
    prices: dict[_Price, list[Fraction | None]] = {}
    for node in world.cluster.nodes:
        hardware = world.hardware.get(node.name)
        for one in () if hardware is None else hardware.handed_out:
            key = one.resource, one.device.label, one.device.memory_bytes
            prices.setdefault(key, []).append(world.card_price(node))
    return {key: _dearest(found) for key, found in prices.items()}


def _dearest(prices: Sequence[Fraction | None]) -> Fraction | None:
    """Return the dearest card, so that a bill is never lower than said; None: one is not known."""
    known = [price for price in prices if price is not None]
    return max(known) if len(known) == len(prices) else None


def _priced(one: Shelf, prices: Mapping[_Price, Fraction | None]) -> Shelf:
    item, device = one.item, one.item.offer.device
    price = prices[item.resource, device.label, device.memory_bytes]
    if price is None or item.offer.cards is None:
        return one
    cost = item.offer.cards * price
    return replace(one, item=replace(item, offer=replace(item.offer, usd_per_hour=cost)))


def holding(candidates: Iterable[Candidate], offers: Iterable[ClusterOffer]) -> tuple[Choice, ...]:
    """Return every offer that holds the load, in price order.

    One device that nodes hand out in two ways (a device plugin here, DRA there) is two offers.
    """
    ways: dict[object, list[ClusterOffer]] = {}
    for offer in offers:
        ways.setdefault(_judged(offer.offer), []).append(offer)
    return tuple(
        Choice(candidate=one, cluster_offer=offer, replicas=one.judgement.replicas)
        for one, offer in ((one, ways[_judged(one.offer)].pop(0)) for one in candidates)
        if one.judgement.replicas > 0
    )


def _judged(offer: Offer) -> tuple[object, ...]:
    """Return all that a judgement of *offer* and its price rest on."""
    return *device_key(offer), offer.usd_per_hour
