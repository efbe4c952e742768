"""Tests of the README of a written plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rightslice.core.plan.result import Plan
from rightslice.kube.assignments import assignments
from rightslice.kube.nodes import node_settings
from rightslice.kube.render.readme import render

Builder = Callable[[Mapping[str, Any]], Plan]


def text_of(plan: Plan) -> str:
    """Return the README of *plan*."""
    return render(plan, node_settings(plan), assignments(plan))


def test_nodes_are_cut_before_workloads_are_applied(build_plan: Builder) -> None:
    """Drain, label, wait for success, uncordon: then apply."""
    node = {"mig": "mixed", "gpus_per_node": 1}
    serve = {"profile": "3g.20gb", "at": [["a100-0", 0, 4]]}
    layouts = {"a100-0/0": [["3g.20gb", 4]]}
    text = text_of(build_plan({"nodes": [node], "workloads": [serve], "layouts": layouts}))
    steps = ["kubectl drain", "mig.config=", "kubectl wait", "kubectl uncordon", "kubectl apply -n"]
    places = [text.index(step) for step in steps]
    assert places == sorted(places)


def test_misfits_are_named_with_what_would_help(build_plan: Builder) -> None:
    """A workload without files is the first thing said."""
    serve = {"not_placed": "16.1 GiB of weights, the largest card has 14.6."}
    text = text_of(build_plan({"nodes": [{}], "workloads": [serve]}))
    assert "0 of 1 workloads run" in text
    assert (
        "- **chat** (team search): 16.1 GiB of weights, the largest card has 14.6."
        " What would help: one more node." in text
    )
    assert "kubectl apply -n" not in text


def test_both_strategies_in_one_cluster_are_pointed_out(build_plan: Builder) -> None:
    """The GPU operator knows one strategy for all nodes."""
    nodes = [{"name": "a", "mig": "mixed"}, {"name": "b", "mig": "single"}]
    assert "needs both strategies" in text_of(build_plan({"nodes": nodes}))


def test_time_slicing_is_labelled(build_plan: Builder) -> None:
    """The ConfigMap's keys are what the node label names."""
    text = text_of(build_plan({"nodes": [{"time_slicing": 4}]}))
    assert "--from-file=time-sliced-4=nodes/device-plugin/time-sliced-4.yaml" in text
    assert (
        "kubectl label node a100-0 --overwrite nvidia.com/device-plugin.config=time-sliced-4"
        in text
    )


def test_local_models_need_a_path(build_plan: Builder) -> None:
    """A config.json on a laptop is no place for a server to load from."""
    text = text_of(build_plan({"nodes": [{}], "workloads": [{"model": "./mine/config.json"}]}))
    assert "`./mine/config.json` is no Hugging Face id" in text
