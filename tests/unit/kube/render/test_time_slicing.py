"""Tests of the device plugin's time-slicing configurations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rightslice.core.plan.result import Plan
from rightslice.kube.nodes import node_settings
from rightslice.kube.render.time_slicing import render

Builder = Callable[[Mapping[str, Any]], Plan]


def test_each_number_of_turns_is_a_configuration(build_plan: Builder) -> None:
    """Beside a default that shares nothing, for nodes without a label."""
    nodes = [
        {"name": name, "time_slicing": turns} for name, turns in (("a", 4), ("b", 2), ("c", 4))
    ]
    configs: dict[str, Any] = dict(render(node_settings(build_plan({"nodes": nodes}))))
    assert list(configs) == ["default", "time-sliced-2", "time-sliced-4"]
    assert configs["default"] == {"version": "v1"}
    shared = configs["time-sliced-4"]["sharing"]["timeSlicing"]
    assert shared["resources"] == [{"name": "nvidia.com/gpu", "replicas": 4}]


def test_whole_cards_need_none(build_plan: Builder) -> None:
    """Without time-slicing nothing is configured."""
    assert render(node_settings(build_plan({"nodes": [{}]}))) == {}
