"""The cheapest set of card layouts that serves the most, exactly: an integer pattern model.

Objectives, each fixed before the next: most weight served, least cost of cards in use, least
price of the slots taken (then fewest nodes cut). The linear bound of such a model, rounded up,
is nearly always the optimum (cutting stock: Gilmore and Gomory 1961); HiGHS proves what it
returns, and the gap that remains is reported. `pattern_model` holds the rows.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence

from rightslice.core.catalog.together import Apart
from rightslice.core.packing.demand import (
    SHARED,
    WHOLE,
    Choice,
    Demand,
    NodeCut,
    NodeGroups,
    Pool,
    PoolMode,
    PoolPlan,
    SlotPlan,
)
from rightslice.core.packing.pattern_model import Columns, PoolColumns, build, fill
from rightslice.core.packing.refusal import Leftover, explain
from rightslice.core.packing.solver import IntegerModel, Solved, relative_gap
from rightslice.errors import InputError, UnavailableError, UnknownNameError

_LAST_PHASE_SHARE = 0.25
"""Part of the time kept for the last tie-break."""


def plan_slots(
    pools: Sequence[Pool],
    demands: Sequence[Demand],
    *,
    limits: Mapping[str, float] | None = None,
    time_limit_seconds: float = 3.0,
    gap: float = 1e-3,
) -> SlotPlan:
    """Return the plan that serves the most weight at the least cost of cards.

    Args:
        pools: the fleet's cards.
        demands: the workloads, each with its choices.
        limits: capacity of each limit that a choice's ``uses`` names.
        time_limit_seconds: for all phases together; the best plan so far is returned with its
            gap. Answers repeat exactly unless this limit cuts the search.
        gap: accepted relative distance of the cost from its proven bound.

    Raises:
        InputError: when names repeat, or a choice asks a pool for what it cannot offer.
        UnavailableError: when no plan at all was found in the time.
    """
    by_name = _checked(pools, demands, limits or {})
    columns = build(by_name, demands, limits or {})
    served, cheapest = _serve_then_save(columns, time_limit_seconds * (1 - _LAST_PHASE_SHARE), gap)
    final = _break_ties(columns, cheapest, time_limit_seconds * _LAST_PHASE_SHARE, gap)
    return _read(columns, demands, (served, cheapest, final), limits or {})


def _checked(
    pools: Sequence[Pool], demands: Sequence[Demand], limits: Mapping[str, float]
) -> dict[str, Pool]:
    for kind, names in (("pool", [p.name for p in pools]), ("demand", [d.key for d in demands])):
        twice = [name for name, count in Counter(names).items() if count > 1]
        if twice:
            raise InputError(f"{kind} {twice[0]!r} is given twice; names must differ")
    by_name = {pool.name: pool for pool in pools}
    for demand in demands:
        for choice in demand.choices:
            if choice.pool not in by_name:
                raise UnknownNameError("pool", choice.pool, by_name)
            _check_offered(by_name[choice.pool], choice.slot)
            for name, _ in choice.uses:
                if name not in limits:
                    raise UnknownNameError("limit", name, limits)
    return by_name


def _check_offered(pool: Pool, slot: str) -> None:
    if pool.mode is PoolMode.SHARED:
        offered = slot == SHARED
    elif slot in (WHOLE, SHARED) or pool.mode is PoolMode.WHOLE:
        offered = slot == WHOLE
    else:
        assert pool.grid is not None
        pool.grid.profile(slot)
        return
    if not offered:
        raise InputError(f"pool {pool.name} ({pool.mode.value}) does not offer the slot {slot!r}")


def _costs(columns: Columns) -> dict[int, float]:
    """Return the price of each card column; without any prices, a card costs one."""
    priced = any(found.pool.card_usd_per_hour for found in columns.pools)
    return {
        x: found.pool.card_usd_per_hour if priced else 1.0
        for found in columns.pools
        for x in found.cards.values()
    }


def _serve_then_save(columns: Columns, seconds: float, gap: float) -> tuple[Solved, Solved]:
    """Return the solutions of the first two phases, and leave their rows in the model.

    Serving everybody is tried first: when that is possible the first phase needs no search.
    """
    model = columns.model
    weights = {x: columns.groups[g].weight for (g, _), x in columns.taken.items()}
    total = sum(group.weight * len(group.keys) for group in columns.groups)
    most = model.minimise(
        {column: -weight for column, weight in weights.items()},
        time_limit_seconds=seconds / 2,
        gap=0.0,
    )
    assert most is not None, "serving nobody is always possible"
    served = _weight(columns, most)
    if served >= total * (1 - 1e-12):
        for g, group in enumerate(columns.groups):
            choices = range(len(group.choices))
            model.exactly({columns.taken[g, c]: 1.0 for c in choices}, len(group.keys))
    elif served > 0:
        # In units of the lightest demand, so that the solver's tolerance cannot drop it.
        unit = min(weights.values())
        model.at_least({x: w / unit for x, w in weights.items()}, served / unit - 1e-5)
    costs = _costs(columns)
    cheapest = _attempt(model, costs, seconds / 2, gap)
    if cheapest is None or _weight(columns, cheapest) < served * (1 - 1e-9):
        return most, _valued(most.values, costs)
    return most, cheapest


def _weight(columns: Columns, solved: Solved) -> float:
    """Return the weight that a point serves."""
    return sum(columns.groups[g].weight * solved.values[x] for (g, _), x in columns.taken.items())


def _valued(values: tuple[int, ...], costs: Mapping[int, float]) -> Solved:
    """Return a point that a search without result falls back to: its cost is not proven."""
    cost = sum(coefficient * values[x] for x, coefficient in costs.items())
    return Solved(values=values, objective=cost, bound=0.0, gap=1.0 if cost else 0.0)


def _attempt(
    model: IntegerModel, objective: Mapping[int, float], seconds: float, gap: float
) -> Solved | None:
    try:
        return model.minimise(objective, time_limit_seconds=seconds, gap=gap)
    except UnavailableError:
        return None


def _break_ties(columns: Columns, cheapest: Solved, seconds: float, gap: float) -> Solved:
    """Return the same cost with the least price of slots, then on the fewest nodes."""
    costs = _costs(columns)
    columns.model.at_most(costs, cheapest.objective * (1 + 1e-9) + 1e-9)
    prices = {
        column: columns.groups[g].choices[c].usd_per_hour
        for (g, c), column in columns.taken.items()
    }
    dearest = max(prices.values(), default=0.0) or 1.0
    nodes = [x for found in columns.pools for x in (*found.cuts.values(), *found.groups.values())]
    tie_break = prices | dict.fromkeys(nodes, 1e-4 * dearest)
    found = _attempt(columns.model, tie_break, seconds, gap)
    if found is None or _weight(columns, found) < _weight(columns, cheapest) * (1 - 1e-9):
        return cheapest
    return found


def _read(
    columns: Columns,
    demands: Sequence[Demand],
    phases: tuple[Solved, Solved, Solved],
    limits: Mapping[str, float],
) -> SlotPlan:
    most, cheapest, final = phases
    chosen = _choices_taken(columns, demands, final)
    taken = [choice for choice in chosen.values() if choice is not None]
    plans = {found.pool.name: _read_pool(found, taken, final) for found in columns.pools}
    left = Leftover(
        pools={found.pool.name: found.pool for found in columns.pools},
        plans=plans,
        limits=_remaining(limits, taken),
        asked=_asked_of_hosts(taken),
    )
    weight = sum(demand.weight for demand in demands if chosen[demand.key])
    weight_bound = max(weight, -most.bound)
    prices = {name: pool.card_usd_per_hour for name, pool in left.pools.items()}
    cost = sum(len(plan.cards) * prices[name] for name, plan in plans.items())
    counted = cost if any(prices.values()) else sum(len(plan.cards) for plan in plans.values())
    return SlotPlan(
        chosen=chosen,
        refused={d.key: explain(d, left) for d in demands if chosen[d.key] is None},
        pools=plans,
        served_weight=weight,
        served_bound=weight_bound,
        usd_per_hour=cost,
        usd_bound=min(cost, max(0.0, cheapest.bound)),
        gap=max(
            relative_gap(weight, weight_bound),
            relative_gap(counted, min(counted, max(0.0, cheapest.bound))),
        ),
    )


def _choices_taken(
    columns: Columns, demands: Sequence[Demand], solved: Solved
) -> dict[str, Choice | None]:
    chosen: dict[str, Choice | None] = dict.fromkeys((demand.key for demand in demands), None)
    for g, group in enumerate(columns.groups):
        takes = [
            choice
            for c, choice in enumerate(group.choices)
            for _ in range(solved.values[columns.taken[g, c]])
        ]
        chosen |= dict(zip(group.keys, takes, strict=False))
    return chosen


def _remaining(limits: Mapping[str, float], taken: Collection[Choice]) -> dict[str, float]:
    remaining = dict(limits)
    for choice in taken:
        for name, amount in choice.uses:
            remaining[name] -= amount
    return remaining


def _asked_of_hosts(taken: Collection[Choice]) -> dict[str, tuple[float, float]]:
    """Return CPU and memory of all replicas, by pool."""
    sums: dict[str, tuple[float, float]] = {}
    for choice in taken:
        cpu, memory = sums.get(choice.pool, (0.0, 0.0))
        cpu, memory = (
            cpu + choice.cpu_cores * choice.pods,
            memory + choice.memory_bytes * choice.pods,
        )
        sums[choice.pool] = cpu, memory
    return sums


def _read_pool(found: PoolColumns, taken: Collection[Choice], solved: Solved) -> PoolPlan:
    needed: dict[str, int] = defaultdict(int)
    least_cards: dict[str, int] = {}
    for choice in taken:
        if choice.pool == found.pool.name:
            needed[choice.slot] += choice.slots_needed
            if choice.apart is not Apart.NOTHING:
                least_cards[choice.slot] = max(least_cards.get(choice.slot, 0), choice.pods)
    offered = ((pattern, solved.values[column]) for pattern, column in found.cards.items())
    return PoolPlan(
        pool=found.pool.name,
        cards=fill(offered, needed, least_cards),
        cuts=tuple(
            NodeCut(slot=pattern[0][0], cards_per_node=size, nodes=solved.values[column])
            for (pattern, size), column in found.cuts.items()
            if solved.values[column]
        ),
        groups=tuple(
            NodeGroups(cards_per_node=size, groups=filling, nodes=solved.values[column])
            for (size, filling), column in found.groups.items()
            if solved.values[column]
        ),
    )
