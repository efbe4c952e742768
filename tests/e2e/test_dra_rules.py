"""DeviceTaintRules as objects: the release of the scheduler decides whether they may be used.

Schedulers of Kubernetes 1.36.0 to 1.36.2 watch the rules as v1beta2 and look for v1alpha3: new
rules are passed over, and a ResourceSlice that changes beside one ends the program
(kubernetes/kubernetes#139651, in 1.36.3 by #139681). From then on rules do what taints on the
devices do in `test_dra`. Whichever release `tools/go.mod` names, one of the two tests runs.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator

import pytest

from rightslice.core.packing.backends import Backend
from rightslice.edge.plan_files import plan_files
from tests.e2e.conftest import ABSENT, eventually
from tests.e2e.test_dra import (
    DEVICE_CLASS,
    LABELS,
    NODE,
    RULES,
    allotted,
    golden_plan,
    resource_slices,
)
from tools.testbed import assets, nodes
from tools.testbed.control_plane import ControlPlane
from tools.testbed.nodes import GpuNode

MENDED = (1, 36, 3)


def version() -> tuple[int, ...]:
    """Return the release of the scheduler that the tests run."""
    there = assets.found()
    if there is None:
        pytest.skip(ABSENT)
    said = subprocess.run(
        [there / "kube-scheduler", "--version"], capture_output=True, text=True, check=True
    )
    return tuple(int(part) for part in re.findall(r"\d+", said.stdout)[:3])


@pytest.fixture
def ruled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane with two A100s without taints, and the plan's rules for them."""
    if assets.found() is None:
        pytest.skip(ABSENT)
    served = ("--runtime-config=resource.k8s.io/v1beta2=true",)
    folder = tmp_path_factory.mktemp("rules")
    with ControlPlane.started(folder, "DRADeviceTaintRules=true", served) as running:
        nodes.create(running, GpuNode(name=NODE, resources={}, labels=LABELS))
        for manifest in (DEVICE_CLASS, *resource_slices()):
            running.kubectl("apply", "-f", "-", stdin=json.dumps(manifest))
        texts = plan_files(golden_plan(), Backend.DRA_TAINT_RULES)
        running.kubectl("apply", "-f", "-", stdin=texts[RULES])
        yield running


def test_rules_steer_every_claim_to_its_planned_slot(ruled: ControlPlane) -> None:
    """With the rules in place the scheduler has one choice left for each claim."""
    if version() < MENDED:
        pytest.skip("this scheduler passes rules over: kubernetes/kubernetes#139651")
    texts = plan_files(golden_plan(), Backend.DRA_TAINT_RULES)
    ruled.kubectl("create", "namespace", "ruled")
    for path in ("workloads/search/chat.yaml", "workloads/content/tags.yaml"):
        named = re.sub(r"\$\{A100_0_GPU_(\d)\}", r"GPU-\1", texts[path])
        ruled.kubectl("-n", "ruled", "apply", "-f", "-", stdin=named)
    eventually(lambda: len(allotted(ruled, "ruled")) == 4, 60)
    assert allotted(ruled, "ruled") == [
        "gpu-0-mig-1g5gb-19-2",
        "gpu-0-mig-3g20gb-9-4",
        "gpu-1-mig-3g20gb-9-0",
        "gpu-1-mig-3g20gb-9-4",
    ]


def test_a_scheduler_that_must_not_have_rules_ends(ruled: ControlPlane) -> None:
    """Before 1.36.3 a slice that changes beside a rule ends the scheduler, as the README warns."""
    if version() >= MENDED:
        pytest.skip("this scheduler follows rules")
    _, devices = resource_slices()
    devices["metadata"]["labels"] = {"changed": "yes"}
    ruled.kubectl("apply", "-f", "-", stdin=json.dumps(devices))
    scheduler = ruled.programs["kube-scheduler"]
    eventually(lambda: scheduler.process.poll() is not None, 60)
    assert "interface {} is *v1beta2.DeviceTaintRule" in scheduler.log.read_text(encoding="utf-8")
