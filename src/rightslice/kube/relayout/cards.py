"""How the cards of one node could be cut for what is wanted, keeping what else can be kept.

Only counts can be told to mig-parted, so that only layouts are taken to which its own order leads
for certain (`core.packing.driver`). Cards that are needed are filled: with profiles that the node
had before, where they fit beside. The others stay as they are, as far as counts tell how that is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rightslice.core.catalog.mig import MigGrid, ProfileName
from rightslice.core.packing.driver import certain_cover, certain_multisets
from rightslice.core.packing.geometry import Multiset, is_part, multiset
from rightslice.core.packing.inferred import inferred_layouts

Counts = Mapping[ProfileName, int]


@dataclass(frozen=True, kw_only=True)
class NodeCards:
    """What a node hands out now."""

    grid: MigGrid
    cards: int
    whole: int
    """Cards that are not cut."""
    slices: Counts


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What it is to hand out at least."""

    whole: int
    slices: Counts


@dataclass(frozen=True, kw_only=True)
class TooFew:
    """The node cannot hand it out."""

    reason: str


def cut_for(node: NodeCards, wanted: Wanted) -> tuple[Counts, ...] | TooFew:
    """Return the slices of each card, none for a whole one, so that *wanted* is there.

    Raises:
        InputError: when a profile is none of the grid's, or the grid is unknown.
    """
    made = _made(node, wanted.slices)
    if isinstance(made, TooFew):
        return made
    # Cut cards are given up first: the whole ones stay as they are where they can.
    cut = node.cards - node.whole
    from_cut = min(len(made), cut)
    whole = node.whole - (len(made) - from_cut)
    kept = cut - from_cut - max(0, wanted.whole - whole)
    if whole < 0 or kept < 0:
        needed = len(made) + wanted.whole
        return TooFew(reason=f"it has {node.cards} cards, and {needed} are needed")
    former = _former(node)
    if former is None and kept:
        return TooFew(reason="how its other cards are cut cannot be told from the counts")
    return (*made, *(former or ())[:kept], *({} for _ in range(max(whole, wanted.whole))))


def _former(node: NodeCards) -> tuple[Counts, ...] | None:
    """Return the slices of each cut card, by what the counts let one infer."""
    cut = node.cards - node.whole
    if not cut or not node.slices:
        return ()
    layouts = inferred_layouts(node.grid, node.slices, cut)
    if layouts is None:
        return None
    return tuple(Counter(place.profile for place in layout) for layout in layouts)


def _made(node: NodeCards, wanted: Counts) -> tuple[Counts, ...] | TooFew:
    """Return cards that hold *wanted*, the fullest first, filled with what the node had."""
    left = Counter({node.grid.profile(name).name: count for name, count in wanted.items() if count})
    made: list[Counts] = []
    while left:
        if len(made) == node.cards:
            return TooFew(reason=f"its {node.cards} cards do not hold {_listed(wanted)}")
        taken = _fullest(node.grid, left)
        counts = multiset(name for name, count in taken.items() for _ in range(count))
        filled = _filled(node, counts) if taken else None
        if filled is None:
            return TooFew(
                reason=f"no layout with {_listed(left)} is one that mig-parted reaches by counts"
                f" on {node.grid.name}"
            )
        made.append(dict(filled))
        left -= Counter(dict(filled))
    return tuple(made)


def _fullest(grid: MigGrid, left: Counter[ProfileName]) -> Counter[ProfileName]:
    """Return what of *left* one card holds: the most memory slots, then the fewest slices."""
    patterns = certain_multisets(grid, frozenset(str(name) for name in left))
    found = [Counter(dict(pattern)) & left for pattern in patterns]
    return max(
        found, key=lambda one: (_slots(grid, one), -one.total(), sorted(one.items())),
        default=Counter(),
    )  # fmt: skip


def _filled(node: NodeCards, counts: Multiset) -> Multiset | None:
    """Return a certain layout over *counts*: full, with as many former profiles as can be."""
    names = frozenset(str(name) for name, _ in counts) | {
        str(name) for name, count in node.slices.items() if count
    }
    full = [one for one in certain_multisets(node.grid, names) if is_part(counts, one)]
    if not full:
        return certain_cover(node.grid, counts, names)
    had = Counter(dict(node.slices))
    return max(
        full,
        key=lambda one: (
            _slots(node.grid, Counter(dict(one))), (Counter(dict(one)) & had).total(), one,
        ),
    )  # fmt: skip


def _slots(grid: MigGrid, counts: Counter[ProfileName]) -> int:
    return sum((grid.profile(name).memory_slots or 0) * n for name, n in counts.items())


def _listed(counts: Counts) -> str:
    return " + ".join(f"{count} {name}" for name, count in sorted(counts.items()) if count)


def card_counts(cards: Sequence[Counts]) -> tuple[int, Counter[ProfileName]]:
    """Return the whole cards, and all slices together."""
    total: Counter[ProfileName] = Counter()
    for one in cards:
        total.update(one)
    return sum(not one for one in cards), total
