"""Placements under DRA: ResourceSlices say which slices there are, claims say who has them.

Devices of NVIDIA's driver are called ``gpu-<minor>-mig-<profile>-<profile id>-<start>``
(kubernetes-sigs/dra-driver-nvidia-gpu cmd/gpu-kubelet-plugin/mig.go). One with a ``uuid`` exists
(static MIG); one without only could (DynamicMIG) and exists while a claim holds it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from rightslice.core.packing.live import LivePod
from rightslice.edge.live.objects import Metadata, Objects, Shape, shaped
from rightslice.edge.live.pods import read_tenants
from rightslice.edge.live.state import Found, FoundCard
from rightslice.errors import FieldError

DRIVER: Final = "gpu.nvidia.com"
_NAME: Final = re.compile(
    r"gpu-(?P<minor>\d{1,4})-mig-(?P<profile>.+)-(?P<id>\d{1,4})-(?P<start>\d{1,4})"
)


class _Pool(Shape, frozen=True, kw_only=True):
    name: str
    generation: int = 0


class _Device(Shape, frozen=True, kw_only=True):
    name: str
    attributes: dict[str, dict[str, Any]] = msgspec.field(default_factory=dict)

    def text(self, name: str) -> str:
        """Return a text attribute, under its short or its full name; "" when it has none."""
        for key in (name, f"{DRIVER}/{name}"):
            value = self.attributes.get(key, {}).get("string")
            if value is not None:
                return str(value)
        return ""


class _SliceSpec(Shape, frozen=True, kw_only=True):
    driver: str
    pool: _Pool
    node_name: str = ""
    devices: tuple[_Device, ...] = ()


class _Slice(Shape, frozen=True, kw_only=True):
    metadata: Metadata
    spec: _SliceSpec


class _Result(Shape, frozen=True, kw_only=True):
    driver: str
    pool: str
    device: str


class _Devices(Shape, frozen=True, kw_only=True):
    results: tuple[_Result, ...] = ()


class _Allocation(Shape, frozen=True, kw_only=True):
    devices: _Devices = _Devices()


class _Consumer(Shape, frozen=True, kw_only=True):
    resource: str
    name: str


class _ClaimStatus(Shape, frozen=True, kw_only=True):
    allocation: _Allocation | None = None
    reserved_for: tuple[_Consumer, ...] = ()


class _Claim(Shape, frozen=True, kw_only=True):
    metadata: Metadata
    status: _ClaimStatus = _ClaimStatus()


def read_dra(objects: Objects, *, where: str) -> Found:
    """Return the cards and slices that ResourceSlices and ResourceClaims tell of.

    Raises:
        FieldError: naming node, GPU and slot of a fault, or the object with a wrong field.
    """
    slices = [
        each
        for each in shaped(objects, "ResourceSlice", _Slice, where=where)
        if each.spec.driver == DRIVER
    ]
    cards: dict[tuple[str, str], FoundCard] = {}
    places: dict[tuple[str, str], tuple[FoundCard, str, int]] = {}
    for pool, node, device in _newest(slices):
        match = _NAME.fullmatch(device.name)
        profile, parent = device.text("profile"), device.text("parentUUID")
        if match is None and not profile:
            continue
        if match is None or not profile:
            raise FieldError(
                f"node {node}", f"device {device.name}", "has no name or no profile of a MIG slice"
            )
        name = parent or f"{node}/gpu-{match['minor']}"
        card = cards.setdefault(
            (node, name), FoundCard(node=node, name=name, product=device.text("productName"))
        )
        start = int(match["start"])
        places[pool, device.name] = (card, profile, start)
        if device.text("uuid"):
            card.add(profile, start, None)
    tenants = read_tenants(objects, where=where)
    for claim in shaped(objects, "ResourceClaim", _Claim, where=where):
        for result in claim.status.allocation.devices.results if claim.status.allocation else ():
            place = places.get((result.pool, result.device))
            if result.driver == DRIVER and place is not None:
                _hold(place, claim, [
                    tenants.live(claim.metadata.namespace, each.name)
                    for each in claim.status.reserved_for
                    if each.resource == "pods"
                ])  # fmt: skip
            elif result.driver == DRIVER and _NAME.fullmatch(result.device):
                raise FieldError(
                    f"{where}: ResourceClaim {claim.metadata.name}",
                    "status.allocation",
                    f"no ResourceSlice of pool {result.pool} lists {result.device}",
                )
    return Found(cards=tuple(cards.values()), floors=tenants.floors)


def _hold(place: tuple[FoundCard, str, int], claim: _Claim, pods: list[LivePod]) -> None:
    card, profile, start = place
    if len(pods) > 1:
        names = " and ".join(pod.name for pod in pods)
        problem = f"two pods on one slice by claim {claim.metadata.name}: {names}"
        raise FieldError(card.where, f"slot {start}", problem)
    if not any(each.placement.start == start for each in card.slices):
        card.add(profile, start, None)
    if pods:
        card.seat(start, pods[0])


def _newest(slices: Iterable[_Slice]) -> Iterator[tuple[str, str, _Device]]:
    """Yield the devices of each pool's newest generation; older slices are on their way out."""
    every = list(slices)
    newest: dict[str, int] = {}
    for each in every:
        pool = each.spec.pool
        newest[pool.name] = max(pool.generation, newest.get(pool.name, 0))
    for each in every:
        pool = each.spec.pool
        if pool.generation == newest[pool.name]:
            for device in each.spec.devices:
                yield pool.name, each.spec.node_name or pool.name, device
