"""The fleet's slot plan: exact, lexicographic, explained."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rightslice.core.catalog.mig import MigGrid, ProfileName
from rightslice.core.packing.demand import (
    SHARED,
    WHOLE,
    Choice,
    Demand,
    Pool,
    PoolMode,
    PoolNode,
)
from rightslice.core.packing.geometry import feasible_multisets
from rightslice.core.packing.patterns import plan_slots
from rightslice.errors import InputError, UnknownNameError


def pool(name: str, mode: PoolMode, cards: list[int], usd: float, grid: MigGrid | None) -> Pool:
    """Return a pool of nodes with so many cards each."""
    nodes = tuple(PoolNode(name=f"{name}-{i}", cards=count) for i, count in enumerate(cards))
    return Pool(name=name, mode=mode, nodes=nodes, card_usd_per_hour=usd, grid=grid, replicas=4)


def demand(key: str, *choices: Choice, weight: float = 1.0) -> Demand:
    """Return a demand of weight one, or of *weight*."""
    return Demand(key=key, weight=weight, choices=choices)


def slices(name: str, count: int) -> Choice:
    """Return a choice of MIG slices in the pool called mig."""
    return Choice(pool="mig", slot=name, slots_needed=count, usd_per_hour=float(count))


def test_two_threes_share_a_card(a100: MigGrid) -> None:
    """Two workloads that need half a card each take one card."""
    cards = pool("mig", PoolMode.SLICED, [8], 2.0, a100)
    plan = plan_slots([cards], [demand(key, slices("3g.20gb", 1)) for key in "ab"])
    assert (plan.cards_in_use, plan.usd_per_hour, plan.gap) == (1, 2.0, 0.0)


def test_the_cheaper_fleet_wins_over_the_cheaper_slice(a100: MigGrid) -> None:
    """Cost of cards comes before the price of slices."""
    cards = pool("mig", PoolMode.SLICED, [8], 2.0, a100)
    whole = pool("big", PoolMode.WHOLE, [8], 5.0, None)
    dear = Choice(pool="big", slot=WHOLE, slots_needed=1, usd_per_hour=0.1)
    plan = plan_slots([cards, whole], [demand("a", slices("7g.40gb", 2), dear)])
    assert plan.chosen["a"] == slices("7g.40gb", 2)


def test_weight_decides_who_is_served(a100: MigGrid) -> None:
    """One card, two whole-card slices: the heavier is served, the other told what is missing."""
    cards = pool("mig", PoolMode.SLICED, [1], 2.0, a100)
    light, heavy = (slices("7g.40gb", 1) for _ in range(2))
    plan = plan_slots([cards], [demand("light", light), demand("heavy", heavy, weight=3)])
    assert (plan.chosen["light"], plan.served_weight) == (None, 3)
    assert plan.refused["light"].reasons == ("mig: 1 x 7g.40gb needed, room for 0",)
    assert plan.refused["light"].smallest_change == "1 more card in mig"


def test_a_light_demand_is_not_dropped_to_save_a_card() -> None:
    """Beside a million times heavier one, a light demand is still served when it can be."""
    cards = pool("big", PoolMode.WHOLE, [2], 1.0, None)
    one = Choice(pool="big", slot=WHOLE, slots_needed=1)
    heavy = demand("heavy", one, weight=1e7)
    plan = plan_slots([cards], [heavy, demand("x", one), demand("y", one)])
    assert (plan.served_weight, plan.cards_in_use, plan.gap) == (1e7 + 1, 2, 0.0)


def test_a_replica_stays_on_one_node() -> None:
    """Three replicas of two cards do not fit two nodes of three cards."""
    nodes = pool("big", PoolMode.WHOLE, [3, 3], 1.0, None)
    pairs = Choice(pool="big", slot=WHOLE, slots_needed=6, same_node=2)
    plan = plan_slots([nodes], [demand("tp", pairs)])
    assert plan.chosen["tp"] is None
    assert "not 2 on one node" in plan.refused["tp"].reasons[0]


def test_odd_groups_fill_nodes_exactly() -> None:
    """Groups of three and two fill nodes of five, which first fit by size alone would miss."""
    nodes = pool("big", PoolMode.WHOLE, [5, 5], 1.0, None)
    threes = Choice(pool="big", slot=WHOLE, slots_needed=6, same_node=3)
    twos = Choice(pool="big", slot=WHOLE, slots_needed=4, same_node=2)
    plan = plan_slots([nodes], [demand("a", threes), demand("b", twos)])
    assert plan.cards_in_use == 10


def test_uniform_nodes_take_one_profile_each(a100: MigGrid) -> None:
    """Two profiles on two uniform nodes cut one node each; a third profile is refused."""
    nodes = pool("mig", PoolMode.UNIFORM, [2, 2], 1.0, a100)
    names = ("1g.5gb", "2g.10gb", "3g.20gb")
    plan = plan_slots([nodes], [demand(name, slices(name, 1)) for name in names])
    assert sum(choice is not None for choice in plan.chosen.values()) == 2
    assert [cut.nodes for cut in plan.pools["mig"].cuts] == [1, 1]


def test_shares_of_a_card_are_counted() -> None:
    """Five shares at four a card need two cards."""
    cards = pool("l4", PoolMode.SHARED, [4], 0.7, None)
    plan = plan_slots([cards], [demand("a", Choice(pool="l4", slot=SHARED, slots_needed=5))])
    assert plan.cards_in_use == 2


def test_a_limit_is_kept_and_named() -> None:
    """A team's quota of three cards serves one of two workloads of two cards."""
    cards = pool("big", PoolMode.WHOLE, [8], 1.0, None)
    two = Choice(pool="big", slot=WHOLE, slots_needed=2, uses=(("quota of a", 2.0),))
    plan = plan_slots([cards], [demand(k, two) for k in "xy"], limits={"quota of a": 3.0})
    (refused,) = plan.refused.values()
    assert refused.reasons == ("quota of a: needs 2, 1 left",)
    assert refused.smallest_change == "raise quota of a by 1"


def test_without_prices_cards_are_counted(a100: MigGrid) -> None:
    """A fleet of unknown prices still uses as few cards as it can."""
    cards = pool("mig", PoolMode.SLICED, [8], 0.0, a100)
    plan = plan_slots([cards], [demand(k, slices("1g.5gb", 1)) for k in "abcdefg"])
    assert (plan.cards_in_use, plan.gap) == (1, 0.0)


def test_bad_questions_are_refused(a100: MigGrid) -> None:
    """Unknown pools, slots that a pool does not offer and repeated names are bad input."""
    cards = pool("mig", PoolMode.SLICED, [1], 1.0, a100)
    with pytest.raises(UnknownNameError, match=r"unknown pool 'mgi'; did you mean mig\?"):
        plan_slots([cards], [demand("a", Choice(pool="mgi", slot="1g.5gb", slots_needed=1))])
    with pytest.raises(InputError, match="does not offer the slot 'shared'"):
        plan_slots([cards], [demand("a", Choice(pool="mig", slot=SHARED, slots_needed=1))])
    with pytest.raises(InputError, match="given twice"):
        plan_slots([cards, cards], [])


PROFILES = (ProfileName("1g.6gb"), ProfileName("2g.12gb"), ProfileName("4g.24gb"))


def brute_force(grid: MigGrid, asked: list[list[tuple[str, int]]], cards: int) -> tuple[int, int]:
    """Return (most served, fewest cards) by trying every choice and every set of cards."""
    fits = [dict(m) for m in feasible_multisets(grid, frozenset(PROFILES))]
    reach: list[set[tuple[int, ...]]] = [{(0, 0, 0)}]
    for _ in range(cards):
        reach.append(
            {tuple(have + card.get(p, 0) for have, p in zip(state, PROFILES, strict=True))
             for state in reach[-1] for card in fits}
        )  # fmt: skip
    best = (0, 0)
    for picks in product(*([None, *range(len(choices))] for choices in asked)):
        need = dict.fromkeys(PROFILES, 0)
        for choices, pick in zip(asked, picks, strict=True):
            if pick is not None:
                need[choices[pick][0]] += choices[pick][1]
        used = next((n for n, states in enumerate(reach) if tuple(need.values()) in states), None)
        if used is not None:
            best = max(best, (sum(pick is not None for pick in picks), -used))
    return best[0], -best[1]


choices_of_one = st.lists(
    st.tuples(st.sampled_from(PROFILES), st.integers(1, 3)), min_size=1, max_size=2, unique=True
)


@settings(deadline=None, max_examples=40)
@given(asked=st.lists(choices_of_one, min_size=1, max_size=4), cards=st.integers(1, 3))
def test_small_fleets_match_brute_force(
    asked: list[list[tuple[str, int]]], cards: int, a30: MigGrid
) -> None:
    """Served demands and cards in use are those of an exhaustive search."""
    fleet = pool("mig", PoolMode.SLICED, [cards], 1.0, a30)
    wanted = [
        demand(f"w{i}", *(slices(name, count) for name, count in choices))
        for i, choices in enumerate(asked)
    ]
    plan = plan_slots([fleet], wanted, gap=0.0)
    assert (plan.served_weight, plan.cards_in_use) == brute_force(a30, asked, cards)
