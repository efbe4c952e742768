"""The CPU and memory that a server's pod asks its node for."""

from __future__ import annotations

from typing import Any

import pytest

from rightslice.kube.crd.pod import PodSettings
from rightslice.kube.operate.decide import Outcome, decide
from rightslice.kube.operate.host import host_of
from rightslice.kube.operate.transition import Apply
from tests.unit.kube.admission.worlds import node
from tests.unit.kube.operate.worlds import NOW, catalog, served, world

CARD = {"nvidia.com/mig-2g.10gb": "4", "nvidia.com/mig-3g.20gb": "4"}


@pytest.mark.parametrize(
    ("model", "ranks", "cpu", "memory"),
    [
        ("facebook/opt-1.3b", 1, "2", "4608Mi"),
        ("mistralai/Mistral-7B-Instruct-v0.3", 1, "2", "7168Mi"),
        ("mistralai/Mistral-7B-Instruct-v0.3", 4, "5", "28672Mi"),
    ],
)
def test_the_allowance_follows_from_the_model(
    model: str, ranks: int, cpu: str, memory: str
) -> None:
    """A process and a file of the checkpoint for each rank."""
    host = host_of(catalog().model(model), PodSettings())
    assert host.requests(ranks) == {"cpu": cpu, "memory": memory}


def test_what_the_owner_says_is_taken() -> None:
    """Whatever the ranks."""
    host = host_of(catalog().model("facebook/opt-1.3b"), PodSettings(cpu="500m", memory="9Gi"))
    assert host.requests(8) == {"cpu": "500m", "memory": "9Gi"}
    assert host.milli(8) == {"cpu": 500, "memory": 9 * 2**30 * 1000}


def _requests(**pod: str) -> dict[str, Any]:
    one = served(mode="enforce", pod=pod)
    actions = decide(one, world(node("a", CARD)), NOW).actions
    made: Any = next(
        each.manifest for each in actions
        if isinstance(each, Apply) and each.manifest["kind"] == "Deployment"
    )  # fmt: skip
    found: dict[str, Any] = made["spec"]["template"]["spec"]["containers"][0]["resources"]
    return found


def test_pods_ask_for_it_beside_their_gpu() -> None:
    """As requests, without limits."""
    found = _requests(memory="9Gi")
    gpu = {"nvidia.com/mig-2g.10gb": "1"}
    assert found == {"requests": {"cpu": "2", "memory": "9Gi", **gpu}, "limits": gpu}


def test_a_node_without_room_for_it_has_no_place() -> None:
    """Slices are free, and the status says what they lack."""
    one = served(pod={"cpu": "1000"})
    decision = decide(one, world(node("a", CARD)), NOW)
    assert decision.outcome is Outcome.NO_ROOM
    assert "no node that has room for the pod's rest" in decision.status.waiting_for[0]


def test_what_is_no_quantity_is_refused() -> None:
    """With what would be right."""
    decision = decide(served(pod={"memory": "lots"}), world(node("a", CARD)), NOW)
    assert decision.outcome is Outcome.INVALID
    assert "pod: 'lots' is no Kubernetes quantity" in decision.status.conditions[0].message
