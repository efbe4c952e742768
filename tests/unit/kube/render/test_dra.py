"""Claim templates and taints."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped] # it ships no type information
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rightslice.core.catalog.mig import Placement, ProfileName
from rightslice.core.packing.geometry import states
from rightslice.core.plan.result import Plan
from rightslice.edge.catalog_files import Catalog
from rightslice.kube.assignments import Assignment
from rightslice.kube.render.dra import device_name, render_taints, render_template

Assign = Callable[..., Assignment]
Builder = Callable[[Mapping[str, Any]], Plan]
GRID = Catalog().mig_gpu("A100-40GB")


@pytest.mark.parametrize(
    ("profile", "number", "name"),
    [
        ("1g.5gb", 4, "gpu-1-mig-1g5gb-19-4"),
        ("1g.5gb+me", 0, "gpu-1-mig-1g5gb-me-20-0"),
        ("7g.40gb", 0, "gpu-1-mig-7g40gb-0-0"),
    ],
)
def test_devices_are_called_as_the_driver_does(profile: str, number: int, name: str) -> None:
    """Dots go, other signs become dashes, then profile id and start."""
    assert device_name(1, GRID.profile(profile), number) == name


def test_whole_cards_are_asked_by_their_class(assign: Assign) -> None:
    """Two ranks claim two GPUs, wherever they are."""
    template: Any = render_template(assign({}, {"tensor_parallel": 2}), with_alternatives=True)
    kubernetes_validate.validate(template, "1.36", strict=True)
    (request,) = template["spec"]["spec"]["devices"]["requests"]
    assert request["exactly"] == {
        "deviceClassName": "gpu.nvidia.com",
        "allocationMode": "ExactCount",
        "count": 2,
    }


@given(layout=st.sampled_from([layout for layout in states(GRID) if layout]))
@settings(max_examples=30, deadline=None)
def test_just_the_planned_placements_stay_visible(build_plan: Builder, layout: Any) -> None:  # noqa: ANN401 - hypothesis draws it
    """Hidden and planned placements together are all that the card has, and none is both."""
    described = {
        "nodes": [{"mig": "mixed", "gpus_per_node": 1}],
        "layouts": {"a100-0/0": [[p.profile, p.start] for p in layout]},
    }
    rules: list[Any] = render_taints(build_plan(described).cards)
    for rule in rules[:2]:
        kubernetes_validate.validate(rule, "1.36", strict=True)
    hidden = {rule["spec"]["deviceSelector"]["device"] for rule in rules} - {"gpu-0"}
    every = {
        device_name(0, profile, start): Placement(profile=ProfileName(profile.name), start=start)
        for profile in GRID.profiles
        for start in profile.starts or ()
    }
    assert {every[name] for name in every.keys() - hidden} == set(layout)
    assert hidden <= every.keys()
