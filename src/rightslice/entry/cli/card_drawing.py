"""Cards drawn slot by slot as text: slices as boxes, free slots as dots, dead slots shaded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from rightslice.core.catalog.mig import MigGrid, Placement
from rightslice.core.packing.geometry import room, spot_at

FREE: Final = "·"
DEAD: Final = "░"
LEGEND: Final = {
    FREE: f"{FREE} free",
    DEAD: f"{DEAD} a slot that no further slice can take beside these",
}
"""What each mark means."""

_COLUMNS_PER_CARD: Final = 56
_NARROWEST: Final = 3
_WIDEST: Final = 16


def slot_width(grid: MigGrid, cards: Iterable[Iterable[tuple[Placement, str]]]) -> int:
    """Return columns a slot so that the labels of all *cards* fit, within reason.

    Raises:
        InputError: when the grid is unknown or a placement is none of its.
    """
    slots = grid.slots or 1
    width = max(_NARROWEST, -(-_COLUMNS_PER_CARD // slots) - 1)
    for card in cards:
        for placement, label in card:
            size = spot_at(grid, placement).mask.bit_count()
            width = max(width, -(-(len(label) + 1) // size) - 1)
    return min(width, _WIDEST)


def draw_card(
    grid: MigGrid,
    placements: Iterable[Placement],
    labels: Mapping[Placement, str] | None = None,
    width: int | None = None,
) -> str:
    """Return one line: each slice as a box over its slots, labelled by its profile or *labels*.

    Labels too long for their box end in an ellipsis. Cards drawn with one *width* align.

    Raises:
        InputError: when the grid is unknown or a placement is none of its.
    """
    layout = sorted(placements)
    named = {p: (labels or {}).get(p, str(p.profile)) for p in layout}
    columns = width or slot_width(grid, [named.items()])
    reachable = 0
    for placement in room(grid, layout):
        reachable |= spot_at(grid, placement).mask
    cells: list[str] = []
    slot = 0
    starts = {placement.start: placement for placement in layout}
    while slot < (grid.slots or 0):
        placement_here = starts.get(slot)
        if placement_here is None:
            is_free = reachable >> slot & 1
            cells.append(FREE.center(columns) if is_free else DEAD * columns)
            slot += 1
            continue
        size = spot_at(grid, placement_here).mask.bit_count()
        cells.append(_boxed(named[placement_here], size * (columns + 1) - 1))
        slot += size
    return f"│{'│'.join(cells)}│"


def draw_ruler(grid: MigGrid, width: int) -> str:
    """Return the slot numbers that stand above cards drawn with *width*."""
    return " " + " ".join(str(slot).ljust(width) for slot in range(grid.slots or 0)).rstrip()


def _boxed(label: str, width: int) -> str:
    return label.ljust(width) if len(label) <= width else f"{label[: width - 1]}…"
