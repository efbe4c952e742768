"""The operator's chart from release to release, and what is left when it goes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from tests.e2e.operating import (
    CHART,
    found,
    gpu_nodes,
    install_rights,
    is_settled,
    make_models,
    running,
    serve,
    until_settled,
)
from tests.e2e.waiting import eventually
from tools.crds import FOLDER
from tools.testbed.control_plane import ControlPlane
from tools.testbed.nodes import GpuNode

DATA: Final = Path(__file__).parent / "data"
OLD_CHART: Final = DATA / "chart-0.1"
"""The chart as it was on 2026-11-22, frozen."""
OLD_OBJECTS: Final = DATA / "objects-0.1.json"
"""Two models, and what the operator of that day had made for them."""
RELEASE: Final = "life"
VALUES: Final = "--set=operator.enabled=true,operator.ceiling=enforce"
CARD: Final = GpuNode(
    name="life-card",
    resources={f"nvidia.com/mig-{one}": 1 for one in ("1g.5gb", "2g.10gb", "3g.20gb")},
)
OPTIONS: Final = ("--ceiling=enforce", "--settle=0", "--namespace=chart")
CRD_SECONDS: Final = 10.0


@pytest.fixture
def cluster(plane: ControlPlane) -> Iterator[ControlPlane]:
    """Return a cluster without our definitions, with one card; they are there afterwards."""
    forget(plane)
    with gpu_nodes(plane, CARD):
        yield plane
    plane.helm("uninstall", RELEASE, "-n", "chart", "--ignore-not-found")
    forget(plane)
    install_rights(plane)


def forget(plane: ControlPlane) -> None:
    """Delete our definitions, and with them every object of theirs."""
    names = ("models.rightslice.dev", "modeldeployments.rightslice.dev")
    plane.kubectl("delete", "crd", *names, "--ignore-not-found", "--timeout=60s")


def install(plane: ControlPlane, verb: str, chart: Path) -> Path:
    """Install or upgrade a release, and return the rights of its operator."""
    plane.helm(verb, RELEASE, str(chart), "-n", "chart", "--create-namespace", VALUES)
    return plane.service_account("chart", f"{RELEASE}-rightslice-operator")


def load_old_objects(plane: ControlPlane, namespace: str) -> None:
    """Make the objects of the old operator, owned as they were."""
    uids: dict[str, str] = {}
    for one in json.loads(OLD_OBJECTS.read_text("utf-8")):
        for owner in one["metadata"].get("ownerReferences", []):
            owner["uid"] = uids[owner["name"]]
        status = one.pop("status", None)
        made = json.loads(
            plane.kubectl("-n", namespace, "create", "-f", "-", "-o", "json", stdin=json.dumps(one))
        )
        kind, name = one["kind"], one["metadata"]["name"]
        if kind == "ModelDeployment":
            uids[name] = made["metadata"]["uid"]
        if status is not None:
            patch = json.dumps({"status": status})
            plane.kubectl("-n", namespace, "patch", kind, name, "--subresource=status",
                          "--type=merge", "-p", patch)  # fmt: skip


def pods(plane: ControlPlane, namespace: str) -> dict[str, str]:
    """Return uid and phase of every pod that is not going."""
    return {
        one["metadata"]["uid"]: one["status"]["phase"]
        for one in found(plane, namespace, "pods")
        if not one["metadata"].get("deletionTimestamp")
    }


def specs(plane: ControlPlane, namespace: str, kinds: str) -> Mapping[str, Any]:
    """Return uid and spec of objects by kind and name."""
    return {
        f"{one['kind']}/{one['metadata']['name']}": (one["metadata"]["uid"], one["spec"])
        for one in found(plane, namespace, kinds)
    }


def test_an_upgrade_keeps_everything(cluster: ControlPlane, namespace: str, tmp_path: Path) -> None:
    """Resources, what serves them and every single pod: new definitions, rights and operator."""
    install(cluster, "install", OLD_CHART)
    load_old_objects(cluster, namespace)
    eventually(lambda: list(pods(cluster, namespace).values()) == ["Running"] * 2, 30)
    ours, serving = specs(cluster, namespace, "models,mdep"), pods(cluster, namespace)
    made = specs(cluster, namespace, "deployments,services,poddisruptionbudgets")
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(FOLDER))
    rights = install(cluster, "upgrade", CHART)
    kept = specs(cluster, namespace, "models,mdep")
    assert {name: uid for name, (uid, _) in kept.items()} == {
        name: uid for name, (uid, _) in ours.items()
    }
    with running(rights, tmp_path / "operator.log", *OPTIONS):
        until_settled(cluster, namespace, "opt", "mistral")
        time.sleep(3)
        now = specs(cluster, namespace, "deployments,services,poddisruptionbudgets")
        assert {name: uid for name, (uid, _) in now.items()} == {
            name: uid for name, (uid, _) in made.items()
        }
        assert pods(cluster, namespace) == serving


def test_serving_outlives_the_release(
    cluster: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    """`helm uninstall` takes the operator; pods serve on. The definitions go within seconds."""
    rights = install(cluster, "install", CHART)
    make_models(cluster, namespace)
    with running(rights, tmp_path / "operator.log", *OPTIONS):
        serve(cluster, namespace, "opt")
        until_settled(cluster, namespace, "opt")
    serving = pods(cluster, namespace)
    cluster.helm("uninstall", RELEASE, "-n", "chart", "--wait", "--timeout=60s")
    assert pods(cluster, namespace) == serving
    assert list(serving.values()) == ["Running"]
    assert is_settled(cluster, namespace, "opt")
    assert not any(
        one["metadata"].get("finalizers") for one in found(cluster, namespace, "models,mdep")
    )
    began = time.monotonic()
    cluster.kubectl("delete", "-f", str(FOLDER), "--timeout=60s")
    assert time.monotonic() - began < CRD_SECONDS
    eventually(lambda: not found(cluster, namespace, "deployments"), 60)  # owned by what is gone
