"""What ModelDeployments wait for that a node cut otherwise would hand out.

The question is asked anew, over what the nodes hand out and over what they could: the same
`core.fit` and the same prices decide. Only who has nothing at all that holds its load counts; who
could have the same on a dearer offer has that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import takewhile
from typing import Final

from rightslice.core.catalog.fleet import MigStrategy
from rightslice.core.catalog.mig import ProfileName
from rightslice.core.catalog.question import Question
from rightslice.core.catalog.resource import extended_resource
from rightslice.core.catalog.share import Exclusive, MigSlice, Share
from rightslice.core.fit.offers import slices
from rightslice.kube.admission.decide import device_key
from rightslice.kube.admission.offers import ClusterOffer
from rightslice.kube.admission.settings import Mode
from rightslice.kube.cluster.hardware import HandedOut, NodeHardware, device_on
from rightslice.kube.cluster.view import Cluster, ClusterNode
from rightslice.kube.operate.ask import ask
from rightslice.kube.operate.choose import Stand
from rightslice.kube.operate.decide import Decision, Outcome, recommend_for, stand_of
from rightslice.kube.operate.offers import Choice, Stock, holding, offers_for, wants_of
from rightslice.kube.operate.pod import Where
from rightslice.kube.operate.view import Key, Served, World
from rightslice.kube.parse.question import NotAsked
from rightslice.kube.relayout.limits import Limits
from rightslice.kube.relayout.machine import seconds_between
from rightslice.kube.relayout.nodes import CuttableNode

MOST_WANTS: Final = 4
MOST_DEMANDS: Final = 16
"""ModelDeployments that are looked at in one pass."""
_WAITING: Final = (Outcome.NO_ROOM, Outcome.NOTHING_HOLDS)


@dataclass(frozen=True, kw_only=True)
class Want:
    """One way to hold the load that no free slice gives."""

    offer: str
    gpu: str
    """The board's catalogue name."""
    profile: ProfileName | None
    """None: whole cards."""
    resource: str
    ranks: int
    """Cards, or slices, of one pod."""
    missing: int
    """Pods that have no place."""


@dataclass(frozen=True, kw_only=True)
class Demand:
    """A ModelDeployment that has nothing to run on, or pays more than it would have to."""

    key: Key
    uid: str
    mode: Mode
    priority: int
    since: str
    """Since when it waits, or runs as it does."""
    wants: tuple[Want, ...]
    """The cheapest first."""
    where: Where = field(default_factory=Where)
    """Which nodes will do."""
    is_saving: bool = False
    """It runs, on a dearer offer than these."""


def waiting(decisions: Iterable[Decision]) -> tuple[Decision, ...]:
    """Return the decisions of those that have nothing to run on."""
    return tuple(one for one in decisions if one.outcome in _WAITING and one.mode is not Mode.OFF)


def demands(
    decisions: Sequence[Decision], served: Mapping[Key, Served], world: World,
    nodes: Sequence[CuttableNode], *, to_save: bool = False,
) -> tuple[Demand, ...]:  # fmt: skip
    """Return what the *decisions* leave waiting that *nodes* could hand out, most urgent first.

    *to_save*: cheaper offers for who runs already come after it, while a node is empty.
    """
    late = waiting(decisions)
    if to_save and any(not one.is_in_use for one in nodes):
        late += tuple(one for one in decisions if one.outcome is Outcome.RECOMMENDED)
    if not late or not nodes:
        return ()
    found = []
    world = replace(world, cluster=spoken_for(world.cluster, decisions))
    now_there, could = Stock(world), Stock(_with_cuts(world, nodes))
    order = sorted(late, key=lambda one: _order(one, served[one.key]))
    for decision in order[:MOST_DEMANDS]:
        one = served[decision.key]
        is_saving = decision.outcome is Outcome.RECOMMENDED
        had = decision.status.recommendation if is_saving else None
        below = None if had is None else had.offer.offer
        wants = _wants(one, world, (now_there, could), below)
        if wants and one.spec is not None:
            since = _waiting_since(decision)
            found.append(
                Demand(
                    key=decision.key, uid=one.uid, mode=decision.mode, wants=wants,
                    priority=one.spec.priority,
                    since=since, is_saving=is_saving, where=Where.of(one.spec.pod),
                )
            )  # fmt: skip
    return tuple(found)


def spoken_for(cluster: Cluster, decisions: Iterable[Decision]) -> Cluster:
    """Return *cluster* with what the *decisions* have promised among what is pending."""
    pending = dict(cluster.pending)
    for one in decisions:
        for resource, count in one.held:
            pending[resource] = pending.get(resource, Fraction(0)) + count
    return replace(cluster, pending=pending)


def is_early(demand: Demand, limits: Limits, now: str) -> bool:
    """Whether *demand* has waited too short a time for a node to be cut."""
    times = limits.saving_patience if demand.is_saving else 1.0
    return seconds_between(demand.since, now) < times * limits.patience_seconds


def _order(decision: Decision, served: Served) -> tuple[bool, bool, int, float, Key]:
    """Who waits before who runs, who acts before who is advised; of those that run the dearest."""
    priority = 0 if served.spec is None else served.spec.priority
    runs = decision.outcome is Outcome.RECOMMENDED
    return runs, decision.mode is not Mode.ENFORCE, -priority, -_usd(decision), decision.key


def _usd(decision: Decision) -> float:
    recommended = decision.status.recommendation
    written = None if recommended is None else recommended.offer.usd_per_hour
    return 0.0 if written is None else float(written.replace(",", ""))


def _waiting_since(decision: Decision) -> str:
    conditions = decision.status.conditions
    return next((one.last_transition_time for one in conditions if one.type == "Recommended"), "")


def _wants(
    served: Served, world: World, stocks: tuple[Stock, Stock], below: str | None
) -> tuple[Want, ...]:
    """Return what holds the load and has too few places, the cheapest first.

    *stocks*: what there is, and what there could be. *below*: only what comes before that offer;
    nothing where such a one has its places already.
    """
    question = _question(served, world)
    if question is None or served.spec is None:
        return ()
    asked = wants_of(question, served.spec.pod)
    stand = stand_of(served, world.cluster)
    there, could = (offers_for(asked, served.namespace, one, stand.waiting) for one in stocks)
    if not could:
        return ()
    free = {device_key(one.offer): one for one in there}
    found = recommend_for(served, world)(question, [one.offer for one in could])
    choices = holding(found.candidates, could)
    if below is not None:
        if below not in [one.name for one in choices]:
            return ()
        choices = tuple(takewhile(lambda one: one.name != below, choices))
    wants = [
        _want(one, free, stand) for one in choices
        if one.cluster_offer.obstacle is None  # a quota, say: no cut would help
    ]  # fmt: skip
    if below is not None and None in wants:
        return ()
    return tuple(one for one in wants if one is not None)[:MOST_WANTS]


def _question(served: Served, world: World) -> Question | None:
    if served.spec is None:
        return None
    model = world.models.get((served.namespace, served.spec.model))
    if model is None or isinstance(model, str):
        return None
    asked = ask(served.spec, model, world.release)
    return None if isinstance(asked, NotAsked) else asked.question


def _want(
    choice: Choice, free: Mapping[tuple[str, int, int], ClusterOffer], stand: Stand
) -> Want | None:
    offer = choice.cluster_offer
    real = free.get(device_key(choice.candidate.offer))
    places = 0 if real is None else real.free
    missing = choice.replicas - places - stand.placed_on(offer)
    if missing <= 0:
        return None
    device = choice.candidate.offer.device
    return Want(
        offer=choice.name,
        gpu=device.gpu_name,
        profile=device.share.profile if isinstance(device.share, MigSlice) else None,
        resource=offer.resource,
        ranks=offer.count,
        missing=missing,
    )


def _with_cuts(world: World, nodes: Sequence[CuttableNode]) -> World:
    """Return *world* as if each of *nodes* handed out every whole card and slice that it could."""
    by_name = {one.node.name: one for one in nodes}
    hardware = dict(world.hardware)
    changed: list[ClusterNode] = []
    for node in world.cluster.nodes:
        cut = by_name.get(node.name)
        if cut is None:
            changed.append(node)
            continue
        counts = _possible(cut)
        allocatable = dict(node.allocatable)
        for one, count in counts:
            used = node.used.get(one.resource, Fraction(0))
            pending = world.cluster.pending.get(one.resource, Fraction(0))
            allocatable[one.resource] = used + pending + count
        changed.append(replace(node, allocatable=allocatable))
        hardware[node.name] = NodeHardware(handed_out=tuple(one for one, _ in counts))
    cluster = replace(world.cluster, nodes=tuple(changed))
    return replace(world, cluster=cluster, hardware=hardware)


def _possible(cut: CuttableNode) -> list[tuple[HandedOut, int]]:
    """Return what the node could hand out, each by itself, and at most how many."""
    found = []
    shares: list[Share] = [Exclusive(), *slices(cut.gpu)]
    for share in shares:
        most = cut.cards.cards
        if isinstance(share, MigSlice):
            profile = cut.cards.grid.profile(share.profile)
            if profile.memory_slots == cut.cards.grid.slots:
                continue  # the card with fewer SMs
            most *= profile.max_instances or 1
        resource = extended_resource(MigStrategy.MIXED, share)
        device = device_on(cut.node, cut.gpu, share)
        found.append((HandedOut(resource=resource, device=device), most))
    return found
