"""One control plane for the whole run, one namespace for each test."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import operating
from tests.e2e.waiting import eventually
from tools.testbed import assets
from tools.testbed.control_plane import ControlPlane

__all__ = ["ABSENT", "eventually", "namespace", "plane", "rights"]
ABSENT = (
    "no control plane: its programs are not built. Run `make e2e`, or"
    " `.venv/bin/python -m tools.testbed.assets` and see why it fails."
)


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Return a running control plane; it is not there when its programs cannot be had."""
    if assets.found() is None:
        pytest.skip(ABSENT)
    folder: Path = tmp_path_factory.mktemp("control-plane")
    with ControlPlane.started(folder) as running:
        yield running


@pytest.fixture(scope="session")
def rights(plane: ControlPlane) -> Path:
    """Return a kubeconfig with the rights of the chart's operator, and nothing more."""
    operating.install_rights(plane)
    return plane.service_account(operating.NAMESPACE, operating.ACCOUNT)


_numbers = itertools.count(1)


@pytest.fixture
def namespace(plane: ControlPlane) -> Iterator[str]:
    """Return the name of a fresh namespace with its default ServiceAccount."""
    name = f"test-{next(_numbers)}"
    plane.kubectl("create", "namespace", name)
    eventually(lambda: "default" in plane.kubectl("-n", name, "get", "serviceaccount"))
    yield name
    plane.kubectl("delete", "namespace", name, "--wait=false")
