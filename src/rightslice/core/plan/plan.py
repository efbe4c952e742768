"""The main job: every workload fitted, every slice placed, every dollar accounted for.

Each workload is fitted alone over the fleet's offers (`core.fit`). One integer program then
chooses among the offers that hold (`core.packing.patterns`): most priority served, then least cost
of cards in use, then least price of slices, within the cards, nodes and quotas that there are.
Slices are bound to cards as mig-parted will cut them. The same function serves the command line,
the API and the operator; nothing here reads a file or a clock.

CPU and memory of nodes bind once a workload says what its replicas ask for.

Not modelled yet: borrowing between quotas, elastic pools and preemption (they come with the queue
engine).
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Final

from rightslice.core.catalog.fleet import POD_PART_OF_NODE, Fleet, NodeGroup, Workload
from rightslice.core.catalog.instance import Price
from rightslice.core.catalog.question import Question
from rightslice.core.cost.bill import cents
from rightslice.core.fit.constants import FittedConstants
from rightslice.core.fit.fit import fit
from rightslice.core.fit.offers import group_offers
from rightslice.core.fit.result import Candidate, Offer, Recommendation
from rightslice.core.packing.demand import CardLayout, Choice, SlotPlan
from rightslice.core.packing.plan_seats import SeatPlan, plan_seats
from rightslice.core.plan.billing import bill, workload_cost
from rightslice.core.plan.head_room import (
    head_room_demands,
    head_room_notes,
    is_head_room,
    reserved_nodes,
)
from rightslice.core.plan.pools import asks_for_host, choice_of, demands_of, limits_of, pools_of
from rightslice.core.plan.reasons import not_placed, passed
from rightslice.core.plan.result import (
    Bill,
    CardPlan,
    Placed,
    Plan,
    Slot,
    TeamUse,
    WorkloadPlan,
)
from rightslice.units import format_usd

OLD_PRICE_DAYS: Final = 180
"""A price older than this is marked."""
_NAMED_NODES: Final = 8
"""Idle nodes beyond these are counted in the note, not named."""


def plan(
    fleet: Fleet,
    *,
    constants: FittedConstants,
    today: dt.date,
    time_limit_seconds: float = 3.0,
) -> Plan:
    """Return the fitted plan of *fleet*.

    Args:
        fleet: nodes, teams and workloads.
        constants: fitted coefficients of the memory and performance models.
        today: for the age of prices.
        time_limit_seconds: for the packing; the best plan found by then is returned with its gap.

    Raises:
        UnavailableError: when the solver found no plan at all in the time.
    """
    recommendations = _recommend(fleet, constants)
    groups = {group.name: group for group in fleet.nodes}
    choices = {
        workload.name: _choices(workload, recommendations[workload.name], fleet, groups)
        for workload in fleet.workloads
    }
    pools = pools_of(fleet)
    asked = demands_of(fleet.workloads, {name: tuple(found) for name, found in choices.items()})
    seats = plan_seats(
        pools,
        (*asked, *head_room_demands(fleet)),
        limits=limits_of(fleet.teams),
        time_limit_seconds=time_limit_seconds,
    )
    slots = seats.slots
    taken = {
        name: found[choice]
        for name, found in choices.items()
        if (choice := slots.chosen[name]) is not None
    }
    cards = _cards(fleet, seats.layouts, taken)
    charged = bill(fleet, cards, {name: recommendations[name] for name in taken})
    workloads = _workload_plans(fleet, recommendations, taken, (slots, charged))
    return Plan(
        fleet=fleet,
        workloads=workloads,
        cards=cards,
        teams=_team_uses(fleet, workloads),
        bill=charged,
        prices=_prices(fleet),
        proven_gap_ratio=slots.gap,
        notes=_notes(fleet, seats, today) + _idle_nodes(cards, reserved_nodes(seats.layouts)),
    )


def _recommend(fleet: Fleet, constants: FittedConstants) -> dict[str, Recommendation]:
    """Fit every workload over the offers that it may use; equal questions are answered once."""
    offers = {group.name: group_offers(group) for group in fleet.nodes}
    answers: dict[tuple[Question, frozenset[str] | None], Recommendation] = {}
    found = {}
    for workload in fleet.workloads:
        asked = workload.question, workload.groups
        if asked not in answers:
            allowed = [name for name in offers if asked[1] is None or name in asked[1]]
            usable = tuple(offer for name in allowed for offer in offers[name])
            answers[asked] = fit(workload.question, usable, constants=constants)
        found[workload.name] = answers[asked]
    return found


def _choices(
    workload: Workload,
    recommendation: Recommendation,
    fleet: Fleet,
    groups: Mapping[str, NodeGroup],
) -> dict[Choice, Candidate]:
    """Return the offers that hold the load, each as the packer's choice."""
    team = fleet.team(workload.team)
    found: dict[Choice, Candidate] = {}
    for candidate in recommendation.candidates:
        choice = choice_of(candidate, groups[candidate.offer.pool], team, workload)
        if choice is not None:
            found.setdefault(choice, candidate)
    return found


def _cards(
    fleet: Fleet, layouts: Sequence[CardLayout], taken: Mapping[str, Candidate]
) -> tuple[CardPlan, ...]:
    """Return every card of every node, with replicas numbered in the order of the cards."""
    groups = {group.name: group for group in fleet.nodes}
    placed = {(layout.node, layout.index): layout for layout in layouts}
    seated: defaultdict[str, int] = defaultdict(int)
    cards = []
    for group in fleet.nodes:
        for node_index in range(group.count):
            node = f"{group.name}-{node_index}"
            for index in range(group.gpus_per_node):
                layout = placed.get((node, index))
                cards.append(_card(groups[group.name], (node, index), layout, (taken, seated)))
    return tuple(cards)


def _card(
    group: NodeGroup,
    where: tuple[str, int],
    layout: CardLayout | None,
    seating: tuple[Mapping[str, Candidate], defaultdict[str, int]],
) -> CardPlan:
    taken, seated = seating
    seats = () if layout is None else layout.seats
    slots = []
    for seat in seats:
        if seat.demand is None or is_head_room(seat.demand):
            continue
        ranks = taken[seat.demand].offer.tensor_parallel
        slots.append(
            Slot(
                workload=seat.demand,
                replica=seated[seat.demand] // ranks,
                placement=seat.placement,
            )
        )
        seated[seat.demand] += 1
    return CardPlan(
        node=where[0],
        group=group,
        card=where[1],
        layout=tuple(sorted(seat.placement for seat in seats if seat.placement is not None)),
        slots=tuple(slots),
        replicas=group.shares_per_card,
    )


def _workload_plans(
    fleet: Fleet,
    recommendations: Mapping[str, Recommendation],
    taken: Mapping[str, Candidate],
    outcome: tuple[SlotPlan, Bill | None],
) -> tuple[WorkloadPlan, ...]:
    slots, charged = outcome
    amounts = {} if charged is None else {line.name: line.usd_per_hour for line in charged.lines}
    plans = []
    for workload in fleet.workloads:
        recommendation = recommendations[workload.name]
        candidate = taken.get(workload.name)
        placed = None
        if candidate is not None:
            placed = Placed(
                candidate=candidate,
                replicas=candidate.replicas,
                cost=(
                    workload_cost(amounts[workload.name], workload, candidate)
                    if workload.name in amounts
                    else None
                ),
                passed=passed(recommendation, candidate),
            )
        plans.append(
            WorkloadPlan(
                workload=workload,
                recommendation=recommendation,
                outcome=placed or not_placed(recommendation, slots.refused.get(workload.name)),
            )
        )
    return tuple(plans)


def _idle_nodes(cards: Sequence[CardPlan], reserved: set[str]) -> tuple[str, ...]:
    """Name the nodes that the plan can do without, and what they cost."""
    busy = {card.node for card in cards if not card.idle} | reserved
    idle = {card.node: card.group for card in cards if card.node not in busy}
    if not idle:
        return ()
    prices = [group.price.usd_per_hour for group in idle.values() if group.price is not None]
    cost = f", {format_usd(sum(prices))}/h" if len(prices) == len(idle) else ""
    names = list(idle)
    more = f" and {len(names) - _NAMED_NODES} more" if len(names) > _NAMED_NODES else ""
    where = f"{', '.join(names[:_NAMED_NODES])}{more}"
    return (f"nothing runs on {where}{cost}: the plan holds without them",)


def _host_notes(fleet: Fleet, seats: SeatPlan) -> list[str]:
    """Say what CPU and memory the plan counted, where a workload asks for any."""
    if not asks_for_host(fleet):
        return []
    part = f"{float(POD_PART_OF_NODE):.0%} of a node's CPU and memory is for its pods"
    notes = [f"{part}; replicas that name no CPU or memory are counted with their part of that"]
    notes += [
        f"node group {group.name}: its CPU or memory is not known (vcpus, memory), so it does not"
        " bind there"
        for group in fleet.nodes
        if group.vcpus is None or group.memory_bytes is None
    ]
    names = ", ".join(key for key in seats.struck if not is_head_room(key))
    if names:
        notes.append(f"a rule of thumb found no nodes for offers of {names}; others may")
    return notes


def _team_uses(fleet: Fleet, workloads: Sequence[WorkloadPlan]) -> tuple[TeamUse, ...]:
    uses = []
    for team in fleet.teams:
        own = [item for item in workloads if item.team == team.name]
        running = [item.placed for item in own if item.placed is not None]
        cards = sum(
            (_cards_paid(item.candidate.offer) * item.replicas for item in running), Fraction(0)
        )
        costs = [item.cost.usd_per_hour for item in running if item.cost is not None]
        uses.append(
            TeamUse(
                team=team.name,
                cards=cards,
                usd_per_hour=sum(costs, cents(Fraction(0))) if len(costs) == len(running) else None,
                quota_cards=team.quota.cards,
                quota_usd_per_hour=team.quota.usd_per_hour,
                workloads=len(running),
            )
        )
    return tuple(uses)


def _cards_paid(offer: Offer) -> Fraction:
    return offer.cards or Fraction(0)


def _prices(fleet: Fleet) -> tuple[Price, ...]:
    return tuple(dict.fromkeys(group.price for group in fleet.nodes if group.price is not None))


def _notes(fleet: Fleet, seats: SeatPlan, today: dt.date) -> tuple[str, ...]:
    notes = [
        f"no price is known for node group {group.name}: give it in a price file (--prices) as"
        f" item: {group.name}; costs of the fleet are not shown without it"
        for group in fleet.nodes
        if group.price is None
    ]
    for price in _prices(fleet):
        if price.as_of is None:
            notes.append(f"the price of {price.item} has no date")
        elif (today - price.as_of).days > OLD_PRICE_DAYS:
            age = (today - price.as_of).days
            notes.append(f"the price of {price.item} is {age} days old ({price.as_of}): check it")
    if seats.slots.gap > 0:
        gap = seats.slots.gap
        notes.append(f"cost of cards in use is proven within {gap:.2%} of the least")
    notes += [*_host_notes(fleet, seats), *head_room_notes(fleet, seats)]
    if any(group.shares_per_card > 1 for group in fleet.nodes):
        notes.append(
            "latencies on cards shared in turns or by MPS are unmeasured: their band is the widest,"
            " and above a confidence of 50% nothing is placed there"
        )
    notes.append(
        "quotas are summed a team; borrowing, preemption and elastic pools are not decided yet"
    )
    return tuple(dict.fromkeys(notes))
