"""Each workload that runs, with what its manifests need to know of the fleet around it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from rightslice.core.catalog.device import Device
from rightslice.core.catalog.fleet import NodeGroup, Workload
from rightslice.core.catalog.mig import ProfileName
from rightslice.core.catalog.share import Exclusive, MigSlice, Share
from rightslice.core.fit.result import Candidate, Offer, Recommendation
from rightslice.core.perf.result import Prediction
from rightslice.core.plan.result import CardPlan, Placed, Plan, Slot
from rightslice.core.sizing.result import EffectiveFlags, Sizing
from rightslice.kube.manifest import object_names


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """A workload on its node group."""

    name: str
    """Of its Kubernetes objects."""
    fleet_name: str
    workload: Workload
    placed: Placed
    group: NodeGroup
    nodes: tuple[str, ...]
    """Where the plan put its replicas."""
    spare: int
    """Further replicas that would find a place in the same group as it is cut."""
    cards: tuple[tuple[str, int], ...] = ()
    """Node and number of every card that a replica sits on."""
    starts: tuple[tuple[str, int, int], ...] = ()
    """Node, card and start slot of every MIG slice that a replica sits on."""
    alternatives: tuple[ProfileName, ...] = ()
    """Other profiles of the group that hold the load with the same flags and no more replicas,
    cheapest first."""

    @property
    def offer(self) -> Offer:
        """What each replica holds."""
        return self.placed.candidate.offer

    @property
    def device(self) -> Device:
        """What each rank sees."""
        return self.offer.device

    @property
    def sizing(self) -> Sizing:
        """Memory and flags of one replica."""
        sizing = self.placed.candidate.sizing
        assert sizing is not None, f"{self.workload.name} was placed without being sized"
        return sizing

    @property
    def prediction(self) -> Prediction:
        """One replica under its part of the load."""
        prediction = self.placed.candidate.prediction
        assert prediction is not None, f"{self.workload.name} was placed without a prediction"
        return prediction


def assignments(plan: Plan) -> tuple[Assignment, ...]:
    """Return every workload of *plan* that runs, in the plan's order."""
    names = object_names(item.name for item in plan.workloads)
    groups = {group.name: group for group in plan.fleet.nodes}
    cards: dict[str, list[CardPlan]] = {name: [] for name in groups}
    held: dict[str, list[tuple[CardPlan, Slot]]] = {item.name: [] for item in plan.workloads}
    for card in plan.cards:
        cards[card.group_name].append(card)
        for slot in card.slots:
            held[slot.workload].append((card, slot))
    spare: dict[tuple[str, Share, int], int] = {}
    found = []
    for item in plan.workloads:
        if item.placed is None:
            continue
        offer = item.placed.candidate.offer
        asked = offer.pool, offer.device.share, offer.tensor_parallel
        if asked not in spare:
            spare[asked] = spare_replicas(*asked[1:], cards[offer.pool])
        used = tuple(dict.fromkeys((card.node, card.card) for card, _ in held[item.name]))
        found.append(
            Assignment(
                name=names[item.name],
                fleet_name=plan.fleet_name,
                workload=item.workload,
                placed=item.placed,
                group=groups[offer.pool],
                nodes=tuple(dict.fromkeys(node for node, _ in used)),
                spare=spare[asked],
                cards=used,
                starts=tuple(
                    (card.node, card.card, slot.placement.start)
                    for card, slot in held[item.name]
                    if slot.placement is not None
                ),
                alternatives=_alternatives(item.recommendation, item.placed),
            )
        )
    return tuple(found)


def _alternatives(recommendation: Recommendation, placed: Placed) -> tuple[ProfileName, ...]:
    chosen = placed.candidate
    found: list[tuple[Fraction, ProfileName]] = []
    for other in recommendation.candidates:
        share = other.offer.device.share
        if (
            isinstance(share, MigSlice)
            and isinstance(chosen.offer.device.share, MigSlice)
            and share != chosen.offer.device.share
            and other.offer.pool == chosen.offer.pool
            and 0 < other.replicas <= placed.replicas
            and _flags(other) == _flags(chosen)
        ):
            found.append((other.offer.usd_per_hour or Fraction(0), share.profile))
    return tuple(profile for _, profile in sorted(found))


def _flags(candidate: Candidate) -> EffectiveFlags | None:
    sizing = candidate.sizing
    return None if sizing is None else replace(sizing.flags, explained=())


def spare_replicas(share: Share, tensor_parallel: int, cards: Sequence[CardPlan]) -> int:
    """Return how many more replicas with *share* would start on *cards* as they are cut."""
    match share:
        case MigSlice(profile=profile):
            cut = sum(placement.profile == profile for card in cards for placement in card.layout)
            used = sum(
                slot.placement is not None and slot.placement.profile == profile
                for card in cards
                for slot in card.slots
            )
            return cut - used
        case Exclusive():
            free = Counter(card.node for card in cards if card.idle and not card.layout)
            return sum(count // tensor_parallel for count in free.values())
        case _:
            return sum(card.replicas - len(card.slots) for card in cards)
