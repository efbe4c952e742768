"""Tests of the mig-parted configuration."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from rightslice.core.plan.result import Plan
from rightslice.kube.nodes import node_settings
from rightslice.kube.render.mig_parted import render

Builder = Callable[[Mapping[str, Any]], Plan]
LAYOUTS = [
    [],
    [["7g.40gb", 0]],
    [["3g.20gb", 0], ["3g.20gb", 4]],
    [["4g.20gb", 0], ["2g.10gb", 4], ["1g.5gb", 6]],
    [["1g.5gb", start] for start in range(7)],
]


@given(cards=st.lists(st.sampled_from(LAYOUTS), min_size=4, max_size=4))
def test_counts_are_those_of_the_plan(build_plan: Builder, cards: list[list[Any]]) -> None:
    """Every card appears once, with each of its instances counted."""
    node = {"mig": "mixed", "gpus_per_node": 4}
    layouts = {f"a100-0/{index}": layout for index, layout in enumerate(cards)}
    settings = node_settings(build_plan({"nodes": [node], "layouts": layouts}))
    config: Any = render(settings)[0]["mig-configs"]
    counts = {
        device: sorted(Counter(dict(entry.get("mig-devices", {}))).elements())
        for entry in config[settings[0].mig_config]
        for device in entry["devices"]
    }
    assert counts == {i: sorted(name for name, _ in layout) for i, layout in enumerate(cards)}


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
