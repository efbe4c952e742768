"""What others change of the operator's objects is set right; what they add is left alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import operating
from tests.e2e.waiting import eventually
from tools.testbed.control_plane import ControlPlane
from tools.testbed.nodes import GpuNode

CARD = GpuNode(name="repairs-0", resources={"nvidia.com/mig-2g.10gb": 3})


@pytest.fixture(scope="module")
def rights(plane: ControlPlane) -> Iterator[Path]:
    """Return a kubeconfig with the chart's rights, on a cluster with one card."""
    operating.install_rights(plane)
    with operating.gpu_nodes(plane, CARD):
        yield plane.service_account(operating.NAMESPACE, operating.ACCOUNT)


def _patch(plane: ControlPlane, namespace: str, what: str, patch: object) -> None:
    plane.kubectl("-n", namespace, "patch", what, "--type=json", "-p", json.dumps(patch))


def _deployment(plane: ControlPlane, namespace: str) -> dict[str, Any]:
    (one,) = operating.found(plane, namespace, "deploy")
    found: dict[str, Any] = one
    return found


def test_edits_are_set_right(
    plane: ControlPlane, namespace: str, rights: Path, tmp_path: Path
) -> None:
    """Arguments, ports, replicas and a deleted budget; a label that was added stays."""
    operating.make_models(plane, namespace)
    operating.serve(plane, namespace, "opt")
    with operating.running(rights, tmp_path / "operator.log") as process:
        operating.until_settled(plane, namespace, "opt")
        before = _deployment(plane, namespace)
        service = operating.found(plane, namespace, "svc", "opt")["spec"]["ports"]
        name = before["metadata"]["name"]
        arguments = "/spec/template/spec/containers/0/args/0"
        _patch(plane, namespace, f"deploy/{name}", [
            {"op": "replace", "path": arguments, "value": "--port=1"},
            {"op": "replace", "path": "/spec/replicas", "value": 2},
            {"op": "add", "path": "/metadata/labels/team", "value": "ours"},
        ])  # fmt: skip
        _patch(plane, namespace, "svc/opt", [
            {"op": "replace", "path": "/spec/ports/0/port", "value": 9},
        ])  # fmt: skip
        plane.kubectl("-n", namespace, "delete", "pdb", "--all")

        def is_right() -> bool:
            one = _deployment(plane, namespace)
            ports = operating.found(plane, namespace, "svc", "opt")["spec"]["ports"]
            same = all(
                one["spec"][part] == before["spec"][part] for part in ("replicas", "template")
            )
            return same and ports == service and bool(operating.found(plane, namespace, "pdb"))

        eventually(is_right, 30)
        assert _deployment(plane, namespace)["metadata"]["labels"]["team"] == "ours"
        assert "was changed by somebody else" in process.told()
        plane.kubectl("-n", namespace, "delete", "mdep", "--all")


def test_an_edit_while_nobody_looked_is_set_right_at_the_start(
    plane: ControlPlane, namespace: str, rights: Path, tmp_path: Path
) -> None:
    """Whoever leads next applies what should be."""
    operating.make_models(plane, namespace)
    operating.serve(plane, namespace, "opt")
    with operating.running(rights, tmp_path / "first.log"):
        operating.until_settled(plane, namespace, "opt")
    before = _deployment(plane, namespace)
    port = [{"op": "replace", "path": "/spec/ports/0/port", "value": 9}]
    _patch(plane, namespace, "svc/opt", port)
    image = {"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "other"}
    _patch(plane, namespace, f"deploy/{before['metadata']['name']}", [image])
    with operating.running(rights, tmp_path / "second.log"):
        eventually(
            lambda: _deployment(plane, namespace)["spec"]["template"] == before["spec"]["template"],
            40,
        )
        get = ("svc", "opt")
        eventually(
            lambda: operating.found(plane, namespace, *get)["spec"]["ports"][0]["port"] != 9, 20
        )
        operating.until_settled(plane, namespace, "opt")
        plane.kubectl("-n", namespace, "delete", "mdep", "--all")
