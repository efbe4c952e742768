"""Nodes, claims and pods of DRA for tests, as the driver and the scheduler write them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rightslice.edge.catalog_files import Catalog
from tools.testbed.dra import DraNode

PRODUCT = "NVIDIA A100-SXM4-40GB"
NODE = DraNode(node="a", grid=Catalog().mig_gpu("A100-40GB"), product=PRODUCT)
SLICES = NODE.slices()


def bare_node(resources: Mapping[str, int] | None = None, name: str = "a") -> dict[str, Any]:
    """Return a node without a device plugin, or with what *resources* say."""
    amounts = {"cpu": "96", "memory": "1Ti", "pods": "250", **(resources or {})}
    status = {
        "allocatable": {key: str(value) for key, value in amounts.items()},
        "conditions": [{"type": "Ready", "status": "True"}],
    }
    return {"metadata": {"name": name, "labels": {}}, "status": status}


def claim(
    name: str, device: str | None, *, profile: str = "1g.5gb", pod: str = ""
) -> dict[str, Any]:
    """Return a claim of *pod*, with *device* or waiting for one."""
    where = f"device.attributes['gpu.nvidia.com'].profile == '{profile}'"
    exactly = {
        "deviceClassName": "mig.nvidia.com",
        "count": 1,
        "selectors": [{"cel": {"expression": where}}],
    }
    made: dict[str, Any] = {
        "metadata": {"name": name, "namespace": "n"},
        "spec": {"devices": {"requests": [{"name": "gpu", "exactly": exactly}]}},
        "status": {},
    }
    if pod:
        made["metadata"]["ownerReferences"] = [{"kind": "Pod", "name": pod}]
    if device is not None:
        result = {"driver": "gpu.nvidia.com", "pool": "a", "device": device}
        made["status"]["allocation"] = {"devices": {"results": [result]}}
    return made


def claiming_pod(
    name: str, *, on: str | None = None, note: str | None = None, claims: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Return a pod with claims; *note* is what the operator writes of them."""
    metadata: dict[str, Any] = {"name": name, "namespace": "n"}
    if note is not None:
        metadata["annotations"] = {"rightslice.dev/claims": note}
    statuses = [{"name": "gpu", "resourceClaimName": one} for one in claims]
    spec: dict[str, Any] = {"containers": [{"name": "c"}]}
    if on is not None:
        spec["nodeName"] = on
    return {"metadata": metadata, "spec": spec, "status": {"resourceClaimStatuses": statuses}}
