"""What the GPU resources of a node stand for: whole cards, slices, or turns on a card.

The labels are those of NVIDIA's GPU feature discovery (NVIDIA/k8s-device-plugin
docs/gpu-feature-discovery): ``nvidia.com/gpu.product`` is the board, with ``-MIG-<profile>`` under
the strategy ``single`` and ``-SHARED`` where cards are shared; ``nvidia.com/gpu.replicas`` is the
number of turns on a card, ``nvidia.com/gpu.sharing-strategy`` whether they are MPS shares;
``nvidia.com/gpu.memory`` is MiB of the board, or of a slice under ``single``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from rightslice.core.catalog.device import Device, device_of
from rightslice.core.catalog.gpu import Gpu
from rightslice.core.catalog.mig import ProfileName
from rightslice.core.catalog.resource import WHOLE, resource_suffix
from rightslice.core.catalog.share import Exclusive, MigSlice, MpsShare, Share, TimeSlice
from rightslice.errors import InputError
from rightslice.kube.cluster.dra import DraUnit
from rightslice.kube.cluster.view import ClusterNode
from rightslice.units import MIB

SHARED: Final = f"{WHOLE}.shared"
PRODUCT: Final = "nvidia.com/gpu.product"
SLICE_PREFIX: Final = "nvidia.com/mig-"
_PRODUCT: Final = re.compile(r"(?P<board>.+?)(?:-MIG-(?P<profile>.+?))?(?:-SHARED)?")
_VARIANT: Final = re.compile(r"(gb)\.(me|gfx)")


@dataclass(frozen=True, kw_only=True)
class HandedOut:
    """One GPU resource of a node, and the device behind one unit of it."""

    resource: str
    device: Device
    unit: DraUnit | None = None
    """What one unit is under DRA; None: the device plugin hands it out."""

    @cached_property
    def behind(self) -> str:
        """What tells its device from others: board, share and memory."""
        return f"{self.device.label} {self.device.memory_bytes}"


@dataclass(frozen=True, kw_only=True)
class NodeHardware:
    """The GPU resources of one node; `problem` says what of them is not known."""

    handed_out: tuple[HandedOut, ...] = ()
    unknown: tuple[str, ...] = ()
    """Resources whose device is not known."""
    problem: str | None = None


def gpu_resources(node: ClusterNode) -> tuple[str, ...]:
    """Return the NVIDIA resources that *node* hands out at least one of, by name."""
    return tuple(
        sorted(
            name
            for name, amount in node.allocatable.items()
            if (name in (WHOLE, SHARED) or name.startswith(SLICE_PREFIX)) and amount > 0
        )
    )


def profile_of(resource: str) -> ProfileName:
    """Return the MIG profile of a resource name, which writes ``+`` as a dot.

    >>> profile_of("nvidia.com/mig-1g.10gb.me")
    '1g.10gb+me'
    """
    return ProfileName(_VARIANT.sub(r"\1+\2", resource.removeprefix(SLICE_PREFIX)))


def resource_of(profile: str | None) -> str:
    """Return the extended resource of a profile; None is whole cards.

    >>> resource_of("1g.10gb+me"), resource_of(None)
    ('nvidia.com/mig-1g.10gb.me', 'nvidia.com/gpu')
    """
    return WHOLE if profile is None else f"{SLICE_PREFIX}{resource_suffix(profile)}"


def hardware_of(node: ClusterNode, find_gpu: Callable[[str], Gpu]) -> NodeHardware:
    """Return what the GPU resources of *node* stand for, by its labels.

    Args:
        node: the node.
        find_gpu: the catalogue's board of a product label; raises InputError for an unknown one.
    """
    resources = gpu_resources(node)
    if not resources:
        return NodeHardware()
    product = node.labels.get(PRODUCT, "")
    match = _PRODUCT.fullmatch(product)
    if match is None:
        lacking = f"node {node.name} lacks the label {PRODUCT}"
        return NodeHardware(unknown=resources, problem=lacking)
    try:
        gpu = find_gpu(match["board"])
    except InputError as error:
        return NodeHardware(unknown=resources, problem=f"node {node.name}: {error}")
    found: list[HandedOut] = []
    unknown: list[str] = []
    problem: str | None = None
    for name in resources:
        try:
            device = device_on(node, gpu, _share(name, match["profile"], node))
            found.append(HandedOut(resource=name, device=device))
        except InputError as error:
            unknown.append(name)
            problem = f"node {node.name}: {name}: {error}"
    return NodeHardware(handed_out=tuple(found), unknown=tuple(unknown), problem=problem)


def _share(resource: str, single: str | None, node: ClusterNode) -> Share:
    if resource.startswith(SLICE_PREFIX):
        _refuse_turns(_turns(f"{resource}.replicas", node))
        return MigSlice(profile=profile_of(resource))
    turns = _turns(f"{WHOLE}.replicas", node)
    if single is not None:
        _refuse_turns(turns)
        return MigSlice(profile=profile_of(single))
    if turns < 2:
        return Exclusive()
    if node.labels.get("nvidia.com/gpu.sharing-strategy") == "mps":
        return MpsShare(replicas=turns)
    return TimeSlice(replicas=turns)


def _turns(label: str, node: ClusterNode) -> int:
    replicas = node.labels.get(label, "")
    return int(replicas) if replicas.isdecimal() and replicas.isascii() else 1


def _refuse_turns(turns: int) -> None:
    if turns > 1:
        raise InputError(f"{turns} pods take turns on a MIG slice, whose speed is not predicted")


def device_on(node: ClusterNode, gpu: Gpu, share: Share) -> Device:
    """Return the device, with the board's memory as the label gives it where it speaks of a board.

    The label counts what the driver lists, in MiB; CUDA sees a little less, so that the catalogue's
    figure, where there is one, is the better.
    """
    if gpu.memory_bytes is not None or isinstance(share, MigSlice):
        return device_of(gpu, share)
    label = node.labels.get("nvidia.com/gpu.memory", "")
    known = int(label) * MIB if label.isdecimal() and label.isascii() else None
    return device_of(gpu, share, memory_bytes=known)
