"""Tests of the mig-parted configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rightslice.core.plan.result import Plan
from rightslice.kube.nodes import node_settings
from rightslice.kube.render.mig_parted import render

Builder = Callable[[Mapping[str, Any]], Plan]


def test_equal_nodes_share_one_configuration(build_plan: Builder) -> None:
    """One entry a layout, beside the operator's own default."""
    node = {"mig": "mixed", "count": 2, "gpus_per_node": 2}
    halves = [["3g.20gb", 0], ["3g.20gb", 4]]
    described = {"nodes": [node], "layouts": {"a100-0/0": halves, "a100-1/0": halves}}
    settings = node_settings(build_plan(described))
    (config,) = render(settings)
    assert config == {
        "version": "v1",
        "mig-configs": {
            "all-disabled": [{"devices": "all", "mig-enabled": False}],
            settings[0].mig_config: [
                {"devices": [0], "mig-enabled": True, "mig-devices": {"3g.20gb": 2}},
                {"devices": [1], "mig-enabled": False},
            ],
        },
    }


def test_a_fleet_without_mig_needs_no_configuration(build_plan: Builder) -> None:
    """Nodes of strategy none are left alone."""
    assert (
        render(node_settings(build_plan({"nodes": [{}, {"name": "t", "time_slicing": 2}]}))) == []
    )
