"""Decoded objects as a cluster."""

from __future__ import annotations

from fractions import Fraction

from rightslice.kube.cluster.read import read_cluster

NODE = {
    "metadata": {"name": "a", "labels": {"zone": "x"}},
    "spec": {"taints": [{"key": "gpu", "value": "yes", "effect": "NoSchedule"}]},
    "status": {
        "allocatable": {"nvidia.com/mig-1g.5gb": "7", "cpu": "96"},
        "conditions": [{"type": "Ready", "status": "True"}],
    },
}


def _pod(node: str | None, phase: str = "Running") -> dict[str, object]:
    container = {"resources": {"limits": {"nvidia.com/mig-1g.5gb": 1}}}
    spec = {"containers": [container]} | ({} if node is None else {"nodeName": node})
    return {"metadata": {"name": "p"}, "spec": spec, "status": {"phase": phase}}


def test_bound_pods_take_pending_pods_wait_ended_pods_hold_nothing() -> None:
    """Three pods, three fates."""
    pods = [_pod("a"), _pod("a"), _pod(None, "Pending"), _pod("a", "Succeeded")]
    cluster = read_cluster({"Node": [NODE], "Pod": pods}).cluster
    assert cluster.nodes[0].free("nvidia.com/mig-1g.5gb") == 5
    assert cluster.pending["nvidia.com/mig-1g.5gb"] == 1


def test_a_cordoned_or_unready_node_is_not_ready() -> None:
    """Nothing new is put there."""
    cordoned = {**NODE, "spec": {"unschedulable": True}}
    unready = {**NODE, "status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}}
    nodes = read_cluster({"Node": [NODE, cordoned, unready]}).cluster.nodes
    assert [node.is_ready for node in nodes] == [True, False, False]


def test_quotas_limits_and_namespaces_are_read() -> None:
    """Left is hard less used; a LimitRange's bounds keep what they count."""
    quota: dict[str, object] = {
        "metadata": {"name": "q", "namespace": "n"},
        "spec": {"hard": {"requests.nvidia.com/gpu": "4"}},
        "status": {"used": {"requests.nvidia.com/gpu": "3"}},
    }
    limits: dict[str, object] = {
        "metadata": {"name": "l", "namespace": "n"},
        "spec": {
            "limits": [
                {"type": "Container", "max": {"cpu": "8"}},
                {"type": "PersistentVolumeClaim"},
            ]
        },
    }
    namespace: dict[str, object] = {"metadata": {"name": "n", "labels": {"team": "x"}}}
    given: dict[str, list[dict[str, object]]] = {
        "ResourceQuota": [quota],
        "LimitRange": [limits],
        "Namespace": [namespace],
    }
    cluster = read_cluster(given).cluster
    assert cluster.quotas_of("n")[0].left("requests.nvidia.com/gpu") == 1
    assert cluster.quotas_of("n")[0].left("cpu") is None
    assert [one.maximum for one in cluster.limit_ranges_of("n")] == [{"cpu": Fraction(8)}]
    assert cluster.namespaces["n"] == {"team": "x"}


def test_what_cannot_be_read_is_left_out_and_named() -> None:
    """One broken object does not hide the others."""
    broken = {"kind": "Node", "metadata": {"name": "b"}, "status": {"allocatable": {"cpu": "many"}}}
    read = read_cluster({"Node": [broken, NODE]})
    assert [node.name for node in read.cluster.nodes] == ["a"]
    assert read.problems == (
        "Node b: 'many' is no Kubernetes quantity, such as 500m, 2 or 9Gi",
    )  # fmt: skip
