"""From a slot plan to cards, starts and holders."""

from __future__ import annotations

import random
import time
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from rightslice.core.catalog.mig import MigGrid
from rightslice.core.packing.demand import (
    WHOLE,
    CardLayout,
    Choice,
    Demand,
    Pool,
    PoolMode,
    PoolNode,
)
from rightslice.core.packing.geometry import why_illegal
from rightslice.core.packing.patterns import plan_slots
from rightslice.core.packing.place import place

SLOTS = ("1g.5gb", "1g.10gb", "2g.10gb", "3g.20gb", "4g.20gb", "7g.40gb", WHOLE)


def pool(mode: PoolMode, cards: list[int], grid: MigGrid | None = None) -> Pool:
    """Return a pool called p of nodes with so many cards each."""
    nodes = tuple(PoolNode(name=f"n{i}", cards=count) for i, count in enumerate(cards))
    return Pool(name="p", mode=mode, nodes=nodes, card_usd_per_hour=1.0, grid=grid)


def ask(key: str, slot: str, count: int, same_node: int = 1) -> Demand:
    """Return a demand with one choice."""
    choice = Choice(pool="p", slot=slot, slots_needed=count, same_node=same_node)
    return Demand(key=key, weight=1.0, choices=(choice,))


def solve(fleet: Pool, demands: list[Demand]) -> tuple[CardLayout, ...]:
    """Return the placed plan, without a gap."""
    return place([fleet], plan_slots([fleet], demands, gap=0.0))


def held(layouts: tuple[CardLayout, ...]) -> list[tuple[str, int, list[str]]]:
    """Return (node, card, holders) of the cards in use."""
    found = ((x.node, x.index, [s.demand for s in x.seats if s.demand]) for x in layouts)
    return [(node, index, keys) for node, index, keys in found if keys]


asked = st.lists(st.tuples(st.sampled_from(SLOTS), st.integers(1, 5)), min_size=1, max_size=8)


@settings(deadline=None, max_examples=40)
@given(asked=asked, mode=st.sampled_from((PoolMode.SLICED, PoolMode.UNIFORM)))
def test_every_seat_is_legal_and_taken_once(
    asked: list[tuple[str, int]], mode: PoolMode, a100: MigGrid
) -> None:
    """No card is overfull, every served demand gets its slots, cards in use are the plan's."""
    fleet = pool(mode, [4, 4, 2], a100)
    plan = plan_slots([fleet], [ask(f"w{i}", *each) for i, each in enumerate(asked)])
    layouts = place([fleet], plan)
    seats = Counter((s.demand, s.slot) for x in layouts for s in x.seats if s.demand)
    assert seats == {
        (key, choice.slot): choice.slots_needed for key, choice in plan.chosen.items() if choice
    }
    assert len(held(layouts)) == plan.cards_in_use
    for card in layouts:
        assert why_illegal(a100, [s.placement for s in card.seats if s.placement]) is None


@settings(deadline=None, max_examples=25)
@given(
    groups=st.lists(st.tuples(st.sampled_from((1, 2, 3, 4)), st.integers(1, 3)), max_size=5),
    nodes=st.lists(st.integers(2, 6), min_size=1, max_size=4),
)
def test_a_replica_never_spans_nodes(groups: list[tuple[int, int]], nodes: list[int]) -> None:
    """On every node, a workload holds a whole number of its replicas."""
    demands = [ask(f"w{i}", WHOLE, tp * n, tp) for i, (tp, n) in enumerate(groups)]
    layouts = solve(pool(PoolMode.WHOLE, nodes), demands)
    on_node = Counter((x.node, s.demand) for x in layouts for s in x.seats)
    assert all(cards % groups[int(str(key)[1:])][0] == 0 for (_, key), cards in on_node.items())


def test_whole_nodes_stay_empty() -> None:
    """Three cards of three workloads lie on one node of four."""
    layouts = solve(pool(PoolMode.WHOLE, [4, 4]), [ask(key, WHOLE, 1) for key in "abc"])
    assert {node for node, _, _ in held(layouts)} == {"n0"}


def test_replicas_are_spread_where_it_is_free(a100: MigGrid) -> None:
    """Two workloads of two halves share two cards, one half of each on either."""
    layouts = solve(pool(PoolMode.SLICED, [4], a100), [ask(k, "3g.20gb", 2) for k in "ab"])
    assert [sorted(keys) for _, _, keys in held(layouts)] == [["a", "b"], ["a", "b"]]


def test_uniform_cards_are_cut_alike(a100: MigGrid) -> None:
    """Under strategy single the idle cards of a cut node hold the same free slices."""
    layouts = solve(pool(PoolMode.UNIFORM, [2, 2], a100), [ask("a", "2g.10gb", 1)])
    assert [len(x.seats) for x in layouts if x.node == "n0"] == [3, 3]
    assert [len(x.seats) for x in layouts if x.node == "n1"] == [0, 0]


def large_fleet(seed: int, a100: MigGrid) -> tuple[list[Pool], list[Demand]]:
    """Return 200 workloads with twelve choices each, and 50 nodes of eight cards."""
    chance = random.Random(seed)  # noqa: S311 - a reproducible fleet, no secret
    nodes = [tuple(PoolNode(name=f"{p}{i}", cards=8) for i in range(25)) for p in "sw"]
    sliced = Pool(name="s", mode=PoolMode.SLICED, nodes=nodes[0], card_usd_per_hour=2.0, grid=a100)
    whole = Pool(name="w", mode=PoolMode.WHOLE, nodes=nodes[1], card_usd_per_hour=5.0)
    demands = []
    for number in range(200):
        cuts = [(chance.choice(SLOTS[:-1]), chance.randint(1, 6)) for _ in range(10)]
        groups = [(tp, tp * chance.randint(1, 2)) for tp in (1, 4)]
        choices = [Choice(pool="s", slot=slot, slots_needed=count) for slot, count in cuts]
        choices += [
            Choice(pool="w", slot=WHOLE, slots_needed=cards, same_node=tp) for tp, cards in groups
        ]
        demands.append(Demand(key=f"w{number:03}", weight=1.0, choices=tuple(choices)))
    return [sliced, whole], demands


def test_a_large_fleet_is_planned_and_placed(a100: MigGrid) -> None:
    """200 workloads on 400 cards: all served within the gap; the time is printed, not judged."""
    pools, demands = large_fleet(7, a100)
    began = time.perf_counter()
    plan = plan_slots(pools, demands)
    planned = time.perf_counter()
    layouts = place(pools, plan)
    print(f"planned in {planned - began:.2f} s, placed in {time.perf_counter() - planned:.3f} s")  # noqa: T201 - timings are shown, not asserted
    assert not plan.refused
    assert len(held(layouts)) == plan.cards_in_use
