"""What becomes of a pod."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from rightslice.kube.admission.decide import Outcome, decide
from rightslice.kube.admission.settings import MODE_LABEL, Mode
from tests.unit.kube.admission.worlds import SLICES, node, talk_pod, world


def _wanted(pod: Mapping[str, object], *nodes: dict[str, object]) -> tuple[Outcome, str | None]:
    decision = decide(pod, "n", world(*nodes))
    proposed = decision.proposed
    return decision.outcome, None if proposed is None else proposed.resource


def test_the_talks_pod_gets_the_slice_of_the_talk() -> None:
    """64 clients of opt-1.3b at 30 ms on an A100-40: 2g.10gb."""
    assert _wanted(talk_pod(), node("a", SLICES)) == (Outcome.RESIZED, "nvidia.com/mig-2g.10gb")


def test_a_higher_load_comes_out_bigger() -> None:
    """Twice the clients do not fit the KV cache of 2g.10gb."""
    found = _wanted(talk_pod(128), node("a", SLICES))
    assert found == (Outcome.RESIZED, "nvidia.com/mig-3g.20gb")


def test_an_impossible_load_gets_the_largest() -> None:
    """With the number that refuses it."""
    decision = decide(talk_pod(5000), "n", world(node("a", SLICES)))
    assert decision.outcome is Outcome.LARGEST
    assert decision.proposed is not None
    assert decision.proposed.resource == "nvidia.com/mig-3g.20gb"
    assert "of 5000 sequences" in decision.reasons[0]


def test_what_is_taken_is_not_given_again() -> None:
    """With the only 2g.10gb in use, the next larger free slice is taken."""
    held = {"resources": {"limits": {"nvidia.com/mig-2g.10gb": 1}}}
    pod = {"metadata": {"name": "p"}, "spec": {"nodeName": "a", "containers": [held]}}
    decision = decide(talk_pod(), "n", world(node("a", SLICES), Pod=[pod]))
    assert decision.proposed is not None
    assert decision.proposed.resource == "nvidia.com/mig-3g.20gb"


def test_with_no_slice_free_the_pod_stays() -> None:
    """And the reason says what would hold it, and why that cannot be had."""
    held = {"resources": {"limits": dict.fromkeys(SLICES, 1)}}
    pod = {"metadata": {"name": "p"}, "spec": {"nodeName": "a", "containers": [held]}}
    gpus = node("a", {**SLICES, "nvidia.com/mig-1g.5gb": "1"})
    decision = decide(talk_pod(), "n", world(gpus, Pod=[pod]))
    assert decision.outcome is Outcome.NO_ROOM
    assert decision.proposed is None
    assert "2g.10gb" in decision.reasons[0]
    assert "none of 1" in decision.reasons[0]


def test_pending_pods_come_first() -> None:
    """A slice that another pod waits for is not promised twice."""
    waits = {"resources": {"limits": {"nvidia.com/mig-2g.10gb": 1}}}
    pod = {"metadata": {"name": "p"}, "spec": {"containers": [waits]}}
    decision = decide(talk_pod(), "n", world(node("a", SLICES), Pod=[pod]))
    assert decision.proposed is not None
    assert decision.proposed.resource == "nvidia.com/mig-3g.20gb"


def test_one_resource_name_of_two_boards_needs_a_selector() -> None:
    """mig-1g.10gb of an A100 and of an H100 are not the same slice."""
    slices = {"nvidia.com/mig-1g.10gb": "4", "nvidia.com/mig-2g.20gb": "1"}
    nodes = (node("a", slices, product="NVIDIA-A100-SXM4-80GB"),
             node("h", slices, product="NVIDIA-H100-80GB-HBM3"))  # fmt: skip
    decision = decide(talk_pod(), "n", world(*nodes))
    assert decision.proposed is not None
    assert set(decision.proposed.selector) == {"nvidia.com/gpu.product"}


def test_taints_quotas_and_limit_ranges_keep_offers_away() -> None:
    """What the pod may not use is no offer."""
    tainted = node("a", SLICES)
    tainted["spec"] = {"taints": [{"key": "x", "effect": "NoSchedule"}]}
    assert _wanted(talk_pod(), tainted)[0] is Outcome.NO_ROOM
    quota = {
        "metadata": {"name": "q", "namespace": "n"},
        "spec": {"hard": {"requests.nvidia.com/mig-2g.10gb": "0"}},
    }
    found = decide(talk_pod(), "n", world(node("a", SLICES), ResourceQuota=[quota]))
    assert found.proposed is not None
    assert found.proposed.resource == "nvidia.com/mig-3g.20gb"


def test_under_the_strategy_single_a_gpu_is_a_slice() -> None:
    """The same request, a smaller device: it is right as it is."""
    single = node("a", {"nvidia.com/gpu": "3"}, product="NVIDIA-A100-SXM4-40GB-MIG-2g.10gb")
    assert _wanted(talk_pod(), single) == (Outcome.RIGHT, None)


def test_time_slices_are_not_offered_unasked() -> None:
    """Shared cards need the owner's word."""
    shared = node(
        "a", {"nvidia.com/gpu": "4"}, product="NVIDIA-A100-SXM4-40GB-SHARED",
        **{"nvidia.com/gpu.replicas": "4"},
    )  # fmt: skip
    assert _wanted(talk_pod(), shared)[0] is Outcome.NO_ROOM


@pytest.mark.parametrize(
    ("label", "annotation", "mode"),
    [
        (None, None, Mode.ADVISE), ("enforce", None, Mode.ENFORCE), ("enforce", "off", Mode.OFF),
        ("advise", "enforce", Mode.ENFORCE), ("bogus", None, Mode.ADVISE),
    ],
)  # fmt: skip
def test_the_nearest_word_sets_the_mode(
    label: str | None, annotation: str | None, mode: Mode
) -> None:
    """The pod's, else its namespace's, else the default; a slip counts as silence."""
    labels = {} if label is None else {MODE_LABEL: label}
    namespace = {"metadata": {"name": "n", "labels": labels}}
    pod = talk_pod(annotations=None if annotation is None else {MODE_LABEL: annotation})
    decision = decide(pod, "n", world(node("a", SLICES), mode=Mode.ADVISE, Namespace=[namespace]))
    assert decision.mode is mode
    assert bool(decision.warnings) is (label == "bogus")


def test_a_pod_that_says_too_little_is_told_what_to_say() -> None:
    """Every gap at once, each with what would close it."""
    pod = talk_pod()
    pod["spec"]["containers"][0]["args"] = ["vllm serve facebook/opt-1.3b"]
    decision = decide(pod, "n", world(node("a", SLICES)))
    assert decision.outcome is Outcome.NOT_UNDERSTOOD
    assert any("load-concurrency" in reason for reason in decision.reasons)


@pytest.mark.parametrize(
    "more", [{"schedulerName": "volcano"}, {"resourceClaims": [{"name": "c"}]}]
)
def test_what_others_decide_is_left_alone(more: dict[str, object]) -> None:
    """Other schedulers, claims."""
    pod = talk_pod()
    pod["spec"].update(more)
    assert decide(pod, "n", world(node("a", SLICES))).outcome is Outcome.LEFT_ALONE
