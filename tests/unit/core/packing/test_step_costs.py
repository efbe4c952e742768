"""Seconds and dollars of a repack."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rightslice.core.catalog.mig import MigGrid, Placement, ProfileName
from rightslice.core.packing.live import LivePod, LiveState
from rightslice.core.packing.on_backend import Relabel
from rightslice.core.packing.repack import RepackPlan, repack
from rightslice.core.packing.step_costs import (
    RepackCost,
    StepRates,
    on_backend_cost,
    repack_cost,
    step_cost,
)
from rightslice.core.packing.steps import Step, StepKind
from rightslice.errors import InputError

SLICE = Placement(profile=ProfileName("3g.20gb"), start=4)


def test_a_move_pays_for_the_new_slice_while_the_successor_loads(a100: MigGrid) -> None:
    """Half a card for the hour that the replica takes to load, and for the old one's end."""
    pod = LivePod(name="p", start_seconds=3600)
    step = Step(action=StepKind.MOVE, card="g0", placement=SLICE, pod=pod, from_card="g1",
                from_placement=SLICE)  # fmt: skip
    cost = step_cost(a100, step, StepRates(stop_seconds=0, card_usd_per_hour=4.0))
    assert cost.seconds == 3600
    assert cost.usd == pytest.approx(2.0)


def test_without_a_price_seconds_are_still_told(a100: MigGrid) -> None:
    """No dollars are made up."""
    step = Step(action=StepKind.CREATE, card="g0", placement=SLICE)
    cost = step_cost(a100, step, StepRates())
    assert (cost.seconds, cost.usd) == (10.0, None)


@given(data=st.data(), price=st.floats(0.1, 100))
@settings(max_examples=30, deadline=None)
def test_the_parts_sum_to_the_whole(
    data: st.DataObject, price: float, small_states: st.SearchStrategy[LiveState]
) -> None:
    """Every step has its cost; total, saving and payback follow from them."""
    state = data.draw(small_states)
    plan = repack(state)
    assume(isinstance(plan, RepackPlan))
    assert isinstance(plan, RepackPlan)
    freed = plan.cards_before - plan.cards_after
    cost = repack_cost(state.grid, plan.steps, freed, StepRates(card_usd_per_hour=price))
    assert len(cost.steps) == len(plan.steps)
    assert cost.usd == pytest.approx(sum(each.usd or 0 for each in cost.steps))
    assert cost.saves_usd_per_hour == pytest.approx(price * freed)
    assert cost.usd is not None
    assert cost.saves_usd_per_hour is not None
    assert cost.payback_seconds == pytest.approx(cost.usd / cost.saves_usd_per_hour * 3600)


def test_what_is_not_priced_never_pays_back() -> None:
    """Without dollars or without a saving there is no payback time."""
    free = RepackCost(steps=(), seconds=0, usd=1.0, saves_usd_per_hour=0.0)
    unpriced = RepackCost(steps=(), seconds=0, usd=None, saves_usd_per_hour=None)
    assert free.payback_seconds is None
    assert unpriced.payback_seconds is None


@pytest.mark.parametrize("rates", [{"start_seconds": -1.0}, {"card_usd_per_hour": 0.0}])
def test_senseless_rates_are_refused(rates: dict[str, float]) -> None:
    """Times are 0 or more, prices more than 0."""
    with pytest.raises(InputError):
        StepRates(**rates)


@pytest.mark.parametrize(
    ("action", "seconds"),
    [(StepKind.DESTROY, 10.0), (StepKind.STOP, 30.0), (StepKind.START, 455.0)],
)
def test_every_kind_of_step_has_its_time(action: StepKind, seconds: float, a100: MigGrid) -> None:
    """Removing a slice, a pod's end, and a start of which nothing better is known."""
    step = Step(action=action, card="g0", placement=SLICE, pod=LivePod(name="p"))
    assert step_cost(a100, step, StepRates()).seconds == seconds


def test_a_label_takes_the_seconds_of_its_whole_node(a100: MigGrid) -> None:
    """Ten seconds of two cards, in place of the slices that it makes."""
    step = Step(action=StepKind.CREATE, card="g0", placement=SLICE)
    rates = StepRates(card_usd_per_hour=3.6)
    steps = repack_cost(a100, (step, step), 1, rates)
    label = Relabel(node="n", cards={"g0": (SLICE,), "g1": ()})
    cost = on_backend_cost(a100, steps, (label,), rates)
    assert cost.actions is not None
    assert [each.seconds for each in cost.actions] == [10.0]
    assert cost.seconds == 10.0
    assert cost.usd == pytest.approx(0.02)
    assert cost.steps == steps.steps
