"""Where the driver puts a slice when no start is given, and what mig-parted makes of counts.

Driver rule: of the free legal starts take the one that keeps the most (profile, start) pairs
creatable; ties go to the lowest start. It reproduces the documented creation transcripts of
`nvidia-smi mig -cgi` (NVIDIA MIG user guide v580, getting-started examples; an H100 listing).
mig-parted gives counts only: it sorts the profiles by compute slices of the GPU instance, then
of the compute instance, then attributes, all descending, and tries permutations until the driver
accepts one (NVIDIA/mig-parted@bd7160f pkg/types/mig_config.go, pkg/mig/config/config.go).
Known gap: the user guide maps instance ids to starts in two ways in two driver versions, and
profiles that tie in mig-parted's sort (1g.5gb, 1g.10gb; 1g.24gb, 1g.24gb-me) come in random order:
such layouts are marked not certain, and plans for that back end use `certain_multisets` only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby, permutations, product

from rightslice.core.catalog.mig import MigGrid, Placement, ProfileName
from rightslice.core.packing.geometry import (
    Layout,
    Multiset,
    Spot,
    conflict,
    feasible_multisets,
    is_part,
    spots,
)

_COMPUTE = re.compile(r"(?:(?P<ci>\d+)c\.)?(?P<gi>\d+)g\.")


@dataclass(frozen=True, kw_only=True)
class Created:
    """The driver accepted every slice of an order."""

    placements: tuple[Placement, ...]
    """In creation order."""


@dataclass(frozen=True, kw_only=True)
class Rejected:
    """The driver refused one slice; those before it exist."""

    placements: tuple[Placement, ...]
    failed: ProfileName


@dataclass(frozen=True, kw_only=True)
class CountedLayout:
    """What a card holds after mig-parted applied a configuration of counts."""

    layout: Layout
    certain: bool
    """False when equal-ranked profiles may be created in either order, with another result."""


def _default_spot(grid: MigGrid, placed: Sequence[Spot], profile: ProfileName) -> Spot | None:
    """Return where the driver creates *profile* beside *placed*, or None when it cannot."""
    every = spots(grid)
    best: tuple[int, int] | None = None
    chosen: Spot | None = None
    for spot in every:
        if spot.placement.profile != profile or conflict(grid, placed, spot) is not None:
            continue
        after = [*placed, spot]
        kept = sum(conflict(grid, after, other) is None for other in every)
        if best is None or (kept, -spot.placement.start) > best:
            best, chosen = (kept, -spot.placement.start), spot
    return chosen


def replay(grid: MigGrid, order: Sequence[str]) -> Created | Rejected:
    """Return where the driver puts each slice of *order*, or the first one that it refuses.

    Raises:
        InputError: when the grid is unknown or a profile is none of its.
    """
    placed: list[Spot] = []
    for name in order:
        profile = grid.profile(name).name
        spot = _default_spot(grid, placed, profile)
        if spot is None:
            return Rejected(placements=tuple(s.placement for s in placed), failed=profile)
        placed.append(spot)
    return Created(placements=tuple(spot.placement for spot in placed))


def parted_layout(grid: MigGrid, counts: Mapping[ProfileName, int]) -> CountedLayout | None:
    """Return the layout that mig-parted reaches with *counts* on an empty card, or None.

    None means that no creation order fits: mig-parted reports that all orderings failed.

    Raises:
        InputError: when the grid is unknown or a profile is none of its.
    """
    return _parted_layout(grid, tuple(sorted((name, n) for name, n in counts.items() if n > 0)))


@lru_cache(maxsize=4096)
def _parted_layout(grid: MigGrid, counts: Multiset) -> CountedLayout | None:
    results = [_first_accepted(grid, order) for order in _sorted_orders(grid, counts)]
    reached = [result for result in results if result is not None]
    if not reached:
        return None
    same = len(set(reached)) == 1 and len(reached) == len(results)
    return CountedLayout(layout=reached[0], certain=same)


@lru_cache(maxsize=256)
def certain_multisets(grid: MigGrid, names: frozenset[str] | None = None) -> tuple[Multiset, ...]:
    """Return the largest multisets whose counts alone give one layout: patterns for mig-parted.

    Raises:
        InputError: when the grid is unknown.
    """
    certain = _certain(grid, names)
    return tuple(
        sorted(
            counts
            for counts in certain
            if not any(is_part(counts, other) for other in certain if other != counts)
        )
    )


@lru_cache(maxsize=256)
def _certain(grid: MigGrid, names: frozenset[str] | None) -> frozenset[Multiset]:
    reached = {counts: _parted_layout(grid, counts) for counts in feasible_multisets(grid, names)}
    return frozenset(c for c, layout in reached.items() if layout is not None and layout.certain)


@lru_cache(maxsize=4096)
def certain_cover(
    grid: MigGrid, counts: Multiset, names: frozenset[str] | None = None
) -> Multiset | None:
    """Return the least multiset over *counts* whose layout is certain, or None without one.

    What it has beyond *counts* is cut and stays free. *names*: the profiles it may have, at least
    those of *counts*; None: those.
    """
    allowed = frozenset(str(name) for name, _ in counts) if names is None else names
    over = [found for found in _certain(grid, allowed) if is_part(counts, found)]
    size = {found: sum(n * (grid.profile(p).memory_slots or 0) for p, n in found) for found in over}
    return min(over, key=lambda found: (size[found], found), default=None)


def _rank(grid: MigGrid, name: ProfileName) -> tuple[int, int, str]:
    match = _COMPUTE.match(name)
    compute = grid.profile(name).compute_slices
    instance = int(match["gi"]) if match else compute
    # "-me" is a negative attribute, kept apart (NVIDIA/go-nvlib pkg/nvlib/device/mig_profile.go),
    # and the sort does not look at those: it ties with the plain profile.
    attribute = name.partition("+")[2]
    return (instance, int(match["ci"]) if match and match["ci"] else instance, attribute)


def _sorted_orders(grid: MigGrid, counts: Multiset) -> Iterator[tuple[ProfileName, ...]]:
    """Yield mig-parted's starting orders: one, unless profiles tie.

    Blocks of one profile stay together: Go sorts fewer than twelve items by stable insertion.
    """
    # The name breaks ties here only, so that the first order is the same in every run: more
    # memory first.
    ranked = sorted(
        counts,
        key=lambda item: (_rank(grid, item[0]), grid.profile(item[0]).memory_slots or 0, item[0]),
        reverse=True,
    )
    ties = [list(group) for _, group in groupby(ranked, key=lambda item: _rank(grid, item[0]))]
    for blocks in product(*(permutations(tie) for tie in ties)):
        yield tuple(name for block in blocks for name, count in block for _ in range(count))


def _first_accepted(grid: MigGrid, order: Sequence[ProfileName]) -> Layout | None:
    """Return what the first permutation gives that the driver accepts, in mig-parted's sequence.

    A refused prefix refuses all its continuations, so those are skipped, which changes nothing.
    """
    names = list(order)

    def descend(index: int, placed: list[Spot]) -> Layout | None:
        if index == len(names):
            return tuple(sorted(spot.placement for spot in placed))
        for swap in range(index, len(names)):
            if names[swap] in names[index:swap]:
                continue
            names[index], names[swap] = names[swap], names[index]
            spot = _default_spot(grid, placed, names[index])
            found = None if spot is None else descend(index + 1, [*placed, spot])
            if found is not None:
                return found
            names[index], names[swap] = names[swap], names[index]
        return None

    return descend(0, [])
