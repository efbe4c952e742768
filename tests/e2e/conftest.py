"""One control plane for the whole run, one namespace for each test."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tools.testbed import assets
from tools.testbed.control_plane import ControlPlane

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


_numbers = itertools.count(1)


@pytest.fixture
def namespace(plane: ControlPlane) -> Iterator[str]:
    """Return the name of a fresh namespace with its default ServiceAccount."""
    name = f"test-{next(_numbers)}"
    plane.kubectl("create", "namespace", name)
    eventually(lambda: "default" in plane.kubectl("-n", name, "get", "serviceaccount"))
    yield name
    plane.kubectl("delete", "namespace", name, "--wait=false")


def eventually(done: Callable[[], object], seconds: float = 20.0) -> None:
    """Wait until *done* is true, and fail when it is not within *seconds*."""
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, f"not so after {seconds:g} s"
        time.sleep(0.1)
