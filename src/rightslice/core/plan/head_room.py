"""Head-room: slices that a plan cuts and keeps free, for what comes.

Each is asked for like a workload, beside the workloads and after them all: together they weigh
less than any one. What finds no room is told with its reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Final

from rightslice.core.catalog.fleet import Fleet, MigStrategy, NodeGroup, Reserve
from rightslice.core.catalog.mig import slice_share
from rightslice.core.packing.demand import CardLayout, Choice, Demand
from rightslice.core.packing.plan_seats import SeatPlan

_PREFIX: Final = "head-room "
"""No workload is called so: their names have no spaces."""
_WEIGHT: Final = 0.5
"""Of all head-room; the least workload weighs 1."""


def is_head_room(key: str) -> bool:
    """Return whether a demand is head-room."""
    return key.startswith(_PREFIX)


def head_room_demands(fleet: Fleet) -> tuple[Demand, ...]:
    """Return one demand for every slice that is to be kept free."""
    count = sum(reserve.count for reserve in fleet.reserve)
    return tuple(
        Demand(
            key=f"{_PREFIX}{number}.{index}",
            weight=_WEIGHT / count,
            choices=tuple(_choices(reserve, fleet.nodes)),
        )
        for number, reserve in enumerate(fleet.reserve)
        for index in range(reserve.count)
    )


def _choices(reserve: Reserve, groups: Sequence[NodeGroup]) -> Iterable[Choice]:
    for group in groups:
        grid = group.gpu.mig
        if grid is None or group.mig is MigStrategy.NONE:
            continue
        if reserve.gpu is not None and reserve.gpu != group.gpu.name:
            continue
        profile = next((one for one in grid.profiles if one.name == reserve.profile), None)
        part = None if profile is None else slice_share(grid, profile)
        if part is None:
            continue
        of_node = part.memory / group.gpus_per_node
        yield Choice(
            pool=group.name,
            slot=reserve.profile,
            slots_needed=1,
            usd_per_hour=float((group.card_usd_per_hour or Fraction(1)) * part.memory),
            cpu_cores=float(of_node * (group.pods_cpu_cores or 0)),
            memory_bytes=float(of_node * (group.pods_memory_bytes or 0)),
        )


def reserved_nodes(layouts: Iterable[CardLayout]) -> set[str]:
    """Return the nodes on which head-room is kept."""
    return {
        card.node
        for card in layouts
        for seat in card.seats
        if seat.demand is not None and is_head_room(seat.demand)
    }


def head_room_notes(fleet: Fleet, seats: SeatPlan) -> list[str]:
    """Say where head-room is kept, and what of it finds no room."""
    notes = []
    for number, reserve in enumerate(fleet.reserve):
        own = f"{_PREFIX}{number}."
        places = [
            f"{card.node} GPU {card.index}"
            for card in seats.layouts
            for seat in card.seats
            if seat.demand is not None and seat.demand.startswith(own)
        ]
        if places:
            where = ", ".join(dict.fromkeys(places))
            notes.append(f"head-room: {len(places)} x {reserve.profile} kept free on {where}")
        refused = [one for key, one in seats.slots.refused.items() if key.startswith(own)]
        if refused:
            reasons = "; ".join(refused[0].reasons)
            notes.append(
                f"head-room: {len(refused)} of {reserve.count} x {reserve.profile} find no room"
                f" beside the workloads: {reasons}"
            )
    return notes
