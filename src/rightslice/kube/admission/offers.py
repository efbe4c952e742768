"""What a cluster can offer one pod: every GPU resource of the nodes that it may use.

An offer is *free* when a node that the pod may use has it left now, beside CPU, memory and pods,
when what other pending pods ask for is taken off, and when quotas and limit ranges of the
namespace allow it. Where one resource name stands for different devices (an ``mig-1g.10gb`` of an
A100 and of an H100; ``nvidia.com/gpu`` whole and time-sliced), a node selector tells them apart.

Under DRA what is free depends on the counters that the devices of a card share, and a pod that
waits for one profile can cost several places of another.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from rightslice.core.catalog.device import Device
from rightslice.core.catalog.resource import WHOLE
from rightslice.core.catalog.share import Exclusive
from rightslice.core.fit.offers import CardKind, offers
from rightslice.core.fit.result import Offer
from rightslice.kube.cluster.demand import pod_requests
from rightslice.kube.cluster.dra import DraUnit, claim_name, is_claim
from rightslice.kube.cluster.filters import NodeFilter
from rightslice.kube.cluster.hardware import (
    PRODUCT,
    SHARED,
    SLICE_PREFIX,
    HandedOut,
    NodeHardware,
    resource_of,
)
from rightslice.kube.cluster.view import Cluster, ClusterNode
from rightslice.kube.parse.decoded import mapping

VENDOR: Final = "nvidia.com/"
_ONE_NODE: Final = 16
"""Cards of the largest node; tensor parallelism goes no further."""


@dataclass(frozen=True, kw_only=True)
class ClusterOffer:
    """One way to run the pod, and whether it can be had now."""

    offer: Offer
    resource: str
    count: int
    selector: Mapping[str, str]
    """Node labels that the pod has to ask for beside the resource; mostly none."""
    free: int
    """Pods of this size that can be put somewhere now."""
    obstacle: str | None = None
    """Why it cannot be had now; None when it can."""
    unit: DraUnit | None = None
    """What is allocated under DRA: where `resource` names a claim, a claim asks for it."""


@dataclass(frozen=True, kw_only=True)
class PodNeeds:
    """What a pod needs of a node beside the GPU."""

    filter: NodeFilter
    namespace: str
    others_milli: Mapping[str, int]
    """Requests in thousandths rounded up, its GPU resources left out."""
    ranks: int
    """Tensor parallel size: cards of one node."""
    by_claim: bool = False
    """Whether DRA is asked by claims; else by the extended resources of its DeviceClasses."""


def needs_of(pod: Mapping[str, object], namespace: str, ranks: int) -> PodNeeds:
    """Return what *pod* needs beside its GPU.

    Raises:
        InputError: when an amount is no quantity.
    """
    others = {
        name: math.ceil(amount * 1000)
        for name, amount in pod_requests(pod).items()
        if not is_gpu(name) and amount > 0
    }
    allowed = NodeFilter.of(mapping(pod.get("spec")))
    return PodNeeds(filter=allowed, namespace=namespace, others_milli=others, ranks=ranks)


def is_gpu(resource: str) -> bool:
    """Whether *resource* is an NVIDIA GPU, or a part of one, by the device plugin's own names."""
    return resource in (WHOLE, SHARED) or resource.startswith(SLICE_PREFIX)


_Key = tuple[str, str, str]
"""Resource, product label, and what is behind them."""
_UNKNOWN: Final = "?"


@dataclass(frozen=True, kw_only=True)
class Item:
    """One way to run a pod that some nodes have: a device, and how a pod asks for it."""

    offer: Offer
    resource: str
    count: int
    selector: Mapping[str, str]
    """Node labels that the pod has to ask for beside the resource; mostly none."""
    unit: DraUnit | None = None
    """What is allocated under DRA."""


@dataclass(frozen=True, kw_only=True)
class Shelf:
    """How much of an item there is, before anybody's quota and what other pods wait for."""

    item: Item
    places: int
    """Pods that the nodes have room for now."""
    left: int
    """Units of the resource that are free, with room for the rest of a pod or without."""
    total: int
    """Units of the resource, free or not."""
    largest: int
    """The most units that one node hands out, free or not."""
    cost: Mapping[str, int]
    """How many places one unit that another pod waits for may break, by its name."""


def cluster_offers(
    needs: PodNeeds, cluster: Cluster, hardware: Mapping[str, NodeHardware]
) -> tuple[ClusterOffer, ...]:
    """Return every offer of the nodes that a pod may use, free or not.

    Args:
        needs: the pod's.
        cluster: nodes, quotas and what is taken.
        hardware: what each node's GPU resources stand for, by node name.
    """
    found = []
    for shelf in shelves(needs, cluster.nodes, hardware):
        item = shelf.item
        refused = not_allowed(item, needs.namespace, cluster)
        free = 0 if refused is not None else free_places(shelf, lost(shelf, cluster.pending))
        obstacle = None if free else refused or shortage(shelf)
        found.append(cluster_offer(item, free, obstacle))
    return tuple(found)


def cluster_offer(item: Item, free: int, obstacle: str | None) -> ClusterOffer:
    """Return *item* with what of it can be had."""
    return ClusterOffer(
        offer=item.offer,
        resource=item.resource,
        count=item.count,
        selector=item.selector,
        free=free,
        obstacle=obstacle,
        unit=item.unit,
    )


def shelves(
    needs: PodNeeds, nodes: Iterable[ClusterNode], hardware: Mapping[str, NodeHardware]
) -> tuple[Shelf, ...]:
    """Return what *nodes* have for a pod with *needs*, whatever its namespace may have of it."""
    kinds: dict[_Key, Device] = {}
    having: dict[_Key, list[_Having]] = {}
    unknown: set[_Key] = set()
    for node in nodes:
        gpus = hardware.get(node.name)
        if gpus is None or not (gpus.handed_out or gpus.unknown) or not needs.filter.allows(node):
            continue
        product = node.labels.get(PRODUCT, "")
        unknown.update((resource, product, _UNKNOWN) for resource in gpus.unknown)
        for one in gpus.handed_out:
            if one.unit is not None and is_claim(one.resource) is not needs.by_claim:
                continue
            key = one.resource, _board(one, product), one.behind
            kinds.setdefault(key, one.device)
            having.setdefault(key, []).append((node, one.unit))
    found = []
    for key, device in kinds.items():
        selector = _selector(key, {*kinds, *unknown})
        if selector is not None and _can_span(device, needs.ranks):
            offer = _core_offer(device, needs.ranks)
            unit = next((one for _, one in having[key] if one is not None), None)
            found.append(
                _shelf(
                    Item(
                        offer=offer,
                        resource=key[0],
                        count=needs.ranks,
                        selector={} if is_claim(key[0]) else selector,
                        unit=unit,
                    ),
                    having[key],
                    needs,
                )
            )
    return tuple(found)


_Having = tuple[ClusterNode, DraUnit | None]
"""A node that has an item, and what it is there under DRA."""


def _board(one: HandedOut, product: str) -> str:
    """Return what tells boards apart: a claim says it itself, a pod asks for the node's label."""
    return one.unit.product if one.unit is not None and is_claim(one.resource) else product


def _shelf(item: Item, having: list[_Having], needs: PodNeeds) -> Shelf:
    amounts = [_amount(node, unit, item.resource) for node, unit in having]
    return Shelf(
        item=item,
        places=sum(_places(node, left, item.count, needs)
                   for (node, _), (left, _) in zip(having, amounts, strict=True)),
        left=sum(left for left, _ in amounts),
        total=sum(total for _, total in amounts),
        largest=max(total for _, total in amounts),
        cost=_costs(item.resource, having),
    )  # fmt: skip


def _amount(node: ClusterNode, unit: DraUnit | None, resource: str) -> tuple[int, int]:
    """Return how much of *resource* is free on *node*, and how much there is."""
    if unit is None or node.dra is None:
        return node.free_milli.get(resource, 0) // 1000, int(node.allocatable.get(resource, 0))
    return node.dra.free(unit), node.dra.total(unit)


def _costs(resource: str, having: list[_Having]) -> dict[str, int]:
    """Return what a unit of each resource costs at most; a device plugin's costs one of its own."""
    costs = {resource: 1}
    for node, unit in having:
        if unit is None or node.dra is None:
            continue
        for _, profile in node.dra.stock.by_unit:
            cost = node.dra.stock.breaks(unit, profile)
            for name in (claim_name(profile), resource_of(profile)):
                costs[name] = max(costs.get(name, 0), cost)
    return costs


def _can_span(device: Device, ranks: int) -> bool:
    return ranks == 1 or (isinstance(device.share, Exclusive) and ranks <= _ONE_NODE)


def _selector(key: _Key, every: Iterable[_Key]) -> dict[str, str] | None:
    """Return the labels that tell *key* from other devices of its resource; None: nothing does."""
    resource, product, behind = key
    others = [one for one in every if one[0] == resource and one[2] != behind]
    if not others:
        return {}
    if not product or any(one[1] == product for one in others):
        return None
    return {PRODUCT: product}


def lost(shelf: Shelf, waiting: Mapping[str, Fraction] | Mapping[str, int]) -> int:
    """Return how many places of *shelf* pods may break that wait for so much of each resource."""
    return sum(int(waiting[name]) * cost for name, cost in shelf.cost.items() if name in waiting)


def free_places(shelf: Shelf, waiting: int) -> int:
    """Return how many pods *shelf* has a place for, when *waiting* of them may be broken."""
    return max(0, shelf.places - waiting)


def shortage(shelf: Shelf) -> str:
    """Return why *shelf* has no place for a pod."""
    resource, count = shelf.item.resource, shelf.item.count
    if shelf.places:
        return f"{shelf.places} x {count} {resource} can be placed, and pending pods wait for them"
    if shelf.left >= count:
        return f"{shelf.left} {resource} are free, on no node that has room for the pod's rest"
    return f"none of {shelf.total} {resource} is free now"


def _core_offer(device: Device, ranks: int) -> Offer:
    kind = CardKind(
        pool=str(device.gpu.name),
        gpu=device.gpu,
        cards_per_node=ranks,
        memory_bytes=device.memory_bytes if isinstance(device.share, Exclusive) else None,
        instance=None,
        price=None,
        card_usd_per_hour=None,
    )
    return next(one for one in offers(kind, [device.share]) if one.tensor_parallel == ranks)


def _places(node: ClusterNode, left: int, count: int, needs: PodNeeds) -> int:
    free = node.free_milli
    places = left // count
    for name, amount in needs.others_milli.items():
        if not places:
            break
        if amount > 0:  # an owner may ask for none
            places = min(places, free.get(name, 0) // amount)
    return places


def not_allowed(item: Item, namespace: str, cluster: Cluster) -> str | None:
    """Return why a quota or limit range of *namespace* keeps *item* from a pod; None: none does."""
    resource, count = item.resource, item.count
    for quota in cluster.quotas_of(namespace):
        for key, amount in quota_keys(item).items():
            left = quota.left(key)
            if left is not None and left < amount:
                name = key.removeprefix("requests.")
                return f"ResourceQuota {quota.name} leaves {int(left)} {name}"
    for bound in cluster.limit_ranges_of(namespace):
        largest, least = bound.maximum.get(resource), bound.minimum.get(resource)
        if largest is not None and largest < count:
            return f"LimitRange {bound.name} allows {int(largest)} {resource} a {bound.counts}"
        if least is not None and least > count:
            return f"LimitRange {bound.name} wants {int(least)} {resource} a {bound.counts}"
        other = next((one for one in bound.names if is_gpu(one) and one != resource), None)
        if other is not None:
            return f"LimitRange {bound.name} rules {other}, which it would add or miss"
    return None


def quota_keys(item: Item) -> dict[str, int]:
    """Return what a pod with *item* is counted by in a ResourceQuota, and how much.

    A claim counts as a claim, by its DeviceClass and by the extended resource that the class stands
    for (kubernetes pkg/quota/v1/evaluator/core/resource_claims.go, 1.36).
    """
    resource, count, unit = item.resource, item.count, item.unit
    keys = {} if is_claim(resource) else {f"requests.{resource}": count}
    if unit is None:
        return keys
    keys["count/resourceclaims.resource.k8s.io"] = 1
    keys[f"{unit.device_class}.deviceclass.resource.k8s.io/devices"] = count
    keys[f"requests.deviceclass.resource.kubernetes.io/{unit.device_class}"] = count
    if unit.extended:
        keys[f"requests.{unit.extended}"] = count
    return keys
