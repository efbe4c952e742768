"""Why a demand is left out of a plan, and the smallest addition that would let it in.

Counted beside the plan as it stands: nothing that was placed is moved. Under tensor parallelism
cards are counted, and when they would do, the reason says that they are not on one node.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from rightslice.core.catalog.mig import MigGrid, ProfileName
from rightslice.core.packing.demand import (
    SHARED,
    WHOLE,
    Choice,
    Demand,
    Pool,
    PoolMode,
    PoolPlan,
    Refused,
)
from rightslice.core.packing.geometry import Multiset, feasible_multisets


@dataclass(frozen=True, kw_only=True)
class Leftover:
    """What a plan leaves of pools and limits."""

    pools: Mapping[str, Pool]
    plans: Mapping[str, PoolPlan]
    limits: Mapping[str, float]


def explain(demand: Demand, left: Leftover) -> Refused:
    """Return what ran out for each choice of *demand*, and the least that would change it."""
    if not demand.choices:
        return Refused(
            demand=demand.key, reasons=("no slot of this fleet would serve it",), smallest_change=""
        )
    weighed = [_weigh(choice, left) for choice in demand.choices]
    _, change = min(((size, change) for size, _, change in weighed), key=lambda pair: pair[0])
    reasons = tuple(dict.fromkeys(reason for _, reason, _ in weighed))
    return Refused(demand=demand.key, reasons=reasons, smallest_change=change)


def _weigh(choice: Choice, left: Leftover) -> tuple[float, str, str]:
    """Return (cards missing, reason, change) of one choice."""
    for name, amount in choice.uses:
        if amount > left.limits[name] + 1e-9:
            short = amount - left.limits[name]
            reason = f"{name}: needs {amount:g}, {left.limits[name]:g} left"
            return 0.5, reason, f"raise {name} by {short:g}"
    pool = left.pools[choice.pool]
    here = available(pool, left.plans.get(pool.name), choice.slot)
    what = f"{choice.slots_needed} x {choice.slot}"
    if here >= choice.slots_needed:
        if choice.same_node > 1:
            reason = f"{pool.name}: {here} cards are free, but not {choice.same_node} on one node"
            return 1.0, reason, f"a node of {pool.name} with {choice.same_node} free cards"
        return math.inf, f"{pool.name}: the time ran out before {what} was tried", ""
    if choice.same_node > max((node.cards for node in pool.nodes), default=0):
        reason = f"{pool.name}: no node has {choice.same_node} cards"
        return float(choice.slots_needed), reason, f"a node of {pool.name} with more cards"
    each = per_card(pool, choice.slot)
    cards = math.ceil((choice.slots_needed - here) / each)
    more = "1 more card" if cards == 1 else f"{cards} more cards"
    return float(cards), f"{pool.name}: {what} needed, room for {here}", f"{more} in {pool.name}"


def per_card(pool: Pool, slot: str) -> int:
    """Return how many of *slot* one empty card offers."""
    if slot == WHOLE:
        return 1
    if slot == SHARED:
        return pool.replicas
    assert pool.grid is not None
    return _addable(pool.grid, (), slot)


def available(pool: Pool, plan: PoolPlan | None, slot: str) -> int:
    """Return how many more of *slot* the pool can offer beside *plan*, nothing moved."""
    cards = () if plan is None else plan.cards
    each = per_card(pool, slot)
    if pool.mode is PoolMode.UNIFORM:
        return _available_uniform(pool, plan, slot, each)
    free = (pool.gpu_count - len(cards)) * each
    if slot == WHOLE:
        return free
    if slot == SHARED:
        return free + sum(each - sum(dict(card).values()) for card in cards)
    assert pool.grid is not None
    beside = Counter(cards)
    return free + sum(_addable(pool.grid, card, slot) * n for card, n in beside.items())


def _available_uniform(pool: Pool, plan: PoolPlan | None, slot: str, each: int) -> int:
    cuts = () if plan is None else plan.cuts
    held = 0 if plan is None else sum(dict(card).get(slot, 0) for card in plan.cards)
    uncut = pool.gpu_count - sum(cut.nodes * cut.cards_per_node for cut in cuts)
    own = sum(cut.nodes * cut.cards_per_node for cut in cuts if cut.slot == slot)
    return (uncut + own) * each - held


def _addable(grid: MigGrid, card: tuple[tuple[str, int], ...], slot: str) -> int:
    """Return how many more of *slot* fit beside the slots of *card*, if those may be arranged."""
    counts = dict(card)
    if WHOLE in counts:
        return 0
    feasible = feasible_multisets(grid, frozenset({*counts, slot}))
    added = 0
    while _more(counts, slot, added + 1) in feasible:
        added += 1
    return added


def _more(counts: Mapping[str, int], slot: str, added: int) -> Multiset:
    more = Counter(counts)
    more[slot] += added
    return tuple(sorted((ProfileName(name), n) for name, n in more.items()))
