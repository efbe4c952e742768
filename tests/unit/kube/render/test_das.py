"""Placements in the form of AllocationClaims."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rightslice.core.plan.result import Plan
from rightslice.kube.render.das import render

Builder = Callable[[Mapping[str, Any]], Plan]


def test_every_slice_in_use_has_a_claim(build_plan: Builder) -> None:
    """Profile, place, node and owner; spare slices have none."""
    described = {
        "nodes": [{"mig": "mixed"}],
        "layouts": {"a100-0/1": [["3g.20gb", 0], ["3g.20gb", 4]]},
        "workloads": [{"profile": "3g.20gb", "at": [["a100-0", 1, 4]]}],
    }
    (claim,) = render(build_plan(described).cards, {"chat": ("search", "chat")})
    assert claim["spec"] == {
        "profile": "3g.20gb",
        "podRef": {"kind": "Pod", "namespace": "search", "name": "chat"},
        "migPlacement": {"size": 4, "start": 4},
        "gpuUUID": "${A100_0_GPU_1}",
        "nodename": "a100-0",
    }
