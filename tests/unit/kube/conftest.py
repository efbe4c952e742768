"""Plans for the tests of manifests, from the descriptions that the goldens use."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from rightslice.core.plan.result import Plan
from rightslice.kube.assignments import Assignment, assignments

PLANS = Path(__file__).parents[2] / "golden" / "plans.py"


@pytest.fixture(scope="session")
def build_plan() -> Callable[[Mapping[str, Any]], Plan]:
    """Return the builder of plans from short descriptions."""
    spec = importlib.util.spec_from_file_location("golden_plans", PLANS)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    builder: Callable[[Mapping[str, Any]], Plan] = module.build_plan
    return builder


@pytest.fixture(scope="session")
def assign(
    build_plan: Callable[[Mapping[str, Any]], Plan],
) -> Callable[..., Assignment]:
    """Return a builder of one workload on one node group."""

    def built(node: Mapping[str, Any], serve: Mapping[str, Any], **layouts: Any) -> Assignment:  # noqa: ANN401 - layouts are plain test data
        described = {"nodes": [node], "workloads": [serve], **layouts}
        return assignments(build_plan(described))[0]

    return built
