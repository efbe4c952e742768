"""The owner's settings of the pods."""

from __future__ import annotations

from typing import Any

import pytest

from rightslice.kube.crd.decode import decode
from rightslice.kube.crd.pod import PodSettings
from rightslice.kube.operate.decide import Outcome, decide
from rightslice.kube.operate.pod import put_settings, settings_digest
from rightslice.kube.operate.transition import Apply
from tests.unit.kube.admission.worlds import SLICES, node
from tests.unit.kube.operate.worlds import NOW, served, world

SETTINGS = {
    "env": [
        {"name": "HF_TOKEN", "secret": {"name": "team", "key": "token"}},
        {"name": "VLLM_LOGGING_LEVEL", "value": "DEBUG"},
    ],
    "modelCache": "models-rwx",
    "nodeSelector": {"team": "search"},
    "tolerations": [{"key": "team", "operator": "Exists"}],
    "serviceAccount": "server",
    "pullSecrets": ["registry"],
    "priorityClass": "high",
    "labels": {"team": "search"},
    "annotations": {"example.com/owner": "search"},
}


def _settings(given: dict[str, Any]) -> PodSettings:
    read = decode(PodSettings, given)
    assert read.value is not None, read.problems
    return read.value


def _deployment() -> dict[str, Any]:
    container = {"env": [{"name": "HF_HOME", "value": "/m"}, {"name": "HF_TOKEN", "value": "x"}]}
    volumes = [{"name": "models", "emptyDir": {}}, {"name": "shm", "emptyDir": {}}]
    pod = {"containers": [container], "volumes": volumes}
    metadata = {"labels": {"app.kubernetes.io/name": "vllm"}, "annotations": {"a": "b"}}
    return {"spec": {"template": {"metadata": metadata, "spec": pod}}}


def test_settings_reach_the_pods() -> None:
    """Each where Kubernetes has it; a variable of the same name is replaced."""
    made = _deployment()
    put_settings(made, _settings(SETTINGS))
    template = made["spec"]["template"]
    pod = template["spec"]
    names = [one["name"] for one in pod["containers"][0]["env"]]
    assert names == ["HF_HOME", "HF_TOKEN", "VLLM_LOGGING_LEVEL"]
    secret = pod["containers"][0]["env"][1]["valueFrom"]["secretKeyRef"]
    assert secret == {"name": "team", "key": "token"}
    assert pod["volumes"][0]["persistentVolumeClaim"] == {"claimName": "models-rwx"}
    assert pod["volumes"][1] == {"name": "shm", "emptyDir": {}}
    assert pod["imagePullSecrets"] == [{"name": "registry"}]
    assert (pod["serviceAccountName"], pod["priorityClassName"]) == ("server", "high")
    assert template["metadata"]["labels"] == {"app.kubernetes.io/name": "vllm", "team": "search"}


def test_no_settings_change_nothing() -> None:
    """What is rendered stays as it is."""
    made = _deployment()
    put_settings(made, PodSettings())
    assert made == _deployment()
    assert not settings_digest(PodSettings())


@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_another_setting_is_told_apart(name: str) -> None:
    """Each of them makes another revision."""
    others = {key: value for key, value in SETTINGS.items() if key != name}
    assert settings_digest(_settings(SETTINGS)) != settings_digest(_settings(others))


@pytest.mark.parametrize("wrong", [{"labels": {"a": 1}}, {"labels": ["a"]}, {"env": [{}]}])
def test_what_has_not_its_shape_is_told(wrong: dict[str, Any]) -> None:
    """Never a crash."""
    assert decode(PodSettings, wrong, "pod").problems


def test_only_nodes_of_the_labels_are_offered_and_taints_are_tolerated() -> None:
    """What `nodeSelector` and `tolerations` say reaches the offers and the pods."""
    label, taint = {"team": "search"}, {"key": "team", "value": "search", "effect": "NoSchedule"}
    tainted = node("b", SLICES, team="search")
    tainted["spec"] = {"taints": [taint]}
    around = world(node("a", SLICES), tainted)
    settings = {"nodeSelector": label, "tolerations": [taint]}
    found = decide(served(pod=settings, mode="enforce"), around, NOW)
    assert found.outcome is Outcome.RECOMMENDED
    made: list[Any] = [one.manifest for one in found.actions if isinstance(one, Apply)]
    pods = [one["spec"]["template"]["spec"] for one in made if "template" in one["spec"]]
    assert [one["nodeSelector"] for one in pods] == [label]
    assert {"operator": "Equal", **taint} in pods[0]["tolerations"]
    without = decide(served(pod={"nodeSelector": label}), around, NOW)
    assert without.outcome is Outcome.NO_ROOM
