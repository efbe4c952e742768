"""Under the device plugin alone a cluster tells counts: the layout is inferred, and marked so.

A node's ``status.allocatable`` has ``nvidia.com/mig-<profile>`` (or ``nvidia.com/gpu`` under the
strategy ``single``, with the profile in the label ``nvidia.com/gpu.product``), its labels the
kind and number of GPUs (NVIDIA/k8s-device-plugin docs/gpu-feature-discovery). Pods are put into
slices of their profile in order: which one is really theirs, nobody tells.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from rightslice.core.catalog.mig import MigGrid, ProfileName
from rightslice.core.packing.inferred import inferred_layouts
from rightslice.core.packing.live import LivePod
from rightslice.edge.catalog_files import Catalog
from rightslice.edge.live.objects import Metadata, Objects, Shape, shaped, whole
from rightslice.edge.live.pods import Tenants, read_tenants
from rightslice.edge.live.state import Found, FoundCard
from rightslice.errors import FieldError

_PREFIX: Final = "nvidia.com/mig-"
_GPU: Final = "nvidia.com/gpu"
_MOST_CARDS: Final = 1024
"""In one node; more can only be a slip."""
_PRODUCT: Final = re.compile(r"(?P<gpu>.+?)(?:-MIG-(?P<profile>.+))?")


class _Status(Shape, frozen=True, kw_only=True):
    allocatable: dict[str, str | int] = msgspec.field(default_factory=dict)


class _Node(Shape, frozen=True, kw_only=True):
    metadata: Metadata
    status: _Status = _Status()


def read_counts(objects: Objects, *, catalog: Catalog, where: str) -> Found:
    """Return the cards of every node that hands out slices, with layouts inferred from counts.

    Raises:
        FieldError: naming the node and what its counts or labels lack or contradict.
    """
    tenants = read_tenants(objects, where=where)
    cards: list[FoundCard] = []
    for node in shaped(objects, "Node", _Node, where=where):
        match = _PRODUCT.fullmatch(node.metadata.labels.get("nvidia.com/gpu.product", ""))
        single = None if match is None else match["profile"]
        counts = _counts(node, single)
        if counts:
            product = "" if match is None else match["gpu"]
            found = _cards(node, product, counts, catalog)
            _fill(node.metadata.name, found, tenants, single)
            cards += found
    return Found(cards=tuple(cards), floors=tenants.floors, is_inferred=True)


def _counts(node: _Node, single: str | None) -> dict[ProfileName, int]:
    found = {
        _profile(name.removeprefix(_PREFIX)): whole(count)
        for name, count in node.status.allocatable.items()
        if name.startswith(_PREFIX) and whole(count)
    }
    cards = whole(node.status.allocatable.get(_GPU, 0))
    if single is not None and cards:
        found[_profile(single)] = cards
    return found


def _profile(name: str) -> ProfileName:
    """Return a profile as the driver names it: resource names write ``+`` as a dot."""
    return ProfileName(re.sub(r"(gb)\.(me|gfx)", r"\1+\2", name))


def _cards(
    node: _Node, product: str, counts: Mapping[ProfileName, int], catalog: Catalog
) -> list[FoundCard]:
    name, labels = node.metadata.name, node.metadata.labels
    if not product:
        raise FieldError(f"node {name}", "metadata.labels", "lacks nvidia.com/gpu.product")
    number = whole(labels.get("nvidia.com/gpu.count", ""))
    if not number or number > _MOST_CARDS:
        raise FieldError(f"node {name}", "metadata.labels", "lacks nvidia.com/gpu.count")
    grid: MigGrid = catalog.mig_gpu(product)
    layouts = inferred_layouts(grid, counts, number)
    if layouts is None:
        what = ", ".join(f"{count} x {profile}" for profile, count in sorted(counts.items()))
        problem = f"no cutting of {number} x {grid.name} gives {what}"
        raise FieldError(f"node {name}", "status.allocatable", problem)
    cards = []
    for index, layout in enumerate(layouts):
        card = FoundCard(node=name, name=f"{name}/{index}", product=product)
        for placement in layout:
            card.add(placement.profile, placement.start, None)
        cards.append(card)
    return cards


def _fill(node: str, cards: list[FoundCard], tenants: Tenants, single: str | None) -> None:
    """Put the node's pods into its slices, in order."""
    for (namespace, name), pod in sorted(tenants.pods.items()):
        if pod.spec.node_name != node:
            continue
        asked = {
            _profile(key.removeprefix(_PREFIX)): count
            for key, count in pod.limits.items()
            if key.startswith(_PREFIX)
        }
        if single is not None and _GPU in pod.limits:
            asked[_profile(single)] = pod.limits[_GPU]
        for profile, count in asked.items():
            if count > 1:
                problem = f"asks for {count} slices; a pod of more than one slice is not known here"
                raise FieldError(f"node {node}", f"pod {namespace}/{name}", problem)
            _take(node, cards, profile, tenants.live(namespace, name))


def _take(node: str, cards: list[FoundCard], profile: str, pod: LivePod) -> None:
    for card in cards:
        for each in card.slices:
            if each.placement.profile == profile and each.pod is None:
                card.seat(each.placement.start, pod)
                return
    problem = f"holds a {profile} more than the node has"
    raise FieldError(f"node {node}", f"pod {pod.name}", problem)
