"""One plan for every back end: the files, each object checked against its schema.

``backends/input.yaml`` describes the plan, ``backends/NAME/`` is what is written for back end
NAME; the device plugin's files are those of ``test_manifests.py``.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate  # type: ignore[import-untyped] # it ships no type information
import pytest
import yaml

from rightslice.core.packing.backends import Backend
from rightslice.core.plan.result import Plan
from rightslice.edge.plan_files import plan_files

FOLDER = Path(__file__).parent / "backends"
BACKENDS = [each for each in Backend if each is not Backend.DEVICE_PLUGIN]
ALLOCATION_CLAIM = {
    # openshift/instaslice-operator manifests/inference.redhat.com_allocationclaims.yaml leaves
    # spec open; its content is AllocationClaimSpec (pkg/apis/dasoperator/v1alpha1), where
    # migPlacement, gpuUUID and nodename are required.
    "type": "object",
    "required": ["apiVersion", "kind", "metadata", "spec"],
    "additionalProperties": False,
    "properties": {
        "apiVersion": {"const": "inference.redhat.com/v1alpha1"},
        "kind": {"const": "AllocationClaim"},
        "metadata": {"type": "object", "required": ["name", "namespace"]},
        "spec": {
            "type": "object",
            "required": ["migPlacement", "gpuUUID", "nodename"],
            "additionalProperties": False,
            "properties": {
                "profile": {"type": "string", "pattern": r"^\d+g\.\d+gb$"},
                "podRef": {"type": "object", "required": ["kind", "name", "namespace"]},
                "migPlacement": {
                    "type": "object",
                    "required": ["size", "start"],
                    "additionalProperties": False,
                    "properties": {
                        "size": {"enum": [1, 2, 4, 8]},
                        "start": {"type": "integer", "minimum": 0, "maximum": 7},
                    },
                },
                "gpuUUID": {"type": "string", "minLength": 1},
                "nodename": {"type": "string", "minLength": 1},
            },
        },
        "status": {"type": "object"},
    },
}
Builder = Callable[[Mapping[str, Any]], Plan]


@pytest.fixture
def plan(build_plan: Builder) -> Plan:
    """Return the described plan."""
    return build_plan(yaml.safe_load((FOLDER / "input.yaml").read_text("utf-8")))


def documents(texts: Mapping[str, str], part: str) -> list[dict[str, Any]]:
    """Return every YAML document of the files whose path has *part*."""
    return [
        document
        for path, text in texts.items()
        if part in path and path.endswith(".yaml")
        for document in yaml.safe_load_all(text)
    ]


@pytest.mark.parametrize("backend", BACKENDS)
def test_files_are_as_expected(backend: Backend, plan: Plan, *, rewrite_golden: bool) -> None:
    """What is written for the plan is what lies in the back end's folder."""
    given, folder = plan_files(plan, backend), FOLDER / backend.value
    if rewrite_golden:
        shutil.rmtree(folder, ignore_errors=True)
        for path, text in given.items():
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, "utf-8")
    found = (path for path in folder.rglob("*") if path.is_file())
    assert given == {str(path.relative_to(folder)): path.read_text("utf-8") for path in found}


@pytest.mark.parametrize("backend", BACKENDS)
def test_objects_are_valid(backend: Backend, plan: Plan) -> None:
    """Every Kubernetes object passes the strict schema of 1.36, DAS's claims that of DAS."""
    texts = plan_files(plan, backend)
    for manifest in [*documents(texts, "workloads/"), *documents(texts, "taint-rules")]:
        kubernetes_validate.validate(manifest, "1.36", strict=True)
    for manifest in documents(texts, "das-placements"):
        jsonschema.validate(manifest, ALLOCATION_CLAIM)


def test_taints_leave_just_the_planned_placements(plan: Plan) -> None:
    """Of a card's 25 placements and itself, all are hidden but those of its layout."""
    rules = documents(plan_files(plan, Backend.DRA_TAINT_RULES), "taint-rules")
    hidden = {rule["spec"]["deviceSelector"]["device"] for rule in rules}
    assert "gpu-0" in hidden
    assert "gpu-0-mig-2g10gb-14-0" not in hidden
    assert "gpu-0-mig-2g10gb-14-2" in hidden
    assert len(hidden) == len(rules) == 2 * (7 + 7 + 4 + 3 + 2 + 1 + 1 + 1) - 5


def test_other_profiles_that_hold_the_load_are_taken_in_order(plan: Plan) -> None:
    """Under DRA a workload lists them; where placements are hidden it does not."""
    for backend, field in ((Backend.DRA, "firstAvailable"), (Backend.DRA_TAINT_RULES, "exactly")):
        template = documents(plan_files(plan, backend), "tags")[0]
        (request,) = template["spec"]["spec"]["devices"]["requests"]
        assert field in request
    listed = documents(plan_files(plan, Backend.DRA), "tags")[0]
    (request,) = listed["spec"]["spec"]["devices"]["requests"]
    assert [each["name"] for each in request["firstAvailable"]] == ["1g5gb", "2g10gb"]


@pytest.mark.parametrize("backend", BACKENDS)
def test_shell_of_the_readme_and_scripts_is_sound(backend: Backend, plan: Plan) -> None:
    """A shell reads every block and script without a complaint."""
    texts = plan_files(plan, backend)
    blocks = re.findall(r"```sh\n(.*?)```", texts["README.md"], re.DOTALL)
    scripts = [text for path, text in texts.items() if path.endswith(".sh")]
    assert (backend is Backend.NVIDIA_SMI) == bool(scripts)
    for text in [*blocks, *scripts]:
        subprocess.run(["sh", "-n", "-c", text], check=True)
