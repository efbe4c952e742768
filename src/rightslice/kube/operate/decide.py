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

from rightslice.core.catalog.question import Question
from rightslice.core.catalog.traffic import ClosedLoop
from rightslice.kube.admission.settings import Mode
from rightslice.kube.crd.deployment import ModelDeploymentStatus, OfferStatus
from rightslice.kube.operate.ask import ask
from rightslice.kube.operate.choose import Asking, choose
from rightslice.kube.operate.objects import Rendered, rendered
from rightslice.kube.operate.offers import Choice, offers_for, reserved, supplies
from rightslice.kube.operate.status import Findings, status_of
from rightslice.kube.operate.transition import Action, Apply, Delete, Scale, Target, missing, steps
from rightslice.kube.operate.view import Key, Part, Running, Served, World
from rightslice.kube.parse.question import NotAsked


class Outcome(Enum):
    """What came of a ModelDeployment; the reason of its event, and the counter's label."""

    OFF = "Off"
    INVALID = "Invalid"
    """Its spec, or its model, has to be changed."""
    NOT_READY = "NotReady"
    """What the cluster has is not known now."""
    NOTHING_HOLDS = "NothingHolds"
    """No offer of the cluster holds its load."""
    NO_ROOM = "NoRoom"
    """What would hold its load is not free."""
    RECOMMENDED = "Recommended"


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


def decide_all(served: Iterable[Served], world: World, now: dt.datetime) -> tuple[Decision, ...]:
    """Return the decision of each, in the order in which they were served."""
    found = []
    world = replace(world, supplies=supplies(world))
    for one in sorted(served, key=lambda one: _order(one, world)):
        decision = decide(one, world, now)
        cluster = world.cluster
        for resource, count in decision.held:
            cluster = reserved(cluster, resource, count)
        world = replace(world, cluster=cluster)
        found.append(decision)
    return tuple(found)


def _order(one: Served, world: World) -> tuple[bool, int, Key]:
    priority = 0 if one.spec is None else one.spec.priority
    return _mode(one, world) is not Mode.ENFORCE, -priority, one.key


def _mode(one: Served, world: World) -> Mode:
    asked = Mode.ADVISE if one.spec is None else one.spec.mode
    return min(asked, world.ceiling, key=lambda mode: mode.reach)


def decide(served: Served, world: World, now: dt.datetime) -> Decision:
    """Return what should become of *served*; never raises for what an object may hold."""
    mode = _mode(served, world)
    findings = Findings(served=served, mode=mode, now=now)
    if mode is Mode.OFF:
        return _told(Outcome.OFF, findings)
    if world.problem is not None:
        return _told(Outcome.NOT_READY, replace(findings, problems=(world.problem,)))
    if served.spec is None:
        return _told(Outcome.INVALID, replace(findings, problems=served.problems))
    model = world.models.get((served.namespace, served.spec.model))
    if model is None or isinstance(model, str):
        why = model or f"model: there is no Model {served.spec.model} in {served.namespace}"
        return _told(Outcome.INVALID, replace(findings, problems=(why,)))
    asked = ask(served.spec, model, world.release)
    if isinstance(asked, NotAsked):
        return _told(Outcome.INVALID, replace(findings, problems=asked.reasons))
    findings = replace(findings, question=asked.question, assumed=asked.assumed)
    return _chosen(findings, world)


def _told(outcome: Outcome, findings: Findings) -> Decision:
    return Decision(
        key=findings.served.key,
        outcome=outcome,
        mode=findings.mode,
        status=status_of(findings, outcome.value),
    )


def _chosen(findings: Findings, world: World) -> Decision:
    served, question = findings.served, findings.question
    assert question is not None
    offers = offers_for(question, served.namespace, world)
    if not offers:
        why = "no node hands out an NVIDIA GPU that is known; label and device plugin are missing"
        return _told(Outcome.NO_ROOM, replace(findings, problems=(why,)))
    current = current_offer(served)
    asking = Asking(
        question=question,
        offers=offers,
        current=current,
        held=0 if current is None else _held(served, current),
        before=served.before.lowering,
        now=findings.now,
    )
    chosen = choose(asking, world)
    findings = replace(findings, chosen=chosen)
    if chosen.choice is None:
        outcome = Outcome.NOTHING_HOLDS if chosen.ideal is None else Outcome.NO_ROOM
        return replace(_told(outcome, findings), held=_unseen(served))
    return _with_objects(findings, chosen.choice, question)


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


def _held(served: Served, current: OfferStatus) -> int:
    """Return the pods on the current offer: bound, or counted as waiting for a place of it."""
    return sum(
        one.pods
        for one in served.running
        if one.offer is not None
        and (one.offer.offer, one.offer.resource) == (current.offer, current.resource)
    )


def _with_objects(findings: Findings, choice: Choice, question: Question) -> Decision:
    served = findings.served
    made = rendered(served, choice, question)
    kept = _kept(served, choice, question, made)
    runs = made if kept is None else made.like(kept)
    findings = replace(findings, rendered=made, revision=runs.revision)
    target = Target(
        revision=findings.revision,
        guaranteed=question.min_replicas,
        elastic=max(0, choice.replicas - question.min_replicas),
    )
    decision = replace(_told(Outcome.RECOMMENDED, findings), held=_claimed(served, choice, target))
    if findings.mode is not Mode.ENFORCE:
        return decision
    return replace(decision, actions=_actions(served, runs, target))


def _actions(served: Served, made: Rendered, target: Target) -> tuple[Action, ...]:
    created = [
        Apply(manifest=made.deployment(served.name, part, count))
        for part, count in missing(served.running, target).items()
    ]
    beside = [Apply(manifest=one) for one in made.beside]
    changed: Sequence[Scale | Delete] = steps(served.running, target)
    return (*beside, *created, *changed)


def _kept(served: Served, choice: Choice, question: Question, made: Rendered) -> Running | None:
    """Return the Deployment that runs already and serves as well as a new one would.

    Flags follow the load; pods are made anew for them only when those that they have are too small.
    """
    for one in sorted(served.running, key=lambda one: (-one.ready, one.name)):
        offer = one.offer
        if one.replicas == 0 or one.part is not Part.GUARANTEED or offer is None:
            continue
        same = (offer.offer, offer.resource, offer.count) == (
            choice.name, choice.cluster_offer.resource, choice.cluster_offer.count,
        )  # fmt: skip
        if same and one.image == made.image and _serves(one, made, question, choice.replicas):
            return one
    return None


def _serves(one: Running, made: Rendered, question: Question, replicas: int) -> bool:
    """Whether the flags that *one* runs with are those wanted, or larger."""
    has, wants = _split(one.arguments), _split(made.arguments)
    if {name: has.get(name) for name in wants if name not in _SIZES} != {
        name: value for name, value in wants.items() if name not in _SIZES
    }:
        return False
    load = question.traffic.load
    longest = question.traffic.input.largest + question.traffic.output.largest
    least = {"--max-model-len": longest}
    if isinstance(load, ClosedLoop):
        least["--max-num-seqs"] = -(-load.concurrency // replicas)
    else:
        least["--max-num-seqs"] = _number(wants.get("--max-num-seqs"))
    least["--kv-cache-memory-bytes"] = _number(wants.get("--kv-cache-memory-bytes")) * 4 // 5
    return all(_number(has.get(name)) >= value for name, value in least.items())


_SIZES = (
    "--max-model-len", "--max-num-seqs", "--max-num-batched-tokens", "--kv-cache-memory-bytes",
    "--gpu-memory-utilization",
)  # fmt: skip


def _split(arguments: Sequence[str]) -> dict[str, str]:
    return {one.partition("=")[0]: one.partition("=")[2] for one in arguments}


def _number(written: str | None) -> int:
    return int(written) if written is not None and written.isdecimal() else 0


def _claimed(served: Served, choice: Choice, target: Target) -> tuple[tuple[str, int], ...]:
    """Return what *choice* takes beyond the pods in sight, which the cluster counts itself."""
    resource, count = choice.amounts
    seen = sum(one.pods for one in served.running if one.revision == target.revision)
    return ((resource, max(0, count - seen * choice.cluster_offer.count)),)


def _unseen(served: Served) -> tuple[tuple[str, int], ...]:
    return tuple(
        (one.offer.resource, max(0, one.replicas - one.pods) * one.offer.count)
        for one in served.running
        if one.offer is not None and one.replicas > one.pods
    )
