"""What becomes of every ModelDeployment at one moment, and what its status says of it.

One pass decides them all, those that act before those that are only advised, larger priority first:
what one is given is held back from the next, so that nothing is promised twice. Each gets the
cheapest offer that holds its load and can be had, as `core.fit` says; the joint optimum of a whole
fleet is `core.plan`'s. Given the same view, a decision is the same.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Final

from rightslice.core.catalog.model import Model
from rightslice.core.catalog.question import Question
from rightslice.kube.admission.decide import Recommend
from rightslice.kube.admission.offers import Item
from rightslice.kube.admission.settings import Mode
from rightslice.kube.cluster.view import Cluster, OwnPods
from rightslice.kube.crd.deployment import (
    Lowering,
    ModelDeploymentSpec,
    ModelDeploymentStatus,
    OfferStatus,
)
from rightslice.kube.operate.ask import ask
from rightslice.kube.operate.choose import (
    Asking,
    OfferKey,
    Room,
    Stand,
    choose,
    offer_key,
    seconds_left,
)
from rightslice.kube.operate.claims import template_actions
from rightslice.kube.operate.kept import kept_deployment
from rightslice.kube.operate.objects import Rendered, rendered
from rightslice.kube.operate.offers import Choice, Stock, Wants, offers_for, wants_of
from rightslice.kube.operate.status import Findings, status_of
from rightslice.kube.operate.transition import Action, Apply, Delete, Scale, Target, missing, steps
from rightslice.kube.operate.view import Key, Served, World
from rightslice.kube.parse.question import Asked, NotAsked


class Outcome(Enum):
    """What came of a ModelDeployment; the reason of its event, and the counter's label."""

    OFF = "Off"
    """Its mode is off: nothing is decided."""
    INVALID = "Invalid"
    """Its spec, or its model, has to be changed."""
    NOT_READY = "NotReady"
    """What the cluster has is not known now."""
    NOTHING_HOLDS = "NothingHolds"
    """No offer of the cluster holds its load."""
    NO_ROOM = "NoRoom"
    """What would hold its load is not free."""
    RECOMMENDED = "Recommended"
    """An offer holds its load and can be had; in enforce, it is made to run."""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What should become of one ModelDeployment."""

    key: Key
    outcome: Outcome
    mode: Mode
    status: ModelDeploymentStatus
    actions: tuple[Action, ...] = ()
    """What is to be done now: nothing unless its mode is enforce."""
    held: tuple[tuple[str, int], ...] = field(default=())
    """Resources spoken for beyond the pods in sight, and how many."""
    due: dt.datetime | None = None
    """When time alone changes it; None: it does not."""


@dataclass(frozen=True, kw_only=True)
class WorkedOut:
    """A decision, and all that it rests on."""

    decision: Decision
    served: Served
    model: Model | str | None = None
    recommend: Recommend | None = None
    problem: str | None = None
    at: dt.datetime
    asked: Asked | NotAsked | None = None
    wants: Wants | None = None
    """None: nothing is asked of the nodes."""
    items: tuple[Item, ...] = ()
    """What the nodes had, free or not."""
    wanted: tuple[tuple[int, int], ...] = ()
    """Indices of `items` that hold the load, in price order, and replicas of each."""
    own: tuple[OwnPods, ...] = ()
    """Its pods, by revision."""
    room: Room | None = None
    """What of these could be had; None where the decision does not rest on it."""

    @property
    def is_told(self) -> bool:
        """Whether the status says it all: then it says the same later on."""
        return self.decision.status == self.served.before


def decide_all(served: Iterable[Served], world: World, now: dt.datetime) -> tuple[Decision, ...]:
    """Return the decision of each, in the order in which they were served."""
    found = []
    stock = Stock(world)
    for one in in_order(served, world):
        decision = work_out(one, world, now, stock).decision
        stock.speak_for(decision.held)
        found.append(decision)
    return tuple(found)


def in_order(served: Iterable[Served], world: World) -> list[Served]:
    """Return who is served first: who acts before who is advised, larger priority first."""
    return sorted(served, key=lambda one: _order(one, world))


def _order(one: Served, world: World) -> tuple[bool, int, Key]:
    priority = 0 if one.spec is None else one.spec.priority
    return _mode(one, world) is not Mode.ENFORCE, -priority, one.key


def _mode(one: Served, world: World) -> Mode:
    asked = Mode.ADVISE if one.spec is None else one.spec.mode
    return min(asked, world.ceiling, key=lambda mode: mode.reach)


def decide(served: Served, world: World, now: dt.datetime) -> Decision:
    """Return what should become of *served*; never raises for what an object may hold."""
    return work_out(served, world, now, Stock(world)).decision


def work_out(
    served: Served, world: World, now: dt.datetime, stock: Stock, last: WorkedOut | None = None
) -> WorkedOut:
    """Return what `decide` returns, with all that it rests on.

    *stock* is what those that were served before have left. What *served* asks is read anew only
    where it is not what it was in *last*.
    """
    mode, model = _mode(served, world), model_of(served, world)
    findings = Findings(served=served, mode=mode, now=now)
    start = WorkedOut(
        decision=_told(Outcome.OFF, findings),
        served=served, model=model, recommend=recommend_for(served, world),
        problem=world.problem, at=now,
    )  # fmt: skip
    if mode is Mode.OFF:
        return start
    if world.problem is not None:
        return _refused(start, Outcome.NOT_READY, findings, (world.problem,))
    if served.spec is None:
        return _refused(start, Outcome.INVALID, findings, served.problems)
    if model is None or isinstance(model, str):
        why = model or f"model: there is no Model {served.spec.model} in {served.namespace}"
        return _refused(start, Outcome.INVALID, findings, (why,))
    asked = _asked(served.spec, model, world, last)
    if isinstance(asked, NotAsked):
        found = _refused(start, Outcome.INVALID, findings, asked.reasons)
        return replace(found, asked=asked)
    findings = replace(findings, question=asked.question, assumed=asked.assumed)
    wants = wants_of(asked.question, served.spec.pod)
    start = replace(start, asked=asked, wants=wants, items=stock.items(wants))
    return _chosen(start, findings, world, stock)


def model_of(served: Served, world: World) -> Model | str | None:
    """Return the model of *served*; a text, or None where there is none, when it cannot be used."""
    if served.spec is None:
        return None
    return world.models.get((served.namespace, served.spec.model))


def recommend_for(served: Served, world: World) -> Recommend:
    """Return what answers questions about the model of *served*: by its calibrations, if any."""
    name = "" if served.spec is None else served.spec.model
    return world.recommends.get((served.namespace, name), world.recommend)


def _asked(
    spec: ModelDeploymentSpec, model: Model, world: World, last: WorkedOut | None
) -> Asked | NotAsked:
    is_same = last is not None and (last.served.spec, last.model) == (spec, model)
    if last is not None and last.asked is not None and is_same:
        return last.asked
    return ask(spec, model, world.release)


def _refused(
    start: WorkedOut, outcome: Outcome, findings: Findings, why: tuple[str, ...]
) -> WorkedOut:
    return replace(start, decision=_told(outcome, replace(findings, problems=why)))


def _told(outcome: Outcome, findings: Findings) -> Decision:
    return Decision(
        key=findings.served.key,
        outcome=outcome,
        mode=findings.mode,
        status=status_of(findings, outcome.value),
    )


def _chosen(start: WorkedOut, findings: Findings, world: World, stock: Stock) -> WorkedOut:
    served, question = findings.served, findings.question
    assert question is not None
    stand = stand_of(served, world.cluster)
    assert start.wants is not None
    offers = offers_for(start.wants, served.namespace, stock, stand.waiting)
    if not offers:
        why = "no node hands out an NVIDIA GPU that is known; label and device plugin are missing"
        return _refused(start, Outcome.NO_ROOM, findings, (why,))
    asking = Asking(
        question=question,
        offers=offers,
        stand=stand,
        before=served.before.lowering,
        now=findings.now,
    )
    chosen = choose(asking, replace(world, recommend=recommend_for(served, world)))
    findings = replace(findings, chosen=chosen)
    if chosen.choice is None:
        outcome = Outcome.NOTHING_HOLDS if chosen.ideal is None else Outcome.NO_ROOM
        decision = replace(_told(outcome, findings), held=_unseen(served, world.cluster))
    else:
        decision = _with_objects(findings, chosen.choice, question, world.cluster)
    places = {id(one): index for index, one in enumerate(offers)}
    wanted = tuple((places[id(one.cluster_offer)], one.replicas) for one in chosen.choices)
    decision = replace(decision, due=_due(chosen.lowering, world, findings.now))
    return replace(
        start,
        decision=decision,
        wanted=wanted,
        own=own_pods(served, world.cluster, decision),
        room=chosen.room,
    )


_LONGEST_WAIT_SECONDS: Final = 365 * 86_400.0
"""What a date can carry; it is looked at again then."""


def _due(lowering: Lowering | None, world: World, now: dt.datetime) -> dt.datetime | None:
    """Return when the cheaper offer that is waited for is taken; None: nothing waits for that."""
    if lowering is None:
        return None
    left = seconds_left(lowering.since, world.settle_seconds, now)
    if left <= 0:
        return None
    return now + dt.timedelta(seconds=min(left, _LONGEST_WAIT_SECONDS))


def stand_of(served: Served, cluster: Cluster) -> Stand:
    """Return where *served* stands: what runs or was last recommended, and where its pods are.

    Pods are those that the cluster counts, so that a place is never both taken and free.
    """
    placed: dict[OfferKey, int] = {}
    waiting: dict[str, int] = {}
    offers = {one.revision: one.offer for one in served.running if one.offer is not None}
    for revision, offer in offers.items():
        own = pods_of(served, revision, cluster)
        key = offer_key(offer)
        placed[key] = placed.get(key, 0) + own.bound
        waiting[offer.resource] = waiting.get(offer.resource, 0) + own.waiting * offer.count
    return Stand(current=current_offer(served), placed=placed, waiting=waiting)


def current_offer(served: Served) -> OfferStatus | None:
    """Return what runs (the revision with most ready pods), else what was last recommended."""
    running = [one for one in served.running if one.offer is not None and one.replicas > 0]
    if not running:
        last = served.before.recommendation
        return None if last is None else last.offer
    best = max(running, key=lambda one: (_ready(served, one.revision), one.revision))
    assert best.offer is not None
    count = sum(one.replicas for one in running if one.revision == best.revision)
    return replace(best.offer, replicas=count)


def _ready(served: Served, revision: str) -> int:
    return sum(one.ready for one in served.running if one.revision == revision)


def _with_objects(
    findings: Findings, choice: Choice, question: Question, cluster: Cluster
) -> Decision:
    served = findings.served
    made = rendered(served, choice, question)
    kept = kept_deployment(served, choice, question, made)
    runs = made if kept is None or kept.revision == made.revision else made.like(kept)
    findings = replace(findings, rendered=made, revision=runs.revision)
    target = Target(
        revision=findings.revision,
        guaranteed=question.min_replicas,
        elastic=max(0, choice.replicas - question.min_replicas),
    )
    seen = pods_of(served, target.revision, cluster)
    held = _beyond(choice.cluster_offer.resource, choice.cluster_offer.count, choice.replicas, seen)
    decision = replace(_told(Outcome.RECOMMENDED, findings), held=(held,))
    if findings.mode is not Mode.ENFORCE:
        return decision
    same = _there(served, made) if runs is made else ()
    return replace(decision, actions=(*same, *_actions(served, runs, target)))


def _there(served: Served, made: Rendered) -> tuple[Apply, ...]:
    """Return the Deployments of *made* that are there, as they should be but for replicas."""
    return tuple(
        Apply(manifest=made.deployment(served.name, one.part, one.replicas))
        for one in served.running
        if one.revision == made.revision
    )


def _actions(served: Served, made: Rendered, target: Target) -> tuple[Action, ...]:
    created = [
        Apply(manifest=made.deployment(served.name, part, count))
        for part, count in missing(served.running, target).items()
    ]
    beside = [Apply(manifest=one) for one in made.beside]
    claims = template_actions(served, made.claim_template(served.name), target.revision)
    changed: Sequence[Scale | Delete] = steps(served.running, target)
    return (*beside, *claims, *created, *changed)


def pods_of(served: Served, revision: str, cluster: Cluster) -> OwnPods:
    """Return the pods of one revision as the cluster counts them, where what they hold counts."""
    return cluster.own_pods.get((served.namespace, served.name, revision), OwnPods())


def own_pods(served: Served, cluster: Cluster, decision: Decision) -> tuple[OwnPods, ...]:
    """Return the pods of each revision that *decision* looks at, as the cluster counts them."""
    revisions = {one.revision for one in served.running}
    found = decision.status.recommendation
    if found is not None:
        revisions.add(found.offer.revision)
    return tuple(pods_of(served, one, cluster) for one in sorted(revisions))


def _beyond(resource: str, count: int, replicas: int, seen: OwnPods) -> tuple[str, int]:
    """Return what replicas take beyond the pods in sight, whose part the cluster counts itself."""
    return resource, max(0, replicas - seen.bound - seen.waiting) * count


def _unseen(served: Served, cluster: Cluster) -> tuple[tuple[str, int], ...]:
    asked: dict[str, int] = {}
    for one in served.running:
        asked[one.revision] = asked.get(one.revision, 0) + one.replicas
    offers = {one.revision: one.offer for one in served.running if one.offer is not None}
    return tuple(
        _beyond(offer.resource, offer.count, asked[name], pods_of(served, name, cluster))
        for name, offer in offers.items()
    )
