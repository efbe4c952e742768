"""Tests of resource names and requests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightslice.core.catalog.mig import ProfileName
from rightslice.core.catalog.resource import extended_resource
from rightslice.core.catalog.share import Exclusive, MigSlice, Share, TimeSlice
from rightslice.core.plan.result import Plan
from rightslice.kube.resources import node_requests

Builder = Callable[[Mapping[str, Any]], Plan]
SLICE = MigSlice(profile=ProfileName("1g.5gb+me"))


@pytest.mark.parametrize(
    ("node", "share", "name"),
    [
        ({"mig": "mixed"}, SLICE, "nvidia.com/mig-1g.5gb.me"),
        ({"mig": "mixed"}, Exclusive(), "nvidia.com/gpu"),
        ({"mig": "single"}, SLICE, "nvidia.com/gpu"),
        ({"mig": "none"}, Exclusive(), "nvidia.com/gpu"),
        ({"time_slicing": 4}, TimeSlice(replicas=4), "nvidia.com/gpu"),
    ],
)
def test_the_device_plugin_names_the_resource(
    build_plan: Builder, node: dict[str, Any], share: Share, name: str
) -> None:
    """Only the mixed strategy names the profile; a plus is written as a dot."""
    group = build_plan({"nodes": [node]}).fleet.nodes[0]
    assert extended_resource(group.mig, share) == name


@given(
    slices=st.integers(1, 16), vcpus=st.integers(1, 256), gpus=st.integers(1, 8),
    memory=st.integers(1, 4096),
)  # fmt: skip
def test_all_slices_of_a_node_fit_its_cpu(
    build_plan: Builder, slices: int, vcpus: int, gpus: int, memory: int
) -> None:
    """Cards cut into equal parts never ask for more CPU than the node has."""
    node = {"gpus_per_node": gpus, "vcpus": vcpus, "memory_gib": memory}
    group = build_plan({"nodes": [node]}).fleet.nodes[0]
    cpu = str(node_requests(Fraction(1, slices), group)["cpu"])
    each = Fraction(cpu.removesuffix("m")) / (1000 if cpu.endswith("m") else 1)
    assert each * slices * gpus <= vcpus


def test_unknown_nodes_get_no_requests(build_plan: Builder) -> None:
    """What is not known is not guessed."""
    node = {"vcpus": None, "memory_gib": None}
    group = build_plan({"nodes": [node]}).fleet.nodes[0]
    assert node_requests(Fraction(1), group) == {}
    assert node_requests(None, group) == {}
