"""`make demo-cluster` prints what the guide says it prints."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.e2e.conftest import ABSENT
from tools.testbed import assets


def test_the_demo_shows_three_pods_and_ends() -> None:
    """A pod gets a slice, one keeps its card, one is left with the reason."""
    if assets.found() is None:
        pytest.skip(ABSENT)
    command = [sys.executable, "-m", "tools.testbed.demo", "--once"]
    environment = {**os.environ, "COLUMNS": "200"}
    ended = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=180
    )
    assert ended.returncode == 0, ended.stderr
    assert "1 nvidia.com/mig-" in ended.stdout
    known = ("Resized", "Right", "NotUnderstood")
    outcomes = [word for word in ended.stdout.split() if word in known]
    assert outcomes == list(known)
    assert "control plane: https://127.0.0.1" in ended.stderr
