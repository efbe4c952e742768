"""Why a demand is left out of a plan, and the smallest addition that would let it in.

Counted beside the plan as it stands: nothing that was placed is moved. Under tensor parallelism
cards are counted, and when they would do, the reason says that they are not on one node.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from rightslice.core.catalog.mig import MigGrid, ProfileName
from rightslice.core.catalog.together import Apart
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
from rightslice.units import format_gib

NOISE: Final = 1e-9
"""Rounding noise of sums of CPU and memory, as a share."""


@dataclass(frozen=True, kw_only=True)
class Leftover:
    """What a plan leaves of pools and limits."""

    pools: Mapping[str, Pool]
    plans: Mapping[str, PoolPlan]
    limits: Mapping[str, float]
    asked: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """CPU and memory that the plan's replicas ask for, by pool."""


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
            missing = amount - left.limits[name]
            reason = f"{name}: needs {amount:g}, {left.limits[name]:g} left"
            return _Shortage(name, (0.5, missing), reason, f"raise {name} by {missing:g}")
    pool = left.pools[choice.pool]
    never = why_never(pool, choice)
    if never is not None:
        return _Shortage(never.of, (float(choice.slots_needed), 0.0), never.reason, never.change)
    here = available(pool, left.plans.get(pool.name), choice.slot)
    if here < choice.slots_needed:
        return _short_of_cards(pool, choice, here)
    host = _short_of_host(pool, choice, left.asked.get(pool.name, (0.0, 0.0)))
    return host or _scattered(pool, choice, here)


def _short_of_cards(pool: Pool, choice: Choice, here: int) -> _Shortage:
    of = f"{pool.name} {choice.slot}"
    if choice.same_node > max((node.cards for node in pool.nodes), default=0):
        reason = f"{pool.name}: no node has {choice.same_node} cards"
        change = f"a node of {pool.name} with more cards"
        return _Shortage(of, (float(choice.slots_needed), 0.0), reason, change)
    cards = math.ceil((choice.slots_needed - here) / per_card(pool, choice.slot))
    reason = f"{pool.name}: {choice.slots_needed} x {choice.slot} needed, room for {here}"
    return _Shortage(of, (float(cards), 0.0), reason, f"{_more(cards, 'card')} in {pool.name}")


def _scattered(pool: Pool, choice: Choice, here: int) -> _Shortage:
    """Return why slots that are there will not do."""
    of = f"{pool.name} {choice.slot}"
    if choice.apart is not Apart.NOTHING:
        reason = (
            f"{pool.name}: its replicas keep apart, and fewer than {choice.pods} cards have room"
            f" for {choice.slot}"
        )
        return _Shortage(of, (1.0, 0.0), reason, f"more cards in {pool.name}")
    if choice.same_node > 1:
        reason = f"{pool.name}: {here} cards are free, but not {choice.same_node} on one node"
        change = f"a node of {pool.name} with {choice.same_node} free cards"
        return _Shortage(of, (1.0, 0.0), reason, change)
    what = f"{choice.slots_needed} x {choice.slot}"
    reason = f"{pool.name}: the time ran out before {what} was tried"
    return _Shortage(of, (math.inf, 0.0), reason, "")


def _short_of_host(pool: Pool, choice: Choice, asked: tuple[float, float]) -> _Shortage | None:
    """Return the CPU or memory that all nodes of *pool* together lack for *choice*."""
    for what, each, limit, taken, shown in (
        ("CPU", choice.cpu_cores, pool.node_cpu_cores, asked[0], cores_text),
        ("memory", choice.memory_bytes, pool.node_memory_bytes, asked[1], format_gib),
    ):
        needed, left = each * choice.pods, limit * len(pool.nodes) - taken
        if needed > left + limit * NOISE:
            nodes = math.ceil((needed - left) / limit) if limit else 1
            reason = (
                f"{pool.name}: its replicas ask for {shown(needed)} {what}, and"
                f" {shown(max(left, 0.0))} are left on all nodes together"
            )
            change = f"{_more(nodes, 'node')} in {pool.name}"
            return _Shortage(f"{pool.name} {what}", (float(nodes), 0.0), reason, change)
    return None


@dataclass(frozen=True, kw_only=True)
class Never:
    """What keeps a choice off a pool however empty its nodes are."""

    of: str
    """What is short: the pool and its CPU, memory or nodes."""
    reason: str
    change: str
    """The least that would let it in."""


def why_never(pool: Pool, choice: Choice) -> Never | None:
    """Return why the walls of empty nodes keep *choice* out, or None when they do not."""
    nodes, pods = len(pool.nodes), choice.pods
    if choice.apart is Apart.NODE and pods > nodes:
        reason = f"{pool.name}: {pods} replicas want a node each, and there are {nodes}"
        change = f"{_more(pods - nodes, 'node')} in {pool.name}"
        return Never(of=f"{pool.name} nodes", reason=reason, change=change)
    for what, asked, limit, shown in (
        ("CPU", choice.cpu_cores, pool.node_cpu_cores, cores_text),
        ("memory", choice.memory_bytes, pool.node_memory_bytes, format_gib),
    ):
        if not asked or limit == math.inf:
            continue
        of = f"{pool.name} {what}"
        on_one = math.floor(limit / asked * (1 + NOISE))
        if not on_one:
            reason = (
                f"{pool.name}: a replica asks for {shown(asked)} {what}, and all pods of a node"
                f" get {shown(limit)}"
            )
            return Never(of=of, reason=reason, change=f"ask for at most {shown(limit)} {what}")
        if pods > nodes * on_one:
            reason = (
                f"{pool.name}: {pods} replicas ask for {shown(asked)} {what} each, and {nodes}"
                f" nodes of {shown(limit)} hold {nodes * on_one}"
            )
            more = math.ceil(pods / on_one) - nodes
            return Never(of=of, reason=reason, change=f"{_more(more, 'node')} in {pool.name}")
    return None


def _more(count: int, what: str) -> str:
    return f"1 more {what}" if count == 1 else f"{count} more {what}s"


def cores_text(cores: float) -> str:
    """Return an amount of CPU as people write it.

    >>> cores_text(0.5), cores_text(76.8)
    ('0.5', '76.8')
    """
    return f"{cores:.3f}".rstrip("0").rstrip(".")


def per_card(pool: Pool, slot: str) -> int:
    """Return how many of *slot* one empty card offers."""
    if slot == WHOLE:
        return 1
    if slot == SHARED:
        return pool.replicas
    assert pool.grid is not None
    return addable(pool.grid, (), slot)


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
    return free + sum(addable(pool.grid, card, slot) * n for card, n in beside.items())


def _available_uniform(pool: Pool, plan: PoolPlan | None, slot: str, each: int) -> int:
    cuts = () if plan is None else plan.cuts
    held = 0 if plan is None else sum(dict(card).get(slot, 0) for card in plan.cards)
    uncut = pool.gpu_count - sum(cut.nodes * cut.cards_per_node for cut in cuts)
    own = sum(cut.nodes * cut.cards_per_node for cut in cuts if cut.slot == slot)
    return (uncut + own) * each - held


def addable(grid: MigGrid, card: tuple[tuple[str, int], ...], slot: str) -> int:
    """Return how many more of *slot* fit beside the slots of *card*, if those may be arranged."""
    counts = dict(card)
    if WHOLE in counts:
        return 0
    every = frozenset(profile.name for profile in grid.profiles)
    added = 0
    while certain_cover(grid, _with(counts, slot, added + 1), every) is not None:
        added += 1
    return added


def _with(counts: Mapping[str, int], slot: str, added: int) -> Multiset:
    more = Counter(counts)
    more[slot] += added
    return tuple(sorted((ProfileName(name), n) for name, n in more.items()))
