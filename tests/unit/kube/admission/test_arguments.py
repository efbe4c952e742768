"""Flags that the owner asked to be set."""

from __future__ import annotations

from typing import Any

import pytest

from rightslice.kube.admission.arguments import takes_flags, wish_of
from rightslice.kube.admission.decide import Outcome, decide
from rightslice.kube.admission.settings import Mode
from rightslice.kube.parse.annotations import ANNOTATIONS
from tests.unit.kube.admission.worlds import SLICES, node, talk_pod, world

NOTES = {
    "rightslice.dev/load-concurrency": "64", "rightslice.dev/input-tokens": "128",
    "rightslice.dev/output-tokens": "128", "rightslice.dev/flags": "set",
}  # fmt: skip


def _listed(*further: str) -> dict[str, Any]:
    pod = talk_pod(annotations=NOTES)
    container = pod["spec"]["containers"][0]
    container["command"] = ["vllm", "serve"]
    container["args"] = ["facebook/opt-1.3b", *further]
    return pod


def test_flags_are_added_where_the_owner_gave_none() -> None:
    """The sizes that decide memory; a given one stays as it is."""
    decision = decide(_listed("--max-num-seqs=96"), "n", world(node("a", SLICES)))
    assert decision.outcome is Outcome.RESIZED
    names = [flag.split("=")[0] for flag in decision.flags]
    assert names == ["--gpu-memory-utilization", "--max-model-len", "--max-num-batched-tokens"]


def test_a_shell_string_is_not_touched_and_the_flags_are_told() -> None:
    """The warning lists them."""
    decision = decide(talk_pod(annotations={"rightslice.dev/flags": "set"}), "n",
                      world(node("a", SLICES)))  # fmt: skip
    assert decision.flags == ()
    assert any("--gpu-memory-utilization=" in one for one in decision.warnings)


def test_advise_tells_the_flags() -> None:
    """Nothing is added."""
    decision = decide(_listed(), "n", world(node("a", SLICES), mode=Mode.ADVISE))
    assert decision.flags == ()
    assert any("in advise" in one for one in decision.warnings)


def test_a_shared_card_is_offered_with_a_bounded_utilization() -> None:
    """A server sees the whole card: a quarter of it is what one of four may take."""
    pod = _listed()
    pod["metadata"]["annotations"]["rightslice.dev/isolation"] = "none"
    shared = node("s", {"nvidia.com/gpu": "4"}, product="NVIDIA-A100-SXM4-80GB-SHARED",
                  **{"nvidia.com/gpu.replicas": "4"})  # fmt: skip
    decision = decide(pod, "n", world(shared))
    assert decision.candidate is not None
    utilization = next(one for one in decision.flags if one.startswith("--gpu-memory-util"))
    assert float(utilization.split("=")[1]) <= 0.25
    del pod["metadata"]["annotations"]["rightslice.dev/flags"]
    assert decide(pod, "n", world(shared)).outcome is Outcome.NO_ROOM


@pytest.mark.parametrize(
    ("container", "takes"),
    [
        ({"args": ["--model", "m"]}, True),
        ({"args": ["m", "--port=80"]}, True),
        ({"command": ["python3", "-m", "vllm.entrypoints.openai.api_server"],
          "args": ["--model", "m"]}, True),
        ({"command": ["vllm", "serve", "m"]}, False),
        ({"args": ["vllm serve m"]}, False),
        ({"command": ["/bin/sh", "-c"], "args": ["vllm serve m"]}, False),
        ({"args": ["/start.sh", "--model", "m"]}, False),
        ({"args": ["--model", "m", "--", "x"]}, False),
        ({"command": ["python3", "serve.py"], "args": ["--model", "m"]}, False),
        ({"args": "--model m"}, False),
        ({"args": ["--model", 3]}, False),
        ({}, False),
        (None, False),
    ],
)  # fmt: skip
def test_only_a_plain_list_of_the_servers_takes_flags(container: object, *, takes: bool) -> None:
    """Whatever a shell, a script or another program reads does not."""
    assert takes_flags(container) is takes


def test_a_slip_is_a_no_and_is_told() -> None:
    """The annotation is one of the documented ones."""
    assert "flags" in {one.name for one in ANNOTATIONS}
    wish = wish_of({"rightslice.dev/flags": "yes"})
    assert not wish.sets
    assert wish.problem is not None
    assert "set, keep" in wish.problem
