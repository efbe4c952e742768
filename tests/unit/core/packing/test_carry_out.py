"""A plan made ready to be carried out."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rightslice.core.packing.backends import Backend
from rightslice.core.packing.carry_out import carry_out, resumed
from rightslice.core.packing.live import LiveState, table_of
from rightslice.core.packing.on_backend import NotFeasible
from rightslice.core.packing.repack import RepackPlan, repack
from rightslice.core.packing.step_costs import StepRates
from rightslice.core.packing.steps import apply_steps


@given(data=st.data(), cut=st.floats(0, 1))
@settings(max_examples=30, deadline=None)
def test_plans_are_priced_refused_or_resumed(
    data: st.DataObject, cut: float, small_states: st.SearchStrategy[LiveState]
) -> None:
    """A guess gets advice without steps; a plan cut off anywhere has the rest of its steps."""
    state = data.draw(small_states)
    plan = repack(state)
    assume(isinstance(plan, RepackPlan))
    assert isinstance(plan, RepackPlan)
    guessed = carry_out(replace(state, is_inferred=True), plan, StepRates())
    assert isinstance(guessed.on_backend, NotFeasible)
    assert guessed.steps == ()
    assert guessed.cost is not None
    assert carry_out(state, plan, StepRates(), Backend.DRA).steps == plan.steps
    done = round(cut * len(plan.steps))
    now = apply_steps(table_of(state), state, plan.steps[:done])
    rest = resumed(state, plan, now)
    table = table_of(state)
    assert apply_steps(table, now, rest.steps) == apply_steps(table, state, plan.steps)
