"""Nodes -> node groups: nodes that are equal in their cards, their price and who may use them.

What a node has comes from the labels of NVIDIA's feature discovery, from its allocatable
resources, and under DRA from its ResourceSlices. Cloud labels say instance type, region and how it
is bought (Kubernetes' well-known labels; karpenter.sh, eks.amazonaws.com, cloud.google.com and
kubernetes.azure.com for the capacity type).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from rightslice.core.catalog.device import device_of
from rightslice.core.catalog.fleet import MigStrategy, NodeGroup
from rightslice.core.catalog.gpu import Gpu
from rightslice.core.catalog.instance import InstanceType, Price, PriceKind
from rightslice.core.catalog.resource import WHOLE
from rightslice.core.catalog.share import Exclusive, MigSlice, MpsShare, TimeSlice
from rightslice.errors import InputError
from rightslice.kube.cluster.hardware import SHARED, SLICE_PREFIX, NodeHardware
from rightslice.kube.cluster.view import ClusterNode
from rightslice.kube.snapshot.claims import DraCards

_TYPE: Final = ("node.kubernetes.io/instance-type", "beta.kubernetes.io/instance-type")
_REGION: Final = ("topology.kubernetes.io/region", "failure-domain.beta.kubernetes.io/region")
_POOL: Final = (
    "rightslice.dev/node-group", "karpenter.sh/nodepool", "eks.amazonaws.com/nodegroup",
    "cloud.google.com/gke-nodepool", "kubernetes.azure.com/agentpool", "agentpool",
)  # fmt: skip
_SPOT: Final[Mapping[str, str]] = {
    "karpenter.sh/capacity-type": "spot",
    "eks.amazonaws.com/capacityType": "SPOT",
    "cloud.google.com/gke-spot": "true",
    "cloud.google.com/gke-provisioning": "spot",
    "kubernetes.azure.com/scalesetpriority": "spot",
}
_COUNT: Final = "nvidia.com/gpu.count"
_MOST_CARDS: Final = 1024
"""In one node; more can only be a slip."""


@dataclass(frozen=True, kw_only=True)
class PriceAsk:
    """What a price is asked for."""

    names: tuple[str, ...]
    """Under which one's own prices may stand: the group, the instance type."""
    instance: InstanceType | None
    region: str | None
    purchase: PriceKind
    gpu: Gpu
    cards: int


@dataclass(frozen=True, kw_only=True)
class Facts:
    """The catalogue and the user's prices, as questions."""

    gpu: Callable[[str], Gpu]
    """A board by its product label; raises InputError for an unknown one."""
    instance: Callable[[str], InstanceType]
    """An instance type by its name; raises InputError for an unknown one."""
    price: Callable[[PriceAsk], Price | None]


@dataclass(frozen=True, kw_only=True)
class NodeCards:
    """The cards of one node, and how they are handed out."""

    node: ClusterNode
    gpu: Gpu
    cards: int
    mig: MigStrategy = MigStrategy.NONE
    turns: int | None = None
    """Time slices of a card."""
    clients: int | None = None
    """MPS clients of a card."""
    memory_bytes: int | None = None
    by_claim: bool = False
    """Handed out by DRA, not as extended resources."""

    def label(self, names: tuple[str, ...]) -> str | None:
        """Return the first label of *names* that the node has."""
        return next((self.node.labels[one] for one in names if one in self.node.labels), None)

    @property
    def purchase(self) -> PriceKind:
        """How the node is bought, by its labels; on demand where they say nothing."""
        labels = self.node.labels
        spot = any(labels.get(key, "").lower() == value.lower() for key, value in _SPOT.items())
        return PriceKind.SPOT if spot else PriceKind.ON_DEMAND

    @property
    def likeness(self) -> tuple[object, ...]:
        """What nodes of one group have in common."""
        taints = tuple(sorted((one.key, one.value, one.effect) for one in self.node.taints))
        place = self.label(_TYPE), self.label(_REGION), self.purchase, self.label(_POOL)
        hands = self.gpu.name, self.cards, self.mig, self.turns, self.clients, self.memory_bytes
        return (*hands, self.by_claim, *place, taints)


@dataclass(frozen=True, kw_only=True)
class Grouped:
    """Node groups, the real names of their nodes, and what was left out or assumed."""

    groups: tuple[NodeGroup, ...] = ()
    nodes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Names of the nodes of each group, in the order in which the fleet counts them."""
    whole: frozenset[str] = frozenset()
    """Groups whose nodes are free of anyone but the planned servers: they can go altogether."""
    by_claim: frozenset[str] = frozenset()
    """Groups whose devices pods get by DRA claims."""
    left_out: tuple[str, ...] = ()
    assumed: tuple[str, ...] = ()


def cards_of(
    node: ClusterNode, hardware: NodeHardware, dra: DraCards | None, facts: Facts
) -> NodeCards | None:
    """Return the cards of *node*; None when it has none.

    Raises:
        InputError: saying what its labels lack or contradict.
    """
    if dra is not None:
        gpu = facts.gpu(dra.product)
        device_of(gpu, Exclusive())  # raises where nobody knows its memory
        mig = MigStrategy.MIXED if dra.has_slices else MigStrategy.NONE
        return NodeCards(node=node, gpu=gpu, cards=dra.cards, mig=mig, by_claim=True)
    if hardware.problem is not None:
        raise InputError(hardware.problem.removeprefix(f"node {node.name}: "))
    if not hardware.handed_out:
        return None
    return _handed_out(node, hardware, facts)


def _handed_out(node: ClusterNode, hardware: NodeHardware, facts: Facts) -> NodeCards:
    first = hardware.handed_out[0].device
    gpu, memory = first.gpu, None
    amounts = {one.resource: int(node.allocatable[one.resource]) for one in hardware.handed_out}
    whole = amounts.get(WHOLE, 0) + amounts.get(SHARED, 0)
    share = next(
        (one.device.share for one in hardware.handed_out if one.resource in (WHOLE, SHARED)),
        first.share,
    )
    if first.memory_origin == "given" and isinstance(share, Exclusive):
        memory = first.memory_bytes
    stated = _stated(node)
    has_slices = any(name.startswith(SLICE_PREFIX) for name in amounts)
    if has_slices:
        cards = _checked(_instance_cards(node, facts) or stated)
        return NodeCards(
            node=node, gpu=gpu, cards=cards, mig=MigStrategy.MIXED, memory_bytes=memory
        )
    if isinstance(share, MigSlice):
        cards = _checked(_instance_cards(node, facts) or _single(whole, stated, gpu, share))
        return NodeCards(node=node, gpu=gpu, cards=cards, mig=MigStrategy.SINGLE)
    if isinstance(share, TimeSlice):
        cards = _checked(whole // share.replicas)
        return NodeCards(node=node, gpu=gpu, cards=cards, turns=share.replicas)
    if isinstance(share, MpsShare):
        cards = _checked(whole // share.replicas)
        return NodeCards(node=node, gpu=gpu, cards=cards, clients=share.replicas)
    return NodeCards(node=node, gpu=gpu, cards=_checked(whole), memory_bytes=memory)


def _stated(node: ClusterNode) -> int | None:
    label = node.labels.get(_COUNT, "")
    return int(label) if label.isdecimal() and label.isascii() and len(label) < 5 else None


def _single(slices: int, stated: int | None, gpu: Gpu, share: MigSlice) -> int | None:
    """Return the cards behind *slices* of one profile; the label may count either."""
    if stated is not None and stated != slices:
        return stated
    most = None if gpu.mig is None else gpu.mig.profile(share.profile).max_instances
    return stated if most is None else -(-slices // most)


def _instance_cards(node: ClusterNode, facts: Facts) -> int | None:
    instance = _instance(_label(node, _TYPE), facts)
    return instance.gpu_count if instance is not None and instance.gpu_count else None


def _checked(cards: int | None) -> int:
    if cards is None:
        raise InputError(f"lacks the label {_COUNT}: how many cards it cuts is not known")
    if not 1 <= cards <= _MOST_CARDS:
        raise InputError(f"{cards} cards in one node: {_COUNT} or its resources are wrong")
    return cards


def _label(node: ClusterNode, names: tuple[str, ...]) -> str | None:
    return next((node.labels[one] for one in names if one in node.labels), None)


def _instance(name: str | None, facts: Facts) -> InstanceType | None:
    if name is None:
        return None
    try:
        return facts.instance(name)
    except InputError:
        return None


def group_nodes(
    nodes: tuple[NodeCards, ...],
    held: Mapping[str, int],
    facts: Facts,
    *,
    keeps_mig: bool,
    apart: Callable[[ClusterNode], object] = lambda _: None,
) -> Grouped:
    """Return the groups of *nodes*.

    Args:
        nodes: every node that has cards and may be used.
        held: cards of a node that others hold: they are no part of the fleet.
        facts: catalogue and prices.
        keeps_mig: whether what is handed out whole, or in one profile, stays so; else every card
            that can be cut may be.
        apart: what sets nodes apart beside their hardware: who may use them.
    """
    kinds: dict[tuple[object, ...], list[NodeCards]] = {}
    for one in nodes:
        kinds.setdefault((*one.likeness, apart(one.node)), []).append(one)
    found = _Found()
    taken: set[str] = set()
    for alike in kinds.values():
        name = _free_name(alike[0], taken)
        try:
            group, notes = _group(name, alike, facts, keeps_mig=keeps_mig)
        except InputError as error:
            first = alike[0].node.name
            found.left_out.append(f"nodes like {first} ({len(alike)}) are left out: {error}")
            continue
        found.assumed += [f"node group {name}: {note}" for note in notes]
        found.add(group, alike, held)
    return Grouped(
        groups=tuple(found.groups),
        nodes=found.nodes,
        whole=frozenset(found.whole),
        by_claim=frozenset(found.by_claim),
        left_out=tuple(found.left_out),
        assumed=tuple(found.assumed),
    )


@dataclass
class _Found:
    """Groups while they are collected."""

    groups: list[NodeGroup] = field(default_factory=list)
    nodes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    whole: set[str] = field(default_factory=set)
    by_claim: set[str] = field(default_factory=set)
    left_out: list[str] = field(default_factory=list)
    assumed: list[str] = field(default_factory=list)

    def add(self, group: NodeGroup, alike: list[NodeCards], held: Mapping[str, int]) -> None:
        """Add the nodes of *alike*, those with equally many free cards as one group."""
        parts: dict[int, list[str]] = {}
        for one in alike:
            left = one.cards - held.get(one.node.name, 0)
            if left > 0:
                parts.setdefault(left, []).append(one.node.name)
            else:
                self.left_out.append(f"node {one.node.name}: others hold all of its GPUs")
        for left, members in sorted(parts.items(), reverse=True):
            part = _part(group, left, len(members))
            self.groups.append(part)
            self.nodes[part.name] = tuple(sorted(members))
            if left == group.gpus_per_node:
                self.whole.add(part.name)
            if alike[0].by_claim:
                self.by_claim.add(part.name)


def _group(
    name: str, alike: list[NodeCards], facts: Facts, *, keeps_mig: bool
) -> tuple[NodeGroup, list[str]]:
    one = alike[0]
    notes: list[str] = []
    kind = one.label(_TYPE)
    instance = _instance(kind, facts)
    mig = one.mig
    if not keeps_mig and not (one.turns or one.clients) and one.gpu.mig is not None:
        if mig is not MigStrategy.MIXED:
            now = "whole" if mig is MigStrategy.NONE else "in one profile (strategy single)"
            notes.append(f"its cards are handed out {now}; the plan may cut them (strategy mixed)")
        mig = MigStrategy.MIXED
    region = one.label(_REGION)
    ask = PriceAsk(
        names=tuple(text for text in (name, kind) if text), instance=instance, region=region,
        purchase=one.purchase, gpu=one.gpu, cards=one.cards,
    )  # fmt: skip
    price = facts.price(ask)
    if price is not None and region and price.region and not price.region.startswith(region):
        notes.append(f"priced as in {price.region}: no price of {kind} in {region} is known")
    group = NodeGroup(
        name=name,
        count=len(alike),
        instance=instance,
        gpu=one.gpu,
        gpus_per_node=one.cards,
        gpu_memory_bytes=one.memory_bytes,
        vcpus=None if instance is None else instance.vcpus,
        memory_bytes=None if instance is None else instance.memory_bytes,
        mig=mig,
        time_slicing_replicas=one.turns,
        mps_replicas=one.clients,
        price=price,
    )
    return group, notes


def _part(group: NodeGroup, left: int, count: int) -> NodeGroup:
    """Return *count* nodes of *group* of which only *left* cards a node are to be planned."""
    if left == group.gpus_per_node:
        return replace(group, count=count)
    price = group.price
    if price is not None:
        price = replace(
            price,
            usd_per_hour=round(price.usd_per_hour * left / group.gpus_per_node, 6),
            source=f"{price.source}; {left} of {group.gpus_per_node} cards of a node",
        )
    return replace(
        group, name=f"{group.name}-{left}-left", gpus_per_node=left, count=count, price=price
    )


def _free_name(one: NodeCards, taken: set[str]) -> str:
    """Return a name for a group: its pool's, its instance type's, or its board's."""
    name = trial = one.label(_POOL) or one.label(_TYPE) or str(one.gpu.name).lower()
    number = 1
    while trial in taken:
        number += 1
        trial = f"{name}-{number}"
    taken.add(trial)
    return trial
