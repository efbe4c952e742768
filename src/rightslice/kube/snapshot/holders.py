"""Who holds which devices now, pod by pod: by extended resource, or by DRA claim."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from rightslice.core.catalog.device import Device, device_of
from rightslice.core.catalog.gpu import Gpu
from rightslice.core.catalog.mig import ProfileName
from rightslice.core.catalog.resource import WHOLE
from rightslice.core.catalog.share import Exclusive, MigSlice
from rightslice.core.cost.share import card_share
from rightslice.errors import InputError
from rightslice.kube.admission.offers import is_gpu
from rightslice.kube.cluster.demand import pod_requests
from rightslice.kube.cluster.hardware import NodeHardware
from rightslice.kube.parse.decoded import at, items, mapping, text
from rightslice.kube.snapshot.claims import DraView

Decoded = Mapping[str, object]
Key = tuple[str, str, str]
"""Kind, namespace and name of an object."""
_ENDED: Final = ("Succeeded", "Failed")
_GROUP_LABEL: Final = "leaderworkerset.sigs.k8s.io/name"


@dataclass(frozen=True, kw_only=True)
class Held:
    """What one pod holds, or waits for."""

    namespace: str
    pod: str
    node: str
    """"" while it waits."""
    owner: Key
    resource: str
    """The extended resource, or ``DRA``."""
    count: int
    device: Device | None
    """None where the node or its resource is not known."""

    @property
    def cards(self) -> Fraction:
        """Whole-card equivalents; a device that is not known counts as a card."""
        share = None if self.device is None else card_share(self.device)
        return (Fraction(1) if share is None else share) * self.count


def holders(
    pods: tuple[Decoded, ...],
    hardware: Mapping[str, NodeHardware],
    dra: DraView,
    find_gpu: Callable[[str], Gpu],
) -> tuple[Held, ...]:
    """Return what every pod holds or waits for that asks for an NVIDIA GPU."""
    claims: dict[tuple[str, str], list[tuple[str, Device | None]]] = {}
    for one in dra.claimed:
        device = _claimed(one.device.product, one.device.profile, find_gpu)
        for pod in one.pods:
            claims.setdefault((one.namespace, pod), []).append((one.device.node, device))
    found: list[Held] = []
    for pod_object in pods:
        if at(pod_object, "status", "phase") not in _ENDED:
            found += _of_pod(pod_object, hardware, claims)
    return tuple(found)


def _of_pod(
    pod: Decoded,
    hardware: Mapping[str, NodeHardware],
    claims: Mapping[tuple[str, str], list[tuple[str, Device | None]]],
) -> Iterator[Held]:
    namespace = text(at(pod, "metadata", "namespace")) or ""
    name = text(at(pod, "metadata", "name")) or ""
    node = text(at(pod, "spec", "nodeName")) or ""
    owner = owner_of(pod)
    for where, device in claims.get((namespace, name), ()):
        yield Held(
            namespace=namespace, pod=name, node=where or node, owner=owner, resource="DRA",
            count=1, device=device,
        )  # fmt: skip
    if not _may_ask(pod):
        return
    try:
        asked = pod_requests(pod)
    except InputError:
        return
    known = {one.resource: one.device for one in hardware[node].handed_out} \
        if node in hardware else {}  # fmt: skip
    for resource, amount in asked.items():
        if is_gpu(resource) and amount >= 1:
            yield Held(
                namespace=namespace, pod=name, node=node, owner=owner, resource=resource,
                count=int(amount), device=known.get(resource),
            )  # fmt: skip


def _may_ask(pod: Decoded) -> bool:
    """Whether any container names a GPU: most pods of a cluster do not, and need no sums."""
    for many in ("containers", "initContainers"):
        for container in items(at(pod, "spec", many)):
            for side in ("limits", "requests"):
                if any(map(is_gpu, mapping(at(container, "resources", side)))):
                    return True
    return False


def _claimed(product: str, profile: str | None, find_gpu: Callable[[str], Gpu]) -> Device | None:
    share = Exclusive() if profile is None else MigSlice(profile=ProfileName(profile))
    try:
        return device_of(find_gpu(product), share)
    except InputError:
        return None


def owner_of(pod: Decoded) -> Key:
    """Return the object that *pod* belongs to: a Deployment, StatefulSet ..., or itself."""
    namespace = text(at(pod, "metadata", "namespace")) or ""
    labels = mapping(at(pod, "metadata", "labels"))
    group = text(labels.get(_GROUP_LABEL))
    if group is not None:
        return "LeaderWorkerSet", namespace, group
    for one in items(at(pod, "metadata", "ownerReferences")):
        kind, name = text(at(one, "kind")), text(at(one, "name"))
        if at(one, "controller") is not True or kind is None or name is None:
            continue
        template = text(labels.get("pod-template-hash"))
        if kind == "ReplicaSet" and template is not None and name.endswith(f"-{template}"):
            return "Deployment", namespace, name.removesuffix(f"-{template}")
        return kind, namespace, name
    return "Pod", namespace, text(at(pod, "metadata", "name")) or ""


def cards_held(held: tuple[Held, ...]) -> dict[str, int]:
    """Return the cards of each node that *held* takes at least, in whole cards.

    Slices are taken to stand as close as they can.
    """
    parts: dict[str, Fraction] = {}
    for one in held:
        if one.node:
            parts[one.node] = parts.get(one.node, Fraction(0)) + one.cards
    return {node: -(-part.numerator // part.denominator) for node, part in parts.items()}


def asked_text(resource: str, count: int) -> str:
    """Return what a pod asks for, in words.

    >>> asked_text("nvidia.com/gpu", 2)
    '2 x nvidia.com/gpu'
    """
    return f"{count} x {resource or WHOLE}"
