"""Fewer cards for the slices that run, or room for one that waits, with the fewest moves, proven.

A move restarts one pod on another placement and weighs what that costs. Either the least weight
that reaches the optimum number of cards, or the fewest cards within a budget of moves, or the
best trade at so many moves for each card saved. "Not worth it" is an answer with its number.
The model is in `repack_model`, the order of the steps in `steps`.
Known gap: where moves wait for each other in a circle that no floor lets us break, a pod makes a
detour, which the proof does not count; plans say how many.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from rightslice.core.catalog.mig import Placement, ProfileName
from rightslice.core.packing.cards import CardTable, Content, bit_indices, card_table
from rightslice.core.packing.fewest import fewest_cards
from rightslice.core.packing.live import (
    LiveCard,
    LivePod,
    LiveState,
    cards_in_use,
    check_state,
)
from rightslice.core.packing.on_backend import Feasible, NotFeasible
from rightslice.core.packing.repack_model import Aim, Held, Rearrangement, RepackModel
from rightslice.core.packing.rounding import Report
from rightslice.core.packing.step_costs import RepackCost
from rightslice.core.packing.steps import Move, NoOrder, Step, order_moves
from rightslice.errors import InputError

_NUMBER_SHARE: Final = 0.25
"""Part of the time for the number that a "no" carries."""


@dataclass(frozen=True, kw_only=True)
class RepackLimits:
    """What the operator is ready to pay; what is None does not bind."""

    moves_budget: float | None = None
    """Weighted moves in all."""
    moves_per_card: float | None = None
    """Weighted moves that one card saved is worth."""
    time_limit_seconds: float = 60.0

    def __post_init__(self) -> None:
        for name in ("moves_budget", "moves_per_card"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < float("inf"):
                raise InputError(f"{name} is {value:g}; give a finite number, 0 or more")


def moves_worth(*, usd_per_hour: float, hours: float, usd_per_move: float) -> float:
    """Return how many moves a freed card is worth: what it saves in *hours*, in prices of a move.

    Raises:
        InputError: when the price of a move is not more than zero, or the others are negative.

    >>> moves_worth(usd_per_hour=4.0, hours=24.0, usd_per_move=32.0)
    3.0
    """
    if not 0 < usd_per_move < float("inf"):
        raise InputError(f"a move at {usd_per_move:g} dollars; give more than 0")
    if not (0 <= usd_per_hour < float("inf") and 0 <= hours < float("inf")):
        raise InputError("the price of a GPU and the hours must be 0 or more")
    return usd_per_hour * hours / usd_per_move


@dataclass(frozen=True, kw_only=True)
class RepackPlan:
    """Moves, in an order whose every intermediate state can exist."""

    cards_before: int
    cards_after: int
    cards_fewest: int
    """No packing of these slices uses fewer, even with every pod moved."""
    moves: tuple[Move, ...]
    weight: float
    """What the moves weigh together."""
    weight_bound: float
    """No plan to as many cards weighs less."""
    gap: float
    """How far from the best the plan may be by what was asked for, as a share; 0: proven."""
    steps: tuple[Step, ...]
    detours: int
    """Moves beyond these, to break a circle; not covered by the proof."""
    stops: int
    """Pods that are down between two steps."""
    room: Mapping[str, tuple[Placement, ...]] = field(default_factory=dict)
    """Where the pending slices fit after the last step, by card."""
    cost: RepackCost | None = None
    """What the steps take and cost, where that was asked for."""
    on_backend: Feasible | NotFeasible | None = None
    """What one back end makes of the steps, where one was named; without steps when it cannot."""

    @property
    def is_proven(self) -> bool:
        """Whether no plan does better, and none to as many cards weighs less."""
        if self.gap:
            return False
        return self.weight - self.weight_bound <= 1e-6 * max(1.0, self.weight) and not self.detours


@dataclass(frozen=True, kw_only=True)
class NoRepack:
    """Nothing is moved, and the number that says why."""

    reason: str
    cards_before: int
    cards_fewest: int
    weight_for_one_card: float | None = None
    """The least weight that frees one card; None when none can be freed."""


@dataclass(frozen=True, kw_only=True)
class _Sums:
    """What both answers say of the state."""

    used: int
    fewest: int


def repack(
    state: LiveState, limits: RepackLimits | None = None, report: Report | None = None
) -> RepackPlan | NoRepack:
    """Return the moves that free the most cards for the least, or why none is worth it.

    When the time runs out it is the best plan found, with its gap; *report* is told on the way.

    Raises:
        InputError: when the state cannot exist, naming the node, the GPU and the slot.
        UnavailableError: when the solver found nothing in the time allowed.
    """
    limits = limits or RepackLimits()
    # Nothing here reads a clock, so each of two searches has its part of the time.
    searches = [
        replace(limits, time_limit_seconds=limits.time_limit_seconds * part)
        for part in (1 - _NUMBER_SHARE, _NUMBER_SHARE)
    ]
    plan = best_moves(state, searches[0], report)
    if not isinstance(plan, RepackPlan):
        return plan or _not_worth_it(state, searches[1], report)
    return plan


def best_moves(
    state: LiveState, limits: RepackLimits, report: Report | None = None
) -> RepackPlan | NoRepack | None:
    """Return as `repack` does, but None without a number where no moves are worth it.

    For controllers that ask often: the number costs a second solve.

    Raises:
        InputError: when the state cannot exist, naming the node, the GPU and the slot.
        UnavailableError: when the solver found nothing in the time allowed.
    """
    check_state(state)
    table = _table(state, {})
    sums = _Sums(used=cards_in_use(state), fewest=_fewest(state, table, {}))
    if sums.used == sums.fewest:
        return NoRepack(
            reason=f"{sums.used} GPUs are in use and no packing of these slices uses fewer",
            cards_before=sums.used,
            cards_fewest=sums.fewest,
        )
    model = RepackModel(table=table, cards=_kinds(state, table), report=report)
    found = _solve(model, sums, limits)
    if found is None or found.cards_used >= sums.used:
        return None
    return _planned(state, table, sums, found, {})


def make_room(
    state: LiveState,
    pending: Mapping[ProfileName, int],
    limits: RepackLimits | None = None,
    report: Report | None = None,
) -> RepackPlan | NoRepack:
    """Return the fewest moves after which the *pending* slices fit on the cards that there are.

    Raises:
        InputError: when the state cannot exist, or nothing is pending.
        UnavailableError: when the solver found nothing in the time allowed.
    """
    limits = limits or RepackLimits()
    check_state(state)
    wanted = {state.grid.profile(name).name: count for name, count in pending.items() if count}
    if not wanted or min(wanted.values()) < 0:
        raise InputError("name the pending slices with counts of 1 or more")
    table = _table(state, wanted)
    sums = _Sums(used=cards_in_use(state), fewest=_fewest(state, table, wanted))
    model = RepackModel(table=table, cards=_kinds(state, table), pending=wanted, report=report)
    aim = Aim(cards_at_most=len(state.cards), cards_at_least=sums.fewest)
    found = None
    if sums.fewest <= len(state.cards):
        found = model.solve(aim, time_limit_seconds=limits.time_limit_seconds)
    names = ", ".join(f"{count} x {name}" for name, count in wanted.items())
    if found is None:
        why = "with every pod moved" if sums.fewest > len(state.cards) else "while pins hold"
        reason = (
            f"{names} do not fit on these {len(state.cards)} GPUs even {why}; at least"
            f" {sums.fewest} are needed"
        )
        return NoRepack(reason=reason, cards_before=sums.used, cards_fewest=sums.fewest)
    if limits.moves_budget is not None and found.weight > limits.moves_budget:
        return NoRepack(
            reason=f"room for {names} takes moves of weight {found.weight:g}, over the budget of"
            f" {limits.moves_budget:g}",
            cards_before=sums.used,
            cards_fewest=sums.fewest,
        )
    return _planned(state, table, sums, found, wanted)


def _solve(model: RepackModel, sums: _Sums, limits: RepackLimits) -> Rearrangement | None:
    seconds = limits.time_limit_seconds
    if limits.moves_per_card is not None:
        aim = Aim(
            moves_per_card=limits.moves_per_card,
            weight_at_most=limits.moves_budget,
            cards_at_least=sums.fewest,
        )
        return model.solve(aim, time_limit_seconds=seconds)
    if limits.moves_budget is not None:
        return model.fewest_within(limits.moves_budget, time_limit_seconds=seconds)
    best = Aim(cards_at_most=sums.fewest, cards_at_least=sums.fewest)
    found = model.solve(best, time_limit_seconds=seconds / 2)
    # Pins may keep the optimum out of reach: then the fewest cards that they allow.
    return found or model.fewest_within(model.every_weight, time_limit_seconds=seconds / 2)


def _not_worth_it(state: LiveState, limits: RepackLimits, report: Report | None) -> NoRepack:
    table = _table(state, {})
    sums = _Sums(used=cards_in_use(state), fewest=_fewest(state, table, {}))
    model = RepackModel(table=table, cards=_kinds(state, table), report=report)
    aim = Aim(cards_at_most=sums.used - 1, cards_at_least=sums.fewest)
    one = model.solve(aim, time_limit_seconds=limits.time_limit_seconds)
    if one is None:
        reason = "pinned pods hold every card that could be freed"
    else:
        allowed = [
            f"{value:g} {what}"
            for value, what in (
                (limits.moves_budget, "allowed in all"),
                (limits.moves_per_card, "allowed for each GPU"),
            )
            if value is not None
        ]
        reason = f"freeing one GPU takes moves of weight {one.weight:g}; {', '.join(allowed)}"
    return NoRepack(
        reason=reason,
        cards_before=sums.used,
        cards_fewest=sums.fewest,
        weight_for_one_card=None if one is None else one.weight,
    )


def _table(state: LiveState, pending: Mapping[ProfileName, int]) -> CardTable:
    names = {each.placement.profile for card in state.cards for each in card.slices}
    return card_table(state.grid, frozenset({*names, *pending}))


def _fewest(state: LiveState, table: CardTable, pending: Mapping[ProfileName, int]) -> int:
    counts = Counter(
        each.placement.profile for card in state.cards for each in card.slices if each.pod
    )
    counts.update(pending)
    return fewest_cards(state.grid, frozenset(table.profiles)).count(counts) if counts else 0


def _kinds(state: LiveState, table: CardTable) -> Counter[Held]:
    return Counter(_held(table, card) for card in state.cards)


def _held(table: CardTable, card: LiveCard) -> Held:
    return tuple(
        sorted(
            (table.bit(each.placement).bit_length() - 1, each.pod.move_weight, each.pod.pinned)
            for each in card.slices
            if each.pod is not None
        )
    )


def _planned(
    state: LiveState,
    table: CardTable,
    sums: _Sums,
    found: Rearrangement,
    pending: Mapping[ProfileName, int],
) -> RepackPlan | NoRepack:
    seats = _Seats(state, table, found)
    moves = seats.moves()
    room = seats.room(pending)
    keep = seats.ends
    order = order_moves(table, state, moves, keep)
    if isinstance(order, NoOrder):
        return NoRepack(
            reason="these pods wait for each other's slots, may not stop within the floors of"
            f" their workloads, and no card has room for a detour: {', '.join(order.blocked)}",
            cards_before=sums.used,
            cards_fewest=sums.fewest,
        )
    return RepackPlan(
        cards_before=sums.used,
        cards_after=sum(bool(content) for content in seats.ends.values()),
        cards_fewest=sums.fewest,
        moves=moves,
        weight=sum(move.pod.move_weight for move in moves),
        weight_bound=found.weight_bound,
        gap=found.gap,
        steps=order.steps,
        detours=order.detours,
        stops=order.stops,
        room=room,
    )


class _Seats:
    """A rearrangement by kinds, dealt out to the cards and pods that there are."""

    def __init__(self, state: LiveState, table: CardTable, found: Rearrangement) -> None:
        self._table = table
        self._leaving: dict[ProfileName, list[tuple[str, Placement, LivePod]]] = defaultdict(list)
        self._offers: dict[ProfileName, list[tuple[str, Placement]]] = defaultdict(list)
        self.ends: dict[str, Content] = {}
        """What each card ends with: kept, moved in, and held for pending slices."""
        alike: dict[Held, list[LiveCard]] = defaultdict(list)
        for card in state.cards:
            alike[_held(table, card)].append(card)
        keeping: dict[Content, list[str]] = defaultdict(list)
        for kept in found.kept:
            for _ in range(kept.cards):
                card = alike[kept.held].pop()
                self._keep(card, kept.content)
                keeping[kept.content].append(card.name)
        for filled in found.filled:
            for _ in range(filled.cards):
                self._offer(keeping[filled.kept].pop(), filled.added)
        for offers in self._offers.values():
            # An offer on a card that ends in use anyway comes before one that opens a card.
            offers.sort(key=lambda offer: not self.ends[offer[0]])

    def _keep(self, card: LiveCard, content: Content) -> None:
        self.ends[card.name] = content
        for each in card.slices:
            if each.pod is not None and not content & self._table.bit(each.placement):
                where = (card.name, each.placement, each.pod)
                self._leaving[each.placement.profile].append(where)

    def _offer(self, card: str, added: Content) -> None:
        for index in bit_indices(added):
            placement = self._table.spots[index].placement
            self._offers[placement.profile].append((card, placement))

    def moves(self) -> tuple[Move, ...]:
        """Return every pod that leaves its slice with the slice that it goes to."""
        found = []
        for name, leaving in sorted(self._leaving.items()):
            stay = {(card, placement) for card, placement, _ in leaving} & set(self._offers[name])
            for card, placement in stay:
                # The same slice is given up and offered again: its pod stays.
                self._take(name, (card, placement))
            for card, placement, pod in leaving:
                if (card, placement) in stay:
                    continue
                to_card, to_placement = self._take(name, self._offers[name][0])
                found.append(
                    Move(
                        pod=pod,
                        from_card=card,
                        from_placement=placement,
                        to_card=to_card,
                        to_placement=to_placement,
                    )
                )
        return tuple(found)

    def room(self, pending: Mapping[ProfileName, int]) -> dict[str, tuple[Placement, ...]]:
        """Return the places of the pending slices, by card, after `moves` took theirs."""
        found: dict[str, list[Placement]] = defaultdict(list)
        for name, count in pending.items():
            for _ in range(count):
                card, placement = self._take(name, self._offers[name][0])
                found[card].append(placement)
        return {card: tuple(sorted(placements)) for card, placements in sorted(found.items())}

    def _take(self, name: ProfileName, offer: tuple[str, Placement]) -> tuple[str, Placement]:
        self._offers[name].remove(offer)
        card, placement = offer
        self.ends[card] |= self._table.bit(placement)
        return offer
