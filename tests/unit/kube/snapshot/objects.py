"""Nodes, servers and pods for the tests of snapshots."""

from __future__ import annotations

import datetime as dt
from typing import Any

from rightslice.edge.catalog_files import Catalog
from rightslice.edge.cluster.snapshot import sources_of
from rightslice.edge.constants import fitted_constants
from rightslice.kube.snapshot.compare import Asking, plan_cluster
from rightslice.kube.snapshot.fleet import ClusterFleet, Rules, fleet_of
from rightslice.kube.snapshot.result import ClusterPlan
from rightslice.kube.snapshot.value import Snapshot, snapshot_of

A100 = "NVIDIA-A100-SXM4-40GB"
LOAD = {
    "load-concurrency": "4", "input-tokens": "128", "output-tokens": "64", "slo-tpot": "40ms",
}  # fmt: skip
Objects = list[dict[str, Any]]


def node(
    name: str,
    resources: dict[str, int] | None = None,
    *,
    product: str = A100,
    **more: Any,  # noqa: ANN401 - plain test data
) -> dict[str, Any]:
    """Return a Ready node of eight cards; *more* are labels (``type``: the instance type)."""
    given = {"nvidia.com/gpu": 8} if resources is None else resources
    labels = {
        "nvidia.com/gpu.product": product,
        "nvidia.com/gpu.count": str(more.pop("count", 8)),
        "node.kubernetes.io/instance-type": more.pop("type", "p4d.24xlarge"),
        **more.pop("labels", {}),
    }
    amounts = {"cpu": "96", "memory": "1Ti", "pods": "110"}
    return {
        "kind": "Node",
        "metadata": {"name": name, "labels": labels},
        "spec": more.pop("spec", {}),
        "status": {
            "allocatable": {**amounts, **{key: str(value) for key, value in given.items()}},
            "conditions": [{"type": "Ready", "status": more.pop("ready", "True")}],
        },
    }


def server(
    name: str,
    on: list[str],
    *,
    resource: str = "nvidia.com/gpu",
    **more: Any,  # noqa: ANN401 - plain test data
) -> Objects:
    """Return a Deployment in namespace ``a`` with a pod on each node of *on* ("": pending)."""
    notes = more.pop("notes", LOAD)
    container = {
        "name": "vllm",
        "image": "vllm/vllm-openai:v0.10.1",
        "args": ["--model", "facebook/opt-1.3b"],
        "resources": {"limits": {resource: str(more.pop("count", 1))}},
    }
    spec = {"containers": [container]}
    place = {"namespace": more.pop("namespace", "a")}
    template: dict[str, Any] = {
        "metadata": {"annotations": {f"rightslice.dev/{key}": text for key, text in notes.items()}},
        "spec": spec,
    }
    made = {
        "kind": "Deployment",
        "metadata": {"name": name, **place},
        "spec": {"replicas": more.pop("replicas", len(on)), "template": template},
    }
    owner = {"kind": "ReplicaSet", "name": f"{name}-5f", "controller": True}
    return [made, *(
        {
            "kind": "Pod",
            "metadata": {
                "name": f"{name}-5f-{index}", **place, "ownerReferences": [owner],
                "labels": {"pod-template-hash": "5f"},
                "annotations": template["metadata"]["annotations"],
            },
            "spec": {**spec, **({"nodeName": where} if where else {})},
            "status": {"phase": "Running" if where else "Pending"},
        }
        for index, where in enumerate(on)
    )]  # fmt: skip


def quota(hard: dict[str, str], **spec: Any) -> dict[str, Any]:  # noqa: ANN401 - plain test data
    """Return a ResourceQuota of namespace ``a``."""
    metadata = {"name": "gpus", "namespace": "a"}
    return {"kind": "ResourceQuota", "metadata": metadata, "spec": {"hard": hard, **spec}}


def taken(*given: dict[str, Any] | Objects) -> Snapshot:
    """Return the snapshot of objects and lists of objects."""
    return snapshot_of(
        [one for some in given for one in (some if isinstance(some, list) else [some])]
    )


def fleet(*given: dict[str, Any] | Objects, **rules: Any) -> ClusterFleet:  # noqa: ANN401 - plain test data
    """Return the fleet of objects, with the catalogue's facts."""
    return fleet_of(taken(*given), sources_of(Catalog(), {}), Rules(**rules))


def plan(*given: dict[str, Any] | Objects, **rules: Any) -> ClusterPlan:  # noqa: ANN401 - plain test data
    """Return the plan of objects, with the catalogue's facts and the shipped constants."""
    asking = Asking(constants=fitted_constants(), today=dt.date(2026, 11, 22))
    return plan_cluster(taken(*given), sources_of(Catalog(), {}), Rules(**rules), asking)
