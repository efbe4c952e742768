"""Bills of plans: shares of cards, comparisons with whole cards, dollars a million tokens."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from rightslice.core.catalog.fleet import MigStrategy
from rightslice.core.catalog.lengths import Lengths
from rightslice.core.catalog.mig import Placement, ProfileName
from rightslice.core.catalog.question import Isolation
from rightslice.core.catalog.share import Exclusive, MigSlice, MpsShare, TimeSlice
from rightslice.core.catalog.traffic import OpenLoop, Traffic
from rightslice.core.plan.billing import card_costs, fleet_usd_per_hour, slot_share, workload_cost
from rightslice.core.plan.result import CardPlan, Plan, Slot
from rightslice.units import HOURS_PER_MONTH

Build = Callable[..., Any]


def _card(node: Any, *slots: Slot) -> CardPlan:  # noqa: ANN401 - built by the fixtures
    return CardPlan(node="n-0", group=node, card=0, layout=(), slots=slots)


def _slice(profile: str, start: int) -> Slot:
    placement = Placement(profile=ProfileName(profile), start=start)
    return Slot(workload=f"w{start}", replica=0, placement=placement)


def test_how_a_slot_holds_its_card(group: Build) -> None:
    """A slice by its profile, else as the node group hands out its cards."""
    plain = Slot(workload="w", replica=0, placement=None)
    sliced = _slice("1g.10gb", 0)
    assert slot_share(_card(group("g"), sliced), sliced) == MigSlice(profile=ProfileName("1g.10gb"))
    assert slot_share(_card(group("g"), plain), plain) == Exclusive()
    turns = group("g", mig=MigStrategy.NONE, time_slicing_replicas=4)
    assert slot_share(_card(turns, plain), plain) == TimeSlice(replicas=4)
    clients = group("g", mig=MigStrategy.NONE, mps_replicas=4)
    assert slot_share(_card(clients, plain), plain) == MpsShare(replicas=4)


def test_four_and_three_fill_a_card(group: Build) -> None:
    """4g and 3g claim 15/14 of a card: scaled down together, nothing idles."""
    card = _card(group("g", dollars="30"), _slice("4g.40gb", 0), _slice("3g.40gb", 4))
    costs = card_costs([card])
    assert costs is not None
    assert [amount for _, amount in costs[0].users] == [8, 7]
    assert costs[0].idle_usd_per_hour == 0


def test_without_a_price_nothing_is_counted(group: Build) -> None:
    """One unknown price leaves the whole open."""
    assert card_costs([_card(group("g", dollars=None))]) is None
    assert fleet_usd_per_hour([group("g"), group("h", dollars=None)]) is None
    assert fleet_usd_per_hour([group("g", count=3)]) == 30


def test_comparisons_with_whole_cards(group: Build, workload: Build, planned: Build) -> None:
    """Two small workloads on one card of five dollars: each would have had a card of its own."""
    answer: Plan = planned([group("g")], [workload("a"), workload("b")])
    assert answer.bill is not None
    assert answer.bill.in_use_usd_per_hour == 5
    assert answer.bill.whole_gpu_per_model_usd_per_hour == 10
    assert answer.bill.whole_gpu_per_replica_usd_per_hour == 10


def test_no_comparison_where_no_whole_card_is_offered(
    group: Build, workload: Build, planned: Build
) -> None:
    """A fleet of time slices has no whole card to compare with."""
    shared = group("g", time_slicing_replicas=2, mig=MigStrategy.NONE)
    asked = workload("a", isolation=Isolation.NONE, confidence=0.5)
    answer: Plan = planned([shared], [asked])
    assert answer.bill is not None
    assert answer.bill.whole_gpu_per_model_usd_per_hour is None
    assert any("shared in turns or by MPS are unmeasured" in note for note in answer.notes)


@pytest.mark.parametrize("rate", [0.5, 2.0])
def test_dollars_a_million_tokens(
    group: Build, workload: Build, planned: Build, rate: float
) -> None:
    """An open loop's tokens are its rate times the output; a month has 730 hours."""
    length = Lengths.fixed(100)
    traffic = Traffic(load=OpenLoop(requests_per_second=rate), input=length, output=length)
    asked = workload("w", traffic=traffic)
    placed = planned([group("g")], [asked]).workloads[0].placed
    cost = workload_cost(Decimal("3.60"), asked, placed.candidate)
    assert cost.usd_per_month == Decimal("3.60") * HOURS_PER_MONTH
    exact = Fraction("3.60") * 1_000_000 / Fraction(rate * 100) / 3600
    assert cost.usd_per_million_tokens == Decimal(str(round(float(exact), 2)))
