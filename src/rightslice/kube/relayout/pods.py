"""Pods that hold GPUs of a node, and whether each may be moved.

Pods of a ModelDeployment that is enforced are moved make-before-break by its own Deployment. Any
other pod is left alone unless its owner says that it may be moved, and then only evicted, as
``kubectl drain`` does, so that PodDisruptionBudgets are kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

from rightslice.kube.admission.offers import is_gpu
from rightslice.kube.cluster.demand import pod_requests
from rightslice.kube.cluster.filters import NodeFilter, beyond_these
from rightslice.kube.manifest import GROUP, OWNER_LABEL, REVISION_LABEL
from rightslice.kube.operate.objects import deployment_name
from rightslice.kube.operate.view import PART_LABEL, Key, Part
from rightslice.kube.parse.decoded import at, items, mapping, text

MOVABLE: Final = f"{GROUP}/movable"
"""Annotation by which a pod's owner lets it be evicted: ``"true"``."""
_ENDED: Final = ("Succeeded", "Failed")
_KEPT: Final[Mapping[str, str]] = {
    "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
    "karpenter.sh/do-not-disrupt": "true",
}
"""How other programs' users say that a pod must not be moved."""


@dataclass(frozen=True, kw_only=True)
class GpuPod:
    """One pod that holds GPUs."""

    namespace: str
    name: str
    uid: str
    node: str
    requests: Mapping[str, Fraction]
    filter: NodeFilter
    owner: Key | None = None
    """Its ModelDeployment."""
    deployment: str | None = None
    """Its Deployment, where it has a ModelDeployment."""
    is_ready: bool = False
    is_going: bool = False
    """It is being deleted."""
    stays: str | None = None
    """Why it may not be moved, as far as the pod itself says."""
    gpus: Mapping[str, int] = field(default_factory=dict)

    @property
    def called(self) -> str:
        """Namespace and name."""
        return f"{self.namespace}/{self.name}"


def read_gpu_pod(pod: Mapping[str, object]) -> GpuPod | None:
    """Return the pod; None when it holds no GPU, has ended, or is bound to no node.

    Raises:
        InputError: when an amount is no quantity.
    """
    node = text(at(pod, "spec", "nodeName"))
    if node is None or at(pod, "status", "phase") in _ENDED:
        return None
    requests = pod_requests(pod)
    gpus = {name: int(count) for name, count in requests.items() if is_gpu(name) and count > 0}
    if not gpus:
        return None
    metadata, spec = mapping(pod.get("metadata")), mapping(pod.get("spec"))
    labels = mapping(metadata.get("labels"))
    namespace = text(metadata.get("namespace")) or ""
    owner, revision, part = (
        text(labels.get(name)) for name in (OWNER_LABEL, REVISION_LABEL, PART_LABEL)
    )
    ours = owner is not None and revision is not None and part in [one.value for one in Part]
    return GpuPod(
        namespace=namespace,
        name=text(metadata.get("name")) or "",
        uid=text(metadata.get("uid")) or "",
        node=node,
        requests=requests,
        filter=NodeFilter.of({name: one for name, one in spec.items() if name != "nodeName"}),
        owner=(namespace, owner) if ours and owner is not None else None,
        deployment=_deployment(owner, revision, part) if ours else None,
        is_ready=any(
            mapping(one).get("type") == "Ready" and mapping(one).get("status") == "True"
            for one in items(at(pod, "status", "conditions"))
        ),
        is_going=metadata.get("deletionTimestamp") is not None,
        stays=_why_it_stays(metadata, spec, is_ours=ours),
        gpus=gpus,
    )


def _deployment(owner: str | None, revision: str | None, part: str | None) -> str | None:
    if owner is None or revision is None:
        return None
    return deployment_name(owner, revision, Part(part))


def _why_it_stays(
    metadata: Mapping[str, object], spec: Mapping[str, object], *, is_ours: bool
) -> str | None:
    notes = mapping(metadata.get("annotations"))
    for name, value in _KEPT.items():
        if notes.get(name) == value:
            return f"is annotated {name}={value}"
    if is_ours:
        return None
    if notes.get(MOVABLE) != "true":
        return f"is not of a ModelDeployment; if it may be moved, annotate it {MOVABLE}=true"
    owners = [mapping(one) for one in items(metadata.get("ownerReferences"))]
    maker = next((one for one in owners if one.get("controller") is True), None)
    if maker is None:
        return "has no controller that would make it anew"
    if maker.get("kind") in ("DaemonSet", "Node"):
        return f"belongs to a {maker['kind']}, which runs it on this very node"
    plain = {name: one for name, one in spec.items() if name != "nodeName"}
    return beyond_these(plain)
