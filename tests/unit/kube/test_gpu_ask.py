"""How pods ask for their GPU."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rightslice.core.packing.backends import Backend
from rightslice.kube.assignments import Assignment
from rightslice.kube.gpu_ask import gpu_ask, why_not_asked

Assign = Callable[..., Assignment]


def test_each_back_end_has_its_own_form(assign: Assign) -> None:
    """A resource for the plugin, DAS's own with its scheduler, a claim for DRA."""
    item = assign({"mig": "mixed"}, {"profile": "1g.5gb", "at": [["a100-0", 0, 0]]})
    plugin, das, dra = (gpu_ask(item, b) for b in (Backend.NVIDIA_SMI, Backend.DAS, Backend.DRA))
    assert plugin.resources == {"nvidia.com/mig-1g.5gb": "1"}
    assert das.resources == {"mig.das.com/1g.5gb": "1"}
    assert das.pod == {"schedulerName": "das-scheduler", "runtimeClassName": "nvidia-legacy"}
    assert (dra.resources, dra.claims) == ({}, ("gpu",))


def test_whole_cards_stay_with_the_plugin_under_das(assign: Assign) -> None:
    """DAS knows slices only."""
    ask = gpu_ask(assign({}, {"tensor_parallel": 2}), Backend.DAS)
    assert (ask.resources, ask.pod) == ({"nvidia.com/gpu": "2"}, {})


@pytest.mark.parametrize(
    ("node", "serve", "backend", "reason"),
    [
        ({"mig": "mixed"}, {"profile": "1g.5gb+me"}, Backend.DAS, "another profile"),
        ({"mig": "mixed"}, {"profile": "1g.5gb+me"}, Backend.DRA, None),
        ({"time_slicing": 4}, {}, Backend.DRA, "TimeSlicingSettings"),
        ({"time_slicing": 4}, {}, Backend.DAS, None),
        ({"mps": 2}, {}, Backend.DRA_TAINT_RULES, "MPSSupport"),
        ({}, {}, Backend.DRA_TAINT_RULES, None),
    ],
)
def test_what_cannot_be_handed_out_is_said(
    node: dict[str, object],
    serve: dict[str, object],
    backend: Backend,
    reason: str | None,
    assign: Assign,
) -> None:
    """A back end that cannot serve a workload is refused with the reason."""
    found = why_not_asked(assign(node, serve), backend)
    assert (found is None) == (reason is None)
    assert (reason or "") in (found or "")
