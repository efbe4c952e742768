"""Steps: legal one by one, and resumable."""

from __future__ import annotations

import pytest

from rightslice.core.catalog.mig import MigGrid, Placement, ProfileName
from rightslice.core.packing.cards import CardTable, card_table
from rightslice.core.packing.live import LiveCard, LivePod, LiveSlice, LiveState
from rightslice.core.packing.resume import remaining_steps
from rightslice.core.packing.steps import (
    Move,
    NoOrder,
    Ordered,
    Step,
    StepKind,
    apply_steps,
    order_moves,
)
from rightslice.errors import InputError

SEVEN = Placement(profile=ProfileName("7g.40gb"), start=0)
THREE = Placement(profile=ProfileName("3g.20gb"), start=4)
FOUR = Placement(profile=ProfileName("4g.20gb"), start=0)


@pytest.fixture(scope="module")
def table(a100: MigGrid) -> CardTable:
    """Three profiles of an A100."""
    return card_table(a100, frozenset(("3g.20gb", "4g.20gb", "7g.40gb")))


def fleet(
    grid: MigGrid, *cards: tuple[tuple[Placement, str], ...], floors: dict[str, int] | None = None
) -> LiveState:
    """Return cards g0, g1 ... with the named pods, each its own workload."""
    return LiveState(
        grid=grid,
        cards=tuple(
            LiveCard(
                name=f"g{index}",
                slices=tuple(LiveSlice(placement=p, pod=LivePod(name=pod)) for p, pod in card),
            )
            for index, card in enumerate(cards)
        ),
        floors=floors or {},
    )


def swap(table: CardTable, state: LiveState) -> Ordered | NoOrder:
    """Order the exchange of a 7g on g0 with a 4g and a 3g on g1."""
    moves = [
        Move(pod=LivePod(name="big"), from_card="g0", from_placement=SEVEN, to_card="g1",
             to_placement=SEVEN),
        Move(pod=LivePod(name="x"), from_card="g1", from_placement=FOUR, to_card="g0",
             to_placement=FOUR),
        Move(pod=LivePod(name="y"), from_card="g1", from_placement=THREE, to_card="g0",
             to_placement=THREE),
    ]  # fmt: skip
    keep = {"g0": table.content([FOUR, THREE]), "g1": table.content([SEVEN])}
    return order_moves(table, state, moves, keep)


def test_a_circle_is_broken_by_a_stop_where_the_floor_allows(
    a100: MigGrid, table: CardTable
) -> None:
    """One pod stops, the others move without a gap, and it starts again."""
    state = fleet(a100, ((SEVEN, "big"),), ((FOUR, "x"), (THREE, "y")))
    order = swap(table, state)
    assert isinstance(order, Ordered)
    assert (order.stops, order.detours) == (1, 0)
    after = apply_steps(table, state, order.steps)
    assert [[s.placement for s in card.slices] for card in after.cards] == [[FOUR, THREE], [SEVEN]]


def test_a_circle_is_broken_by_a_detour_where_no_pod_may_stop(
    a100: MigGrid, table: CardTable
) -> None:
    """With floors of one replica a pod steps aside to a free card first."""
    floors = {"big": 1, "x": 1, "y": 1}
    order = swap(
        table, fleet(a100, ((SEVEN, "big"),), ((FOUR, "x"), (THREE, "y")), (), floors=floors)
    )
    assert isinstance(order, Ordered)
    assert order.stops == 0
    assert order.detours > 0


def test_a_circle_that_nothing_breaks_is_said(a100: MigGrid, table: CardTable) -> None:
    """Without a free card and with floors the blocked pods are named."""
    floors = {"big": 1, "x": 1, "y": 1}
    order = swap(table, fleet(a100, ((SEVEN, "big"),), ((FOUR, "x"), (THREE, "y")), floors=floors))
    assert order == NoOrder(blocked=("big", "x", "y"))


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (Step(action=StepKind.CREATE, card="g0", placement=THREE), "its slots are taken"),
        (Step(action=StepKind.DESTROY, card="g0", placement=SEVEN), "a pod runs in it"),
        (Step(action=StepKind.DESTROY, card="g1", placement=SEVEN), "does not exist"),
        (Step(action=StepKind.CREATE, card="g7", placement=SEVEN), "none of this fleet"),
        (
            Step(action=StepKind.STOP, card="g0", placement=SEVEN, pod=LivePod(name="big")),
            "below its floor",
        ),
        (
            Step(action=StepKind.STOP, card="g0", placement=SEVEN, pod=LivePod(name="no")),
            "that pod does not run in it",
        ),
    ],
)
def test_impossible_steps_are_refused(
    step: Step, message: str, a100: MigGrid, table: CardTable
) -> None:
    """A step that the cards or the floors forbid says why."""
    state = fleet(a100, ((SEVEN, "big"),), (), floors={"big": 1})
    with pytest.raises(InputError, match=message):
        apply_steps(table, state, [step])


def test_a_changed_fleet_is_not_resumed(a100: MigGrid, table: CardTable) -> None:
    """A state that lies on no step of the plan asks for a new plan."""
    before = fleet(a100, ((SEVEN, "big"),), ())
    other = fleet(a100, (), ((FOUR, "big"),))
    with pytest.raises(InputError, match="plan again"):
        remaining_steps(table, before, (), other)
