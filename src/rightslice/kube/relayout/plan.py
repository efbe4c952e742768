"""Which node is cut, how, and what it costs; or why none is, node by node.

For the cheapest way to hold the load that some node can be cut for, the node is taken from which
the fewest pods have to move, then the one that loses the fewest slices. Changing a node's label
resets all its cards: every pod with a GPU has to have a place elsewhere first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final

from rightslice.core.catalog.fleet import MigStrategy
from rightslice.core.catalog.mig import ProfileName
from rightslice.core.catalog.resource import WHOLE, extended_resource
from rightslice.core.catalog.share import MigSlice
from rightslice.core.packing.step_costs import StepRates
from rightslice.kube.cluster.filters import NodeFilter
from rightslice.kube.cluster.view import Cluster
from rightslice.kube.operate.view import Key
from rightslice.kube.relayout.cards import Counts, TooFew, Wanted, card_counts, cut_for
from rightslice.kube.relayout.demands import Demand, Want
from rightslice.kube.relayout.limits import Limits
from rightslice.kube.relayout.moves import Move, Stuck, moves, who_stays
from rightslice.kube.relayout.nodes import CuttableNode, Refusal
from rightslice.kube.relayout.pods import GpuPod
from rightslice.kube.relayout.record import (
    CardCut,
    Record,
    amounts,
    cards_alike,
    config_name,
)
from rightslice.kube.relayout.step import LayoutStep
from rightslice.records import Json

RATES: Final = StepRates()


@dataclass(frozen=True, kw_only=True)
class Around:
    """What a plan rests on, beside the demand."""

    cluster: Cluster
    """With what decisions have spoken for among what is pending."""
    nodes: tuple[CuttableNode, ...]
    refused: tuple[Refusal, ...] = ()
    pods: Mapping[str, tuple[GpuPod, ...]] = field(default_factory=dict)
    """Pods with a GPU, by node."""
    stays: Mapping[Key, str] = field(default_factory=dict)
    """ModelDeployments whose pods may not be moved now, and why."""
    configs: Mapping[str, Json] = field(default_factory=dict)
    """What the ConfigMap has."""
    limits: Limits = field(default_factory=Limits)

    @cached_property
    def free(self) -> Mapping[str, int]:
        """What is left of each resource, of all nodes that take pods together."""
        total: Counter[str] = Counter()
        for node in self.cluster.nodes:
            if node.is_ready:
                total.update({name: n // 1000 for name, n in node.free_milli.items()})
        return total


@dataclass(frozen=True, kw_only=True)
class Relayout:
    """One node cut anew."""

    demand: Demand
    want: Want
    node: str
    former: str
    wanted: str
    cuts: tuple[CardCut, ...]
    before: Mapping[str, int]
    after: Mapping[str, int]
    moves: tuple[Move, ...]
    seconds: float
    """All steps one after another, as `core.packing.step_costs` counts them, and the wait for the
    configuration."""
    lost: int
    """Slices and cards that the node will not hand out any more."""
    beside: tuple[Key, ...] = ()
    """Other ModelDeployments that it gives what they wait for."""

    @property
    def reason(self) -> str:
        """What is done and why, in a sentence."""
        moved = ", ".join(f"{one.pod} to {one.to}" for one in self.moves) or "none"
        want = self.want
        others = ", ".join("/".join(key) for key in self.beside)
        beside = f" and what {others} wait for" if others else ""
        cheaper = ", cheaper," if self.demand.is_saving else ""
        whom = f"{'/'.join(self.demand.key)}{beside}"
        return (
            f"{want.missing} x {want.offer}{cheaper} for {whom} are free nowhere; node"
            f" {self.node} hands out {_listed(self.before)} and would hand out"
            f" {_listed(self.after)}; pods that move: {moved}; about {self.seconds:.0f} s"
        )

    def record(self, now: str) -> Record:
        """Return the record of the change as it begins."""
        return Record(
            demand="/".join(self.demand.key),
            step=LayoutStep.CORDONED,
            since=now,
            former=self.former,
            wanted=self.wanted,
            cuts=self.cuts,
            before=amounts(self.before),
            after=amounts(self.after),
            message=self.reason,
            saves=self.want.resource if self.demand.is_saving else "",
        )


@dataclass(frozen=True, kw_only=True)
class NoRelayout:
    """No node can be cut for it."""

    demand: Demand
    refusals: tuple[Refusal, ...]

    @property
    def reason(self) -> str:
        """Each node's reason, and what would turn it."""
        want = self.demand.wants[0]
        told = ". ".join(one.told for one in self.refusals)
        return f"{want.missing} x {want.offer} are free nowhere, and no node can be cut. {told}"


def plan(demand: Demand, around: Around, others: Sequence[Demand] = ()) -> Relayout | NoRelayout:
    """Return the node to cut for *demand*, or why there is none.

    What *others* wait for is cut on the same node where it fits beside: it will not be cut again
    so soon.
    """
    refusals: dict[str, Refusal] = {one.node: one for one in around.refused}
    for want in demand.wants:
        found = [(one, _on(one, (want,), demand, around)) for one in around.nodes]
        options = [(made, node) for node, made in found if isinstance(made, Relayout)]
        if options:
            best, node = min(options, key=lambda one: (len(one[0].moves), one[0].lost, one[0].node))
            return _with_others(best, node, others, around)
        for _, made in found:
            if isinstance(made, Refusal):
                refusals.setdefault(made.node, made)
    ordered = sorted(refusals.values(), key=lambda one: one.node)
    return NoRelayout(demand=demand, refusals=tuple(ordered))


def _with_others(
    made: Relayout, node: CuttableNode, others: Sequence[Demand], around: Around
) -> Relayout:
    wants: tuple[Want, ...] = (made.want,)
    for other in others:
        if not NodeFilter.of(other.where.spec).allows(node.node):
            continue
        for want in other.wants:
            more = _on(node, (*wants, want), made.demand, around)
            if isinstance(more, Relayout):
                made = replace(more, beside=(*made.beside, other.key))
                wants = (*wants, want)
                break
    return made


def _on(
    node: CuttableNode, wants: Sequence[Want], demand: Demand, around: Around
) -> Relayout | Refusal:
    name = node.node.name
    others = [one for one in wants if one.gpu != str(node.gpu.name)]
    if others or not NodeFilter.of(demand.where.spec).allows(node.node):
        return Refusal(
            node=name, reason=f"has {node.gpu.name}, or taints that keep pods out",
            remedy=f"a node with {wants[-1].gpu}",
        )  # fmt: skip
    left_alone = _left_alone(node, demand, around)
    if left_alone is not None:
        return left_alone
    made = cut_for(node.cards, _wanted(node, wants))
    if isinstance(made, TooFew):
        return Refusal(node=name, reason=made.reason, remedy="a node with more cards")
    pods = around.pods.get(name, ())
    gone = who_stays(pods, around.stays) or moves(pods, name, around.cluster)
    if isinstance(gone, Stuck):
        return Refusal(node=name, reason=gone.reason, remedy=gone.remedy)
    after = _resources(made)
    short = _missed(node, after, gone, around)
    if short is not None:
        return Refusal(node=name, reason=short, remedy="more of it on another node")
    cuts = cards_alike([{str(name): n for name, n in one.items()} for one in made])
    before = node.handed_out
    lost = (Counter(before) - Counter(after)).total()
    seconds = RATES.relabel_seconds + around.limits.config_seconds
    seconds += len(gone) * (RATES.start_seconds + RATES.stop_seconds)
    return Relayout(
        demand=demand, want=wants[0], node=name, former=node.former,
        wanted=config_name(cuts, around.configs), cuts=cuts, before=before, after=after,
        moves=gone, seconds=seconds, lost=lost,
    )  # fmt: skip


def _left_alone(node: CuttableNode, demand: Demand, around: Around) -> Refusal | None:
    name = node.node.name
    if around.configs and node.former not in around.configs:
        return Refusal(
            node=name, reason=f"its configuration {node.former} is not in the ConfigMap, so that a"
            " change that fails could not be taken back", remedy="that configuration in it",
        )  # fmt: skip
    if demand.is_saving and node.is_in_use:
        return Refusal(
            node=name, reason="is in use, and no pod moves to lower a bill",
            remedy="the node empty",
        )  # fmt: skip
    return None


def _wanted(node: CuttableNode, wants: Sequence[Want]) -> Wanted:
    """Return what the node has to hand out: what is missing, and what it has free of it now."""
    counts: Counter[ProfileName | None] = Counter()
    for want in wants:
        if want.profile not in counts:
            counts[want.profile] = int(node.node.free(want.resource))
        counts[want.profile] += want.missing * want.ranks
    slices = {name: count for name, count in counts.items() if name is not None}
    return Wanted(whole=counts[None], slices=slices)


def _resources(cards: Sequence[Counts]) -> dict[str, int]:
    whole, slices = card_counts(cards)
    found = {WHOLE: whole} if whole else {}
    for profile, count in slices.items():
        found[extended_resource(MigStrategy.MIXED, MigSlice(profile=profile))] = count
    return found


def _missed(
    node: CuttableNode, after: Mapping[str, int], gone: Sequence[Move], around: Around
) -> str | None:
    """Return what pods that wait, or are promised a place, would lose by the change."""
    moved: Counter[str] = Counter()
    names = {one.pod for one in gone}
    for pod in around.pods.get(node.node.name, ()):
        if pod.called in names:
            moved.update(pod.gpus)
    for resource, there in node.handed_out.items():
        pending = int(around.cluster.pending.get(resource, 0))
        if not pending:
            continue
        free = around.free.get(resource, 0)
        elsewhere = free - int(node.node.free(resource)) - moved[resource]
        if max(0, pending - elsewhere - after.get(resource, 0)) > max(0, pending - free):
            return f"of its {there} {resource}, pods that wait need some"
    return None


def _listed(given: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(given.items())) or "nothing"
