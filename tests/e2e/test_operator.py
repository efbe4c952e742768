"""The operator's real process on a real control plane, with the rights that the chart gives it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.operating import (
    MODELS,
    PodWatch,
    found,
    gpu_nodes,
    make_models,
    running,
    serve,
    until_settled,
)
from tests.e2e.waiting import eventually
from tools.testbed.control_plane import ControlPlane
from tools.testbed.nodes import GpuNode

SLICES = {f"nvidia.com/mig-{one}": 1 for one in ("1g.5gb", "2g.10gb", "3g.20gb")}
"""One A100 40GB: 6 of 7 compute slices, 7 of 8 memory slices."""


@pytest.fixture(autouse=True)
def card(plane: ControlPlane) -> Iterator[None]:
    """Make one card in slices."""
    with gpu_nodes(plane, GpuNode(name="card-0", resources=SLICES)):
        yield


def test_three_models_run_on_one_card(
    plane: ControlPlane, namespace: str, rights: Path, tmp_path: Path
) -> None:
    """Deployments appear, the real scheduler binds their pods, and deleting takes them along."""
    make_models(plane, namespace)
    watch = PodWatch(plane, namespace)
    with watch.following(), running(rights, tmp_path / "operator.log"):
        for name in MODELS:
            serve(plane, namespace, name)
        until_settled(plane, namespace, *MODELS)
        held = {
            found(plane, namespace, "mdep", one)["status"]["current"]["resource"] for one in MODELS
        }
        assert held == set(SLICES)
        assert {next(iter(watch.serving(one)))[0] for one in MODELS} == {f"1 {one}" for one in held}
        assert plane.kubectl("-n", namespace, "get", "mdep").count("True") == len(MODELS)
        assert plane.kubectl("-n", namespace, "get", "models").count("True") == len(MODELS)
        assert selected(plane, namespace, "opt") == 1
        plane.kubectl("-n", namespace, "delete", "mdep", "--all")
        eventually(lambda: not found(plane, namespace, "deployments"), 60)


def selected(plane: ControlPlane, namespace: str, name: str) -> int:
    """Return how many pods the selector of a status finds: the scale subresource counts them."""
    selector = found(plane, namespace, "mdep", name)["status"]["selector"]
    assert selector
    names = plane.kubectl("-n", namespace, "get", "pods", "-l", selector, "-o", "name").split()
    return len(names)


def test_what_belongs_to_others_is_left_alone(
    plane: ControlPlane, namespace: str, rights: Path, tmp_path: Path
) -> None:
    """A Service of the same name stays as it is, and an event says so."""
    make_models(plane, namespace)
    plane.kubectl("-n", namespace, "create", "service", "clusterip", "opt", "--tcp=80")
    before = found(plane, namespace, "service", "opt")
    with running(rights, tmp_path / "operator.log"):
        serve(plane, namespace, "opt")
        told = "Service opt belongs to somebody else"
        eventually(
            lambda: any(told in one["message"] for one in found(plane, namespace, "events")), 60
        )
    assert found(plane, namespace, "service", "opt") == before
    assert found(plane, namespace, "deployments") == []
