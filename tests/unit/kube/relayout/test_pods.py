"""Pods with a GPU, and which of them stay."""

from __future__ import annotations

from typing import Any

import pytest

from rightslice.kube.relayout.pods import read_gpu_pod
from tests.unit.kube.relayout.clusters import pod

MOVABLE = {"rightslice.dev/movable": "true"}


def owned(kind: str) -> list[dict[str, Any]]:
    """Return the owner references of a pod that a *kind* makes."""
    return [{"kind": kind, "name": "x", "controller": True}]


@pytest.mark.parametrize(
    ("metadata", "stays"),
    [
        ({}, "is not of a ModelDeployment"),
        ({"annotations": MOVABLE}, "has no controller"),
        ({"annotations": MOVABLE, "ownerReferences": owned("DaemonSet")}, "belongs to a DaemonSet"),
        ({"annotations": MOVABLE, "ownerReferences": owned("ReplicaSet")}, None),
        ({"annotations": {**MOVABLE, "karpenter.sh/do-not-disrupt": "true"}}, "is annotated"),
    ],
)
def test_pods_of_others_stay_unless_their_owner_says_otherwise(
    metadata: dict[str, Any], stays: str | None
) -> None:
    """And only where a controller makes them anew elsewhere."""
    found = read_gpu_pod(pod("x", "a", **metadata))
    assert found is not None
    assert (found.stays is None) if stays is None else (stays in (found.stays or ""))


def test_a_pod_of_ours_may_move() -> None:
    """It tells its ModelDeployment and the Deployment that gets a successor."""
    found = read_gpu_pod(pod("x", "a", owner="chat"))
    assert found is not None
    assert (found.owner, found.deployment) == (("n", "chat"), "chat-r1")
    assert (found.stays, found.is_ready, found.is_going) == (None, True, False)


def test_pods_without_a_gpu_or_a_node_do_not_count() -> None:
    """Nor do those that have ended."""
    assert read_gpu_pod(pod("x", "a", "cpu")) is None
    ended: Any = pod("x", "a")
    ended["status"]["phase"] = "Succeeded"
    assert read_gpu_pod(ended) is None
    unbound: Any = pod("x", "a")
    del unbound["spec"]["nodeName"]
    assert read_gpu_pod(unbound) is None


def test_a_bound_pod_may_go_to_any_node() -> None:
    """That it is bound is no filter of its own."""
    found = read_gpu_pod(pod("x", "a", owner="chat"))
    assert found is not None
    assert found.filter.named is None
