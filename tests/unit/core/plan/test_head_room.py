"""Head-room is cut and kept free, after the workloads, and what finds no room is told."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from rightslice.core.catalog.fleet import Reserve
from rightslice.core.catalog.mig import ProfileName
from rightslice.core.plan.plan import plan
from rightslice.core.plan.result import Plan
from rightslice.edge.constants import fitted_constants

Build = Callable[..., Any]
SEVEN = ProfileName("7g.80gb")


def kept(fleet: Any, count: int) -> Plan:  # noqa: ANN401 - a Fleet
    """Plan *fleet* with so many whole-card slices of head-room."""
    with_room = replace(fleet, reserve=(Reserve(profile=SEVEN, count=count),))
    return plan(with_room, constants=fitted_constants(), today=dt.date(2026, 11, 22))


def test_head_room_is_cut_and_nobody_holds_it(group: Build, workload: Build, fleet: Build) -> None:
    """Its slice is in the layout, its node is not called idle, and no workload is billed for it."""
    found = kept(fleet([group("g")], [workload("a")]), 1)
    (card,) = [card for card in found.cards if SEVEN in {one.profile for one in card.layout}]
    assert card.slots == ()
    assert f"head-room: 1 x 7g.80gb kept free on g-0 GPU {card.card}" in found.notes
    assert not any(note.startswith("nothing runs on") for note in found.notes)
    assert found.bill is not None
    assert {line.name for line in found.bill.lines if not line.name.startswith("idle")} == {"a"}


def test_workloads_go_before_head_room(group: Build, workload: Build, fleet: Build) -> None:
    """On one card for a workload and one for head-room, the second slice finds no room."""
    found = kept(fleet([group("g")], [workload("a")]), 2)
    assert found.not_placed == ()
    assert (
        "head-room: 1 of 2 x 7g.80gb find no room beside the workloads: g: 1 x 7g.80gb needed,"
        " room for 0"
    ) in found.notes
