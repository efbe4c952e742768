"""Placements under DAS (InstaSlice): AllocationClaims name the GPU, the start and the pod.

Fields as in openshift/instaslice-operator pkg/apis/dasoperator/v1alpha1 (AllocationClaimSpec,
DiscoveredNodeResources). A ``staged`` claim is a scheduler's trial and stands for no slice; an
``orphaned`` one is a slice without its pod.
"""

from __future__ import annotations

from typing import Final

import msgspec

from rightslice.edge.live.objects import Metadata, Objects, Shape, shaped
from rightslice.edge.live.pods import read_tenants
from rightslice.edge.live.state import Found, FoundCard
from rightslice.errors import FieldError

_TRIAL: Final = "staged"
_WITHOUT_POD: Final = "orphaned"


class _Place(Shape, frozen=True, kw_only=True):
    size: int
    start: int


class _PodRef(Shape, frozen=True, kw_only=True):
    name: str = ""
    namespace: str = ""


class _ClaimSpec(Shape, frozen=True, kw_only=True):
    mig_placement: _Place
    gpu_uuid: str = msgspec.field(name="gpuUUID")
    nodename: str
    profile: str = ""
    pod_ref: _PodRef = _PodRef()


class _ClaimStatus(Shape, frozen=True, kw_only=True):
    state: str = ""


class _Claim(Shape, frozen=True, kw_only=True):
    metadata: Metadata
    spec: _ClaimSpec
    status: _ClaimStatus = _ClaimStatus()


class _Gpu(msgspec.Struct, frozen=True, kw_only=True):
    gpuUuid: str = ""  # noqa: N815 - the field's own name
    gpuName: str = ""  # noqa: N815 - the field's own name


class _Resources(Shape, frozen=True, kw_only=True):
    node_gpus: tuple[_Gpu, ...] = ()


class _NodeStatus(Shape, frozen=True, kw_only=True):
    node_resources: _Resources = _Resources()


class _Node(Shape, frozen=True, kw_only=True):
    metadata: Metadata
    status: _NodeStatus = _NodeStatus()


def read_das(objects: Objects, *, where: str) -> Found:
    """Return the cards and slices that AllocationClaims and NodeAccelerators tell of.

    Raises:
        FieldError: naming node, GPU and slot of a fault, or the object with a wrong field.
    """
    cards: dict[tuple[str, str], FoundCard] = {}
    for node in shaped(objects, "NodeAccelerator", _Node, where=where):
        for gpu in node.status.node_resources.node_gpus:
            name = node.metadata.name
            found = FoundCard(node=name, name=gpu.gpuUuid, product=gpu.gpuName)
            cards[name, gpu.gpuUuid] = found
    tenants = read_tenants(objects, where=where)
    for claim in shaped(objects, "AllocationClaim", _Claim, where=where):
        spec, state = claim.spec, claim.status.state
        if state == _TRIAL:
            continue
        key = (spec.nodename, spec.gpu_uuid)
        card = cards.setdefault(key, FoundCard(node=spec.nodename, name=spec.gpu_uuid))
        slot = f"slot {spec.mig_placement.start}"
        if not spec.profile:
            raise FieldError(card.where, slot, f"claim {claim.metadata.name} names no profile")
        pod = None
        if state != _WITHOUT_POD and spec.pod_ref.name:
            pod = tenants.live(spec.pod_ref.namespace, spec.pod_ref.name)
        card.add(spec.profile, spec.mig_placement.start, pod)
    return Found(cards=tuple(cards.values()), floors=tenants.floors)
