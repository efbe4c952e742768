"""Tests of node layouts and labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rightslice.core.catalog.mig import ProfileName
from rightslice.core.catalog.share import Exclusive, MigSlice
from rightslice.core.plan.result import Plan
from rightslice.kube.nodes import node_selector, node_settings

Builder = Callable[[Mapping[str, Any]], Plan]
HALVES = [["3g.20gb", 0], ["3g.20gb", 4]]
SEVENTHS = [["1g.5gb", start] for start in range(7)]


def test_cards_that_are_cut_alike_share_an_entry(build_plan: Builder) -> None:
    """Devices are grouped by their instances; an unused card stays out of MIG mode."""
    layouts = {"a100-0/0": HALVES, "a100-0/2": HALVES, "a100-0/1": SEVENTHS}
    node = {"mig": "mixed", "gpus_per_node": 4}
    (setting,) = node_settings(build_plan({"nodes": [node], "layouts": layouts}))
    assert [(cut.devices, dict(cut.counts)) for cut in setting.cuts] == [
        ((0, 2), {"3g.20gb": 2}), ((1,), {"1g.5gb": 7}), ((3,), {}),
    ]  # fmt: skip


def test_single_strategy_cuts_idle_cards_like_their_neighbours(build_plan: Builder) -> None:
    """The device plugin refuses a node on which cards differ under ``single``."""
    node = {"mig": "single", "gpus_per_node": 4}
    described = {"nodes": [node], "layouts": {"a100-0/0": HALVES}}
    (setting,) = node_settings(build_plan(described))
    assert [(cut.devices, dict(cut.counts)) for cut in setting.cuts] == [
        ((0, 1, 2, 3), {"3g.20gb": 2})
    ]
    assert setting.labels["rightslice.dev/mig-profile"] == "3g.20gb"


def test_a_configuration_is_named_after_its_content(build_plan: Builder) -> None:
    """Equal nodes share a name; another layout gets another, so that mig-manager acts."""
    node = {"mig": "mixed", "count": 3, "gpus_per_node": 1}
    layouts = {"a100-0/0": HALVES, "a100-1/0": HALVES, "a100-2/0": SEVENTHS}
    settings = node_settings(build_plan({"nodes": [node], "layouts": layouts}))
    first, second, third = (setting.mig_config for setting in settings)
    assert first == second != third


def test_selectors_match_the_labels_of_their_nodes(build_plan: Builder) -> None:
    """Under ``single`` a pod finds the nodes of its own profile, and no others."""
    node = {"mig": "single", "count": 2, "gpus_per_node": 1}
    described = {"nodes": [node], "layouts": {"a100-0/0": HALVES}}
    cut, whole = node_settings(build_plan(described))
    wanted = node_selector(MigSlice(profile=ProfileName("3g.20gb")), cut.group)
    assert wanted.items() <= cut.labels.items()
    assert node_selector(Exclusive(), whole.group).items() <= whole.labels.items()
    assert not wanted.items() <= whole.labels.items()


def test_starts_that_counts_do_not_reach_are_named(build_plan: Builder) -> None:
    """mig-parted puts one 3g slice at the start it prefers, wherever the plan drew it."""
    node = {"mig": "mixed", "gpus_per_node": 2}
    layouts = {"a100-0/0": [["3g.20gb", 0]], "a100-0/1": [["3g.20gb", 4]]}
    (setting,) = node_settings(build_plan({"nodes": [node], "layouts": layouts}))
    assert len(setting.elsewhere) == 1


def test_time_sliced_nodes_carry_the_plugins_label(build_plan: Builder) -> None:
    """The label names the configuration with that many turns."""
    (setting,) = node_settings(build_plan({"nodes": [{"time_slicing": 4}]}))
    assert setting.labels["nvidia.com/device-plugin.config"] == "time-sliced-4"
    assert setting.mig_config is None
