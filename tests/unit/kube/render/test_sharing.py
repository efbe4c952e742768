"""Tests of the device plugin's configurations for sharing cards."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rightslice.core.plan.result import Plan
from rightslice.kube.nodes import node_settings
from rightslice.kube.render.sharing import render

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


def test_mps_is_a_configuration_of_its_own(build_plan: Builder) -> None:
    """Equal clients of whole cards, beside turns on other nodes, each under its name."""
    nodes = [{"name": "a", "mps": 4}, {"name": "b", "time_slicing": 2}]
    configs: dict[str, Any] = dict(render(node_settings(build_plan({"nodes": nodes}))))
    assert list(configs) == ["default", "mps-4", "time-sliced-2"]
    assert configs["mps-4"]["sharing"] == {
        "mps": {
            "renameByDefault": False,
            "failRequestsGreaterThanOne": True,
            "resources": [{"name": "nvidia.com/gpu", "replicas": 4}],
        }
    }


def test_whole_cards_need_none(build_plan: Builder) -> None:
    """Without sharing nothing is configured."""
    assert render(node_settings(build_plan({"nodes": [{}]}))) == {}
