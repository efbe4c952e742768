"""Ten thousand pods through the webhook's handler, in process and from one seed.

Each gets a reply that allows it. A patch applies, and leaves a pod that passes the resource rules
of the API server. What is not sized is told what to change. Memory stays flat.
"""

from __future__ import annotations

import base64
import gc
import json
import logging
import random
import resource
import tracemalloc
from typing import Any

import pytest

from rightslice.core.fit.answers import Answers
from rightslice.edge.catalog_files import Catalog
from rightslice.edge.cluster.state import ClusterState
from rightslice.entry.webhook.answers import Reviewer
from rightslice.kube.admission.decide import Outcome
from rightslice.kube.admission.patch import notes_problem, patched, resource_problem
from rightslice.kube.admission.reading import reader
from rightslice.kube.admission.review import Reviewed
from rightslice.kube.admission.settings import Mode, Settings
from rightslice.kube.parse.question import Defaults, Lookups
from tests.fuzz.pods import mutated_pod
from tests.unit.kube.admission.worlds import SLICES, constants, node

ROUNDS, AGAIN = 10_000, 300
SILENT = (Outcome.OFF, Outcome.NOT_A_SERVER, Outcome.RIGHT)
GROWTH_BYTES = 15_000_000
"""What five thousand further pods may add to the process's peak: 3 KB each would show."""
AGAIN_BYTES = 100_000
"""What the same pods a third time may add: 150 bytes each would show."""


def _reviewer() -> Reviewer:
    catalog = Catalog()
    defaults = Defaults(confidence=0.5)
    state = ClusterState(find_gpu=catalog.gpu, now=lambda: 0.0)
    shared = {"nvidia.com/gpu.replicas": "4"}
    for one in (
        node("slices", {**SLICES, "nvidia.com/gpu": "4"}),
        node("shared", {"nvidia.com/gpu": "8"}, product="NVIDIA-L40S-SHARED", **shared),
        node("strange", {"nvidia.com/gpu": "8"}, product="NVIDIA-X9000"),
    ):
        state.put("Node", one)
    state.put("Namespace", {"metadata": {"name": "n"}})
    return Reviewer(
        state=state,
        settings=Settings(mode=Mode.ENFORCE, defaults=defaults),
        read=reader(Lookups(model=catalog.model, engine=catalog.engine), defaults),
        answers=Answers(constants(), most=500),  # reached early, so that growth shows
    )


def _reviewed(reviewer: Reviewer, pod: dict[str, Any], number: int) -> Reviewed:
    request = {"uid": f"u-{number}", "kind": {"kind": "Pod"}, "operation": "CREATE",
               "namespace": "n", "object": pod, "dryRun": True}  # fmt: skip
    read = json.loads(json.dumps({"request": request}))
    return reviewer.review(read)


def _checked(reviewed: Reviewed, pod: dict[str, Any]) -> None:
    response: Any = reviewed.response["response"]
    assert response["allowed"] is True
    json.dumps(reviewed.response)
    if reviewed.decision.outcome not in SILENT:
        assert len(response["warnings"][0]) > 20
    if "patch" in response:
        patch = json.loads(base64.b64decode(response["patch"]))
        after = patched(json.loads(json.dumps(pod)), patch)
        if any("/resources/" in one["path"] for one in patch):
            assert resource_problem(after) is None
        assert notes_problem(after) is None


def _round(reviewer: Reviewer, chance: random.Random, rounds: int) -> set[Outcome]:
    seen = set()
    for number in range(rounds):
        pod = mutated_pod(chance, chance.choice(("spec", "", "metadata")))
        reviewed = _reviewed(reviewer, pod, number)
        _checked(reviewed, pod)
        seen.add(reviewed.decision.outcome)
    return seen


def _peak_bytes() -> int:
    """Return the most memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@pytest.mark.fuzz
def test_every_pod_gets_a_reply(caplog: pytest.LogCaptureFixture) -> None:
    """Allowed, with a patch that applies or a warning; no traceback, no growth."""
    reviewer, chance = _reviewer(), random.Random(1)  # noqa: S311 - a fixed seed repeats the run
    seen: set[Outcome] = set()
    with caplog.at_level(logging.WARNING):
        seen |= _round(reviewer, chance, ROUNDS // 2)
        halfway = _peak_bytes()
        seen |= _round(reviewer, chance, ROUNDS // 2)
    assert caplog.records == []
    assert _peak_bytes() - halfway < GROWTH_BYTES
    assert {Outcome.RESIZED, Outcome.LARGEST, Outcome.LEFT_ALONE, Outcome.NOT_UNDERSTOOD,
            Outcome.NOT_A_SERVER} <= seen  # fmt: skip


def test_the_same_pods_again_leave_nothing_behind() -> None:
    """What is remembered of hundreds of pods is there once; their second round adds nothing."""
    reviewer = _reviewer()
    tracemalloc.start()
    held = []
    for _ in range(3):
        _round(reviewer, random.Random(2), AGAIN)  # noqa: S311 - the same pods each time
        gc.collect()
        held.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert held[2] - held[1] < AGAIN_BYTES
