"""A fleet's plan down to every seat, with nodes whose CPU and memory end.

`patterns.plan_slots` sees the nodes of a pool merged: its cost is a bound for the real ones. The
cards are then dealt out (`walled`). A choice whose replicas find no node is struck, and the rest
is asked again; after some rounds who is homeless is left out. Without walls this is `plan_slots`
and `place`, nothing else.
Known gap: what is struck rests on a rule of thumb, so the gap told is from the first, whole bound.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Final

from rightslice.core.packing.demand import (
    CardLayout,
    Choice,
    Demand,
    Pool,
    PoolPlan,
    Refused,
    SlotPlan,
)
from rightslice.core.packing.open_cards import Asked, Card
from rightslice.core.packing.patterns import plan_slots
from rightslice.core.packing.place import place
from rightslice.core.packing.refusal import cores_text
from rightslice.core.packing.solver import relative_gap
from rightslice.core.packing.walled import Dealt, deal
from rightslice.units import format_gib

_ROUNDS: Final = 4
"""Times that the question is asked again without what found no node."""


@dataclass(frozen=True, kw_only=True)
class SeatPlan:
    """Which choice every demand gets, and the card and start of every slot."""

    slots: SlotPlan
    layouts: tuple[CardLayout, ...]
    struck: tuple[str, ...] = ()
    """Demands of which a choice found no nodes: that no other plan has room is not proven."""


def plan_seats(
    pools: Sequence[Pool],
    demands: Sequence[Demand],
    *,
    limits: Mapping[str, float] | None = None,
    time_limit_seconds: float = 3.0,
) -> SeatPlan:
    """Return the plan of `patterns.plan_slots`, seated on nodes.

    Raises:
        InputError: when names repeat, or a choice asks a pool for what it cannot offer.
        UnavailableError: when no plan at all was found in the time.
    """
    weights = {demand.key: demand.weight for demand in demands}
    struck: dict[str, list[Choice]] = defaultdict(list)
    reasons: dict[str, list[str]] = defaultdict(list)
    first: SlotPlan | None = None
    for rounds_left in range(_ROUNDS, -1, -1):
        asked = [_without(demand, struck[demand.key]) for demand in demands]
        slots = plan_slots(pools, asked, limits=limits, time_limit_seconds=time_limit_seconds)
        first = first or slots
        dealt = _deal_all(pools, slots, weights)
        homeless = sum((one.homeless for one in dealt.values()), Counter[str]())
        for key, count in homeless.items():
            choice = slots.chosen[key]
            assert choice is not None
            struck[key].append(choice)
            reasons[key].append(_homeless_text(choice, count))
        if not homeless or not rounds_left:
            break
    assert first is not None
    left_out = frozenset(homeless)
    final = _judged(pools, _seated(slots, dealt, left_out), first, weights)
    final = replace(final, refused=_refusals(final, reasons))
    cards = {name: _cards(one, left_out) for name, one in dealt.items()}
    return SeatPlan(slots=final, layouts=place(pools, final, cards), struck=tuple(sorted(reasons)))


def _without(demand: Demand, struck: Sequence[Choice]) -> Demand:
    if not struck:
        return demand
    return replace(
        demand, choices=tuple(choice for choice in demand.choices if choice not in struck)
    )


def _deal_all(
    pools: Sequence[Pool], slots: SlotPlan, weights: Mapping[str, float]
) -> dict[str, Dealt]:
    """Deal out every pool in which walls or wishes decide where replicas go."""
    dealt = {}
    for pool in pools:
        plan = slots.pools.get(pool.name)
        asked = [
            Asked(key=key, choice=choice, weight=weights[key])
            for key, choice in sorted(slots.chosen.items())
            if choice is not None and choice.pool == pool.name
        ]
        is_walled = min(pool.node_cpu_cores, pool.node_memory_bytes) < inf
        if plan is not None and asked and (is_walled or any(a.choice.minds_nodes for a in asked)):
            dealt[pool.name] = deal(pool, plan, asked)
    return dealt


def _homeless_text(choice: Choice, count: int) -> str:
    asks = [
        f"{shown(asked)} {what}"
        for what, asked, shown in (
            ("CPU", choice.cpu_cores, cores_text),
            ("memory", choice.memory_bytes, format_gib),
        )
        if asked
    ]
    if choice.same_node > 1:
        asks.insert(0, f"{choice.same_node} cards")
    apart = "" if choice.apart.value == "nothing" else f", apart by {choice.apart.value}"
    return (
        f"{choice.pool}: {count} of {choice.pods} replicas ({choice.slot}{apart}) find no node with"
        f" {' and '.join(asks) or 'room'} left beside what goes first"
    )


def _cards(dealt: Dealt, left_out: frozenset[str]) -> dict[str, list[Card]]:
    """Return the filled cards without the replicas of *left_out*."""
    cards = dealt.cards
    for card in (card for own in cards.values() for card in own):
        if card.whole in left_out:
            card.whole = None
        for slot, keys in card.holders.items():
            card.holders[slot] = [key for key in keys if key not in left_out]
        card.slots = () if card.whole is not None else card.held
    return cards


def _seated(slots: SlotPlan, dealt: Mapping[str, Dealt], left_out: frozenset[str]) -> SlotPlan:
    """Return *slots* as dealt: on the cards that it took, without who found none."""
    plans: dict[str, PoolPlan] = dict(slots.pools)
    for name, one in dealt.items():
        held = [card.held for own in _cards(one, left_out).values() for card in own]
        plans[name] = replace(plans[name], cards=tuple(each for each in held if each))
    chosen = {key: None if key in left_out else choice for key, choice in slots.chosen.items()}
    return replace(slots, chosen=chosen, pools=plans)


def _judged(
    pools: Sequence[Pool], plan: SlotPlan, first: SlotPlan, weights: Mapping[str, float]
) -> SlotPlan:
    """Return *plan* with its weight, its cost and its gap to the bounds of *first*."""
    prices = {pool.name: pool.card_usd_per_hour for pool in pools}

    def cost(of: SlotPlan, *, counted: bool) -> float:
        return sum(
            len(each.cards) * (1.0 if counted else prices[name]) for name, each in of.pools.items()
        )

    weight = sum(weights[key] for key, choice in plan.chosen.items() if choice is not None)
    counted = not any(prices.values())
    now, before = cost(plan, counted=counted), cost(first, counted=counted)
    gap = relative_gap(weight, max(weight, first.served_bound))
    if weight >= first.served_weight * (1 - 1e-9):
        gap = max(first.gap, relative_gap(now, min(now, before * (1 - first.gap))))
    return replace(
        plan,
        served_weight=weight,
        served_bound=max(weight, first.served_bound),
        usd_per_hour=cost(plan, counted=False),
        usd_bound=min(cost(plan, counted=False), first.usd_bound),
        gap=gap,
    )


def _refusals(plan: SlotPlan, reasons: Mapping[str, Sequence[str]]) -> dict[str, Refused]:
    """Return who gets nothing and why, with the choices that found no node."""
    found = dict(plan.refused)
    for key, choice in plan.chosen.items():
        if choice is not None or not reasons.get(key):
            continue
        known = found.get(key)
        others = () if known is None or not known.smallest_change else known.reasons
        found[key] = Refused(
            demand=key,
            reasons=(*reasons[key], *others),
            smallest_change="a node more, or replicas that ask for less CPU and memory",
        )
    return found
