"""A fleet as the packer sees it: modes, slots, limits and weights."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightslice.core.catalog.fleet import MigStrategy, Quota, Team
from rightslice.core.fit.offers import group_offers
from rightslice.core.packing.demand import SHARED, WHOLE, Choice, PoolMode
from rightslice.core.plan.pools import demands_of, limits_of, pools_of, slot_of, uses

Build = Callable[..., Any]
TEAM = Team(
    name="t",
    quota=Quota(cards=Fraction(2), usd_per_hour=Decimal(9), resources={"nvidia.com/gpu": 3}),
)


@pytest.mark.parametrize(
    ("changes", "mode", "slots"),
    [
        ({"mig": MigStrategy.NONE}, PoolMode.WHOLE, {WHOLE}),
        ({"mig": MigStrategy.NONE, "time_slicing_replicas": 2}, PoolMode.SHARED, {SHARED}),
        ({"mig": MigStrategy.NONE, "mps_replicas": 2}, PoolMode.SHARED, {SHARED}),
        ({"mig": MigStrategy.SINGLE}, PoolMode.UNIFORM, {WHOLE, "1g.10gb"}),
        ({"mig": MigStrategy.MIXED}, PoolMode.SLICED, {WHOLE, "1g.10gb"}),
    ],
)
def test_how_cards_are_handed_out(
    group: Build, fleet: Build, changes: dict[str, Any], mode: PoolMode, slots: set[str]
) -> None:
    """The strategy of a group decides the mode of its pool and the slots of its offers."""
    node = group("g", **changes)
    pool = pools_of(fleet([node], []))[0]
    assert (pool.mode, pool.gpu_count) == (mode, 2)
    assert slots <= {slot_of(offer) for offer in group_offers(node)}
    assert (pool.grid is None) == (mode in (PoolMode.WHOLE, PoolMode.SHARED))


def test_an_unknown_price_counts_as_the_dearest(group: Build, fleet: Build) -> None:
    """Cards without a price are used last, and never for free."""
    pools = pools_of(fleet([group("a", dollars=None), group("b"), group("c", dollars="30")], []))
    assert [pool.card_usd_per_hour for pool in pools] == [15, 5, 15]


def test_quotas_are_limits() -> None:
    """Every kind of quota is one named limit; what is not named is none."""
    assert limits_of([TEAM, Team(name="u", quota=Quota(resources={}))]) == {
        "t: GPUs": 2.0, "t: USD per hour": 9.0, "t: nvidia.com/gpu": 3.0,
    }  # fmt: skip


def test_what_an_offer_takes_of_a_quota(group: Build) -> None:
    """Two replicas of a group of two cards: four cards, twenty dollars, four GPUs."""
    node = group("g", mig=MigStrategy.NONE)
    pair = next(offer for offer in group_offers(node) if offer.tensor_parallel == 2)
    assert dict(uses(pair, 2, node, TEAM)) == {
        "t: GPUs": 4.0, "t: USD per hour": 20.0, "t: nvidia.com/gpu": 4.0,
    }  # fmt: skip
    assert uses(pair, 2, node, Team(name="u", quota=Quota(resources={}))) == ()


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=12))
def test_a_priority_outweighs_all_lower_ones(levels: list[int]) -> None:
    """The weight of one is more than that of everything below it together."""
    weights = _weights(levels)
    for level, weight in zip(levels, weights, strict=True):
        below = [w for lower, w in zip(levels, weights, strict=True) if lower < level]
        assert weight > sum(below)


def test_many_levels_still_go_in_order() -> None:
    """Where numbers would blur, a higher priority still weighs more."""
    levels = list(range(60))
    weights = _weights(levels)
    assert weights == sorted(weights)
    assert len(set(weights)) == 60
    assert max(weights) < 1e6


def _weights(levels: list[int]) -> list[float]:
    choice = Choice(pool="p", slot=WHOLE, slots_needed=1)
    asked: Any = [_Named(f"w{index}", level) for index, level in enumerate(levels)]
    choices = {one.name: (choice,) for one in asked}
    return [demand.weight for demand in demands_of(asked, choices)]


class _Named:
    """As much of a workload as weights depend on."""

    def __init__(self, name: str, priority: int) -> None:
        self.name = name
        self.priority = priority
