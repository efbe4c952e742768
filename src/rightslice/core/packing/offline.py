"""The fewest cards of one GPU type that hold a list of MIG slices, proven.

An integer pattern model over the card's inclusion-maximal multisets (28 on an eight-slot card
with the six usual profiles), solved by HiGHS, with a certificate from its linear dual. Start
slots are those that mig-parted's counts yield. Its size does not grow with the list. For the
device plugin only patterns are used whose placement by those counts is certain.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from rightslice.core.catalog.mig import MigGrid, ProfileName
from rightslice.core.packing.backends import Backend
from rightslice.core.packing.certificate import (
    Certificate,
    check_certificate,
    rounded_certificate,
)
from rightslice.core.packing.driver import certain_cover, certain_multisets, parted_layout
from rightslice.core.packing.geometry import Layout, Multiset, largest_multisets
from rightslice.core.packing.pattern_model import Pattern, fill
from rightslice.core.packing.solver import IntegerModel, Solved
from rightslice.errors import InputError

_SECONDS = 10.0
"""A guard: these models take milliseconds."""


@dataclass(frozen=True, kw_only=True)
class PackedCard:
    """One card and its slices."""

    index: int
    layout: Layout
    certain: bool
    """Whether counts alone give these start slots; see `driver.CountedLayout`."""
    spare: Mapping[ProfileName, int] = field(default_factory=dict)
    """Of the layout, slices that nobody asked for: cut so that counts alone give the starts."""


@dataclass(frozen=True, kw_only=True)
class Packing:
    """Every slice has its place."""

    gpu: str
    gpus_used: int
    gpus_bound: int
    """No packing uses fewer."""
    certificate: Certificate
    certified_bound: int
    """What the certificate alone proves; nearly always ``gpus_bound``."""
    cards: tuple[PackedCard, ...]
    reserved: Mapping[ProfileName, int] = field(default_factory=dict)
    """Of these slices, those that are cut and kept free."""

    @property
    def is_proven(self) -> bool:
        """Whether no packing uses fewer cards."""
        return self.gpus_used == self.gpus_bound


@dataclass(frozen=True, kw_only=True)
class DoesNotFit:
    """The cards are too few: what would do, and what is left over on those given."""

    gpu: str
    gpus_given: int
    gpus_needed: int
    left_over: Mapping[ProfileName, int]
    """The least memory that cannot be placed, in slices."""
    packing: Packing
    """All slices on as many cards as they need."""
    cards: tuple[PackedCard, ...]
    """What fits on the cards given."""


def pack(
    grid: MigGrid,
    profiles: Mapping[ProfileName, int],
    gpu_count: int | None = None,
    reserve: Mapping[ProfileName, int] | None = None,
    backend: Backend | None = None,
) -> Packing | DoesNotFit:
    """Return the fewest cards for *profiles*, or why *gpu_count* of them do not suffice.

    The slices of *reserve* are cut as well and kept free: head-room for large profiles. For the
    device plugin, which takes counts, every card's start slots are certain; no *backend*: any.

    Raises:
        InputError: when the grid is unknown, a profile is none of its, a count is negative, or
            nothing is asked for.
        UnavailableError: when the solver found nothing in ten seconds.
    """
    kept = _checked(grid, reserve) if reserve else {}
    demand = _checked(grid, Counter(_checked(grid, profiles)) + Counter(kept))
    if gpu_count is not None and gpu_count < 0:
        raise InputError(f"{gpu_count} GPUs: give 0 or more")
    shapes = _shapes(grid, demand, backend)
    packing = replace(_fewest(shapes, demand), reserved=kept)
    if gpu_count is None or packing.gpus_used <= gpu_count:
        return packing
    cards, left_over = _most(shapes, demand, gpu_count)
    return DoesNotFit(
        gpu=grid.name,
        gpus_given=gpu_count,
        gpus_needed=packing.gpus_used,
        left_over=left_over,
        packing=packing,
        cards=cards,
    )


@dataclass(frozen=True, kw_only=True)
class _Shapes:
    """The patterns that a card may take."""

    grid: MigGrid
    patterns: tuple[Multiset, ...]
    by_counts: bool
    """Only layouts that counts alone give."""


def _shapes(grid: MigGrid, demand: Mapping[ProfileName, int], backend: Backend | None) -> _Shapes:
    by_counts = backend is Backend.DEVICE_PLUGIN
    known = certain_multisets if by_counts else largest_multisets
    return _Shapes(grid=grid, patterns=known(grid, frozenset(demand)), by_counts=by_counts)


def _checked(grid: MigGrid, profiles: Mapping[ProfileName, int]) -> dict[ProfileName, int]:
    demand = {grid.profile(name).name: count for name, count in profiles.items() if count}
    for name, count in demand.items():
        if count < 0:
            raise InputError(f"{count} slices of {name}: give 0 or more")
    if not demand:
        raise InputError("no slices are asked for; name some, as in 1g.5gb=3")
    return dict(sorted(demand.items()))


def _fewest(shapes: _Shapes, demand: Mapping[ProfileName, int]) -> Packing:
    grid, patterns = shapes.grid, shapes.patterns
    model = IntegerModel()
    columns = [model.column(sum(demand.values())) for _ in patterns]
    for name, count in demand.items():
        model.at_least(_offer(patterns, columns, name), count)
    every = dict.fromkeys(columns, 1.0)
    solved = model.minimise(every, time_limit_seconds=_SECONDS, gap=0.0)
    assert solved is not None, "cards without number hold any slices"
    prices = dict(zip(demand, model.duals(every), strict=True))
    # Prices over fewer patterns may charge another layout more than 1: then they are scaled.
    certificate = rounded_certificate(grid, prices)
    certified = check_certificate(grid, demand, certificate)
    cards = _cards(shapes, solved, demand)
    bound = max(certified, math.ceil(solved.bound - 1e-6))
    return Packing(
        gpu=grid.name,
        gpus_used=len(cards),
        gpus_bound=bound,
        certificate=certificate,
        certified_bound=certified,
        cards=cards,
    )


def _offer(
    patterns: tuple[Multiset, ...], columns: list[int], name: ProfileName
) -> dict[int, float]:
    offers = zip(patterns, columns, strict=True)
    return {x: float(n) for pattern, x in offers if (n := dict(pattern).get(name, 0))}


def _most(
    shapes: _Shapes, demand: Mapping[ProfileName, int], gpu_count: int
) -> tuple[tuple[PackedCard, ...], dict[ProfileName, int]]:
    """Return the cards that leave the least memory unplaced, then the fewest slices."""
    grid, patterns = shapes.grid, shapes.patterns
    model = IntegerModel()
    columns = [model.column(gpu_count) for _ in patterns]
    model.at_most(dict.fromkeys(columns, 1.0), gpu_count)
    placed = {name: model.column(count) for name, count in demand.items()}
    for name, column in placed.items():
        model.at_least(_offer(patterns, columns, name) | {column: -1.0}, 0.0)
    few = 1 / (1 + sum(demand.values()))
    worth = {x: -_slots(grid, name) - few for name, x in placed.items()}
    solved = model.minimise(worth, time_limit_seconds=_SECONDS, gap=0.0)
    assert solved is not None, "placing nothing is always possible"
    kept = {name: solved.values[x] for name, x in placed.items()}
    left_over = {name: count - kept[name] for name, count in demand.items() if count > kept[name]}
    return _cards(shapes, solved, kept), left_over


def _cards(
    shapes: _Shapes, solved: Solved, needed: Mapping[ProfileName, int]
) -> tuple[PackedCard, ...]:
    grid, patterns = shapes.grid, shapes.patterns
    offered: list[tuple[Pattern, int]] = [
        (tuple((str(name), n) for name, n in pattern), count)
        for pattern, count in zip(patterns, solved.values[: len(patterns)], strict=True)
    ]
    filled = sorted(
        fill(offered, {str(name): count for name, count in needed.items()}),
        key=lambda counts: (-sum(n * _slots(grid, name) for name, n in counts), counts),
    )
    known = {counts: _card(shapes, counts) for counts in dict.fromkeys(filled)}
    return tuple(replace(known[counts], index=index) for index, counts in enumerate(filled))


def _slots(grid: MigGrid, name: str) -> int:
    return grid.profile(name).memory_slots or 0


def _card(shapes: _Shapes, wanted: Pattern) -> PackedCard:
    """Return a card that holds *wanted*, and more where only so its start slots are certain."""
    grid = shapes.grid
    counts: Multiset = tuple((ProfileName(name), n) for name, n in wanted)
    cut = counts
    if shapes.by_counts:
        names = frozenset(name for pattern in shapes.patterns for name, _ in pattern)
        cover = certain_cover(grid, counts, names)
        assert cover is not None, f"no certain layout holds {counts} on {grid.name}"
        cut = cover
    reached = parted_layout(grid, dict(cut))
    assert reached is not None, f"mig-parted cannot make {cut} on {grid.name}"
    spare = Counter(dict(cut)) - Counter(dict(counts))
    return PackedCard(index=0, layout=reached.layout, certain=reached.certain, spare=dict(spare))
