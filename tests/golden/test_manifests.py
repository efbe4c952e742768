"""Golden manifests: each case's ``input.yaml`` describes a plan, ``expected/`` is what is written.

The description is that of ``plans.py``. Every object is checked against its schema as well.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import kubernetes_validate  # type: ignore[import-untyped] # it ships no type information
import msgspec
import pytest
import yaml

from rightslice.core.plan.result import Plan
from rightslice.edge.plan_files import plan_files

KUBECTL = """#!/bin/sh
echo "$*" >> "$CALLS"
[ "$1 $2" = "get node" ] && echo /
[ "$*" = "apply -f -" ] && cat > /dev/null
exit 0
"""
CASES = sorted(path.parent for path in Path(__file__).parent.glob("*/input.yaml"))
Builder = Callable[[Mapping[str, Any]], Plan]


@pytest.fixture(params=CASES, ids=lambda case: case.name)
def case(request: pytest.FixtureRequest) -> Path:
    """Return the folder of one case."""
    folder: Path = request.param
    return folder


def read(folder: Path) -> dict[str, str]:
    """Return the text of every file below *folder*."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_text("utf-8") for path in files}


def test_files_are_as_expected(case: Path, build_plan: Builder, *, rewrite_golden: bool) -> None:
    """What is written for a described plan is what lies in the case's folder."""
    given = plan_files(build_plan(yaml.safe_load((case / "input.yaml").read_text("utf-8"))))
    if rewrite_golden:
        shutil.rmtree(case / "expected", ignore_errors=True)
        for path, text in given.items():
            file = case / "expected" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, "utf-8")
    assert given == read(case / "expected")


def test_objects_are_valid(case: Path) -> None:
    """Each object in the case's files passes the schema of Kubernetes 1.34."""
    for path in (case / "expected" / "workloads").rglob("*.yaml"):
        for manifest in yaml.safe_load_all(path.read_text("utf-8")):
            kubernetes_validate.validate(manifest, "1.34", strict=True)


class Replicated(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """One resource that is handed out several times (k8s-device-plugin api/config/v1)."""

    name: Literal["nvidia.com/gpu"]
    replicas: Annotated[int, msgspec.Meta(ge=2)]


class Shared(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """A list of such resources; MPS takes the same fields as time-slicing."""

    resources: Annotated[list[Replicated], msgspec.Meta(min_length=1)]
    rename_by_default: bool = False
    fail_requests_greater_than_one: bool = False


class Sharing(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """One way of sharing at most."""

    time_slicing: Shared | None = None
    mps: Shared | None = None


class PluginConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """The fields of a device plugin configuration that we write."""

    version: Literal["v1"]
    flags: dict[Literal["migStrategy"], Literal["none"]] = {}
    sharing: Sharing = Sharing()


def test_device_plugin_configurations_are_valid(case: Path) -> None:
    """Each has the fields that the plugin parses, and shares in one way at most."""
    for path in (case / "expected" / "nodes").glob("device-plugin/*.yaml"):
        config = msgspec.convert(yaml.safe_load(path.read_text("utf-8")), PluginConfig)
        assert config.sharing.mps is None or config.sharing.time_slicing is None
        assert (config.sharing == Sharing()) == (path.stem == "default")


def test_the_readmes_commands_run_in_order(case: Path, tmp_path: Path) -> None:
    """Read by a shell: nodes are labelled, then drained and cut one by one, then pods applied."""
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(KUBECTL)
    kubectl.chmod(0o755)
    blocks = re.findall(
        r"```sh\n(.*?)```", (case / "expected/README.md").read_text("utf-8"), re.DOTALL
    )
    calls = tmp_path / "calls"
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "CALLS": str(calls)}
    subprocess.run(["sh", "-eu", "-c", "\n".join(blocks)], check=True, env=environment)
    verbs = [line.split()[0] for line in calls.read_text().splitlines()]
    cutting = [verb for verb in verbs if verb in {"get", "drain", "wait", "uncordon"}]
    assert verbs[0] == "label"
    assert cutting == ["get", "drain", "wait", "uncordon"] * verbs.count("drain")
