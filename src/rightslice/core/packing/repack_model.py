"""Which pods to move so that fewer cards suffice: an integer model whose size forgets the fleet's.

Cards of one content are alike, so the model decides per distinct content how many cards keep
which part of it, and per kept part how many cards add which largest filling. A move is a pod that
its card does not keep. Rows: every card keeps some part; a filling needs a card that keeps its
part; every profile's moved and pending slices find a place in the fillings. The columns number
some hundreds to thousands at any count of cards, and HiGHS proves the optimum.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from rightslice.core.catalog.mig import ProfileName
from rightslice.core.packing.cards import EMPTY, CardTable, Content, bit_indices
from rightslice.core.packing.geometry import Multiset
from rightslice.core.packing.rounding import Report, least_point
from rightslice.core.packing.solver import IntegerModel, Solved, Terms

Held = tuple[tuple[int, float, bool], ...]
"""A card's pods as (placement number, weight of a move, pinned), by number."""


@dataclass(frozen=True, kw_only=True)
class Kept:
    """So many cards of one content keep one part of it."""

    held: Held
    content: Content
    cards: int


@dataclass(frozen=True, kw_only=True)
class Filled:
    """So many of the cards that keep one part receive these slices at most."""

    kept: Content
    added: Content
    cards: int


@dataclass(frozen=True, kw_only=True)
class Rearrangement:
    """A solution, by kinds of cards."""

    kept: tuple[Kept, ...]
    filled: tuple[Filled, ...]
    weight: float
    """Weighted moves."""
    weight_bound: float
    """No rearrangement to as few cards moves less."""
    cards_used: int
    gap: float = 0.0
    """How far what was minimised may lie above the least, as a share; 0: proven."""


@dataclass(frozen=True, kw_only=True)
class Aim:
    """What a rearrangement is to reach; what is None does not bind."""

    cards_at_least: int = 0
    """The proven optimum: no rearrangement uses fewer, and the solver need not find that out."""
    cards_at_most: int | None = None
    weight_at_most: float | None = None
    moves_per_card: float | None = None
    """Weighted moves that one card less is worth."""


@dataclass
class RepackModel:
    """The columns of one fleet's model; several aims may be tried on it."""

    table: CardTable
    cards: Mapping[Held, int]
    """How many cards hold each content; the empty content: free cards that may be opened."""
    pending: Mapping[ProfileName, int] = field(default_factory=dict)
    """Slices that wait for room."""
    report: Report | None = None
    """Told how far each search is."""

    def __post_init__(self) -> None:
        self._model = IntegerModel()
        self._keeps: dict[tuple[Held, Content], int] = {}
        self._fills: dict[tuple[Content, Multiset, Content], int] = {}
        self._moved: dict[ProfileName, dict[int, float]] = defaultdict(dict)
        self._weights: dict[int, float] = {}
        for held, count in self.cards.items():
            self._add_kind(held, count)
        self._add_fills()
        self._add_room()
        self.used: Terms = self._used()

    def _add_kind(self, held: Held, count: int) -> None:
        columns = {}
        for content in _parts(held):
            column = self._model.column(count)
            columns[column] = 1.0
            self._keeps[held, content] = column
            weight = 0.0
            for index, each, _ in held:
                if not content >> index & 1:
                    weight += each
                    moved = self._moved[self.table.profile_of(index)]
                    moved[column] = moved.get(column, 0.0) + 1.0
            if weight:
                self._weights[column] = weight
        self._model.exactly(columns, count)

    def _add_fills(self) -> None:
        keeping: dict[Content, list[int]] = defaultdict(list)
        for (_, content), column in self._keeps.items():
            keeping[content].append(column)
        needed = {*self._moved, *self.pending}
        total = sum(self.cards.values())
        for content, columns in keeping.items():
            terms = dict.fromkeys(columns, -1.0)
            for counts, added in _useful(self.table.fills(content), needed):
                column = self._model.column(total)
                self._fills[content, counts, added] = column
                terms[column] = 1.0
            self._model.at_most(terms, 0.0)

    def _add_room(self) -> None:
        offers: dict[ProfileName, dict[int, float]] = defaultdict(dict)
        for (_, counts, _), column in self._fills.items():
            for name, count in counts:
                offers[name][column] = float(count)
        for name in sorted({*self._moved, *self.pending}):
            terms = offers[name] | {x: -n for x, n in self._moved[name].items()}
            self._model.at_least(terms, self.pending.get(name, 0))

    def _used(self) -> dict[int, float]:
        used = {column: 1.0 for (_, content), column in self._keeps.items() if content != EMPTY}
        return used | {column: 1.0 for (kept, _, _), column in self._fills.items() if kept == EMPTY}

    def solve(self, aim: Aim, *, time_limit_seconds: float) -> Rearrangement | None:
        """Return the least weighted moves that meet *aim*, or None when nothing meets it.

        With ``moves_per_card`` the weight of the moves plus that many for each card is least;
        with ``weight_at_most`` alone the cards are fewest and then the moves.

        Raises:
            UnavailableError: when the time ran out before any answer was found.
        """
        rows = len(self._model.rows)
        if aim.cards_at_least:
            self._model.at_least(self.used, aim.cards_at_least)
        if aim.cards_at_most is not None:
            self._model.at_most(self.used, aim.cards_at_most)
        if aim.weight_at_most is not None and self._weights:
            self._model.at_most(self._weights, aim.weight_at_most + 1e-6)
        price = aim.moves_per_card or 0.0
        objective = dict(self._weights)
        for column, one in self.used.items():
            objective[column] = objective.get(column, 0.0) + price * one
        try:
            solved = self._least(objective, time_limit_seconds)
        finally:
            del self._model.rows[rows:]
        return None if solved is None else self._read(solved)

    def fewest_within(
        self, weight_at_most: float, *, time_limit_seconds: float
    ) -> Rearrangement | None:
        """Return the fewest cards reachable by so many weighted moves, and then the fewest moves.

        Raises:
            UnavailableError: when the time ran out before any answer was found.
        """
        rows = len(self._model.rows)
        self._model.at_most(self._weights, weight_at_most + 1e-6)
        try:
            solved = self._least(self.used, time_limit_seconds / 2)
        finally:
            del self._model.rows[rows:]
        if solved is None:
            return None
        aim = Aim(cards_at_most=round(solved.objective), weight_at_most=weight_at_most)
        found = self.solve(aim, time_limit_seconds=time_limit_seconds / 2)
        return None if found is None else replace(found, gap=max(found.gap, solved.gap))

    def _least(self, objective: Terms, seconds: float) -> Solved | None:
        return least_point(self._model, objective, time_limit_seconds=seconds, report=self.report)

    @property
    def every_weight(self) -> float:
        """What moving every pod that may move would weigh."""
        return sum(
            weight * count
            for held, count in self.cards.items()
            for _, weight, pinned in held
            if not pinned
        )

    def _read(self, solved: Solved) -> Rearrangement:
        kept = tuple(
            Kept(held=held, content=content, cards=solved.values[column])
            for (held, content), column in self._keeps.items()
            if solved.values[column]
        )
        filled = tuple(
            Filled(kept=content, added=added, cards=solved.values[column])
            for (content, _, added), column in self._fills.items()
            if solved.values[column]
        )
        return Rearrangement(
            kept=kept,
            filled=filled,
            weight=_total(self._weights, solved.values),
            weight_bound=solved.bound - (solved.objective - _total(self._weights, solved.values)),
            cards_used=round(_total(self.used, solved.values)),
            gap=solved.gap,
        )


def _total(terms: Terms, values: Sequence[int]) -> float:
    return sum(coefficient * values[column] for column, coefficient in terms.items())


def _parts(held: Held) -> list[Content]:
    """Return every part of a content that holds its pinned pods."""
    base = sum(1 << index for index, _, pinned in held if pinned)
    parts = [base]
    for index, _, pinned in held:
        if not pinned:
            parts += [part | 1 << index for part in parts]
    return parts


def _useful(
    fills: Iterable[tuple[Multiset, Content]], needed: set[ProfileName]
) -> list[tuple[Multiset, Content]]:
    """Return the fills that add something needed, only its own kind counted."""
    return [(counts, added) for counts, added in fills if any(name in needed for name, _ in counts)]


def plain_held(content: Content) -> Held:
    """Return *content* as pods that weigh one move each and are not pinned."""
    return tuple((index, 1.0, False) for index in bit_indices(content))
