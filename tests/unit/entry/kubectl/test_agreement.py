"""The operator, `plan --cluster` and `kubectl rightslice whatif` decide the same of one cluster."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from rightslice.edge.cluster.snapshot import snapshot_text
from rightslice.entry.cli.app import run
from rightslice.entry.kubectl.app import run as kubectl
from rightslice.kube.snapshot.value import snapshot_of
from rightslice.records import to_json
from tests.unit.entry.kubectl.fleets import (
    NOW,
    Manifest,
    catalog,
    decisions,
    gpu_node,
    model,
    operator,
    played,
    served,
)
from tools.testbed.dra import DraNode, driver_classes

SECRET = {"name": "HF_TOKEN", "value": "a-made-up-one"}
"""A snapshot leaves it out, and must decide the same."""
MISTRAL = "RedHatAI/Mistral-7B-Instruct-v0.3-quantized.w8a16"
LAYOUTS: tuple[dict[str, int], ...] = (
    {"nvidia.com/mig-1g.5gb": 2, "nvidia.com/mig-2g.10gb": 1, "nvidia.com/mig-3g.20gb": 1},
    {"nvidia.com/mig-3g.20gb": 4},
    {"nvidia.com/mig-1g.5gb": 7, "nvidia.com/gpu": 1},
    {"nvidia.com/gpu": 4},
    {"nvidia.com/gpu": 1, "nvidia.com/unknown": 3},
)
SPECS = st.fixed_dictionaries(
    {
        "model": st.sampled_from(["opt", "opt", "mistral", "nobody"]),
        "load": st.sampled_from(
            [{"concurrency": 1}, {"concurrency": 64}, {"concurrency": 700}, {"rate": "2/s"}]
        ),
        "slo": st.sampled_from(
            [{"tpot": "30ms"}, {"tpot": "60ms", "ttft": "2s"}, {"ttft": "90ms"}]
        ),
        "replicas": st.sampled_from([{"min": 1, "max": 1}, {"min": 2, "max": 5}]),
        "mode": st.sampled_from(["enforce", "advise", "enforce", "off"]),
        "priority": st.integers(0, 1),
        "confidence": st.sampled_from(["50%", "90%"]),
        "pod": st.sampled_from([{}, {"cpu": "4", "env": [SECRET]}, {"labels": {"team": "x"}}]),
        "engine": st.sampled_from([{}, {"flags": ["--api-key=sk-0123456789abcdefgh"]}]),
    }
)
FLEETS = st.tuples(
    st.lists(st.sampled_from(LAYOUTS), min_size=1, max_size=3),
    st.lists(SPECS, min_size=1, max_size=4),
    st.sampled_from(["advise", "enforce"]),
    st.integers(0, 3),
    st.booleans(),
    st.randoms(use_true_random=False),
)
Told = dict[str, tuple[object, ...]]


def _fleet(drawn: tuple[Any, ...]) -> tuple[list[Manifest], str]:
    """Return the objects of a drawn fleet, some of it running, in the order of the watches."""
    layouts, specs, ceiling, rounds, is_changed, order = drawn
    nodes = [gpu_node(f"gpu-{index}", one, cards=4) for index, one in enumerate(layouts)]
    ours = [served(f"m{index}", **one) for index, one in enumerate(specs)]
    start = [*nodes, model(), model("mistral", MISTRAL), operator(ceiling), *ours]
    objects = played(start, rounds, ceiling=ceiling)
    for one in objects:
        if is_changed and one["kind"] == "ModelDeployment" and one["spec"]["priority"]:
            one["spec"]["load"] = {"concurrency": 8}
    order.shuffle(objects)
    return objects, ceiling


def _said(name: str, outcome: str, status: Any) -> tuple[str, tuple[object, ...]]:  # noqa: ANN401 - plain JSON
    """Return what must be equal; a flag with a secret is hidden, and so is what it is named by."""
    found, proposed = status["recommendation"], status["proposed"]
    conditions = [(one["type"], one["status"], one["message"]) for one in status["conditions"]]
    numbers = None
    if found is not None:
        flags = [one.partition("=")[0] if "--api-key" in one else one for one in found["flags"]]
        numbers = {**found["offer"], "revision": ""}, flags, found["refused"]
    to_run = None if proposed is None else {**proposed, "revision": ""}
    return name, (outcome, numbers, to_run, status["waiting_for"], conditions)


def _printed(call: Any, *arguments: str) -> Any:  # noqa: ANN401 - a command line, and its JSON
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()) as told:
        code = call([*arguments])
    assert code in (0, 4), told.getvalue()
    return json.loads(out.getvalue())


@settings(max_examples=12, deadline=None, derandomize=True)
@given(FLEETS)
def test_three_ways_to_ask_give_one_answer(drawn: tuple[Any, ...]) -> None:
    """Offer, replicas, flags, refusals, waiting and conditions are equal, whatever is asked."""
    _check_agreement(*_fleet(drawn))


def test_the_three_agree_on_nodes_under_dra() -> None:
    """Offers come from ResourceSlices, and what claims hold of them is taken."""
    node = DraNode(
        node="gpu-0", grid=catalog().mig_gpu("A100-40GB"), product="NVIDIA A100-SXM4-40GB", cards=2
    )
    published = [*driver_classes(), *node.slices()]
    ours = [served("m0"), served("m1", load={"concurrency": 4}), served("m2", mode="enforce")]
    objects = [gpu_node("gpu-0", {}), *published, model(), operator("enforce"), *ours]
    assert all(one.outcome.value == "Recommended" for one in decisions(objects))
    _check_agreement(objects, "enforce")


def _check_agreement(objects: list[Manifest], ceiling: str) -> None:
    decided = decisions(objects, ceiling=ceiling)
    told: Told = dict(_said(one.key[1], one.outcome.value, to_json(one.status)) for one in decided)
    with TemporaryDirectory() as folder:
        state = Path(folder) / "state.json"
        text = snapshot_text(snapshot_of(objects, taken_at=NOW.isoformat()))
        state.write_text(text, encoding="utf-8")
        plan = _printed(run, "plan", "--cluster", str(state), "-o", "json")
        assert told == dict(
            _said(one["name"], one["outcome"], one["status"]) for one in plan["model_deployments"]
        )
        for one in decided:
            if one.outcome.value == "Invalid":
                continue
            where = ("-n", "a", "--cluster", str(state), "-o", "json")
            found = _printed(kubectl, "whatif", one.key[1], *where)["what_if"]
            (change,) = [each for each in found["changes"] if each["is_asked"]]
            for part in ("before", "after"):
                said = change[part]
                assert _said(said["name"], said["outcome"], said["status"])[1] == told[one.key[1]]
