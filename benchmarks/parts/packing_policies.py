"""Where each policy puts the next slice, and the fleet that it fills.

The rules beside ours are models of those systems' placement, not their code: das takes the first
card and its lowest start (openshift/instaslice-operator@9f4fc07), hami the first card and the
start that keeps the longest free run (Project-HAMi/HAMi PR #2855), spread the emptiest card (DAS's
node score), first fit and best fit place inside the card as NVIDIA's driver does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from parts.packing_traffic import PROFILES, Event

from rightslice.core.catalog.mig import MigGrid, Placement, ProfileName
from rightslice.core.packing.cards import CardTable, Content, bit_indices
from rightslice.core.packing.live import LiveCard, LivePod, LiveSlice, LiveState
from rightslice.core.packing.online import CardPool, Seated
from rightslice.core.packing.repack import RepackPlan
from rightslice.core.packing.steps import StepKind

Chooser = Callable[[CardPool, ProfileName], tuple[str, Placement] | None]


def by_card(rank: Callable[[CardTable, Content, int], float], slot: str) -> Chooser:
    """Return the rule that takes the least *rank* of a card and then *slot* on it."""

    def choose(pool: CardPool, profile: ProfileName) -> tuple[str, Placement] | None:
        table = pool.table
        options = [
            (rank(table, content, int(card)), int(card), content)
            for card, content in pool.contents.items()
            if table.room_for(content, profile)
        ]
        if not options:
            return None
        _, card, content = min(options)
        return str(card), SLOTS[slot](table, content, profile)

    return choose


def _driver(table: CardTable, content: Content, profile: ProfileName) -> Placement:
    spot = table.best_spot(content, profile)
    assert spot is not None
    return table.layout(spot.bit)[0]


def _lowest(table: CardTable, content: Content, profile: ProfileName) -> Placement:
    return table.layout(table.room_for(content, profile))[0]


def _longest_run(table: CardTable, content: Content, profile: ProfileName) -> Placement:
    def score(index: int) -> tuple[int, int]:
        after = content | 1 << index
        taken = table.slots(after)
        free = "".join("1" if taken >> slot & 1 else "0" for slot in range(table.grid.slots or 0))
        return max(map(len, free.split("1"))), table.room(after).bit_count()

    best = max(bit_indices(table.room_for(content, profile)), key=score)
    return table.spots[best].placement


SLOTS = {"driver": _driver, "lowest": _lowest, "run": _longest_run}


def _ours(pool: CardPool, profile: ProfileName) -> tuple[str, Placement] | None:
    answer = pool.place(profile)
    if not isinstance(answer, Seated):
        return None
    pool.release(answer.card, answer.placement)
    return answer.card, answer.placement


def _free(table: CardTable, content: Content) -> int:
    return (table.grid.slots or 0) - table.slots(content).bit_count()


POLICIES: Mapping[str, Chooser] = {
    "ours": _ours,
    "ours, no repack": _ours,
    "first fit": by_card(lambda _table, _content, card: card, "driver"),
    "best fit": by_card(lambda table, content, _card: _free(table, content), "driver"),
    "spread": by_card(lambda table, content, _card: -_free(table, content), "lowest"),
    "hami": by_card(lambda _table, _content, card: card, "run"),
    "das": by_card(lambda _table, _content, card: card, "lowest"),
}


@dataclass
class Fleet:
    """The cards of one policy, and which pod sits where."""

    grid: MigGrid
    choose: Chooser
    fixed_cards: int | None = None
    seats: dict[str, tuple[str, Placement]] = field(default_factory=dict)
    changed: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.pool = CardPool(self.grid, frozenset(PROFILES))
        self._next, self._given_back = 0, list[int]()
        for card in range(self.fixed_cards or 0):
            self.pool.add_card(str(card))

    def arrive(self, pod: str, profile: ProfileName) -> bool:
        """Place *pod*, on a new card if need be; return whether there was room."""
        seat = self.choose(self.pool, profile)
        if seat is None and self.fixed_cards is None:
            seat = self._open(), _driver(self.pool.table, 0, profile)
        if seat is not None:
            self.sit(pod, seat)
        return seat is not None

    def _open(self) -> str:
        if self._given_back:
            number = min(self._given_back)
            self._given_back.remove(number)
        else:
            number, self._next = self._next, self._next + 1
        self.pool.add_card(str(number))
        return str(number)

    def sit(self, pod: str, seat: tuple[str, Placement]) -> None:
        """Put *pod* there."""
        self.pool.take(*seat)
        self.seats[pod] = seat
        self.changed.add(seat[0])

    def leave(self, pod: str) -> None:
        """Free the pod's slice, and give back its card when that was the last one."""
        card, placement = self.seats.pop(pod)
        self.pool.release(card, placement)
        self.changed.add(card)
        if self.fixed_cards is None and not self.pool.contents[card]:
            self.pool.remove_card(card)
            self._given_back.append(int(card))

    def meet(self, event: Event) -> None:
        """Let the event's slice come or go."""
        if event.profile is None:
            self.leave(event.pod)
        else:
            self.arrive(event.pod, event.profile)

    def state(self) -> LiveState:
        """Return the cards as repacking sees them."""
        slices: dict[str, list[LiveSlice]] = {card: [] for card in self.pool.contents}
        for pod, (card, placement) in self.seats.items():
            slices[card].append(LiveSlice(placement=placement, pod=LivePod(name=pod)))
        cards = (LiveCard(name=card, slices=tuple(held)) for card, held in slices.items())
        return LiveState(grid=self.grid, cards=tuple(cards))

    def carry_out(self, plan: RepackPlan) -> int:
        """Move the pods of *plan* and return how many restarts that took, detours included."""
        for move in plan.moves:
            self.pool.release(*self.seats.pop(move.pod.name))
            self.changed |= {move.from_card, move.to_card}
        for move in plan.moves:
            self.sit(move.pod.name, (move.to_card, move.to_placement))
        for card in [card for card, content in self.pool.contents.items() if not content]:
            if self.fixed_cards is None:
                self.pool.remove_card(card)
                self._given_back.append(int(card))
        return sum(step.action in (StepKind.MOVE, StepKind.START) for step in plan.steps)
