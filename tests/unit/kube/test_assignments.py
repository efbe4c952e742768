"""Tests of what a workload's manifests know of the fleet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from rightslice.core.plan.result import Plan
from rightslice.kube.assignments import Assignment, assignments

Builder = Callable[[Mapping[str, Any]], Plan]
HALVES = {"a100-0/0": [["3g.20gb", 0], ["3g.20gb", 4]]}


@pytest.mark.parametrize(
    ("node", "serve", "spare"),
    [
        ({"mig": "mixed"}, {"profile": "3g.20gb", "at": [["a100-0", 0, 4]]}, 1),
        ({"gpus_per_node": 4}, {"tensor_parallel": 2, "at": [["a100-0", 0], ["a100-0", 1]]}, 1),
        ({"gpus_per_node": 3}, {"tensor_parallel": 2, "at": [["a100-0", 0], ["a100-0", 1]]}, 0),
        ({"gpus_per_node": 1, "time_slicing": 4}, {"at": [["a100-0", 0]]}, 3),
    ],
)
def test_spare_slots_are_those_of_the_same_kind(
    assign: Callable[..., Assignment], node: dict[str, Any], serve: dict[str, Any], spare: int
) -> None:
    """A further pod needs a slice of the profile, whole cards on one node, or a turn."""
    assert assign(node, serve, layouts=HALVES).spare == spare


def test_workloads_without_a_place_have_no_assignment(build_plan: Builder) -> None:
    """What was not placed is left to the README."""
    serves = [{"name": "a", "not_placed": "too big"}, {"name": "b", "at": [["a100-0", 0]]}]
    found = assignments(build_plan({"nodes": [{}], "workloads": serves}))
    assert [item.name for item in found] == ["b"]
    assert found[0].nodes == ("a100-0",)
