"""What can still be created on a card, looked up instead of computed.

The content of a card is one integer: bit *i* is set when the grid's *i*-th placement exists. A
table remembers, for each content met, which placements could be added and how many that is, so
that a decision over thousands of cards is a few look-ups in at most a few hundred contents (723
on an eight-slot card with the six usual profiles).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from rightslice.core.catalog.mig import MigGrid, Placement, ProfileName
from rightslice.core.packing.geometry import (
    Layout,
    Multiset,
    Spot,
    conflict,
    is_part,
    restrict,
    spots,
)
from rightslice.errors import InputError

Content = int
"""The placements of one card as a set of bits."""

EMPTY: Content = 0


@dataclass(frozen=True, slots=True)
class BestSpot:
    """Where a profile costs a card the least."""

    bit: int
    """The placement, as a content of its own."""
    loss: int
    """Placements that could be created before and cannot any more."""


class CardTable:
    """The contents of one kind of card; grows as contents are met."""

    def __init__(self, grid: MigGrid, names: frozenset[str] | None = None) -> None:
        self.grid = grid
        self.spots: tuple[Spot, ...] = spots(grid) if names is None else restrict(grid, names)
        self._bit_of = {spot.placement: 1 << index for index, spot in enumerate(self.spots)}
        self._profile_bits = Counter[ProfileName]()
        for index, spot in enumerate(self.spots):
            self._profile_bits[spot.placement.profile] |= 1 << index
        self._rooms: dict[Content, int] = {}
        self._best: dict[tuple[Content, ProfileName], BestSpot | None] = {}
        self._fills: dict[Content, tuple[tuple[Multiset, Content], ...]] = {}

    @property
    def profiles(self) -> tuple[ProfileName, ...]:
        """The profiles in use, by name."""
        return tuple(sorted(self._profile_bits))

    def bit(self, placement: Placement) -> int:
        """Return the content that holds *placement* only.

        Raises:
            InputError: when the card has no such placement.
        """
        try:
            return self._bit_of[placement]
        except KeyError:
            raise InputError(
                f"{placement.profile} at slot {placement.start} is no placement of {self.grid.name}"
            ) from None

    def content(self, layout: Iterable[Placement]) -> Content:
        """Return *layout* as bits; legality is not checked."""
        return sum(self.bit(placement) for placement in layout)

    def layout(self, content: Content) -> Layout:
        """Return the placements of *content*, by start slot."""
        return tuple(self.spots[index].placement for index in bit_indices(content))

    def slots(self, content: Content) -> int:
        """Return the occupied memory slots as a bit mask."""
        mask = 0
        for index in bit_indices(content):
            mask |= self.spots[index].mask
        return mask

    def profile_of(self, index: int) -> ProfileName:
        """Return the profile of the placement with number *index*."""
        return self.spots[index].placement.profile

    def room(self, content: Content) -> int:
        """Return the placements that could be created beside *content*, as bits."""
        known = self._rooms.get(content)
        if known is None:
            placed = [self.spots[index] for index in bit_indices(content)]
            known = sum(
                1 << index
                for index, spot in enumerate(self.spots)
                if conflict(self.grid, placed, spot) is None
            )
            self._rooms[content] = known
        return known

    def room_for(self, content: Content, profile: ProfileName) -> int:
        """Return where *profile* could be created beside *content*, as bits."""
        return self.room(content) & self._profile_bits[profile]

    def best_spot(self, content: Content, profile: ProfileName) -> BestSpot | None:
        """Return where *profile* leaves the most placements creatable, or None without room.

        Ties go to the lowest start, as in the driver's own rule.
        """
        key = (content, profile)
        if key not in self._best:
            before = self.room(content).bit_count()
            options = [1 << index for index in bit_indices(self.room_for(content, profile))]
            kept = {bit: self.room(content | bit).bit_count() for bit in options}
            bit = max(options, key=lambda option: kept[option], default=None)
            self._best[key] = None if bit is None else BestSpot(bit=bit, loss=before - kept[bit])
        return self._best[key]

    def fills(self, content: Content) -> tuple[tuple[Multiset, Content], ...]:
        """Return the largest multisets that can be added to *content*, each with one way to do so.

        A full card has one fill: nothing.
        """
        known = self._fills.get(content)
        if known is None:
            reached: dict[Multiset, Content] = {}
            self._collect(content, EMPTY, 0, reached)
            known = tuple(
                (counts, added)
                for counts, added in sorted(reached.items())
                if not any(is_part(counts, other) for other in reached if other != counts)
            )
            self._fills[content] = known
        return known

    def _collect(
        self, content: Content, added: Content, first: int, reached: dict[Multiset, Content]
    ) -> None:
        options = self.room(content | added) >> first << first
        if not self.room(content | added):
            names = Counter(self.profile_of(index) for index in bit_indices(added))
            reached.setdefault(tuple(sorted(names.items())), added)
        for index in bit_indices(options):
            self._collect(content, added | 1 << index, index + 1, reached)


@lru_cache(maxsize=64)
def card_table(grid: MigGrid, names: frozenset[str] | None = None) -> CardTable:
    """Return the shared table of *grid* with the profiles *names*, or with all.

    Raises:
        InputError: when the grid is unknown or has no profile of that name.
    """
    return CardTable(grid, names)


def bit_indices(bits: int) -> Iterator[int]:
    """Yield the numbers of the set bits, lowest first.

    >>> list(bit_indices(0b1010))
    [1, 3]
    """
    while bits:
        low = bits & -bits
        yield low.bit_length() - 1
        bits ^= low
