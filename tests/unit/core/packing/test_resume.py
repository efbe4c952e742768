"""Plans that were cut off: every state on the way is a value from which the same end is reached."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rightslice.core.catalog.mig import MigGrid, Placement, ProfileName
from rightslice.core.packing.live import (
    LiveCard,
    LivePod,
    LiveSlice,
    LiveState,
    check_state,
    running,
    table_of,
)
from rightslice.core.packing.repack import RepackPlan, repack
from rightslice.core.packing.resume import remaining_steps, states_between
from rightslice.core.packing.steps import (
    Move,
    Ordered,
    StepKind,
    apply_steps,
    order_moves,
    owner,
)

few = settings(max_examples=60, deadline=None)


def renamed(state: LiveState) -> LiveState:
    """Return *state* with other names for the pods that have a workload, as successors have."""
    return replace(
        state,
        cards=tuple(
            replace(card, slices=tuple(_renamed(each) for each in card.slices))
            for card in state.cards
        ),
    )


def _renamed(each: LiveSlice) -> LiveSlice:
    if each.pod is None or not each.pod.workload:
        return each
    return replace(each, pod=replace(each.pod, name=f"{each.pod.name}-again"))


def ends(state: LiveState) -> list[list[tuple[Placement, str | None]]]:
    """Return what stands where, replicas of a workload taken for each other."""
    return [[(s.placement, owner(s.pod) if s.pod else None) for s in c.slices] for c in state.cards]


@given(data=st.data())
@few
def test_killed_after_every_step_the_same_end_is_reached(
    data: st.DataObject, small_states: st.SearchStrategy[LiveState]
) -> None:
    """From each state on the way, with successors' names, the rest leads to the same end."""
    state = data.draw(small_states)
    plan = repack(state)
    assume(isinstance(plan, RepackPlan))
    assert isinstance(plan, RepackPlan)
    table = table_of(state)
    wanted = ends(apply_steps(table, state, plan.steps))
    for now in states_between(table, state, plan.steps):
        check_state(now)
        seen = renamed(now)
        rest = remaining_steps(table, state, plan.steps, seen)
        assert ends(apply_steps(table, seen, rest)) == wanted


def test_a_move_cut_off_in_its_middle_goes_on_with_the_old_replica(a100: MigGrid) -> None:
    """The successor runs and the old replica still does: the old one is stopped, nothing else."""
    small = Placement(profile=ProfileName("1g.5gb"), start=6)
    large = Placement(profile=ProfileName("2g.10gb"), start=0)
    pod = LivePod(name="b", workload="chat")
    state = LiveState(
        grid=a100,
        cards=(
            LiveCard(
                name="g0",
                slices=(LiveSlice(placement=large, pod=LivePod(name="a", workload="rag")),),
            ),
            LiveCard(name="g1", slices=(LiveSlice(placement=small, pod=pod),)),
        ),
    )
    plan = repack(state)
    assert isinstance(plan, RepackPlan)
    table = table_of(state)
    at = next(i for i, step in enumerate(plan.steps) if step.action is StepKind.MOVE)
    made = apply_steps(table, state, plan.steps[:at])
    step = plan.steps[at]
    cards = tuple(
        replace(card, slices=tuple(
            replace(s, pod=replace(step.pod, name="again"))
            if (card.name, s.placement) == (step.card, step.placement) and step.pod else s
            for s in card.slices
        ))
        for card in made.cards
    )  # fmt: skip
    half = replace(made, cards=cards)
    rest = remaining_steps(table, state, plan.steps, half)
    assert rest[0].action is StepKind.STOP
    end = apply_steps(table, half, rest)
    assert ends(end) == ends(apply_steps(table, state, plan.steps))
    assert running(end) == running(state)


def test_a_circle_with_a_stop_is_resumed_after_every_step(a100: MigGrid) -> None:
    """Also while a pod is stopped: its start is still to do."""
    seven, four, three = (
        Placement(profile=ProfileName(name), start=start)
        for name, start in (("7g.40gb", 0), ("4g.20gb", 0), ("3g.20gb", 4))
    )
    pods = {name: LivePod(name=name, workload=f"of-{name}") for name in ("big", "x", "y")}
    state = LiveState(
        grid=a100,
        cards=(
            LiveCard(name="g0", slices=(LiveSlice(placement=seven, pod=pods["big"]),)),
            LiveCard(
                name="g1",
                slices=(
                    LiveSlice(placement=four, pod=pods["x"]),
                    LiveSlice(placement=three, pod=pods["y"]),
                ),
            ),
        ),
    )
    table = table_of(state)
    moves = [
        Move(pod=pods[name], from_card=old, from_placement=spot, to_card=new, to_placement=spot)
        for name, old, new, spot in (
            ("big", "g0", "g1", seven), ("x", "g1", "g0", four), ("y", "g1", "g0", three),
        )
    ]  # fmt: skip
    keep = {"g0": table.content([four, three]), "g1": table.content([seven])}
    order = order_moves(table, state, moves, keep)
    assert isinstance(order, Ordered)
    assert order.stops == 1
    wanted = ends(apply_steps(table, state, order.steps))
    for now in states_between(table, state, order.steps):
        seen = renamed(now)
        rest = remaining_steps(table, state, order.steps, seen)
        assert ends(apply_steps(table, seen, rest)) == wanted
