"""Why a demand is left out of a plan, and the smallest addition that would let it in.

Counted beside the plan as it stands: nothing that was placed is moved. Under tensor parallelism
cards are counted, and when they would do, the reason says that they are not on one node.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

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
from rightslice.core.packing.driver import certain_cover
from rightslice.core.packing.geometry import Multiset


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
    nearest: dict[str, _Shortage] = {}
    for shortage in weighed:
        known = nearest.setdefault(shortage.of, shortage)
        if shortage.missing < known.missing:
            nearest[shortage.of] = shortage
    return Refused(
        demand=demand.key,
        reasons=tuple(shortage.reason for shortage in nearest.values()),
        smallest_change=min(weighed, key=lambda shortage: shortage.missing).change,
    )


class _Shortage(NamedTuple):
    """Why one choice found no room."""

    of: str
    """The limit, or the pool and slot, that ran out; only its smallest shortage is told."""
    missing: tuple[float, float]
    """Cards, then the amount of a limit: a quota is easier to raise than a card to buy."""
    reason: str
    change: str


def _weigh(choice: Choice, left: Leftover) -> _Shortage:
    for name, amount in choice.uses:
        if amount > left.limits[name] + 1e-9:
            short = amount - left.limits[name]
            reason = f"{name}: needs {amount:g}, {left.limits[name]:g} left"
            return _Shortage(name, (0.5, short), reason, f"raise {name} by {short:g}")
    pool = left.pools[choice.pool]
    of = f"{pool.name} {choice.slot}"
    here = available(pool, left.plans.get(pool.name), choice.slot)
    what = f"{choice.slots_needed} x {choice.slot}"
    if here >= choice.slots_needed:
        if choice.same_node > 1:
            reason = f"{pool.name}: {here} cards are free, but not {choice.same_node} on one node"
            change = f"a node of {pool.name} with {choice.same_node} free cards"
            return _Shortage(of, (1.0, 0.0), reason, change)
        reason = f"{pool.name}: the time ran out before {what} was tried"
        return _Shortage(of, (math.inf, 0.0), reason, "")
    if choice.same_node > max((node.cards for node in pool.nodes), default=0):
        reason = f"{pool.name}: no node has {choice.same_node} cards"
        change = f"a node of {pool.name} with more cards"
        return _Shortage(of, (float(choice.slots_needed), 0.0), reason, change)
    each = per_card(pool, choice.slot)
    cards = math.ceil((choice.slots_needed - here) / each)
    more = "1 more card" if cards == 1 else f"{cards} more cards"
    reason = f"{pool.name}: {what} needed, room for {here}"
    return _Shortage(of, (float(cards), 0.0), reason, f"{more} in {pool.name}")


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
    every = frozenset(profile.name for profile in grid.profiles)
    added = 0
    while certain_cover(grid, _more(counts, slot, added + 1), every) is not None:
        added += 1
    return added


def _more(counts: Mapping[str, int], slot: str, added: int) -> Multiset:
    more = Counter(counts)
    more[slot] += added
    return tuple(sorted((ProfileName(name), n) for name, n in more.items()))
