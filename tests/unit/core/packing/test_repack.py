"""Repacking: fewest moves, legal all the way, resumable."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rightslice.core.catalog.mig import MigGrid, Placement, ProfileName
from rightslice.core.packing.cards import CardTable, bit_indices, card_table
from rightslice.core.packing.live import (
    LiveCard,
    LivePod,
    LiveSlice,
    LiveState,
    cards_in_use,
    check_state,
    held_content,
    running,
)
from rightslice.core.packing.repack import (
    NoRepack,
    RepackLimits,
    RepackPlan,
    make_room,
    moves_worth,
    repack,
)
from rightslice.core.packing.resume import remaining_steps
from rightslice.core.packing.rounding import Progress
from rightslice.core.packing.steps import Stage, apply_steps, frozen
from rightslice.errors import InputError

few = settings(max_examples=60, deadline=None)


def table_of(state: LiveState) -> CardTable:
    """Return the table of the state's own profiles."""
    names = {each.placement.profile for card in state.cards for each in card.slices}
    return card_table(state.grid, frozenset(names))


def walk(state: LiveState, plan: RepackPlan) -> Iterator[LiveState]:
    """Yield the state before the first step and after every one."""
    stage = Stage(table_of(state), state)
    yield frozen(stage, state)
    for step in plan.steps:
        stage.take(step)
        yield frozen(stage, state)


def drawn_plan(
    data: st.DataObject, states: st.SearchStrategy[LiveState]
) -> tuple[LiveState, RepackPlan]:
    """Draw a state that is worth repacking, with its plan."""
    state = data.draw(states)
    plan = repack(state)
    assume(isinstance(plan, RepackPlan))
    assert isinstance(plan, RepackPlan)
    return state, plan


@given(data=st.data())
@few
def test_every_intermediate_state_can_exist(
    data: st.DataObject, small_states: st.SearchStrategy[LiveState]
) -> None:
    """No step overlaps slices, drops a replica below its floor or touches a pinned pod."""
    state, plan = drawn_plan(data, small_states)
    wanted = running(state)
    floors = {name: min(n, state.floors.get(name, n - 1)) for name, n in wanted.items() if name}
    pinned = {(c.name, s) for c in state.cards for s in c.slices if s.pod and s.pod.pinned}
    for now in walk(state, plan):
        check_state(now)
        assert all(running(now)[name] >= floor for name, floor in floors.items())
        assert pinned <= {(card.name, each) for card in now.cards for each in card.slices}
    assert running(now) == wanted
    assert cards_in_use(now) == plan.cards_after


@given(data=st.data(), cut=st.floats(0, 1))
@few
def test_a_cut_off_plan_goes_on_to_the_same_end(
    data: st.DataObject, cut: float, small_states: st.SearchStrategy[LiveState]
) -> None:
    """Killed after any step, the rest of the plan is recognised and leads to the same end."""
    state, plan = drawn_plan(data, small_states)
    table = table_of(state)
    done = round(cut * len(plan.steps))
    now = apply_steps(table, state, plan.steps[:done])
    rest = remaining_steps(table, state, plan.steps, now)
    assert apply_steps(table, now, rest) == apply_steps(table, state, plan.steps)


Failed = set[tuple[tuple[int, ...], int]]


def packable(
    table: CardTable, contents: list[int], left: list[str], cards: int, failed: Failed
) -> bool:
    """Return whether the slices *left* fit beside *contents* on so many used cards."""
    state = (tuple(sorted(contents)), len(left))
    if state in failed or sum(bool(content) for content in contents) > cards:
        return False
    if not left:
        return True
    for index, content in enumerate(contents):
        for spot in bit_indices(table.room_for(content, ProfileName(left[0]))):
            after = [*contents[:index], content | 1 << spot, *contents[index + 1 :]]
            if packable(table, after, left[1:], cards, failed):
                return True
    failed.add(state)
    return False


def brute_force(state: LiveState, cards: int, most: float) -> float:
    """Return the least weight of pods whose leaving lets everything fit on so many cards.

    Infinite when that is more than *most*: heavier sets are not tried, which bounds the work.
    """
    table = table_of(state)
    seats = [(i, s) for i, card in enumerate(state.cards) for s in card.slices if s.pod]
    movable = [(i, s) for i, s in seats if s.pod and not s.pod.pinned]
    best = float("inf")
    for count in range(len(movable) + 1):
        for chosen in combinations(movable, count):
            weight = sum(s.pod.move_weight for _, s in chosen if s.pod)
            if weight >= best or weight > most + 1e-9:
                continue
            contents = [held_content(table, card) for card in state.cards]
            for i, s in chosen:
                contents[i] &= ~table.bit(s.placement)
            left = sorted((str(s.placement.profile) for _, s in chosen), reverse=True)
            if packable(table, contents, left, cards, set()):
                best = weight
    return best


@given(data=st.data())
@few
def test_no_smaller_set_of_moves_reaches_as_few_cards(
    data: st.DataObject, small_states: st.SearchStrategy[LiveState]
) -> None:
    """The weight of the moves is what trying every set of moves finds."""
    state, plan = drawn_plan(data, small_states)
    assert sum(len(card.slices) for card in state.cards) <= 12
    assert plan.weight == pytest.approx(brute_force(state, plan.cards_after, plan.weight))
    assert plan.weight_bound == pytest.approx(plan.weight)


@given(data=st.data(), budget=st.integers(0, 4))
@few
def test_a_budget_is_kept_and_used_best(
    data: st.DataObject, budget: int, small_states: st.SearchStrategy[LiveState]
) -> None:
    """Within the budget no further card can be freed."""
    state = data.draw(small_states)
    plan = repack(state, RepackLimits(moves_budget=budget))
    assert plan.cards_before == cards_in_use(state)
    if isinstance(plan, RepackPlan):
        assert plan.weight <= budget
        assert brute_force(state, plan.cards_after - 1, budget) > budget
    elif plan.weight_for_one_card is not None:
        assert plan.weight_for_one_card > budget


def one_each(grid: MigGrid, *profiles: str, pinned: bool = False) -> LiveState:
    """Return one card a profile, with one pod at slot 0 each."""
    cards = [
        LiveCard(
            name=f"g{index}",
            slices=(
                LiveSlice(
                    placement=Placement(profile=ProfileName(name), start=0),
                    pod=LivePod(name=f"p{index}", pinned=pinned),
                ),
            ),
        )
        for index, name in enumerate(profiles)
    ]
    return LiveState(grid=grid, cards=tuple(cards))


def test_the_dial_decides_what_a_card_is_worth(a100: MigGrid) -> None:
    """One move for a card is worth it at two a card, and not at half a move a card."""
    state = one_each(a100, "1g.5gb", "1g.5gb")
    plan = repack(state, RepackLimits(moves_per_card=2))
    answer = repack(state, RepackLimits(moves_per_card=0.5))
    assert isinstance(plan, RepackPlan)
    assert (len(plan.moves), plan.cards_after) == (1, 1)
    assert isinstance(answer, NoRepack)
    assert "weight 1; 0.5 allowed for each GPU" in answer.reason


def test_a_packed_fleet_is_left_alone(a100: MigGrid) -> None:
    """At the optimum the answer is no, with the number of GPUs."""
    answer = repack(one_each(a100, "7g.40gb", "7g.40gb"))
    assert isinstance(answer, NoRepack)
    assert answer.reason.startswith("2 GPUs are in use and no packing")


def test_pins_hold(a100: MigGrid) -> None:
    """Where every pod is pinned nothing can be freed, and that is said."""
    answer = repack(one_each(a100, "1g.5gb", "1g.5gb", pinned=True))
    assert isinstance(answer, NoRepack)
    assert answer.weight_for_one_card is None
    assert "pinned" in answer.reason


def test_room_for_a_pending_slice_takes_the_fewest_moves(a100: MigGrid) -> None:
    """A 4g finds no free start; one 1g steps aside and the place is named."""
    state = one_each(a100, "1g.5gb", "1g.5gb")
    plan = make_room(state, {ProfileName("7g.40gb"): 1})
    assert isinstance(plan, RepackPlan)
    assert (len(plan.moves), plan.weight) == (1, 1.0)
    (places,) = plan.room.values()
    assert places == (Placement(profile=ProfileName("7g.40gb"), start=0),)


def test_room_that_is_there_takes_no_move(a100: MigGrid) -> None:
    """A slice that fits beside what runs moves nothing."""
    plan = make_room(one_each(a100, "1g.5gb"), {ProfileName("3g.20gb"): 1})
    assert isinstance(plan, RepackPlan)
    assert (plan.moves, plan.steps, plan.weight) == ((), (), 0.0)


@pytest.mark.parametrize(
    ("pinned", "budget", "reason"),
    [(False, 0.0, "over the budget of 0"), (True, None, "while pins hold")],
)
def test_room_that_costs_too_much_is_not_made(
    *, pinned: bool, budget: float | None, reason: str, a100: MigGrid
) -> None:
    """A budget or pins forbid the moves, and the answer says which."""
    state = one_each(a100, "1g.5gb", "1g.5gb", pinned=pinned)
    answer = make_room(state, {ProfileName("7g.40gb"): 1}, RepackLimits(moves_budget=budget))
    assert isinstance(answer, NoRepack)
    assert reason in answer.reason


def test_room_that_cannot_be_names_the_gpus_needed(a100: MigGrid) -> None:
    """Two 7g beside a 1g need three cards."""
    answer = make_room(one_each(a100, "1g.5gb", "1g.5gb"), {ProfileName("7g.40gb"): 2})
    assert isinstance(answer, NoRepack)
    assert "at least 3 are needed" in answer.reason


def test_bad_limits_and_empty_requests_are_refused(a100: MigGrid) -> None:
    """A negative budget, no pending slice and an impossible state are input errors."""
    state = one_each(a100, "1g.5gb")
    with pytest.raises(InputError, match="moves_budget is -1"):
        RepackLimits(moves_budget=-1)
    with pytest.raises(InputError, match="pending slices"):
        make_room(state, {})
    with pytest.raises(InputError, match="listed twice"):
        repack(replace(state, cards=(*state.cards, *state.cards)))


def test_a_search_that_is_cut_off_returns_its_best_with_the_gap(a100: MigGrid) -> None:
    """What is not proven is said to be so, by how much, and progress was told on the way."""
    told: list[Progress] = []
    cards = tuple(
        LiveCard(
            name=f"g{number}",
            slices=(
                LiveSlice(
                    placement=Placement(profile=ProfileName("2g.10gb"), start=0),
                    pod=LivePod(name=f"p{number}"),
                ),
            ),
        )
        for number in range(3)
    )
    state = LiveState(grid=a100, cards=cards)
    plan = repack(state, RepackLimits(time_limit_seconds=30), told.append)
    assert isinstance(plan, RepackPlan)
    assert plan.gap == 0.0
    assert plan.is_proven
    assert told[-1].best == plan.weight
    assert not replace(plan, gap=0.1).is_proven
    assert not replace(plan, weight_bound=plan.weight - 1).is_proven


def test_a_move_in_dollars_bounds_what_a_card_is_worth() -> None:
    """A card at 4 dollars an hour for a day pays three moves of 32 dollars; nothing is not paid."""
    assert moves_worth(usd_per_hour=4.0, hours=24.0, usd_per_move=32.0) == 3.0
    with pytest.raises(InputError, match="give more than 0"):
        moves_worth(usd_per_hour=4.0, hours=24.0, usd_per_move=0.0)
