"""Which sets of MIG slices one card can hold at once, and where.

A placement is a bit mask over the card's memory slots. A layout is legal when its masks do not
overlap, its compute slices stay within the card's, no profile exceeds its instance limit, and
the media engines suffice: at most one ``+me`` instance a card (there is one JPEG and OFA set),
and beside ``+me.all``, which takes every media engine, only ``-me`` instances.
Source: NVIDIA MIG user guide (supported profiles, 2026 text); `nvidia-smi mig -lgipp` output.
Known gap: a grid without a placement transcript is refused, never guessed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from rightslice.core.catalog.mig import MigGrid, MigProfile, Placement, ProfileName
from rightslice.errors import InputError

Layout = tuple[Placement, ...]
"""The slices of one card, by start slot."""

Multiset = tuple[tuple[ProfileName, int], ...]
"""How many slices of each profile, by profile name; no zero counts."""


@dataclass(frozen=True, slots=True)
class Spot:
    """One legal placement with what it takes."""

    placement: Placement
    mask: int
    profile: MigProfile


def multiset(profiles: Iterable[ProfileName]) -> Multiset:
    """Return *profiles* counted.

    >>> multiset([ProfileName("3g.20gb"), ProfileName("1g.5gb"), ProfileName("1g.5gb")])
    (('1g.5gb', 2), ('3g.20gb', 1))
    """
    return tuple(sorted(Counter(profiles).items()))


@lru_cache(maxsize=256)
def spots(grid: MigGrid) -> tuple[Spot, ...]:
    """Return every placement of *grid*, by start slot and then profile name.

    Raises:
        InputError: when no start slots are known for the GPU.
    """
    check_known(grid)
    found = [
        Spot(
            Placement(profile=profile.name, start=start),
            ((1 << (profile.memory_slots or 0)) - 1) << start,
            profile,
        )
        for profile in grid.profiles
        for start in profile.starts or ()
    ]
    return tuple(sorted(found, key=lambda spot: spot.placement))


def check_known(grid: MigGrid) -> None:
    """Raise unless every profile of *grid* has known start slots.

    Raises:
        InputError: naming the GPU and the profiles without placements.
    """
    unknown = [
        str(profile.name)
        for profile in grid.profiles
        if profile.starts is None or profile.memory_slots is None
    ]
    if grid.slots is None or unknown:
        raise InputError(
            f"the placement grid of {grid.name} is not known: no placement transcript"
            f" (nvidia-smi mig -lgipp) gives the start slots of {', '.join(unknown)};"
            " run that command on such a card to learn them"
        )


def restrict(grid: MigGrid, names: Collection[str]) -> tuple[Spot, ...]:
    """Return the placements of the profiles called *names* only.

    Raises:
        InputError: when the grid is unknown, or has no profile of that name.
    """
    wanted = {grid.profile(name).name for name in names}
    return tuple(spot for spot in spots(grid) if spot.placement.profile in wanted)


def spot_at(grid: MigGrid, placement: Placement) -> Spot:
    """Return the placement's mask and profile.

    Raises:
        InputError: when the profile does not exist or may not start there.
    """
    for spot in spots(grid):
        if spot.placement == placement:
            return spot
    starts = grid.profile(placement.profile).starts or ()
    raise InputError(
        f"{placement.profile} cannot start at slot {placement.start} of {grid.name};"
        f" it may start at {', '.join(map(str, starts))}"
    )


def conflict(grid: MigGrid, placed: Sequence[Spot], new: Spot) -> str | None:
    """Return why *new* cannot be created beside *placed*, or None when it can."""
    name = new.placement.profile
    for spot in placed:
        if spot.mask & new.mask:
            taken = f"{spot.placement.profile} at slot {spot.placement.start}"
            return f"{name} at slot {new.placement.start} overlaps {taken}"
    compute = sum(spot.profile.compute_slices for spot in placed) + new.profile.compute_slices
    if compute > grid.compute_slices:
        return f"{name} would make {compute} compute slices of {grid.compute_slices}"
    limit = new.profile.max_instances
    if limit is not None and sum(spot.profile is new.profile for spot in placed) >= limit:
        return f"a card holds at most {limit} of {name}"
    return _media_conflict(placed, new)


def _media_conflict(placed: Sequence[Spot], new: Spot) -> str | None:
    shape = new.profile.shape
    others = [spot.profile.shape for spot in placed]
    if "+me" in shape and any("+me" in other for other in others):
        return "a card holds at most one +me slice"
    if shape.endswith("+me.all") and not all(other.endswith("-me") for other in others):
        return f"{new.placement.profile} takes every media engine: only -me slices beside it"
    if not shape.endswith("-me") and any(other.endswith("+me.all") for other in others):
        return f"{new.placement.profile} needs media engines that a +me.all slice holds"
    return None


def why_illegal(grid: MigGrid, layout: Iterable[Placement]) -> str | None:
    """Return the first reason why *layout* cannot exist on one card, or None when it can.

    Raises:
        InputError: when the grid is unknown, or a placement is none of its.
    """
    placed: list[Spot] = []
    for placement in sorted(layout):
        spot = spot_at(grid, placement)
        reason = conflict(grid, placed, spot)
        if reason is not None:
            return reason
        placed.append(spot)
    return None


def room(grid: MigGrid, layout: Iterable[Placement]) -> tuple[Placement, ...]:
    """Return every placement that could still be created beside *layout*."""
    placed = [spot_at(grid, placement) for placement in layout]
    return tuple(spot.placement for spot in spots(grid) if conflict(grid, placed, spot) is None)


@lru_cache(maxsize=256)
def states(grid: MigGrid, names: frozenset[str] | None = None) -> tuple[Layout, ...]:
    """Return every legal layout, the empty card included; of the profiles *names*, or all.

    Raises:
        InputError: when the grid is unknown.
    """
    pool = spots(grid) if names is None else restrict(grid, names)
    return tuple(_extend(grid, pool, [], 0))


def _extend(
    grid: MigGrid, pool: Sequence[Spot], placed: list[Spot], first: int
) -> Iterator[Layout]:
    yield tuple(spot.placement for spot in placed)
    for index in range(first, len(pool)):
        if conflict(grid, placed, pool[index]) is None:
            placed.append(pool[index])
            yield from _extend(grid, pool, placed, index + 1)
            placed.pop()


@lru_cache(maxsize=256)
def maximal_layouts(grid: MigGrid, names: frozenset[str] | None = None) -> tuple[Layout, ...]:
    """Return the legal layouts to which no slice can be added.

    Raises:
        InputError: when the grid is unknown.
    """
    pool = spots(grid) if names is None else restrict(grid, names)
    by_placement = {spot.placement: spot for spot in pool}
    return tuple(
        layout
        for layout in states(grid, names)
        if all(
            conflict(grid, [by_placement[placement] for placement in layout], spot) is not None
            for spot in pool
        )
    )


@lru_cache(maxsize=256)
def feasible_multisets(grid: MigGrid, names: frozenset[str] | None = None) -> frozenset[Multiset]:
    """Return every multiset of profiles that one card can hold."""
    return frozenset(
        multiset(placement.profile for placement in layout) for layout in states(grid, names)
    )


@lru_cache(maxsize=256)
def largest_multisets(grid: MigGrid, names: frozenset[str] | None = None) -> tuple[Multiset, ...]:
    """Return the multisets that no other legal multiset contains: the patterns of packing.

    Raises:
        InputError: when the grid is unknown.
    """
    pool = spots(grid) if names is None else restrict(grid, names)
    profiles = sorted({spot.placement.profile for spot in pool})
    feasible = feasible_multisets(grid, names)
    return tuple(
        sorted(
            candidate
            for candidate in feasible
            if not any(_with_one_more(candidate, name) in feasible for name in profiles)
        )
    )


def is_part(counts: Multiset, other: Multiset) -> bool:
    """Return whether *other* has every slice of *counts*.

    >>> is_part(((ProfileName("1g.5gb"), 1),), ((ProfileName("1g.5gb"), 2),))
    True
    """
    held = dict(other)
    return all(held.get(name, 0) >= count for name, count in counts)


def _with_one_more(counts: Multiset, name: ProfileName) -> Multiset:
    more = dict(counts)
    more[name] = more.get(name, 0) + 1
    return tuple(sorted(more.items()))


def stuck_multisets(grid: MigGrid, names: frozenset[str] | None = None) -> tuple[Multiset, ...]:
    """Return the multisets that block a card in one placement, though another leaves room."""
    full = {multiset(p.profile for p in layout) for layout in maximal_layouts(grid, names)}
    return tuple(sorted(full - set(largest_multisets(grid, names))))
