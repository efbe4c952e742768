"""The watch that the operator's tests rest on sees what it should: a moment without a pod."""

from __future__ import annotations

import json

from rightslice.kube.operate.view import OWNER_LABEL
from tests.e2e.operating import PodWatch, found, gpu_nodes
from tests.e2e.waiting import eventually
from tools.testbed.control_plane import ControlPlane
from tools.testbed.nodes import GpuNode


def test_a_pod_that_was_away_for_a_moment_is_missed(plane: ControlPlane, namespace: str) -> None:
    """A deleted pod is replaced within a second, and the fewest are none."""
    labels = {OWNER_LABEL: "chat"}
    container = {"name": "vllm", "image": "vllm", "resources": {"limits": {"nvidia.com/gpu": 1}}}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    body = {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "chat"},
        "spec": {"selector": {"matchLabels": labels}, "template": template},
    }  # fmt: skip
    watch = PodWatch(plane, namespace)
    node = GpuNode(name="watched", resources={"nvidia.com/gpu": 2}, mig_strategy="none")
    with gpu_nodes(plane, node), watch.following():
        plane.kubectl("-n", namespace, "create", "-f", "-", stdin=json.dumps(body))
        eventually(lambda: watch.serving("chat"))
        watch.arm()
        (pod,) = found(plane, namespace, "pods")
        plane.kubectl("-n", namespace, "delete", "pod", pod["metadata"]["name"], "--now")
        eventually(lambda: len(watch.seen["chat"]) == 3)
    assert watch.fewest == {"chat": 0}
    assert [sum(count for _, count in one) for one in watch.seen["chat"]] == [1, 0, 1]
