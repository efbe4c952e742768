"""Loads that wait for a slice under DRA which the cards could hold, were pods moved."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from rightslice.core.catalog.mig import ProfileName
from rightslice.errors import InputError
from rightslice.kube.admission.offers import ClusterOffer, Item, not_allowed
from rightslice.kube.admission.settings import Mode
from rightslice.kube.operate.ask import ask
from rightslice.kube.operate.decide import Decision, Outcome, recommend_for, stand_of
from rightslice.kube.operate.offers import Stock, holding, offers_for, wants_of
from rightslice.kube.operate.view import Key, Served, World
from rightslice.kube.parse.question import NotAsked
from rightslice.kube.relayout.demands import spoken_for
from rightslice.kube.relayout.view import Pass

MOST_WAITING: Final = 4
"""ModelDeployments that are looked at in one pass, the most urgent first."""


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """Slices of one profile, or cards, that have no place."""

    key: Key
    product: str
    profile: ProfileName | None
    """None: whole cards."""
    count: int
    """Slices, or cards, of all pods together."""


def waiting_for_slices(found: Pass) -> tuple[Waiting, ...]:
    """Return what waits, in enforce, by the cheapest offer of each that is a slice by claim."""
    late = [
        one for one in found.decisions.values()
        if one.outcome is Outcome.NO_ROOM and one.mode is Mode.ENFORCE
    ]  # fmt: skip
    if not late:
        return ()
    world = replace(found.world, cluster=spoken_for(found.world.cluster, found.decisions.values()))
    late.sort(key=lambda one: _order(one, found))
    stock = Stock(world)
    made = [_waiting(found.served[one.key], world, stock) for one in late[:MOST_WAITING]]
    return tuple(one for one in made if one is not None)


def _order(one: Decision, found: Pass) -> tuple[int, Key]:
    spec = found.served[one.key].spec
    return 0 if spec is None else -spec.priority, one.key


def _waiting(served: Served, world: World, stock: Stock) -> Waiting | None:
    spec = served.spec
    model = None if spec is None else world.models.get((served.namespace, spec.model))
    if spec is None or model is None or isinstance(model, str):
        return None
    asked = ask(spec, model, world.release)
    if isinstance(asked, NotAsked):
        return None
    stand = stand_of(served, world.cluster)
    try:
        wants = wants_of(asked.question, spec.pod)
    except InputError:
        return None
    offers = offers_for(wants, served.namespace, stock, stand.waiting)
    answer = recommend_for(served, world)(asked.question, [one.offer for one in offers])
    for choice in holding(answer.candidates, offers):
        offer = choice.cluster_offer
        if not_allowed(_item(offer), served.namespace, world.cluster) is not None:
            continue
        unit, missing = offer.unit, choice.replicas - stand.placed_on(offer)
        if unit is None or missing <= 0:
            return None
        count = missing * offer.count
        return Waiting(key=served.key, product=unit.product, profile=unit.profile, count=count)
    return None


def _item(offer: ClusterOffer) -> Item:
    return Item(
        offer=offer.offer, resource=offer.resource, count=offer.count, selector=offer.selector,
        unit=offer.unit,
    )  # fmt: skip
