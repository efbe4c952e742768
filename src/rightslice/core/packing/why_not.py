"""Why a slice finds no place on the cards that run: what blocks it, and which one move helps.

For every card the lightest set of pods whose leaving makes room, over all legal starts; where
that is one pod, the places that it could go to. More than one move is `repack.make_room`'s
question. Slices in which nothing runs may be destroyed, so they block nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations

from rightslice.core.catalog.mig import Placement, ProfileName
from rightslice.core.packing.cards import EMPTY, CardTable, Content, card_table
from rightslice.core.packing.live import LiveCard, LivePod, LiveState, check_state, held_content
from rightslice.core.packing.repack import NoRepack, RepackLimits, make_room


@dataclass(frozen=True, kw_only=True)
class Place:
    """A place on one card."""

    card: str
    node: str
    placement: Placement


@dataclass(frozen=True, kw_only=True)
class HelpfulMove:
    """One pod that goes elsewhere, after which the slice has room."""

    place: Place
    """Where the slice would then fit."""
    pod: str
    weight: float
    pod_from: Placement
    """On the card of the place."""
    pod_to: Place


@dataclass(frozen=True, kw_only=True)
class Blocked:
    """The lightest set of pods that would have to leave one card."""

    place: Place
    pods: tuple[str, ...]
    """Which of them; empty when only pinned pods hold every start."""
    weight: float
    pinned: tuple[str, ...]
    """Pods of the card that may not move."""
    reason: str


@dataclass(frozen=True, kw_only=True)
class WhyNot:
    """Whether a slice fits now, after one move, or what stands in its way."""

    profile: ProfileName
    cards: int
    fits: tuple[Place, ...]
    """Cards with room as things stand; then nothing else is listed."""
    after_one_move: tuple[HelpfulMove, ...]
    """One a card that a single move would open, lightest first."""
    blocked: tuple[Blocked, ...]
    """The other cards, lightest first."""
    moves_needed: int | None
    """The fewest moves that make room; None when none do."""
    weight_needed: float | None
    """What they weigh."""
    refusal: str
    """Why no moves make room; empty otherwise."""


def why_not(
    state: LiveState, profile: str, *, time_limit_seconds: float = RepackLimits.time_limit_seconds
) -> WhyNot:
    """Return where a slice of *profile* fits, after which move, or what blocks each card.

    Raises:
        InputError: when the state cannot exist, or its cards have no such profile.
        UnavailableError: when the solver found nothing in the time allowed.
    """
    check_state(state)
    wanted = state.grid.profile(profile).name
    names = {each.placement.profile for card in state.cards for each in card.slices}
    asking = _Asking(card_table(state.grid, frozenset({*names, wanted})), state, wanted)
    fits = tuple(asking.fitting())
    if fits:
        return WhyNot(
            profile=wanted,
            cards=len(state.cards),
            fits=fits,
            after_one_move=(),
            blocked=(),
            moves_needed=0,
            weight_needed=0.0,
            refusal="",
        )
    helpful = {card.name: move for card in state.cards if (move := asking.helpful(card))}
    blocked = [asking.blocked(card) for card in state.cards if card.name not in helpful]
    limits = RepackLimits(time_limit_seconds=time_limit_seconds)
    answer = make_room(state, {wanted: 1}, limits)
    plan = None if isinstance(answer, NoRepack) else answer
    return WhyNot(
        profile=wanted,
        cards=len(state.cards),
        fits=(),
        after_one_move=tuple(sorted(helpful.values(), key=lambda move: move.weight)),
        blocked=tuple(sorted(blocked, key=lambda each: (not each.pods, each.weight))),
        moves_needed=None if plan is None else len(plan.moves),
        weight_needed=None if plan is None else plan.weight,
        refusal=answer.reason if isinstance(answer, NoRepack) else "",
    )


class _Asking:
    """The cards of a state, and the slice that has no place on them."""

    def __init__(self, table: CardTable, state: LiveState, wanted: ProfileName) -> None:
        self._table, self._state, self._wanted = table, state, wanted
        self._held = {card.name: held_content(table, card) for card in state.cards}
        self._first: dict[Content, LiveCard] = {}
        """One card of each content: pods go to the first that has room."""
        for card in state.cards:
            self._first.setdefault(self._held[card.name], card)
        self._second: dict[Content, LiveCard] = {}
        for card in state.cards:
            if self._first[self._held[card.name]] is not card:
                self._second.setdefault(self._held[card.name], card)

    def fitting(self) -> Iterator[Place]:
        """Yield the cards with room as things stand, each with its best start."""
        for card in self._state.cards:
            spot = self._table.best_spot(self._held[card.name], self._wanted)
            if spot is not None:
                yield _place(card, self._table.layout(spot.bit)[0])

    def helpful(self, card: LiveCard) -> HelpfulMove | None:
        """Return the lightest single move that makes room on *card*."""
        held = self._held[card.name]
        movable = sorted(
            (pod.move_weight, pod.name, bit) for bit, pod in self._pods(card) if not pod.pinned
        )
        for weight, name, bit in movable:
            spot = self._table.best_spot(held & ~bit, self._wanted)
            if spot is None:
                continue
            (leaving,) = self._table.layout(bit)
            target = self._target(card, leaving.profile, held & ~bit | spot.bit)
            if target is not None:
                return HelpfulMove(
                    place=_place(card, self._table.layout(spot.bit)[0]),
                    pod=name,
                    weight=weight,
                    pod_from=leaving,
                    pod_to=target,
                )
        return None

    def _target(self, card: LiveCard, profile: ProfileName, beside: Content) -> Place | None:
        """Return where the pod of *card* may go: another card in use, the same one, a free one."""
        own = self._table.best_spot(beside, profile)
        free: Place | None = None
        for content, first in self._first.items():
            other = first if first is not card else self._second.get(content)
            spot = self._table.best_spot(content, profile)
            if other is None or spot is None:
                continue
            place = _place(other, self._table.layout(spot.bit)[0])
            if content:
                return place
            free = place
        return _place(card, self._table.layout(own.bit)[0]) if own else free

    def blocked(self, card: LiveCard) -> Blocked:
        """Return the lightest set of pods of *card* whose leaving makes room for the slice."""
        pods = self._pods(card)
        pinned = tuple(sorted(pod.name for _, pod in pods if pod.pinned))
        movable = {bit: pod for bit, pod in pods if not pod.pinned}
        held = self._held[card.name]
        best: tuple[float, tuple[str, ...], int] | None = None
        for bits in _subsets(movable):
            spot = self._table.best_spot(held & ~sum(bits), self._wanted)
            if spot is not None:
                weight = sum(movable[bit].move_weight for bit in bits)
                names = tuple(sorted(movable[bit].name for bit in bits))
                if best is None or (weight, names) < best[:2]:
                    best = (weight, names, spot.bit)
        if best is None:
            spot = self._table.best_spot(EMPTY, self._wanted)
            assert spot is not None, "an empty card holds every profile"
            best = 0.0, (), spot.bit
            reason = "pinned pods hold every start"
        elif len(best[1]) == 1:
            reason = f"{best[1][0]} has nowhere to go"
        else:
            reason = f"{len(best[1])} pods would have to leave"
        weight, names, bit = best
        place = _place(card, self._table.layout(bit)[0])
        return Blocked(place=place, pods=names, weight=weight, pinned=pinned, reason=reason)

    def _pods(self, card: LiveCard) -> list[tuple[Content, LivePod]]:
        slices = card.slices
        return [(self._table.bit(each.placement), each.pod) for each in slices if each.pod]


def _place(card: LiveCard, placement: Placement) -> Place:
    return Place(card=card.name, node=card.node, placement=placement)


def _subsets(bits: Iterable[Content]) -> Iterator[tuple[Content, ...]]:
    every = list(bits)
    for count in range(1, len(every) + 1):
        yield from combinations(every, count)
