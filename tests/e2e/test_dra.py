"""DRA on a real control plane: claims are allotted, and taints steer every start slot as planned.

The API server accepts the DeviceTaintRules; their taints stand on the devices themselves, which by
KEP-5055 is the same. (The scheduler 1.36.2 of the test bed cannot be given the rules' own objects:
`test_dra_rules`.)

The ResourceSlices are those of NVIDIA's driver with DynamicMIG on two A100-40GB: every placement
is a device that consumes its memory slots and compute slices from its card's counters.
"""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from rightslice.core.catalog.mig import ProfileName
from rightslice.core.catalog.share import MigSlice
from rightslice.core.packing.backends import Backend
from rightslice.core.plan.result import Plan
from rightslice.edge.catalog_files import Catalog
from rightslice.edge.live.read import read_live
from rightslice.edge.plan_files import plan_files
from rightslice.kube.assignments import assignments
from rightslice.kube.gpu_ask import template_name
from rightslice.kube.render.dra import device_name, render_template
from tests.e2e.conftest import ABSENT, eventually
from tools.testbed import assets, nodes
from tools.testbed.control_plane import ControlPlane
from tools.testbed.nodes import GpuNode

GOLDEN = Path(__file__).parents[1] / "golden"
GRID = Catalog().mig_gpu("A100-40GB")
NODE = "a100-0"
RULES = "nodes/device-taint-rules.yaml"
LABELS = {
    "rightslice.dev/node-group": "a100",
    "rightslice.dev/node": NODE,
    "node.kubernetes.io/instance-type": "p4d.24xlarge",
}
DEVICE_CLASS = {
    "apiVersion": "resource.k8s.io/v1",
    "kind": "DeviceClass",
    "metadata": {"name": "mig.nvidia.com"},
    "spec": {"selectors": [{"cel": {"expression": (
        "device.driver == 'gpu.nvidia.com' && device.attributes['gpu.nvidia.com'].type == 'mig'"
    )}}]},
}  # fmt: skip


@pytest.fixture(scope="module")
def dra(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane with DeviceTaintRules, a node of two A100s and their ResourceSlices."""
    if assets.found() is None:
        pytest.skip(ABSENT)
    folder = tmp_path_factory.mktemp("dra")
    served = ("--runtime-config=resource.k8s.io/v1beta2=true",)
    with ControlPlane.started(folder, "DRADeviceTaintRules=true", served) as running:
        nodes.create(running, GpuNode(name=NODE, resources={}, labels=LABELS))
        counters, devices = resource_slices()
        rules = plan_files(golden_plan(), Backend.DRA_TAINT_RULES)[RULES]
        for manifest in (DEVICE_CLASS, counters, tainted(devices, rules)):
            running.kubectl("apply", "-f", "-", stdin=json.dumps(manifest))
        yield running


def resource_slices() -> list[dict[str, Any]]:
    """Return the counters of two cards, and every placement on them as a device."""
    counters = [
        {"name": f"gpu-{card}-counter-set", "counters": {
            **{f"memory-slice-{slot}": {"value": "1"} for slot in range(8)},
            "compute": {"value": "7"}}}
        for card in range(2)
    ]  # fmt: skip
    devices = sorted((_device(card, *spot) for card in range(2) for spot in _spots()),
                     key=lambda device: str(device["name"]))  # fmt: skip
    return [_slice("counters", {"sharedCounters": counters}), _slice("mig", {"devices": devices})]


def _slice(name: str, content: dict[str, Any]) -> dict[str, Any]:
    pool = {"name": NODE, "generation": 1, "resourceSliceCount": 2}
    spec = {"driver": "gpu.nvidia.com", "nodeName": NODE, "pool": pool, **content}
    metadata = {"name": f"{NODE}-{name}"}
    return {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceSlice",
        "metadata": metadata,
        "spec": spec,
    }


def _spots() -> list[tuple[Any, int]]:
    return [(profile, start) for profile in GRID.profiles for start in profile.starts or ()]


def _device(card: int, profile: Any, start: int) -> dict[str, Any]:  # noqa: ANN401 - a MigProfile
    slots = {f"memory-slice-{start + n}": {"value": "1"} for n in range(profile.memory_slots)}
    used = {**slots, "compute": {"value": str(profile.compute_slices)}}
    texts = {
        "type": "mig",
        "profile": str(profile.name),
        "parentUUID": f"GPU-{card}",
        "productName": "NVIDIA A100-SXM4-40GB",
    }
    return {
        "name": device_name(card, profile, start),
        "attributes": {name: {"string": text} for name, text in texts.items()},
        "consumesCounters": [{"counterSet": f"gpu-{card}-counter-set", "counters": used}],
    }


def golden_plan() -> Plan:
    """Return the plan that the goldens of the back ends are written for."""
    spec = importlib.util.spec_from_file_location("golden_plans", GOLDEN / "plans.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    described = yaml.safe_load((GOLDEN / "backends" / "input.yaml").read_text("utf-8"))
    plan: Plan = module.build_plan(described)
    return plan


def allotted(plane: ControlPlane, namespace: str) -> list[str]:
    """Return the devices that the namespace's claims were given."""
    listed = json.loads(plane.kubectl("-n", namespace, "get", "resourceclaims", "-o", "json"))
    return sorted(
        result["device"]
        for claim in listed["items"]
        for result in claim["status"].get("allocation", {}).get("devices", {}).get("results", ())
    )


def tainted(announced: dict[str, Any], rules: str) -> dict[str, Any]:
    """Return *announced* with the taint of each rule on the device that it selects."""
    by_device = {
        rule["spec"]["deviceSelector"]["device"]: rule["spec"]["taint"]
        for rule in yaml.safe_load_all(rules)
    }
    for device in announced["spec"]["devices"]:
        if device["name"] in by_device:
            device["taints"] = [by_device[device["name"]]]
    return announced


def test_taints_steer_every_claim_to_its_planned_slot(dra: ControlPlane, tmp_path: Path) -> None:
    """The scheduler's first fit has one choice left, and the state read back is the plan's."""
    texts = plan_files(golden_plan(), Backend.DRA_TAINT_RULES)
    said = dra.kubectl("apply", "--dry-run=server", "-f", "-", stdin=texts[RULES])
    assert said.count("created (server dry run)") == 47
    dra.kubectl("create", "namespace", "steered")
    for path in ("workloads/search/chat.yaml", "workloads/content/tags.yaml"):
        named = re.sub(r"\$\{A100_0_GPU_(\d)\}", r"GPU-\1", texts[path])
        dra.kubectl("-n", "steered", "apply", "-f", "-", stdin=named)
    eventually(lambda: len(allotted(dra, "steered")) == 4, 60)
    assert allotted(dra, "steered") == [
        "gpu-0-mig-1g5gb-19-2",
        "gpu-0-mig-3g20gb-9-4",
        "gpu-1-mig-3g20gb-9-0",
        "gpu-1-mig-3g20gb-9-4",
    ]
    cluster = tmp_path / "cluster.json"
    kinds = "resourceslices,resourceclaims,pods,pdb"
    cluster.write_text(dra.kubectl("get", kinds, "-A", "-o", "json"))
    state = read_live(cluster, Catalog())
    owners = [each.pod.workload for card in state.cards for each in card.slices if each.pod]
    assert sorted(owners) == ["steered/chat"] * 3 + ["steered/tags"]


def test_other_profiles_are_taken_in_order(dra: ControlPlane) -> None:
    """The API server accepts a prioritized list with its selectors as they are written."""
    texts = plan_files(golden_plan(), Backend.DRA)
    named = re.sub(r"\$\{A100_0_GPU_(\d)\}", r"GPU-\1", texts["workloads/content/tags.yaml"])
    dra.kubectl("create", "namespace", "listed")
    said = dra.kubectl("-n", "listed", "apply", "--dry-run=server", "-f", "-", stdin=named)
    assert "resourceclaimtemplate.resource.k8s.io/tags-gpu created (server dry run)" in said


STATIC = "a100-static"


def cut_before() -> dict[str, Any]:
    """Return two cards cut into all their 1g.5gb, with the slots that each slice publishes."""
    devices = [
        {
            "name": device_name(card, GRID.profile("1g.5gb"), start),
            "attributes": {
                "type": {"string": "mig"},
                "profile": {"string": "1g.5gb"},
                "parentUUID": {"string": f"GPU-static-{card}"},
            },
            "capacity": {"memory": {"value": "4864Mi"}, f"memorySlice{start}": {"value": "1"}},
        }
        for card in range(2)
        for start in range(7)
    ]
    return _slice("static", {"devices": devices})


def test_the_slots_of_static_slices_steer_claims_without_taints(dra: ControlPlane) -> None:
    """A selector on capacities picks start slots where slices were cut before."""
    nodes.create(dra, GpuNode(name=STATIC, resources={}, labels={"pool": "static"}))
    announced = cut_before()
    announced["metadata"]["name"] = STATIC
    announced["spec"] |= {
        "nodeName": STATIC,
        "pool": {"name": STATIC, "generation": 1, "resourceSliceCount": 1},
    }
    dra.kubectl("apply", "-f", "-", stdin=json.dumps(announced))
    planned = next(item for item in assignments(golden_plan()) if item.starts)
    share = MigSlice(profile=ProfileName("1g.5gb"))
    device = replace(planned.device, share=share)
    offer = replace(planned.offer, device=device)
    candidate = replace(planned.placed.candidate, offer=offer)
    starts = ((STATIC, 0, 5), (STATIC, 1, 3), (STATIC, 1, 6))
    item = replace(
        planned,
        placed=replace(planned.placed, candidate=candidate),
        cards=((STATIC, 0), (STATIC, 1)),
        starts=starts,
    )
    template = json.dumps(render_template(item, with_alternatives=False))
    named = re.sub(r"\$\{A100_STATIC_GPU_(\d)\}", r"GPU-static-\1", template)
    name = template_name(item)
    dra.kubectl("create", "namespace", "static")
    dra.kubectl("-n", "static", "apply", "-f", "-", stdin=named)
    for number in range(4):
        pod = claiming_pod(f"p{number}", name)
        dra.kubectl("-n", "static", "apply", "-f", "-", stdin=json.dumps(pod))
    eventually(lambda: len(allotted(dra, "static")) == 3, 60)
    assert allotted(dra, "static") == [
        "gpu-0-mig-1g5gb-19-5",
        "gpu-1-mig-1g5gb-19-3",
        "gpu-1-mig-1g5gb-19-6",
    ]


def claiming_pod(name: str, template: str) -> dict[str, Any]:
    """Return a pod with one claim of *template*."""
    container = {"name": "c", "image": "none", "resources": {"claims": [{"name": "gpu"}]}}
    claim = {"name": "gpu", "resourceClaimTemplateName": template}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"containers": [container], "resourceClaims": [claim]},
    }
