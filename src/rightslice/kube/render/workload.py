"""One placed workload to its Deployment, Service and PodDisruptionBudget.

No namespace is set: the files of a team lie in one folder and go where they are applied. The
budget lets one pod go at a time, so that it never blocks a drain; with one replica it protects
nothing, and its annotation says so (a budget of ``minAvailable: 1`` would block every drain).
Known gap: the model cache is an emptyDir, so each new pod downloads the weights again.
"""

from __future__ import annotations

from typing import Final

from rightslice.core.catalog.together import Apart, Preference
from rightslice.core.packing.backends import Backend
from rightslice.kube.assignments import Assignment
from rightslice.kube.explain import decision_notes
from rightslice.kube.gpu_ask import GpuAsk, gpu_ask, ranks
from rightslice.kube.manifest import (
    GROUP,
    Manifest,
    recommended_labels,
    selector_labels,
    short_name,
)
from rightslice.kube.nodes import NODE_LABEL, node_selector
from rightslice.kube.probes import (
    drain_seconds,
    probes,
    startup_seconds,
    termination_seconds,
)
from rightslice.kube.resources import pod_requests
from rightslice.kube.server_args import COMMAND, PORT, server_args
from rightslice.records import Json
from rightslice.units import format_duration

IMAGE: Final = "vllm/vllm-openai"
CACHE: Final = "/var/cache/huggingface"
_SHM_GIB_AT_LEAST: Final = 2
"""vLLM's own Kubernetes guide gives /dev/shm 2Gi (docs.vllm.ai "Using Kubernetes")."""
_DEADLINE_MARGIN_SECONDS: Final = 900
"""Beyond the start: for a node to come up and the image to be pulled (410 s and 101 s in
kaito-project/kaito#2325)."""


def image(version: str) -> str:
    """Return the image of a release; its tags always name three numbers.

    >>> image("0.19")
    'vllm/vllm-openai:v0.19.0'
    """
    missing = ".0" * max(0, 2 - version.count("."))
    return f"{IMAGE}:v{version}{missing}"


def render(assignment: Assignment, ask: GpuAsk | None = None) -> list[Manifest]:
    """Return the objects of one workload, in the order to apply them.

    *ask* says how its pods ask for their GPU; of the device plugin when it is not given.
    """
    ask = ask or gpu_ask(assignment, Backend.DEVICE_PLUGIN)
    return [_service(assignment), _disruption_budget(assignment), _deployment(assignment, ask)]


def _metadata(assignment: Assignment, notes: Manifest) -> Manifest:
    labels = recommended_labels(
        assignment.name,
        version=assignment.sizing.engine.version,
        team=short_name(assignment.workload.team),
    )
    metadata: Manifest = {"name": assignment.name, "labels": labels}
    return {**metadata, "annotations": notes} if notes else metadata


def _service(assignment: Assignment) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(assignment, {}),
        "spec": {
            "type": "ClusterIP",
            "selector": selector_labels(assignment.name),
            "ports": [{"name": "http", "port": PORT, "targetPort": "http", "protocol": "TCP"}],
        },
    }


def _disruption_budget(assignment: Assignment) -> Manifest:
    notes: Manifest = {}
    if assignment.placed.replicas == 1:
        start = format_duration(startup_seconds(assignment))
        notes[f"{GROUP}/disruption"] = (
            "a drain stops the only replica, and the model is away until its successor has"
            f" started (up to {start}); with a second replica one keeps serving"
        )
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": _metadata(assignment, notes),
        "spec": {
            "maxUnavailable": 1,
            "selector": {"matchLabels": selector_labels(assignment.name)},
            # A pod that is not ready serves nobody and must not hold up a drain.
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    }


def _deployment(assignment: Assignment, ask: GpuAsk) -> Manifest:
    strategy, why = _rollout(assignment)
    notes: Manifest = {**decision_notes(assignment), f"{GROUP}/rollout": why}
    if assignment.workload.apart is Apart.GPU:
        notes[f"{GROUP}/apart"] = (
            "the plan gives each replica a GPU of its own; no scheduler is told, so the layout"
            " holds it up and a pod that is moved may lose it"
        )
    if not _requests(assignment):
        notes[f"{GROUP}/requests"] = (
            "the node's CPU and memory are not known, so none are asked for"
        )
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _metadata(assignment, notes),
        "spec": {
            "replicas": assignment.placed.replicas,
            "selector": {"matchLabels": selector_labels(assignment.name)},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": strategy},
            "progressDeadlineSeconds": startup_seconds(assignment) + _DEADLINE_MARGIN_SECONDS,
            "template": {
                "metadata": {"labels": _metadata(assignment, {})["labels"]},
                "spec": _pod(assignment, ask),
            },
        },
    }


def _rollout(assignment: Assignment) -> tuple[Manifest, str]:
    is_apart = assignment.workload.apart is Apart.NODE and assignment.placed.replicas > 1
    if assignment.spare > 0 and not is_apart:
        why = (
            f"{assignment.spare} more of its slots are free in node group"
            f" {assignment.group.name}: an update starts a new pod before it stops an old one"
        )
        return {"maxSurge": 1, "maxUnavailable": 0}, why
    why = (
        f"no slot is free for a further pod in node group {assignment.group.name}, where it would"
        " stay Pending: an update stops a pod before it starts the next"
    )
    if is_apart:
        why = (
            "its replicas keep apart by node, and a further pod may find none: an update stops a"
            " pod before it starts the next"
        )
    if assignment.placed.replicas == 1:
        start = format_duration(startup_seconds(assignment))
        why += f"; with one replica the model is away meanwhile (up to {start})"
    return {"maxSurge": 0, "maxUnavailable": 1}, why


def _pod(assignment: Assignment, ask: GpuAsk) -> Manifest:
    selector: Manifest = dict(node_selector(assignment.device.share, assignment.group))
    pod: Manifest = {
        **ask.pod,
        "nodeSelector": selector,
        "affinity": {"nodeAffinity": _planned_nodes(assignment), **_beside(assignment)},
        "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
    }
    if len(assignment.nodes) > 1 and assignment.workload.apart is not Apart.NODE:
        pod["topologySpreadConstraints"] = [_spread(assignment)]
    return {
        **pod,
        "terminationGracePeriodSeconds": termination_seconds(assignment),
        "automountServiceAccountToken": False,
        # A Service called "vllm" would set VLLM_PORT to a URL (vllm-project/vllm#34199).
        "enableServiceLinks": False,
        "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [_container(assignment, ask)],
        "volumes": _volumes(assignment),
    }


def _planned_nodes(assignment: Assignment) -> Manifest:
    """Prefer the plan's nodes: others of the group will do when one of them is gone."""
    nodes: list[Json] = [short_name(node) for node in assignment.nodes]
    here: Manifest = {"key": NODE_LABEL, "operator": "In", "values": nodes}
    return {
        "preferredDuringSchedulingIgnoredDuringExecution": [
            {"weight": 100, "preference": {"matchExpressions": [here]}}
        ]
    }


def _beside(assignment: Assignment) -> Manifest:
    """What the workload says of its replicas on one node: never two, or rather more."""
    here: Manifest = {
        "topologyKey": "kubernetes.io/hostname",
        "labelSelector": {"matchLabels": selector_labels(assignment.name)},
    }
    if assignment.workload.apart is Apart.NODE:
        return {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [here]}}
    if assignment.workload.preference is Preference.PACK:
        rather: Manifest = {"weight": 100, "podAffinityTerm": here}
        return {"podAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [rather]}}
    return {}


def _spread(assignment: Assignment) -> Manifest:
    """Only where the plan itself spreads; elsewhere it would pull pods off the planned node."""
    return {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": selector_labels(assignment.name)},
    }


def _container(assignment: Assignment, ask: GpuAsk) -> Manifest:
    return {
        "name": "vllm",
        "image": image(assignment.sizing.engine.version),
        "command": list(COMMAND),
        "args": list(server_args(assignment)),
        "env": [
            {"name": "HF_HOME", "value": CACHE},
            {
                "name": "HF_TOKEN",
                "valueFrom": {
                    "secretKeyRef": {"name": "hf-token", "key": "token", "optional": True}
                },
            },
        ],
        "ports": [{"name": "http", "containerPort": PORT, "protocol": "TCP"}],
        "resources": _resources(assignment, ask),
        **probes(assignment),
        "lifecycle": {"preStop": {"sleep": {"seconds": drain_seconds(assignment)}}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": _mounts(assignment),
    }


def _resources(assignment: Assignment, ask: GpuAsk) -> Manifest:
    """The GPU resource alike on both sides, as Kubernetes wants it of extended resources."""
    found: Manifest = {"requests": {**_requests(assignment), **ask.resources}}
    if ask.resources:
        found["limits"] = ask.resources
    if ask.claims:
        found["claims"] = [{"name": name} for name in ask.claims]
    return found


def _requests(assignment: Assignment) -> Manifest:
    return pod_requests(assignment.workload, assignment.offer.cards, assignment.group)


def _shared_memory_gib(assignment: Assignment) -> int | None:
    """Return the size of /dev/shm, through which ranks talk: 1 GiB each; None for one rank."""
    count = ranks(assignment)
    return None if count == 1 else max(_SHM_GIB_AT_LEAST, count)


def _volumes(assignment: Assignment) -> list[Json]:
    volumes: list[Json] = [{"name": "models", "emptyDir": {}}]
    size = _shared_memory_gib(assignment)
    if size is not None:
        volumes.append({"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": f"{size}Gi"}})
    return volumes


def _mounts(assignment: Assignment) -> list[Json]:
    mounts: list[Json] = [{"name": "models", "mountPath": CACHE}]
    if _shared_memory_gib(assignment) is not None:
        mounts.append({"name": "shm", "mountPath": "/dev/shm"})  # noqa: S108 - where NCCL looks for it
    return mounts
