"""Which offer a ModelDeployment should have: the cheapest that holds, without flapping.

Up at once, down late: an offer that no longer holds the load is left as soon as another can be had;
a cheaper one is taken only when it would hold a tenth more than the load, and has for the settling
time without a break (Kubernetes' HPA waits 300 s before it scales in, for the same reason).
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from rightslice.core.catalog.question import Question
from rightslice.core.catalog.traffic import ClosedLoop, OpenLoop
from rightslice.core.fit.result import Recommendation
from rightslice.kube.admission.offers import ClusterOffer
from rightslice.kube.crd.deployment import Lowering, OfferStatus
from rightslice.kube.operate.offers import Choice, holding
from rightslice.kube.operate.view import World

MARGIN: Final = 1.1
"""A cheaper offer has to hold so many times the load before it is taken."""


@dataclass(frozen=True, kw_only=True)
class Room:
    """All that a choice rests on of what is free: nothing else of it changes the choice."""

    had: tuple[bool, ...]
    """Of each offer that holds, in price order: whether all its replicas can be had."""
    why: str | None
    """Why the first of them cannot; None when it can."""


OfferKey = tuple[str, str, int]
"""Offer, resource and how much of it a pod asks for."""


@dataclass(frozen=True, kw_only=True)
class Stand:
    """Where a ModelDeployment stands already."""

    current: OfferStatus | None
    """What runs, or what was last recommended where nothing does."""
    placed: Mapping[OfferKey, int] = field(default_factory=dict)
    """Pods that have their place already, by what they hold."""
    waiting: Mapping[str, int] = field(default_factory=dict)
    """What pods ask for that are bound to no node, by resource: pending, and their own."""

    def is_on(self, offer: ClusterOffer) -> bool:
        """Whether *offer* is the current one."""
        return self.current is not None and offer_key(self.current) == key_of(offer)

    def placed_on(self, offer: ClusterOffer) -> int:
        """Return how many pods have their place on *offer* already."""
        return self.placed.get(key_of(offer), 0)


def offer_key(offer: OfferStatus) -> OfferKey:
    """Return what tells *offer* from others."""
    return offer.offer, offer.resource, offer.count


def key_of(offer: ClusterOffer) -> OfferKey:
    """Return the same of an offer of the cluster."""
    return offer.offer.name, offer.resource, offer.count


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """What should run: `choice` is None where nothing that holds can be had."""

    choice: Choice | None
    ideal: Choice | None
    """The cheapest that holds, free or not; None when nothing of the cluster holds."""
    recommendation: Recommendation
    choices: tuple[Choice, ...]
    """Every offer that holds, free or not, in price order."""
    room: Room
    lowering: Lowering | None = None
    waiting: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Asking:
    """One question to the cluster's offers, and what answers it now."""

    question: Question
    offers: Sequence[ClusterOffer]
    stand: Stand
    before: Lowering | None
    now: dt.datetime


def room_for(wanted: Sequence[tuple[ClusterOffer, int]], stand: Stand) -> Room:
    """Return what of *wanted* (offers and replicas, in price order) can be had.

    All replicas need a place beside what runs now: those that have theirs already count.
    """
    had = tuple(replicas <= stand.placed_on(offer) + offer.free for offer, replicas in wanted)
    if not had or had[0]:
        return Room(had=had, why=None)
    offer, replicas = wanted[0]
    return Room(had=had, why=offer.obstacle or f"{offer.free} of {replicas} places are free")


def choose(asking: Asking, world: World) -> Chosen:
    """Return the offer that should run, whether it may be had now, and what is waited for."""
    found = world.recommend(asking.question, [one.offer for one in asking.offers])
    choices = holding(found.candidates, asking.offers)
    room = room_for([(one.cluster_offer, one.replicas) for one in choices], asking.stand)
    had = [one for one, is_had in zip(choices, room.had, strict=True) if is_had]
    best, ideal = next(iter(had), None), next(iter(choices), None)
    start = Chosen(choice=best, ideal=ideal, recommendation=found, choices=choices, room=room)
    if ideal is None:
        return start
    if room.why is not None:
        cheaper = "" if best is None else ", cheaper"
        told = f"{ideal.replicas} x {ideal.name}{cheaper}: {room.why}"
        start = replace(start, waiting=(told,))
    stay = next((one for one in had if asking.stand.is_on(one.cluster_offer)), None)
    if stay is None:
        return start
    if best is not None and best.name == stay.name:  # the same, handed out in another way
        start = replace(start, choice=replace(stay, replicas=best.replicas))
    return _settled(start, stay, asking, world)


def _settled(start: Chosen, stay: Choice, asking: Asking, world: World) -> Chosen:
    """Return *start*, held back while it would go down and has not settled yet."""
    best, current = start.choice, asking.stand.current
    assert best is not None and current is not None  # noqa: PT018 - one fact
    is_lower = best.name != stay.name or best.replicas < current.replicas
    if not is_lower:
        return start
    kept = replace(stay, replicas=max(stay.replicas, current.replicas))
    target = f"{best.replicas} x {best.name}"
    if not _holds_more(best, asking.question, world):
        told = f"a load lower by a tenth, before {target} is taken"
        return replace(start, choice=kept, waiting=(told,))
    before = asking.before
    since = before.since if before is not None and before.offer == target else timestamp(asking.now)
    left = seconds_left(since, world.settle_seconds, asking.now)
    lowering = Lowering(offer=target, since=since)
    if left <= 0:  # told on until the move is over: its pods take a while to be ready
        return replace(start, lowering=lowering)
    return replace(
        start,
        choice=kept,
        lowering=lowering,
        waiting=(f"the load to stay so low for {world.settle_seconds:g} s, before {target}",),
    )


def _holds_more(one: Choice, question: Question, world: World) -> bool:
    more = replace(question, traffic=replace(question.traffic, load=_raised(question)))
    found = world.recommend(more, [one.candidate.offer])
    chosen = found.chosen
    return chosen is not None and chosen.judgement.replicas <= one.replicas


def _raised(question: Question) -> ClosedLoop | OpenLoop:
    load = question.traffic.load
    if isinstance(load, ClosedLoop):
        return ClosedLoop(concurrency=math.ceil(load.concurrency * MARGIN))
    return OpenLoop(requests_per_second=load.requests_per_second * MARGIN)


def seconds_left(since: str, settle_seconds: float, now: dt.datetime) -> float:
    """Return how long what would do *since* then has to do so on before it is taken."""
    return settle_seconds - (now - _time(since, now)).total_seconds()


def _time(written: str, otherwise: dt.datetime) -> dt.datetime:
    """Return the moment that *written* names; *otherwise* when nobody can tell."""
    try:
        found = dt.datetime.strptime(written, "%Y-%m-%dT%H:%M:%SZ")  # noqa: DTZ007 - Z says UTC
    except ValueError:
        return otherwise
    return min(found.replace(tzinfo=dt.UTC), otherwise)


def timestamp(now: dt.datetime) -> str:
    """Return *now* as Kubernetes writes moments."""
    return now.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
