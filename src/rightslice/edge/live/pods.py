"""Pods and PodDisruptionBudgets: whose replica runs where, what is pinned, how many must stay.

A pod is pinned by the annotations that keep it from being evicted elsewhere:
``karpenter.sh/do-not-disrupt: "true"`` (karpenter.sh "Disruption"),
``cluster-autoscaler.kubernetes.io/safe-to-evict: "false"`` (kubernetes/autoscaler FAQ), or our own.
How long a replica takes to start is read from the pod's own times: from its start until it was
ready, the least of its workload's pods that never restarted (readiness that came and went makes
the time too long, never too short).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import msgspec

from rightslice.core.packing.live import LivePod
from rightslice.edge.live.objects import Metadata, Objects, Shape, shaped, whole

_PINS: Final = {
    "karpenter.sh/do-not-disrupt": "true",
    "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
    "rightslice.dev/do-not-move": "true",
}


class _Condition(Shape, frozen=True, kw_only=True):
    type: str
    status: str = ""
    last_transition_time: dt.datetime | None = None


class _ContainerStatus(Shape, frozen=True, kw_only=True):
    restart_count: int = 0


class _PodStatus(Shape, frozen=True, kw_only=True):
    phase: str = ""
    start_time: dt.datetime | None = None
    conditions: tuple[_Condition, ...] = ()
    container_statuses: tuple[_ContainerStatus, ...] = ()


class _Resources(Shape, frozen=True, kw_only=True):
    limits: dict[str, str | int] = msgspec.field(default_factory=dict)


class _Container(Shape, frozen=True, kw_only=True):
    resources: _Resources = _Resources()


class _PodSpec(Shape, frozen=True, kw_only=True):
    node_name: str = ""
    containers: tuple[_Container, ...] = ()


class Pod(Shape, frozen=True, kw_only=True):
    """A pod."""

    metadata: Metadata
    spec: _PodSpec = _PodSpec()
    status: _PodStatus = _PodStatus()

    @property
    def limits(self) -> dict[str, int]:
        """Extended resources that its containers ask for."""
        found: dict[str, int] = {}
        for container in self.spec.containers:
            for name, amount in container.resources.limits.items():
                if "/" in name and whole(amount):
                    found[name] = found.get(name, 0) + whole(amount)
        return found


class _Requirement(Shape, frozen=True, kw_only=True):
    key: str
    operator: str
    values: tuple[str, ...] = ()


class _Selector(Shape, frozen=True, kw_only=True):
    match_labels: dict[str, str] = msgspec.field(default_factory=dict)
    match_expressions: tuple[_Requirement, ...] = ()


class _BudgetSpec(Shape, frozen=True, kw_only=True):
    selector: _Selector | None = None


class _BudgetStatus(Shape, frozen=True, kw_only=True):
    desired_healthy: int | None = None


class _Budget(Shape, frozen=True, kw_only=True):
    metadata: Metadata
    spec: _BudgetSpec = _BudgetSpec()
    status: _BudgetStatus = _BudgetStatus()


@dataclass(frozen=True, kw_only=True)
class Tenants:
    """Who may run in slices, by namespace and name."""

    pods: Mapping[tuple[str, str], Pod] = field(default_factory=dict)
    floors: Mapping[str, int] = field(default_factory=dict)
    starts: Mapping[str, float] = field(default_factory=dict)
    """Seconds until a replica serves, by workload."""

    def live(self, namespace: str, name: str) -> LivePod:
        """Return the pod as the packing knows it; one that is not listed stands for itself."""
        pod = self.pods.get((namespace, name))
        called = f"{namespace}/{name}" if namespace else name
        if pod is None:
            return LivePod(name=called)
        workload = workload_of(pod)
        notes = pod.metadata.annotations
        return LivePod(
            name=called,
            workload=workload,
            pinned=any(notes.get(key) == value for key, value in _PINS.items()),
            start_seconds=self.starts.get(workload),
        )


def read_tenants(objects: Objects, *, where: str) -> Tenants:
    """Return the pods in *objects* with their disruption budgets.

    A workload's floor is its budget's ``status.desiredHealthy``, which the cluster works out of
    minAvailable and maxUnavailable.

    Raises:
        FieldError: naming the object and the field that is wrong.
    """
    pods = [
        pod
        for pod in shaped(objects, "Pod", Pod, where=where)
        if pod.status.phase not in ("Succeeded", "Failed")
    ]
    floors: dict[str, int] = {}
    for budget in shaped(objects, "PodDisruptionBudget", _Budget, where=where):
        desired, selector = budget.status.desired_healthy, budget.spec.selector
        if desired is None or selector is None:
            continue
        for pod in pods:
            if pod.metadata.namespace == budget.metadata.namespace and _selects(selector, pod):
                name = workload_of(pod) or f"{pod.metadata.namespace}/{pod.metadata.name}"
                floors[name] = max(desired, floors.get(name, 0))
    return Tenants(
        pods={(pod.metadata.namespace, pod.metadata.name): pod for pod in pods},
        floors=floors,
        starts=_starts(pods),
    )


def workload_of(pod: Pod) -> str:
    """Return the Deployment (or other owner) of *pod* with its namespace; "" without one."""
    owner = next((each for each in pod.metadata.owner_references if each.controller), None)
    if owner is None:
        return ""
    name = owner.name
    template = pod.metadata.labels.get("pod-template-hash")
    if owner.kind == "ReplicaSet" and template is not None:
        name = name.removesuffix(f"-{template}")
    return f"{pod.metadata.namespace}/{name}"


def _starts(pods: Iterable[Pod]) -> dict[str, float]:
    found: dict[str, float] = {}
    for pod in pods:
        workload, seconds = workload_of(pod), _start_seconds(pod)
        if workload and seconds is not None:
            found[workload] = min(seconds, found.get(workload, seconds))
    return found


def _start_seconds(pod: Pod) -> float | None:
    began = pod.status.start_time
    if began is None or any(each.restart_count for each in pod.status.container_statuses):
        return None
    for condition in pod.status.conditions:
        ready = condition.last_transition_time
        if condition.type == "Ready" and condition.status == "True" and ready is not None:
            return max((ready - began).total_seconds(), 0.0)
    return None


def _selects(selector: _Selector, pod: Pod) -> bool:
    labels = pod.metadata.labels
    return all(labels.get(key) == value for key, value in selector.match_labels.items()) and all(
        _meets(each, labels) for each in selector.match_expressions
    )


def _meets(requirement: _Requirement, labels: Mapping[str, str]) -> bool:
    value = labels.get(requirement.key)
    match requirement.operator:
        case "In":
            return value in requirement.values
        case "NotIn":
            return value not in requirement.values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case _:
            # An unknown operator may select the pod: its budget is kept, to be safe.
            return True
