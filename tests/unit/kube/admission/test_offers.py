"""What a cluster can offer one pod."""

from __future__ import annotations

from typing import Any

import pytest

from rightslice.kube.admission.decide import Outcome, decide
from tests.unit.kube.admission.worlds import A100, SLICES, node, talk_pod, world

SMALL = {"nvidia.com/mig-2g.10gb": "1"}


def _limits(resource: str, **rules: str) -> dict[str, Any]:
    rule = {"type": "Container", **{name: {resource: value} for name, value in rules.items()}}
    return {"metadata": {"name": "r", "namespace": "n"}, "spec": {"limits": [rule]}}


@pytest.mark.parametrize(
    "given",
    [
        _limits("nvidia.com/gpu", max="8"), _limits("nvidia.com/gpu", min="1"),
        _limits("nvidia.com/gpu", default="1"), _limits("nvidia.com/mig-2g.10gb", min="2"),
        _limits("nvidia.com/mig-2g.10gb", max="0"),
    ],
)  # fmt: skip
def test_limit_ranges_that_name_a_gpu_keep_the_request(given: dict[str, Any]) -> None:
    """The API server would add the ruled resource again, or refuse the pod without it."""
    decision = decide(talk_pod(), "n", world(node("a", SMALL), LimitRange=[given]))
    assert decision.outcome is Outcome.NO_ROOM
    assert "LimitRange r" in decision.reasons[0]


def test_limit_ranges_of_other_things_do_not_matter() -> None:
    """CPU bounds, and ranges of other namespaces."""
    other = _limits("nvidia.com/gpu", max="8")
    other["metadata"]["namespace"] = "elsewhere"
    given = [_limits("cpu", max="8"), other]
    decision = decide(talk_pod(), "n", world(node("a", SMALL), LimitRange=given))
    assert decision.outcome is Outcome.RESIZED


def test_a_scoped_quota_counts_too() -> None:
    """Which pods it counts is not known: none is put beyond it."""
    hard = {"requests.nvidia.com/mig-2g.10gb": "0"}
    spec = {"hard": hard, "scopes": ["NotTerminating"]}
    quota = {"metadata": {"name": "q", "namespace": "n"}, "spec": spec}
    decision = decide(talk_pod(), "n", world(node("a", SMALL), ResourceQuota=[quota]))
    assert decision.outcome is Outcome.NO_ROOM
    assert "ResourceQuota q" in decision.reasons[0]


def test_a_node_without_labels_asks_for_a_selector() -> None:
    """Its slices of the same name may be of any board: the pod is kept off them."""
    bare = node("b", SMALL)
    bare["metadata"] = {"name": "b", "labels": {}}
    decision = decide(talk_pod(), "n", world(node("a", SMALL), bare))
    assert decision.proposed is not None
    assert decision.proposed.selector == {"nvidia.com/gpu.product": A100}


def test_slices_that_pods_take_turns_on_are_no_offer() -> None:
    """A slice shared in time has no speed of its own, nor has its twin without a label."""
    label = {"nvidia.com/mig-2g.10gb.replicas": "4"}
    assert decide(talk_pod(), "n", world(node("a", SMALL, **label))).outcome is Outcome.NO_ROOM
    both = world(node("a", SMALL, **label), node("b", SMALL))
    assert decide(talk_pod(), "n", both).outcome is Outcome.NO_ROOM


def test_renamed_resources_are_not_taken_for_gpus() -> None:
    """A name that an administrator gave is no name of the device plugin."""
    pod = talk_pod()
    pod["spec"]["containers"][0]["resources"] = {"limits": {"nvidia.com/a100": 1}}
    assert decide(pod, "n", world(node("a", SMALL))).outcome is Outcome.NOT_A_SERVER
    odd = node("a", {**SMALL, "nvidia.com/mig-large": "1"})
    assert decide(talk_pod(), "n", world(odd)).outcome is Outcome.RESIZED


def test_a_type_that_no_node_has_now_is_waited_for() -> None:
    """A pool at zero: an autoscaler may add the node that the pod selects."""
    pod = talk_pod()
    pod["spec"]["nodeSelector"] = {"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3"}
    decision = decide(pod, "n", world(node("a", SLICES)))
    assert (decision.outcome, decision.proposed) == (Outcome.NO_ROOM, None)


def test_the_largest_is_not_taken_when_it_is_busy() -> None:
    """Waiting for the largest beats getting a slice that holds even less."""
    held = {"resources": {"limits": {"nvidia.com/gpu": 1}}}
    busy = {"metadata": {"name": "p"}, "spec": {"nodeName": "a", "containers": [held]}}
    given = node("a", {**SLICES, "nvidia.com/gpu": "1"})
    decision = decide(talk_pod(5000), "n", world(given, Pod=[busy]))
    assert (decision.outcome, decision.proposed) == (Outcome.NOTHING_HOLDS, None)


def test_a_model_that_starts_nowhere_keeps_its_request() -> None:
    """A slice on which it cannot start would be worse than waiting."""
    pod = talk_pod()
    container = pod["spec"]["containers"][0]
    container["args"] = [container["args"][0].replace("opt-1.3b", "opt-30b")]
    decision = decide(pod, "n", world(node("a", SLICES)))
    assert (decision.outcome, decision.proposed) == (Outcome.NOTHING_HOLDS, None)


@pytest.mark.parametrize("amount", [1, "1"])
def test_amounts_are_numbers_or_text(amount: object) -> None:
    """YAML gives both."""
    pod = talk_pod()
    pod["spec"]["containers"][0]["resources"] = {"limits": {"nvidia.com/gpu": amount}}
    assert decide(pod, "n", world(node("a", SLICES))).current == "1 x nvidia.com/gpu"


def test_a_node_without_room_for_the_rest_is_no_place() -> None:
    """CPU counts: what is free of the slice alone does not."""
    pod = talk_pod()
    pod["spec"]["containers"][0]["resources"]["requests"]["cpu"] = "97"
    decision = decide(pod, "n", world(node("a", SMALL)))
    assert decision.outcome is Outcome.NO_ROOM
    assert "no node that has room" in decision.reasons[0]
