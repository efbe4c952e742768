"""Cards with slices of ModelDeployments and of others, for tests of moves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from rightslice.edge.catalog_files import Catalog
from rightslice.kube.cluster.dra_hardware import node_hardware
from rightslice.kube.cluster.dra_read import read_classes, read_stocks
from rightslice.kube.cluster.hardware import NodeHardware
from rightslice.kube.cluster.read import read_cluster
from rightslice.kube.cluster.view import Cluster
from rightslice.kube.manifest import OWNER_LABEL, REVISION_LABEL
from rightslice.kube.operate.view import PART_LABEL
from rightslice.kube.repack.pods import OwnPod, read_own_pod
from tests.unit.kube.cluster.dra_worlds import PRODUCT, bare_node, claim
from tools.testbed.dra import DraNode, driver_classes

HASH = "5d9c"


def own_pod(name: str, owner: str, **changed: object) -> OwnPod:
    """Return a ready pod of a ModelDeployment, of its only revision."""
    found = read_own_pod(pod_object(name, owner))
    assert found is not None
    return replace(found, **changed)  # type: ignore[arg-type] # a test says which fields


def pod_object(name: str, owner: str) -> dict[str, Any]:
    """Return the same as the API server has it."""
    labels = {
        OWNER_LABEL: owner, REVISION_LABEL: "r1", PART_LABEL: "guaranteed",
        "pod-template-hash": HASH,
    }  # fmt: skip
    notes = {"rightslice.dev/claims": "resourceclaim:1g.5gb=1"}
    metadata = {
        "namespace": "n", "name": name, "uid": f"uid-{name}", "labels": labels,
        "annotations": notes, "creationTimestamp": "2026-11-22T12:00:00Z",
    }  # fmt: skip
    return {
        "metadata": metadata,
        "spec": {"nodeName": "a", "containers": [{"name": "vllm"}]},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    }


def cards(count: int, held: Mapping[str, str]) -> tuple[Cluster, Mapping[str, NodeHardware]]:
    """Return a node of so many A100s: devices by the pods that hold them."""
    node = DraNode(node="a", grid=Catalog().mig_gpu("A100-40GB"), product=PRODUCT, cards=count)
    slices = node.slices()
    claims = [claim(f"c-{pod}", device, pod=pod) for device, pod in held.items()]
    given = {"Node": [bare_node()], "ResourceSlice": slices, "ResourceClaim": claims}
    cluster = read_cluster(given).cluster
    stock, classes = read_stocks(slices)["a"], read_classes(driver_classes())
    return cluster, {"a": node_hardware(cluster.nodes[0], stock, classes, Catalog().gpu)}
