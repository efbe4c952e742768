"""Which offer a ModelDeployment should have: the cheapest that holds, without flapping.

Up at once, down late: an offer that no longer holds the load is left as soon as another can be had;
a cheaper one is taken only when it would hold a tenth more than the load, and has for the settling
time without a break (Kubernetes' HPA waits 300 s before it scales in, for the same reason).
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
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
class Chosen:
    """What should run: `choice` is None where nothing that holds can be had."""

    choice: Choice | None
    ideal: Choice | None
    """The cheapest that holds, free or not; None when nothing of the cluster holds."""
    recommendation: Recommendation
    lowering: Lowering | None = None
    waiting: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Asking:
    """One question to the cluster's offers, and what answers it now."""

    question: Question
    offers: Sequence[ClusterOffer]
    current: OfferStatus | None
    """What runs, or what was last recommended where nothing does."""
    held: int
    """Replicas of the current offer that have their place already."""
    before: Lowering | None
    now: dt.datetime


def choose(asking: Asking, world: World) -> Chosen:
    """Return the offer that should run, whether it may be had now, and what is waited for."""
    found = world.recommend(asking.question, [one.offer for one in asking.offers])
    choices = holding(found.candidates, asking.offers)
    ideal = choices[0] if choices else None
    had = [one for one in choices if can_be_had(one, asking)]
    stay = next((one for one in had if _is_current(one, asking.current)), None)
    best = had[0] if had else None
    start = Chosen(choice=best, ideal=ideal, recommendation=found)
    if best is None:
        if ideal is None:
            return start
        obstacle = ideal.cluster_offer.obstacle
        why = obstacle or f"{ideal.cluster_offer.free} of {ideal.replicas} places are free"
        return replace(start, waiting=(f"{ideal.replicas} x {ideal.name}: {why}",))
    if ideal is not None and best.name != ideal.name:
        why = ideal.cluster_offer.obstacle or "too few are free"
        start = replace(start, waiting=(f"{ideal.replicas} x {ideal.name}, cheaper: {why}",))
    if stay is None or asking.current is None:
        return start
    return _settled(start, stay, asking, world)


def can_be_had(one: Choice, asking: Asking) -> bool:
    """Whether all replicas of *one* have a place, beside what runs now."""
    offer = one.cluster_offer
    if _is_current(one, asking.current):
        return one.replicas <= asking.held + offer.free
    return offer.obstacle is None and one.replicas <= offer.free


def _is_current(one: Choice, current: OfferStatus | None) -> bool:
    if current is None:
        return False
    offer = one.cluster_offer
    there = current.offer, current.resource, current.count
    return (one.name, offer.resource, offer.count) == there


def _settled(start: Chosen, stay: Choice, asking: Asking, world: World) -> Chosen:
    """Return *start*, held back while it would go down and has not settled yet."""
    best, current = start.choice, asking.current
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
    left = world.settle_seconds - (asking.now - _time(since, asking.now)).total_seconds()
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
