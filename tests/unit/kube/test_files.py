"""Tests of where a plan's files lie."""

from __future__ import annotations

from collections.abc import Callable

from rightslice.kube.assignments import Assignment
from rightslice.kube.files import workload_file, workload_folder


def test_a_teams_workloads_lie_in_one_folder(assign: Callable[..., Assignment]) -> None:
    """So that one command applies them to the team's namespace."""
    assignment = assign({}, {"name": "7b", "team": "labs"})
    assert workload_file(assignment) == "workloads/labs/w-7b.yaml"
    assert workload_file(assignment).startswith(workload_folder("labs"))
