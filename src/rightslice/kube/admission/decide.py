"""What to do with one pod: the offer that holds its load, or why it is left as it is.

Offers come from what the cluster has for this pod, and only one that is free now is ever taken, so
that a pod that could be scheduled is never turned into one that cannot. On any doubt the pod stays
as it is, and its owner is told what to change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from rightslice.core.catalog.question import Isolation, Question
from rightslice.core.catalog.share import is_hardware_isolated
from rightslice.core.fit.constants import FittedConstants
from rightslice.core.fit.fit import fit
from rightslice.core.fit.result import Candidate, Offer, Recommendation, Refused
from rightslice.kube.admission.arguments import Wish, flags_to_say
from rightslice.kube.admission.offers import ClusterOffer, PodNeeds, cluster_offers
from rightslice.kube.admission.reading import Read, Server
from rightslice.kube.admission.settings import MODE_LABEL, Mode, ModeFound, Settings, mode_of
from rightslice.kube.cluster.hardware import NodeHardware
from rightslice.kube.cluster.view import Cluster
from rightslice.kube.cluster.volumes import volumes_of
from rightslice.kube.explain import latency_text, load_text
from rightslice.kube.parse.decoded import at, mapping, text
from rightslice.units import format_ratio

Recommend = Callable[[Question, Sequence[Offer]], Recommendation]
"""`core.fit.fit`, or a cache before it: the same answer for the same question."""


class Outcome(Enum):
    """What came of a pod; the label of the counter, and the reason of the event."""

    OFF = "Off"
    """The mode of its namespace, or its own, is off."""
    NOT_A_SERVER = "NotAServer"
    """It runs no vLLM server, or asks for no NVIDIA GPU."""
    NOT_UNDERSTOOD = "NotUnderstood"
    """Something that decides is not said, or cannot be read."""
    LEFT_ALONE = "LeftAlone"
    """What else decides about its node is not known here."""
    RIGHT = "Right"
    """It asks for what it should."""
    RESIZED = "Resized"
    """Another offer holds its load: taken in Enforce, told in Advise."""
    LARGEST = "Largest"
    """No offer of the cluster holds its load; the one that holds most."""
    NO_ROOM = "NoRoom"
    """What would hold its load is not free now."""
    NOTHING_HOLDS = "NothingHolds"
    """No offer of the cluster holds its load, and the largest is not free, or does not start it."""
    NOT_READY = "NotReady"
    """What the cluster has is not known now."""


@dataclass(frozen=True, kw_only=True)
class World:
    """What a decision rests on, beside the pod."""

    cluster: Cluster
    hardware: Mapping[str, NodeHardware]
    """What each node's GPU resources stand for, by node name."""
    settings: Settings
    read: Read
    """`read_pod`, or a memory before it."""
    recommend: Recommend
    problem: str | None = None
    """Why what is known of the cluster cannot be relied on now; None when it can."""
    is_again: bool = False
    """Whether this pod was decided a moment ago: another webhook changed it, and it came back."""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What should become of a pod, and why; nothing of it is done yet."""

    outcome: Outcome
    mode: Mode
    container: int | None = None
    """Index of the serving container."""
    current: str | None = None
    """``1 x nvidia.com/gpu``: what it asks for."""
    proposed: ClusterOffer | None = None
    """None where nothing is to change."""
    candidate: Candidate | None = None
    flags: tuple[str, ...] = ()
    """Flags to add to the serving container's arguments."""
    reasons: tuple[str, ...] = ()
    """Why this offer, or why none; the first is the one to show."""
    assumed: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def recommend_with(constants: FittedConstants) -> Recommend:
    """Return `core.fit.fit` with *constants*."""
    return lambda question, offers: fit(question, offers, constants=constants)


def decide(pod: Mapping[str, object], namespace: str, world: World) -> Decision:
    """Return what should become of *pod* of *namespace*; never raises for what a pod may hold."""
    notes = mapping(at(pod, "metadata", "annotations"))
    found = _mode(text(notes.get(MODE_LABEL)), namespace, world)
    told = () if found.problem is None else (found.problem,)
    if found.mode is Mode.OFF:
        return Decision(outcome=Outcome.OFF, mode=found.mode, warnings=told)
    read = world.read(pod, namespace)
    if read.problem is not None:
        reasons = (read.problem,)
        decision = Decision(outcome=Outcome.NOT_UNDERSTOOD, mode=found.mode, reasons=reasons)
    elif read.server is None:
        return Decision(outcome=Outcome.NOT_A_SERVER, mode=found.mode)
    else:
        decision = _decide(read.server, world, found.mode)
    return replace(decision, warnings=(*told, *decision.warnings)) if told else decision


def _mode(pod_says: str | None, namespace: str, world: World) -> ModeFound:
    """Return the mode; a namespace whose labels have not been seen is advised at most."""
    labels = world.cluster.namespaces.get(namespace)
    if labels is not None:
        return mode_of(pod_says, labels, world.settings)
    ceiling = min(world.settings.ceiling, Mode.ADVISE, key=lambda one: one.reach)
    return mode_of(pod_says, {}, replace(world.settings, ceiling=ceiling))


def _decide(server: Server, world: World, mode: Mode) -> Decision:
    start = Decision(
        outcome=Outcome.NOT_UNDERSTOOD,
        mode=mode,
        container=server.container,
        current=server.current,
    )
    if world.problem is not None:
        return replace(start, outcome=Outcome.NOT_READY, reasons=(world.problem,))
    start = replace(start, assumed=server.assumed)
    if server.beyond is not None:
        return replace(start, outcome=Outcome.LEFT_ALONE, reasons=(server.beyond,))
    if server.question is None or server.needs is None:
        return replace(start, reasons=server.problems)
    needs, cluster = server.needs, world.cluster
    if server.claims:
        volumes = volumes_of(server.claims, needs.namespace, cluster.volume_claims, cluster.volumes)
        if isinstance(volumes, str):
            return replace(start, outcome=Outcome.LEFT_ALONE, reasons=(volumes,))
        needs = replace(needs, filter=replace(needs.filter, volumes=volumes))
    return _sized(server.question, needs, server.wish, start, world)


def _sized(
    question: Question, needs: PodNeeds, wish: Wish, start: Decision, world: World
) -> Decision:
    every = cluster_offers(needs, world.cluster, world.hardware)
    every = tuple(one for one in every if _will_do(one, question))
    if not every:
        problem = _no_offers(world, needs.ranks)
        return replace(start, outcome=Outcome.NO_ROOM, reasons=(problem,))
    decision = _fitted(question, every, start, world)
    if not wish.sets or decision.candidate is None:
        told = () if wish.problem is None else (wish.problem,)
        return replace(decision, warnings=(*decision.warnings, *told))
    return _with_flags(decision, decision.candidate, question)


def _fitted(
    question: Question, every: Sequence[ClusterOffer], start: Decision, world: World
) -> Decision:
    free = tuple(one for one in every if one.obstacle is None)
    found = world.recommend(question, [one.offer for one in free]) if free else None
    if found is not None and found.chosen is not None:
        return _with_offer(start, found.chosen, free, Outcome.RESIZED, _why(found, question))
    over_all = world.recommend(question, [one.offer for one in every])
    if over_all.chosen is not None:
        obstacle = _matching(over_all.chosen.offer, every, start.current).obstacle
        reason = f"{over_all.chosen.offer.name} would hold {load_text(question.traffic)}"
        return replace(start, outcome=Outcome.NO_ROOM, reasons=(f"{reason}, but {obstacle}",))
    best = over_all.best_effort or over_all.candidates[0]
    obstacle = _matching(best.offer, every, start.current).obstacle
    if best.prediction is None or obstacle is not None:
        told = _refusal(best) if obstacle is None else f"{_refusal(best)}; {obstacle}"
        return replace(start, outcome=Outcome.NOTHING_HOLDS, reasons=(told,))
    return _with_offer(start, best, free, Outcome.LARGEST, (_refusal(best),))


def _with_flags(decision: Decision, candidate: Candidate, question: Question) -> Decision:
    """Add the flags of the offer that is taken, or say them where they are not to be added."""
    flags = flags_to_say(candidate, question.confidence)
    if not flags:
        return decision
    if question.flags_open and decision.mode is Mode.ENFORCE:
        return replace(decision, flags=flags)
    why = "in advise" if question.flags_open else "its arguments are no plain list for the server"
    told = f"rightslice: no flags are added ({why}); give it {' '.join(flags)}"
    return replace(decision, warnings=(*decision.warnings, told))


def _will_do(offer: ClusterOffer, question: Question) -> bool:
    """Whether a pod may be put there: shared cards need its word, and a bounded utilization.

    A server on a shared card sees all of its memory, so that vLLM's default would take it whole.
    """
    share = offer.offer.device.share
    if is_hardware_isolated(share):
        return True
    given = question.server.gpu_memory_utilization
    replicas = getattr(share, "replicas", 1)
    bounded = question.flags_open if given is None else given * replicas <= 1
    return question.isolation is Isolation.NONE and bounded


def _with_offer(
    start: Decision,
    candidate: Candidate,
    free: Sequence[ClusterOffer],
    outcome: Outcome,
    reasons: tuple[str, ...],
) -> Decision:
    chosen = _matching(candidate.offer, free, start.current)
    same = start.current == f"{chosen.count} x {chosen.resource}" and not chosen.selector
    settled = outcome is Outcome.RESIZED and same
    return replace(
        start,
        outcome=Outcome.RIGHT if settled else outcome,
        proposed=None if same else chosen,
        candidate=candidate,
        reasons=reasons,
    )


def _matching(offer: Offer, every: Sequence[ClusterOffer], current: str | None) -> ClusterOffer:
    """Return the offer that *offer* came from: free before taken, and as it is asked for now."""
    same = (one for one in every if device_key(one.offer) == device_key(offer))
    return min(
        same, key=lambda one: (one.obstacle is not None, f"{one.count} x {one.resource}" != current)
    )


def device_key(offer: Offer) -> tuple[str, int, int]:
    """Return what tells offers without a price apart: device, its memory, and how many of it."""
    return offer.device.label, offer.device.memory_bytes, offer.tensor_parallel


def _why(found: Recommendation, question: Question) -> tuple[str, ...]:
    """Return why the offer was taken: its numbers, and the nearest smaller offer's refusal."""
    chosen, slo = found.chosen, question.slo
    assert chosen is not None
    assert chosen.prediction is not None
    parts = [f"{chosen.offer.name} holds {load_text(question.traffic)}"]
    if slo.tpot_seconds is not None:
        tpot = latency_text(chosen.prediction.tpot, slo.tpot_percentile, slo.tpot_seconds)
        parts.append(f"TPOT {tpot}")
    if slo.ttft_seconds is not None:
        ttft = latency_text(chosen.prediction.ttft, slo.ttft_percentile, slo.ttft_seconds)
        parts.append(f"TTFT {ttft}")
    parts.append(f"at {format_ratio(question.confidence)} confidence")
    before = found.candidates[: found.candidates.index(chosen)]
    smaller = [one for one in before if isinstance(one.outcome, Refused)]
    refused = () if not smaller else (f"smaller refused: {_refusal(smaller[-1])}",)
    return ("; ".join(parts), *refused)


def _refusal(candidate: Candidate) -> str:
    outcome = candidate.outcome
    assert isinstance(outcome, Refused)
    return f"{candidate.offer.name}: {outcome.reason}; would turn: {outcome.remedy}"


def _no_offers(world: World, ranks: int) -> str:
    problems = [one.problem for one in world.hardware.values() if one.problem is not None]
    if problems:
        return problems[0]
    many = f" with {ranks} cards" if ranks > 1 else ""
    return f"no node that the pod may use hands out an NVIDIA GPU{many} that it would take"
