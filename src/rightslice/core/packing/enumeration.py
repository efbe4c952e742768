"""Everything that one kind of card can hold, counted and listed.

The counts are those that NVIDIA's user guide and GRMU (arXiv 2502.01909) give: 19 maximal
placements of the five plain profiles of an A100, 723 states with the double-memory 1g.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

from rightslice.core.catalog.mig import MigGrid, ProfileName
from rightslice.core.packing.driver import parted_layout
from rightslice.core.packing.geometry import (
    Layout,
    Multiset,
    check_known,
    largest_multisets,
    maximal_layouts,
    multiset,
    states,
    stuck_multisets,
)


@dataclass(frozen=True, kw_only=True)
class ProfileStarts:
    """Where one profile may start, and what it takes."""

    profile: ProfileName
    starts: tuple[int, ...]
    memory_slots: int
    compute_slices: int
    max_instances: int | None


@dataclass(frozen=True, kw_only=True)
class MaximalLayout:
    """Slices to which none can be added."""

    layout: Layout
    is_stuck: bool
    """The same slices placed otherwise would leave room for one more."""
    by_counts: bool
    """Counts alone reach it, as mig-parted gives them; the others need start slots."""


@dataclass(frozen=True, kw_only=True)
class GridLayouts:
    """What one kind of card can hold."""

    gpu: str
    slots: int
    compute_slices: int
    placement_evidence: str
    profiles: tuple[ProfileStarts, ...]
    states: int
    """Legal layouts, the empty card included."""
    multisets: int
    """Different counts of profiles among them that admit no other slice, wherever they lie."""
    maximal: tuple[MaximalLayout, ...]


def plain_profiles(grid: MigGrid) -> frozenset[str]:
    """Return the profiles of *grid* without an attribute such as ``+me`` or ``-me``."""
    names = (profile.name for profile in grid.profiles)
    return frozenset(str(name) for name in names if not {"+", "-"} & set(name))


def grid_layouts(grid: MigGrid, names: Collection[str] | None = None) -> GridLayouts:
    """Return every maximal layout of *grid* with the profiles *names*, or its plain ones.

    Raises:
        InputError: when the grid is unknown or has no profile of that name.
    """
    check_known(grid)
    chosen = plain_profiles(grid) if names is None else frozenset(names)
    asked = [grid.profile(name) for name in sorted(chosen)]
    stuck = set(stuck_multisets(grid, chosen))
    found = sorted(
        maximal_layouts(grid, chosen), key=lambda layout: (_signature(grid, layout), layout)
    )
    assert grid.slots is not None, "an unknown grid was refused"
    return GridLayouts(
        gpu=grid.name,
        slots=grid.slots,
        compute_slices=grid.compute_slices,
        placement_evidence=grid.placement_evidence,
        profiles=tuple(
            ProfileStarts(
                profile=profile.name,
                starts=profile.starts or (),
                memory_slots=profile.memory_slots or 0,
                compute_slices=profile.compute_slices,
                max_instances=profile.max_instances,
            )
            for profile in sorted(asked, key=lambda p: (p.compute_slices, p.memory_slots, p.name))
        ),
        states=len(states(grid, chosen)),
        multisets=len(largest_multisets(grid, chosen)),
        maximal=tuple(
            MaximalLayout(
                layout=layout,
                is_stuck=_counts(layout) in stuck,
                by_counts=_is_reached(grid, layout),
            )
            for layout in found
        ),
    )


def _counts(layout: Layout) -> Multiset:
    return multiset(placement.profile for placement in layout)


def _is_reached(grid: MigGrid, layout: Layout) -> bool:
    reached = parted_layout(grid, Counter(placement.profile for placement in layout))
    return reached is not None and reached.certain and reached.layout == tuple(sorted(layout))


def _signature(grid: MigGrid, layout: Layout) -> tuple[tuple[int, int], ...]:
    """Return the slices' sizes, largest first, negated so that large slices sort first."""
    sizes = (grid.profile(placement.profile) for placement in layout)
    return tuple(sorted((-p.compute_slices, -(p.memory_slots or 0)) for p in sizes))
