"""The kinds of object that a snapshot holds, and which of their fields.

Only what is read is kept. Secrets are never asked for, ConfigMaps only where a Model names one for
its config.json, and of them nothing but that file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from rightslice.kube.manifest import GROUP


@dataclass(frozen=True, kw_only=True)
class ApiKind:
    """One kind of the Kubernetes API."""

    name: str
    plural: str
    group: str = ""
    versions: tuple[str, ...] = ("v1",)
    """Which are tried, the first one first."""
    is_namespaced: bool = True
    why: str
    """What it is read for."""
    is_vital: bool = False
    """Without it there is no fleet."""
    is_named: bool = False
    """Not listed: read one by one where another object names it."""

    @property
    def address(self) -> str:
        """The resource as kubectl spells it: ``resourceslices.resource.k8s.io``."""
        return f"{self.plural}.{self.group}" if self.group else self.plural


_DAS: Final = "inference.redhat.com"
_KSERVE: Final = "serving.kserve.io"
_DRA: Final = "resource.k8s.io"
_DRA_VERSIONS: Final = ("v1", "v1beta2")
"""Both have a device's fields beside its name; v1beta1 nests them and is not read."""

KINDS: Final = (
    ApiKind(name="Node", plural="nodes", is_namespaced=False, is_vital=True,
            why="GPUs, slices, labels, taints"),
    ApiKind(name="Pod", plural="pods", is_vital=True, why="what is held, and what runs"),
    ApiKind(name="Namespace", plural="namespaces", is_namespaced=False, why="teams"),
    ApiKind(name="ResourceQuota", plural="resourcequotas", why="quotas of the teams"),
    ApiKind(name="LimitRange", plural="limitranges", why="bounds on one pod"),
    ApiKind(name="ResourceSlice", plural="resourceslices", group=_DRA, versions=_DRA_VERSIONS,
            is_namespaced=False, why="GPUs and slices under DRA"),
    ApiKind(name="ResourceClaim", plural="resourceclaims", group=_DRA, versions=_DRA_VERSIONS,
            why="who holds them"),
    ApiKind(name="DeviceClass", plural="deviceclasses", group=_DRA, versions=_DRA_VERSIONS,
            is_namespaced=False, why="what claims ask for"),
    ApiKind(name="AllocationClaim", plural="allocationclaims", group=_DAS,
            versions=("v1alpha1",), why="slices under DAS (InstaSlice)"),
    ApiKind(name="NodeAccelerator", plural="nodeaccelerators", group=_DAS,
            versions=("v1alpha1",), why="GPUs under DAS"),
    ApiKind(name="Deployment", plural="deployments", group="apps", why="servers, replicas"),
    ApiKind(name="StatefulSet", plural="statefulsets", group="apps", why="servers, replicas"),
    ApiKind(name="LeaderWorkerSet", plural="leaderworkersets",
            group="leaderworkerset.x-k8s.io", why="servers of several pods"),
    ApiKind(name="InferenceService", plural="inferenceservices", group=_KSERVE,
            versions=("v1beta1",), why="servers of KServe"),
    ApiKind(name="ServingRuntime", plural="servingruntimes", group=_KSERVE,
            versions=("v1alpha1",), why="what their servers run"),
    ApiKind(name="ClusterServingRuntime", plural="clusterservingruntimes", group=_KSERVE,
            versions=("v1alpha1",), is_namespaced=False, why="the same"),
    ApiKind(name="PodDisruptionBudget", plural="poddisruptionbudgets", group="policy",
            why="replicas that must run"),
    ApiKind(name="Model", plural="models", group=GROUP, versions=("v1alpha1",),
            why="what ModelDeployments serve"),
    ApiKind(name="ModelDeployment", plural="modeldeployments", group=GROUP,
            versions=("v1alpha1",), why="what the operator decides about"),
    ApiKind(name="ConfigMap", plural="configmaps", is_named=True,
            why="config.json of a Model that names it"),
)  # fmt: skip
"""Every kind that is listed, or read where it is named."""

NAMES: Final = frozenset(one.name for one in KINDS)

_CONTAINER: Final = (
    "name", "image", "command", "args", "env.name", "env.value", "env.valueFrom", "envFrom",
    "resources", "restartPolicy",
)  # fmt: skip
_SPEC: Final = (
    "nodeName", "nodeSelector", "affinity", "tolerations", "schedulerName", "schedulingGates",
    "topologySpreadConstraints", "volumes.name", "volumes.persistentVolumeClaim.claimName",
    "volumes.ephemeral", "resourceClaims", "overhead", "resources", "priority",
    "priorityClassName",
    *(f"{many}.{one}" for many in ("containers", "initContainers") for one in _CONTAINER),
)  # fmt: skip
_METADATA: Final = (
    "metadata.name", "metadata.namespace", "metadata.labels", "metadata.annotations",
    "metadata.ownerReferences.kind", "metadata.ownerReferences.name",
    "metadata.ownerReferences.controller",
)  # fmt: skip
_OURS: Final = (
    "metadata.name", "metadata.namespace", "metadata.uid", "metadata.generation",
    "metadata.deletionTimestamp", "spec",
)  # fmt: skip
_CONDITION: Final = (
    "status.conditions.type", "status.conditions.status", "status.conditions.lastTransitionTime",
)  # fmt: skip
_TEMPLATE: Final = (
    "metadata.labels", "metadata.annotations", *(f"spec.{one}" for one in _SPEC),
)  # fmt: skip

OTHER_POD: Final = (
    "metadata.name", "metadata.namespace", "spec.nodeName", "spec.overhead", "spec.resources",
    *(f"spec.{many}.{one}" for many in ("containers", "initContainers")
      for one in ("name", "resources", "restartPolicy")),
    "status.phase",
)  # fmt: skip
"""Fields of a pod that has no accelerator and serves no model: what it takes of its node."""

FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "Node": ("metadata.name", "metadata.labels", "spec.taints.key", "spec.taints.value",
             "spec.taints.effect", "spec.unschedulable", "status.allocatable",
             "status.conditions.type", "status.conditions.status"),
    "Pod": (*_METADATA, *(f"spec.{one}" for one in _SPEC), "status.phase", "status.startTime",
            "status.resourceClaimStatuses", "status.extendedResourceClaimStatus", *_CONDITION,
            "status.containerStatuses.restartCount"),
    "Namespace": ("metadata.name", "metadata.labels"),
    "ResourceQuota": ("metadata.name", "metadata.namespace", "spec", "status.used"),
    "LimitRange": ("metadata.name", "metadata.namespace", "spec"),
    "ResourceSlice": ("metadata.name", "spec"),
    "ResourceClaim": (*_METADATA, "spec", "status.allocation", "status.reservedFor"),
    "DeviceClass": ("metadata.name", "metadata.creationTimestamp", "spec"),
    "AllocationClaim": ("metadata.name", "metadata.namespace", "spec", "status.state"),
    "NodeAccelerator": ("metadata.name", "metadata.namespace", "status.nodeResources.nodeGpus"),
    "Deployment": (*_METADATA, "metadata.ownerReferences.uid", "spec.replicas",
                   *(f"spec.template.{one}" for one in _TEMPLATE),
                   "status.replicas", "status.readyReplicas"),
    "StatefulSet": (*_METADATA, "spec.replicas", *(f"spec.template.{one}" for one in _TEMPLATE)),
    "LeaderWorkerSet": (
        *_METADATA, "spec.replicas", "spec.leaderWorkerTemplate.size",
        *(f"spec.leaderWorkerTemplate.{which}.{one}" for one in _TEMPLATE
          for which in ("leaderTemplate", "workerTemplate"))),
    "InferenceService": (*_METADATA, "spec"),
    "ServingRuntime": (*_METADATA, "spec"),
    "ClusterServingRuntime": (*_METADATA, "spec"),
    "PodDisruptionBudget": ("metadata.name", "metadata.namespace", "spec.selector",
                            "status.desiredHealthy"),
    "Model": _OURS,
    "ModelDeployment": (*_OURS, "status"),
    "ConfigMap": ("metadata.name", "metadata.namespace", "data"),
}  # fmt: skip
"""Fields that are kept, by kind; below a field that is named everything is."""
