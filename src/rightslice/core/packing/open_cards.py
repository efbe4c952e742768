"""Cards while they are being filled, and who asks for their slots."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from rightslice.core.packing.demand import WHOLE, Choice

Slots = tuple[tuple[str, int], ...]

UNCUT: Final = ""
"""A node of a uniform pool that the plan leaves alone."""


@dataclass
class Card:
    """A card while it is being filled."""

    node: str
    index: int
    slots: Slots = ()
    cut: str | None = None
    """The node's one profile (mode UNIFORM)."""
    holders: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    whole: str | None = None

    @property
    def is_free(self) -> bool:
        """Whether nothing is planned on it."""
        return not self.slots and self.whole is None

    @property
    def held(self) -> Slots:
        """What it holds, slot by slot; nothing where it is not used."""
        if self.whole is not None:
            return ((WHOLE, 1),)
        return tuple((slot, len(keys)) for slot, keys in sorted(self.holders.items()) if keys)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A demand's slots in one pool."""

    key: str
    choice: Choice
    weight: float = 1.0
    """What serving it is worth."""


def holders_of(cards: Iterable[Card]) -> set[str]:
    """Return every demand that holds something on *cards*."""
    found = {card.whole for card in cards if card.whole is not None}
    return found | {key for card in cards for keys in card.holders.values() for key in keys}
