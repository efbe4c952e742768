"""What the README says of each back end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from rightslice.core.packing.backends import Backend
from rightslice.core.plan.result import Plan
from rightslice.kube.slicing_text import slicing_text

Builder = Callable[[Mapping[str, Any]], Plan]
CUT = {"nodes": [{"mig": "mixed"}], "layouts": {"a100-0/0": [["7g.40gb", 0]]}}


@pytest.mark.parametrize(
    ("backend", "is_said"),
    [
        (Backend.DEVICE_PLUGIN, False),
        (Backend.NVIDIA_SMI, False),
        (Backend.DAS, True),
        (Backend.DRA, True),
        (Backend.DRA_TAINT_RULES, False),
    ],
)
def test_what_is_not_guaranteed_is_said(
    backend: Backend, *, is_said: bool, build_plan: Builder
) -> None:
    """DAS and plain DRA choose the start slot themselves."""
    notes = " ".join(slicing_text(backend, build_plan(CUT)).notes)
    assert ("not guaranteed" in notes) == is_said


@pytest.mark.parametrize("backend", list(Backend))
def test_nothing_is_cut_where_nothing_is_to_be(backend: Backend, build_plan: Builder) -> None:
    """A plan of whole cards has no step that cuts, names or hides."""
    assert slicing_text(backend, build_plan({"nodes": [{}]})).steps == ()
