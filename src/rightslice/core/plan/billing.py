"""The bill of a plan: every card's price divided among those who use it, and what idles.

Rules in `cost.share` (what a slice pays) and `cost.bill` (sums to the cent).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Final

from rightslice.core.catalog.device import device_of
from rightslice.core.catalog.fleet import Fleet, NodeGroup, Workload
from rightslice.core.catalog.share import Exclusive, MigSlice, Share
from rightslice.core.catalog.traffic import ClosedLoop
from rightslice.core.cost.bill import CardCost, CardUse, cents, divide, to_cents
from rightslice.core.cost.share import card_share
from rightslice.core.fit.result import Candidate, Recommendation
from rightslice.core.plan.result import Bill, BillLine, CardPlan, Slot, WorkloadCost
from rightslice.units import HOURS_PER_MONTH

IDLE_SLICES: Final = "idle: free parts of cards in use"
IDLE_CARDS: Final = "idle: cards without any workload"


def slot_share(card: CardPlan, slot: Slot) -> Share:
    """Return how the workload in *slot* holds its card."""
    if slot.placement is not None:
        return MigSlice(profile=slot.placement.profile)
    return card.group.whole_share


def card_costs(cards: Iterable[CardPlan]) -> tuple[CardCost, ...] | None:
    """Return every card's price divided among its users; None when a price is not known."""
    costs = []
    for card in cards:
        price = card.group.card_usd_per_hour
        if price is None:
            return None
        shares = tuple((slot.workload, _list_share(card, slot)) for slot in card.slots)
        use = CardUse(card=f"{card.node}/{card.card}", usd_per_hour=price, shares=shares)
        costs.append(divide(use))
    return tuple(costs)


def _list_share(card: CardPlan, slot: Slot) -> Fraction:
    memory = None if slot.placement is not None else card.group.gpu_memory_bytes
    device = device_of(card.group.gpu, slot_share(card, slot), memory_bytes=memory)
    share = card_share(device)
    assert share is not None, "only slices of known grids are placed"
    return share


def by_workload(costs: Iterable[CardCost]) -> dict[str, Fraction]:
    """Return dollars an hour by workload, exact."""
    amounts: defaultdict[str, Fraction] = defaultdict(Fraction)
    for card in costs:
        for workload, amount in card.users:
            amounts[workload] += amount
    return dict(amounts)


def fleet_usd_per_hour(groups: Sequence[NodeGroup]) -> Fraction | None:
    """Return what all nodes cost an hour; None when a price is not known."""
    total = Fraction(0)
    for group in groups:
        if group.price is None:
            return None
        total += Fraction(group.price.usd_per_hour) * group.count
    return total


def workload_cost(usd_per_hour: Decimal, workload: Workload, candidate: Candidate) -> WorkloadCost:
    """Return a workload's line of the bill by the hour, the month and a million output tokens."""
    rate = _output_tokens_per_second(workload, candidate)
    per_million = None if rate <= 0 else Fraction(usd_per_hour) / Fraction(rate) / 3600 * 1_000_000
    return WorkloadCost(
        usd_per_hour=usd_per_hour,
        usd_per_month=usd_per_hour * HOURS_PER_MONTH,
        usd_per_million_tokens=None if per_million is None else cents(per_million),
    )


def _output_tokens_per_second(workload: Workload, candidate: Candidate) -> float:
    load = workload.traffic.load
    if not isinstance(load, ClosedLoop):
        return load.requests_per_second * workload.traffic.output.mean
    assert candidate.prediction is not None
    assert candidate.holds is not None
    return candidate.prediction.output_tokens_per_second.expected * candidate.holds.replicas


def bill(
    fleet: Fleet,
    cards: Sequence[CardPlan],
    chosen: Mapping[str, Recommendation],
) -> Bill | None:
    """Return the nodes' bill, divided; None when a node's price is not known.

    Args:
        fleet: the nodes that are paid for.
        cards: every card, with what it carries.
        chosen: the recommendation of every workload that runs, for comparison with whole cards.
    """
    costs, total = card_costs(cards), fleet_usd_per_hour(fleet.nodes)
    if costs is None or total is None:
        return None
    amounts = by_workload(costs)
    busy = [card for card in costs if card.users]
    amounts[IDLE_SLICES] = sum((card.idle_usd_per_hour for card in busy), Fraction(0))
    amounts[IDLE_CARDS] = sum((c.idle_usd_per_hour for c in costs if not c.users), Fraction(0))
    teams = {workload.name: workload.team for workload in fleet.workloads}
    rounded = to_cents(tuple(amounts.values()), cents(total))
    in_use = sum(
        (card.group.card_usd_per_hour or Fraction(0) for card in cards if card.slots), Fraction(0)
    )
    return Bill(
        lines=tuple(
            BillLine(name=name, team=teams.get(name), usd_per_hour=usd)
            for name, usd in zip(amounts, rounded, strict=True)
        ),
        total_usd_per_hour=sum(rounded, Decimal(0)),
        in_use_usd_per_hour=cents(in_use),
        whole_gpu_per_model_usd_per_hour=_whole_per_model(chosen),
        whole_gpu_per_replica_usd_per_hour=_whole_per_replica(cards),
    )


def _whole_per_model(chosen: Mapping[str, Recommendation]) -> Decimal | None:
    """Return the price of the cheapest whole cards that hold each load; None when one has none."""
    total = Fraction(0)
    for recommendation in chosen.values():
        prices = [
            cost
            for candidate in recommendation.candidates
            if candidate.replicas
            and isinstance(candidate.offer.device.share, Exclusive)
            and (cost := candidate.usd_per_hour) is not None
        ]
        if not prices:
            return None
        total += min(prices)
    return cents(total)


def _whole_per_replica(cards: Sequence[CardPlan]) -> Decimal:
    """Return the price of a whole card of the same kind for every slice that is in use."""
    total = Fraction(0)
    for card in cards:
        total += (card.group.card_usd_per_hour or Fraction(0)) * len(card.slots)
    return cents(total)
