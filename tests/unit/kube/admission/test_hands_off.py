"""What else decides about a pod's devices."""

from __future__ import annotations

from typing import Any

import pytest

from rightslice.kube.admission.decide import Outcome, decide
from tests.unit.kube.admission.worlds import SLICES, node, talk_pod, world


def _changed(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - parts of a pod
    """Return the talk's pod with parts of its spec, container or metadata replaced."""
    pod = talk_pod()
    pod["spec"] |= changes.get("spec", {})
    pod["metadata"] |= changes.get("metadata", {})
    pod["spec"]["containers"][0] |= changes.get("container", {})
    pod["spec"]["containers"] += changes.get("beside", [])
    return pod


GPU = {"resources": {"limits": {"nvidia.com/gpu": 1}}}
ENV = {"name": "TPOT", "value": "30"}


@pytest.mark.parametrize(
    ("pod", "word"),
    [
        (_changed(beside=[{"name": "b", **GPU}]), "more than one container"),
        (_changed(spec={"initContainers": [{"name": "i", **GPU}]}), "more than one container"),
        (_changed(container={"resources": {"limits": {"nvidia.com/gpu": 1,
                                                      "nvidia.com/gpumem": 9}}}), "gpumem"),
        (_changed(container={"resources": {"limits": {"nvidia.com/gpu": 1,
                                                      "nvidia.com/mig-1g.5gb": 1}}}), "two names"),
        (_changed(spec={"resourceClaims": [{"name": "c"}]}), "DRA"),
        (_changed(metadata={"labels": {"kueue.x-k8s.io/queue-name": "q"}}), "Kueue"),
        (_changed(metadata={"annotations": {"kubernetes.io/config.mirror": "x"}}), "static pod"),
        (_changed(container={"env": [ENV, {"name": "NVIDIA_VISIBLE_DEVICES", "value": "all"}]}),
         "NVIDIA_VISIBLE_DEVICES"),
        (_changed(container={"env": [ENV, {"name": "CUDA_VISIBLE_DEVICES", "value": "1"}]}),
         "CUDA_VISIBLE_DEVICES"),
        (_changed(spec={"nodeName": "a"}), "nodeName"),
        (_changed(spec={"runtimeClassName": "kata"}), "kata"),
        (_changed(spec={"schedulingGates": [{"name": "g"}]}), "schedulingGates"),
        (_changed(spec={"volumes": [{"name": "m", "persistentVolumeClaim": {"claimName": "c"}}]}),
         "PersistentVolumeClaim c"),
        (_changed(spec={"volumes": [{"name": "m", "ephemeral": {}}]}), "volume m"),
    ],
)  # fmt: skip
def test_such_pods_are_left_alone(pod: dict[str, Any], word: str) -> None:
    """Each with the reason by name."""
    decision = decide(pod, "n", world(node("a", SLICES)))
    assert decision.outcome is Outcome.LEFT_ALONE
    assert word in decision.reasons[0]
    assert decision.proposed is None


@pytest.mark.parametrize(
    "pod",
    [
        _changed(container={"env": [ENV, {"name": "CUDA_VISIBLE_DEVICES", "value": "0"}]}),
        _changed(spec={"runtimeClassName": "nvidia"}),
        _changed(spec={"volumes": [{"name": "shm", "emptyDir": {"medium": "Memory"}}]}),
        _changed(spec={"initContainers": [{"name": "sidecar", "restartPolicy": "Always"}]}),
        _changed(beside=[{"name": "proxy", "resources": {"limits": {"cpu": "1"}}}]),
        _changed(spec={"priorityClassName": "high", "preemptionPolicy": "Never"}),
    ],
)
def test_harmless_parts_do_not_matter(pod: dict[str, Any]) -> None:
    """The pod is resized as without them."""
    assert decide(pod, "n", world(node("a", SLICES))).outcome is Outcome.RESIZED


def test_sleep_mode_keeps_a_pod_off_slices() -> None:
    """Its allocator does not start under MIG."""
    pod = talk_pod()
    script = pod["spec"]["containers"][0]["args"][0]
    flagged = script.replace("facebook/opt-1.3b &", "facebook/opt-1.3b --enable-sleep-mode &")
    pod["spec"]["containers"][0]["args"] = [flagged]
    decision = decide(pod, "n", world(node("a", SLICES)))
    assert decision.outcome is Outcome.LEFT_ALONE
    assert "sleep-mode" in decision.reasons[0]
