"""A repack plan made ready to be carried out: priced, on one back end, from where it stands now."""

from __future__ import annotations

from dataclasses import replace

from rightslice.core.packing.backends import Backend
from rightslice.core.packing.live import LiveState, table_of
from rightslice.core.packing.on_backend import NotFeasible, actions_on
from rightslice.core.packing.repack import RepackPlan
from rightslice.core.packing.resume import remaining_steps
from rightslice.core.packing.step_costs import StepRates, on_backend_cost, repack_cost


def carry_out(
    state: LiveState, plan: RepackPlan, rates: StepRates, backend: Backend | None = None
) -> RepackPlan:
    """Return *plan* with its cost and what *backend* makes of its steps.

    A layout that was inferred, and a back end that cannot take the steps, get none: what remains
    is advice, with its numbers.
    """
    freed = plan.cards_before - plan.cards_after
    priced = replace(plan, cost=repack_cost(state.grid, plan.steps, freed, rates))
    if backend is None and not state.is_inferred:
        return priced
    found = actions_on(backend or Backend.DEVICE_PLUGIN, state, plan.steps)
    if isinstance(found, NotFeasible):
        return replace(priced, on_backend=found, steps=())
    assert priced.cost is not None, "it was priced above"
    cost = on_backend_cost(state.grid, priced.cost, found.actions, rates)
    return replace(priced, on_backend=found, cost=cost)


def resumed(before: LiveState, plan: RepackPlan, now: LiveState) -> RepackPlan:
    """Return *plan*, made for *before*, with the steps that are left when the cards stand at *now*.

    Raises:
        InputError: when *now* lies on no step of the plan.
    """
    table = table_of(before)
    return replace(plan, steps=remaining_steps(table, before, plan.steps, now))
