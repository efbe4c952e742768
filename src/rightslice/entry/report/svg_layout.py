"""One card, drawn: memory slots as columns to scale, compute slices as a strip below.

A slice covers the memory slots that it takes. A free slot is hatched; one that no further slice
can reach, because its compute slices are gone or no profile starts there, is crossed out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from rightslice.core.catalog.fleet import MigStrategy
from rightslice.core.catalog.mig import MigGrid, Placement
from rightslice.core.packing.geometry import room
from rightslice.core.plan.result import CardPlan, Slot
from rightslice.entry.report.look import Look
from rightslice.entry.report.markup import NOTHING, Html, drawing, element, join, shape, text
from rightslice.entry.report.svg_text import block, fitting, shorten, upright, wrap
from rightslice.errors import InputError

WIDTH: Final = 320.0
_TALL: Final = 92.0
_STRIP: Final = 8.0
_GAP: Final = 5.0
_FULL: Final = _TALL + _GAP + _STRIP + 1
_NARROW: Final = 62.0
"""A slice narrower than this carries its label upright."""


@dataclass(frozen=True, kw_only=True)
class SlotCount:
    """Memory slots of a card by use; whole cards and time slices count their parts."""

    total: int
    used: int
    free: int
    unreachable: int
    idle_compute: int = 0
    """Compute slices that no slice of the layout holds."""


def count_slots(card: CardPlan) -> SlotCount:
    """Return how many of a card's parts are used, free, and free but out of reach."""
    grid = _cut_grid(card)
    if grid is None:
        used = min(len(card.slots), card.replicas)
        return SlotCount(total=card.replicas, used=used, free=card.replicas - used, unreachable=0)
    total = grid.slots or 0
    used = _covered(grid, [slot.placement for slot in card.slots if slot.placement is not None])
    if any(slot.placement is None for slot in card.slots):
        used = (1 << total) - 1
    lost = unreachable(grid, card.layout) & ~used
    held = sum(grid.profile(placement.profile).compute_slices for placement in card.layout)
    return SlotCount(
        total=total,
        used=used.bit_count(),
        free=total - used.bit_count() - lost.bit_count(),
        unreachable=lost.bit_count(),
        idle_compute=grid.compute_slices - held,
    )


def card_drawing(card: CardPlan, look: Look) -> Html:
    """Return the drawing of one card."""
    label = f"{card.node} card {card.card}"
    grid = _cut_grid(card)
    if grid is not None and (card.layout or not card.slots):
        parts = _cut(card, grid, look)
        return drawing(WIDTH, _FULL, *parts, label=label)
    if card.replicas > 1:
        return drawing(WIDTH, _FULL, *_layers(card, look), label=label)
    return drawing(WIDTH, _FULL, *_whole(card, look), label=label)


def idle_drawing(card: CardPlan) -> Html:
    """Return the drawing of a card that carries nothing, small."""
    grid = _cut_grid(card)
    columns = (grid.slots or 1) if grid is not None else 1
    width = WIDTH / 2 / columns
    label = f"{card.node} card {card.card}: idle"
    cells = (
        shape("rect", x=i * width + 0.75, y=0.75, width=width - 1.5, height=22, class_="free", rx=2)
        for i in range(columns)
    )
    return drawing(WIDTH / 2, 24, element("title", text(label)), *cells, label=label)


def unreachable(grid: MigGrid, layout: tuple[Placement, ...]) -> int:
    """Return the memory slots, as a bit mask, that neither *layout* nor any addition can use."""
    return _unreachable(_Grid(grid), layout)


class _Grid:
    """A grid that hashes by its name: the lookups below run once a layout, not once a card."""

    def __init__(self, grid: MigGrid) -> None:
        self.grid = grid

    def __hash__(self) -> int:
        return hash(self.grid.name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Grid) and other.grid.name == self.grid.name


@lru_cache(maxsize=4096)
def _unreachable(key: _Grid, layout: tuple[Placement, ...]) -> int:
    grid = key.grid
    taken = _covered(grid, list(layout))
    try:
        reachable = _covered(grid, list(room(grid, layout)))
    except InputError:
        return 0
    return ((1 << (grid.slots or 0)) - 1) & ~taken & ~reachable


def _covered(grid: MigGrid, placements: list[Placement]) -> int:
    mask = 0
    for placement in placements:
        slots = grid.profile(placement.profile).memory_slots or 1
        mask |= ((1 << slots) - 1) << placement.start
    return mask


def _cut_grid(card: CardPlan) -> MigGrid | None:
    """Return the grid of a card that is cut or may be cut."""
    grid = card.group.gpu.mig
    if grid is None or grid.slots is None or card.group.mig is MigStrategy.NONE:
        return None
    return None if card.slots and not card.layout else grid


def _cut(card: CardPlan, grid: MigGrid, look: Look) -> Iterator[Html]:
    slots = grid.slots or 1
    width = WIDTH / slots
    taken = _covered(grid, list(card.layout))
    lost = unreachable(grid, card.layout)
    for slot in range(slots):
        if not taken >> slot & 1:
            yield _empty_slot(slot, width, is_lost=bool(lost >> slot & 1))
    users = _users(card)
    for placement in card.layout:
        yield _slice(placement, users.get(placement), (grid, width), look)
    yield _compute_strip(card, grid, users, look)


def _users(card: CardPlan) -> Mapping[Placement, Slot]:
    return {slot.placement: slot for slot in card.slots if slot.placement is not None}


def _empty_slot(slot: int, width: float, *, is_lost: bool) -> Html:
    x = slot * width
    title = (
        f"slot {slot}: out of reach, no further slice can use it"
        if is_lost
        else f"slot {slot}: free"
    )
    cross = (
        shape("path", d=f"M{x + width / 2 - 5:.1f} 41l10 10m0-10l-10 10", class_="cross")
        if is_lost
        else NOTHING
    )
    box = shape(
        "rect", x=x + 1, y=1, width=width - 2, height=_TALL - 2, rx=3,
        class_="lost" if is_lost else "free",
    )  # fmt: skip
    return element("g", element("title", text(title)), box, cross)


def _slice(
    placement: Placement, user: Slot | None, scale: tuple[MigGrid, float], look: Look
) -> Html:
    grid, slot_width = scale
    width = slot_width * (grid.profile(placement.profile).memory_slots or 1)
    x = placement.start * slot_width
    if user is None:
        title = f"{placement.profile} at slot {placement.start}: cut, spare"
        words = [("spare", "spare"), ("small", str(placement.profile))]
        return _box((x, 1.0, width), "spare-slice", title, words)
    title = (
        f"{user.workload}, replica {user.replica}: {placement.profile} at slot {placement.start}"
    )
    words = [("name", user.workload), ("small", str(placement.profile))]
    return _box((x, 1.0, width), look.hue(user.workload), title, words)


def _box(
    place: tuple[float, float, float],
    class_: str,
    title: str,
    words: list[tuple[str, str]],
    height: float = _TALL - 2,
) -> Html:
    x, y, width = place
    rect = shape("rect", x=x + 1, y=y, width=width - 2, height=height, rx=3, class_=class_)
    inside = _label((x + width / 2, y + height / 2), (width - 8, height - 8), words)
    return element("g", element("title", text(title)), rect, inside)


def _label(
    centre: tuple[float, float], room_: tuple[float, float], words: list[tuple[str, str]]
) -> Html:
    width, height = room_
    (name_class, name), (small_class, small) = words
    if width >= _NARROW - 8 or height < _NARROW:
        size = 11 if height >= 8 else 8
        name_class = name_class if height >= 8 else f"{name_class} tiny"
        lines = wrap(name, fitting(width, size), 3 if height >= 60 else 1)
        rows = [(name_class, line) for line in lines]
        if height >= 30:
            rows.append((small_class, shorten(small, fitting(width, 9))))
        return block(centre, rows, 12.5)
    lines = wrap(name, fitting(height, 10.5), 2 if width >= 42 else 1)
    rows = [(f"{name_class} tight", line) for line in lines]
    if width >= 26:
        rows.append((small_class, small))
    return upright(centre, rows, 11.5)


def _compute_strip(
    card: CardPlan, grid: MigGrid, users: Mapping[Placement, Slot], look: Look
) -> Html:
    """Return the compute slices, each in the colour of the slice that holds it."""
    first = 0
    parts = []
    for placement in card.layout:
        count = grid.profile(placement.profile).compute_slices
        user = users.get(placement)
        class_ = "spare-slice" if user is None else look.hue(user.workload)
        parts.append(_compute_cells(grid, range(first, first + count), class_))
        first += count
    parts.append(_compute_cells(grid, range(first, grid.compute_slices), "free"))
    return join(parts)


def _compute_cells(grid: MigGrid, cells: range, class_: str) -> Html:
    if not cells:
        return NOTHING
    width = WIDTH / grid.compute_slices
    outline = "".join(
        f"M{cell * width + 1:.1f} {_TALL + _GAP:g}h{width - 2:.1f}v{_STRIP:g}h-{width - 2:.1f}z"
        for cell in cells
    )
    return shape("path", d=outline, class_=class_)


def _layers(card: CardPlan, look: Look) -> Iterator[Html]:
    """Yield a time-sliced card: one layer a turn, each over the whole card."""
    height = _FULL / card.replicas
    for turn in range(card.replicas):
        y = turn * height + 1
        if turn < len(card.slots):
            slot = card.slots[turn]
            words = [("name", slot.workload), ("small", f"turn {turn + 1} of {card.replicas}")]
            title = f"{slot.workload}, replica {slot.replica}: turn {turn + 1} of {card.replicas}"
            yield _box((0.0, y, WIDTH), look.hue(slot.workload), title, words, height - 2)
        else:
            title = f"turn {turn + 1} of {card.replicas}: free"
            box = shape("rect", x=1, y=y, width=WIDTH - 2, height=height - 2, rx=3, class_="free")
            yield element("g", element("title", text(title)), box)


def _whole(card: CardPlan, look: Look) -> Iterator[Html]:
    """Yield a card that is handed out whole."""
    height = _FULL - 2
    if not card.slots:
        box = shape("rect", x=1, y=1, width=WIDTH - 2, height=height, rx=3, class_="free")
        yield element("g", element("title", text("free, whole")), box)
        return
    slot = card.slots[0]
    others = len(card.slots) - 1
    more = f" and {others} more" if others else ""
    words = [("name big", slot.workload), ("small", f"whole card, replica {slot.replica}{more}")]
    title = f"{slot.workload}, replica {slot.replica}{more}: the whole card"
    yield _box((0.0, 1.0, WIDTH), look.hue(slot.workload), title, words, height)
