"""Where the next slice goes while others come and go: the card that loses the least by it.

A card's capability is the number of placements that could still be created on it. Of all places
for a slice take the one that costs the least capability; ties go to the fuller card and then to
the card that came first. An empty card is opened only when no card in use has room, since what
it costs is the card. Which card is chosen decides; which slot of it hardly matters (measured in
`benchmarks/packing_churn.py`). The rule is that of fragmentation-aware MIG placement (GRMU,
arXiv 2502.01909); a slice never moves here: `repack` does that. Head-room for large profiles is
kept by refusing a place that would leave too few cards with room for one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rightslice.core.catalog.mig import MigGrid, Placement, ProfileName
from rightslice.core.packing.cards import (
    EMPTY,
    BestSpot,
    CardTable,
    Content,
    bit_indices,
    card_table,
)
from rightslice.errors import InputError, UnknownNameError


@dataclass(frozen=True, kw_only=True)
class Seated:
    """Where a slice was placed."""

    card: str
    placement: Placement
    capability_loss: int
    """Placements that could be created on that card before and cannot any more."""


@dataclass(frozen=True, kw_only=True)
class NoSeat:
    """No card has room for the slice as things stand."""

    profile: ProfileName
    cards: int
    """How many cards were asked; every one of them is blocked."""
    held_for: tuple[ProfileName, ...] = ()
    """Profiles whose head-room would have had to give way."""


class CardPool:
    """The cards of one kind with what is on them, indexed by content.

    A decision looks at contents, of which there are a few hundred, not at cards.
    """

    def __init__(
        self,
        grid: MigGrid,
        names: frozenset[str] | None = None,
        *,
        reserve: Mapping[ProfileName, int] | None = None,
    ) -> None:
        """Start without cards; *reserve*: cards that are to keep room for one more of a profile.

        Raises:
            InputError: when the grid is unknown.
            UnknownNameError: when a reserved profile is none of the pool's.
        """
        self.table: CardTable = card_table(grid, names)
        self._reserve = dict(reserve or {})
        for name in self._reserve:
            if name not in self.table.profiles:
                raise UnknownNameError("MIG profile of the pool", name, self.table.profiles)
        self._contents: dict[str, Content] = {}
        self._alike: dict[Content, dict[str, None]] = {}

    def __len__(self) -> int:
        return len(self._contents)

    @property
    def in_use(self) -> int:
        """Cards that hold at least one slice."""
        return len(self._contents) - len(self._alike.get(EMPTY, {}))

    @property
    def contents(self) -> Mapping[str, Content]:
        """What each card holds, as bits of the table."""
        return self._contents

    @property
    def alike(self) -> Mapping[Content, Mapping[str, None]]:
        """The cards of each content, in the order in which they came to it."""
        return self._alike

    def add_card(self, name: str, content: Content = EMPTY) -> None:
        """Add a card.

        Raises:
            InputError: when a card of that name exists.
        """
        if name in self._contents:
            raise InputError(f"card {name} exists already; names must differ")
        self._contents[name] = content
        self._alike.setdefault(content, {})[name] = None

    def remove_card(self, name: str) -> None:
        """Remove a card, with whatever is on it.

        Raises:
            UnknownNameError: when there is no such card.
        """
        self._detach(name)

    def place(self, profile: ProfileName) -> Seated | NoSeat:
        """Choose a place for *profile* by least loss of capability, and take it.

        Raises:
            UnknownNameError: when the cards have no such profile.
        """
        if profile not in self.table.profiles:
            raise UnknownNameError("MIG profile of the pool", profile, self.table.profiles)
        best: tuple[bool, int, int] | None = None
        chosen, bit = EMPTY, 0
        held = self._held_from(profile)
        for content in self._alike:
            spot = self._spot(content, profile, held)
            if spot is None:
                continue
            rank = (content == EMPTY, spot.loss, self.table.room(content).bit_count())
            if best is None or rank < best:
                best, chosen, bit = rank, content, spot.bit
        if best is None:
            return NoSeat(profile=profile, cards=len(self), held_for=held)
        card = next(iter(self._alike[chosen]))
        self._set(card, chosen | bit)
        (placement,) = self.table.layout(bit)
        return Seated(card=card, placement=placement, capability_loss=best[1])

    def _held_from(self, profile: ProfileName) -> tuple[ProfileName, ...]:
        """Return the other reserved profiles for which no more cards have room than are kept."""
        return tuple(
            name
            for name, kept in self._reserve.items()
            if name != profile
            and kept
            >= sum(
                len(c) for content, c in self._alike.items() if self.table.room_for(content, name)
            )
        )

    def _spot(
        self, content: Content, profile: ProfileName, held: tuple[ProfileName, ...]
    ) -> BestSpot | None:
        """Return the best spot on a card that leaves it room for each profile *held*."""
        table = self.table
        guarded = [name for name in held if table.room_for(content, name)]
        best = table.best_spot(content, profile)
        if best is None or all(table.room_for(content | best.bit, name) for name in guarded):
            return best
        before = table.room(content).bit_count()
        kept = {
            1 << index: table.room(content | 1 << index).bit_count()
            for index in bit_indices(table.room_for(content, profile))
            if all(table.room_for(content | 1 << index, name) for name in guarded)
        }
        bit = max(kept, key=lambda option: kept[option], default=None)
        return None if bit is None else BestSpot(bit=bit, loss=before - kept[bit])

    def take(self, card: str, placement: Placement) -> None:
        """Put a slice at *placement* of *card*, whoever decided so.

        Raises:
            InputError: when it cannot be created beside what the card holds.
            UnknownNameError: when there is no such card.
        """
        bit, content = self.table.bit(placement), self._content(card)
        if not self.table.room(content) & bit:
            raise InputError(
                f"card {card}: {placement.profile} at slot {placement.start} cannot be created"
                " beside what is there"
            )
        self._set(card, content | bit)

    def release(self, card: str, placement: Placement) -> None:
        """Take the slice at *placement* off *card*.

        Raises:
            InputError: when it is not there.
            UnknownNameError: when there is no such card.
        """
        bit, content = self.table.bit(placement), self._content(card)
        if not content & bit:
            raise InputError(
                f"card {card} has no {placement.profile} at slot {placement.start} to release"
            )
        self._set(card, content & ~bit)

    def counts(self) -> dict[ProfileName, int]:
        """Return how many slices of each profile there are."""
        found: dict[ProfileName, int] = {}
        for content, cards in self._alike.items():
            for index in bit_indices(content):
                name = self.table.profile_of(index)
                found[name] = found.get(name, 0) + len(cards)
        return found

    def _content(self, card: str) -> Content:
        try:
            return self._contents[card]
        except KeyError:
            raise UnknownNameError("card", card, self._contents) from None

    def _detach(self, card: str) -> None:
        content = self._content(card)
        alike = self._alike[content]
        del alike[card], self._contents[card]
        if not alike:
            del self._alike[content]

    def _set(self, card: str, content: Content) -> None:
        self._detach(card)
        self.add_card(card, content)
