"""The slices that exist on a fleet's cards, and who runs in them, checked before anything is done.

One state holds cards of one kind; a mixed fleet is one state a kind, since a slice cannot move
to a card that has no such profile.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from rightslice.core.catalog.mig import MigGrid, Placement
from rightslice.core.packing.cards import CardTable, Content, card_table
from rightslice.core.packing.geometry import Spot, check_known, conflict, spot_at
from rightslice.errors import FieldError, InputError


@dataclass(frozen=True, kw_only=True)
class LivePod:
    """What runs in a slice."""

    name: str
    workload: str = ""
    """Whose replica it is; the floor of that workload holds in every intermediate state."""
    move_weight: float = 1.0
    """What restarting it elsewhere costs, in moves or in dollars: the reload of its model."""
    pinned: bool = False
    """Never moved: a do-not-disrupt annotation, a batch job near its end."""
    start_seconds: float | None = None
    """How long its successor takes until it serves; None: not known."""


@dataclass(frozen=True, kw_only=True)
class LiveSlice:
    """One slice of one card."""

    placement: Placement
    pod: LivePod | None = None
    """None: the slice exists and nothing runs in it, so it may be destroyed at no cost."""


@dataclass(frozen=True, kw_only=True)
class LiveCard:
    """One card and its slices."""

    name: str
    node: str = ""
    slices: tuple[LiveSlice, ...] = ()


@dataclass(frozen=True, kw_only=True)
class LiveState:
    """Every card of one kind."""

    grid: MigGrid
    cards: tuple[LiveCard, ...]
    floors: Mapping[str, int] = field(default_factory=dict)
    """Replicas of each workload that must run at any moment (a PodDisruptionBudget's
    ``minAvailable``); a workload that is not named keeps all but one."""
    is_inferred: bool = False
    """The cluster tells counts only; which slice stands where, and whose it is, was worked out
    by the driver's rule. Nothing may be done on such a state."""


def check_state(state: LiveState) -> None:
    """Raise unless *state* can exist.

    Raises:
        FieldError: naming the node, the GPU and the slot of the first fault: two cards or pods of
            one name, a profile or a start slot that the card does not have, slices that overlap
            (two pods on one slice too), more slices than the card allows.
        InputError: when no placement of this kind of card is known.
    """
    check_known(state.grid)
    seen_cards, seen_pods = set[str](), dict[str, str]()
    for card in state.cards:
        where = _where(card)
        if card.name in seen_cards:
            raise FieldError(where, "", "this GPU is listed twice; names must differ in the fleet")
        seen_cards.add(card.name)
        _check_card(state.grid, card)
        for each in card.slices:
            _check_pod(where, each, seen_pods)
    for workload, floor in state.floors.items():
        if floor < 0:
            raise InputError(f"workload {workload}: a floor of {floor} replicas; give 0 or more")


def _check_card(grid: MigGrid, card: LiveCard) -> None:
    where = _where(card)
    placed: list[Spot] = []
    for each in card.slices:
        slot = f"slot {each.placement.start}"
        try:
            spot = spot_at(grid, each.placement)
        except InputError as error:
            raise FieldError(where, slot, str(error)) from error
        for other in card.slices[: len(placed)]:
            if other.placement == each.placement:
                pods = " and ".join(_holder(one) for one in (other, each))
                raise FieldError(
                    where, slot, f"{each.placement.profile} is listed twice, for {pods}"
                )
        reason = conflict(grid, placed, spot)
        if reason is not None:
            raise FieldError(where, slot, reason)
        placed.append(spot)


def _check_pod(where: str, each: LiveSlice, seen: dict[str, str]) -> None:
    if each.pod is None:
        return
    slot = f"slot {each.placement.start}"
    if each.pod.name in seen:
        raise FieldError(where, slot, f"pod {each.pod.name} also runs on {seen[each.pod.name]}")
    if not 0 <= each.pod.move_weight < float("inf"):
        raise FieldError(where, slot, f"pod {each.pod.name}: its weight must be 0 or more")
    seen[each.pod.name] = f"{where} at {slot}"


def _where(card: LiveCard) -> str:
    return f"node {card.node}, GPU {card.name}" if card.node else f"GPU {card.name}"


def _holder(each: LiveSlice) -> str:
    return "no pod" if each.pod is None else f"pod {each.pod.name}"


def table_of(state: LiveState) -> CardTable:
    """Return the table of the profiles that *state* holds."""
    names = {each.placement.profile for card in state.cards for each in card.slices}
    return card_table(state.grid, frozenset(names))


def held_content(table: CardTable, card: LiveCard) -> Content:
    """Return the slices of *card* in which a pod runs, as bits."""
    return table.content(each.placement for each in card.slices if each.pod is not None)


def running(state: LiveState) -> Counter[str]:
    """Return how many pods of each workload run."""
    return Counter(
        each.pod.workload for card in state.cards for each in card.slices if each.pod is not None
    )


def cards_in_use(state: LiveState) -> int:
    """Return how many cards run at least one pod."""
    return sum(any(each.pod is not None for each in card.slices) for card in state.cards)
