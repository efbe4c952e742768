"""A plan down to its seats: walls of nodes hold, replicas keep apart, refusals say their number."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from rightslice.core.catalog.mig import MigGrid
from rightslice.core.catalog.together import Apart, Preference
from rightslice.core.packing.demand import (
    SHARED,
    WHOLE,
    Choice,
    Demand,
    Pool,
    PoolMode,
    PoolNode,
)
from rightslice.core.packing.geometry import why_illegal
from rightslice.core.packing.patterns import plan_slots
from rightslice.core.packing.place import place
from rightslice.core.packing.plan_seats import SeatPlan, plan_seats

SLOTS = ("1g.5gb", "1g.10gb", "2g.10gb", "3g.20gb", "7g.40gb", WHOLE)
CPU, MEMORY = 8.0, 64.0


def pool(grid: MigGrid | None, nodes: int, mode: PoolMode = PoolMode.SLICED) -> Pool:
    """Return nodes of two cards, eight CPU and 64 bytes."""
    return Pool(
        name="p",
        mode=mode,
        nodes=tuple(PoolNode(name=f"n{i}", cards=2) for i in range(nodes)),
        card_usd_per_hour=1.0,
        grid=grid,
        replicas=4,
        node_cpu_cores=CPU,
        node_memory_bytes=MEMORY,
    )


def ask(key: str, count: int, slot: str = "1g.5gb", **changes: object) -> Demand:
    """Return a demand with one choice."""
    fields: dict[str, object] = {"pool": "p", "slot": slot, "slots_needed": count}
    return Demand(key=key, weight=1.0, choices=(Choice(**{**fields, **changes}),))  # type: ignore[arg-type]  # fields of any type


def by_node(found: SeatPlan) -> dict[str, Counter[str]]:
    """Return the seats of every demand, by node."""
    nodes: dict[str, Counter[str]] = {}
    for card in found.layouts:
        nodes.setdefault(card.node, Counter()).update(s.demand for s in card.seats if s.demand)
    return nodes


@st.composite
def demands(draw: st.DrawFn, slots: tuple[str, ...] = SLOTS) -> list[Demand]:
    """Draw demands whose replicas ask for CPU and memory, and may keep apart."""
    found = []
    for number in range(draw(st.integers(1, 6))):
        slot = draw(st.sampled_from(slots))
        together = draw(st.sampled_from((1, 2))) if slot == WHOLE else 1
        found.append(
            ask(
                f"d{number}",
                draw(st.integers(1, 5)) * together,
                slot,
                same_node=together,
                cpu_cores=draw(st.sampled_from((0.0, 1.0, 3.0, 5.0))),
                memory_bytes=draw(st.sampled_from((0.0, 8.0, 40.0))),
                apart=draw(st.sampled_from(Apart)),
                preference=draw(st.sampled_from((None, *Preference))),
            )
        )
    return found


def check(found: SeatPlan, asked: list[Demand], grid: MigGrid) -> None:
    """Assert that walls, apartness and geometry hold, and that what is chosen is seated."""
    chosen = {demand.key: found.slots.chosen[demand.key] for demand in asked}
    seats = sum(by_node(found).values(), Counter[str]())
    assert seats == Counter({key: c.slots_needed for key, c in chosen.items() if c is not None})
    for own in by_node(found).values():
        pods = {key: (n, c) for key, n in own.items() if (c := chosen[key]) is not None}
        assert sum(n / c.same_node * c.cpu_cores for n, c in pods.values()) <= CPU + 1e-6
        assert sum(n / c.same_node * c.memory_bytes for n, c in pods.values()) <= MEMORY + 1e-6
        assert all(n <= c.same_node for n, c in pods.values() if c.apart is Apart.NODE)
        assert all(n % c.same_node == 0 for n, c in pods.values())
    for card in found.layouts:
        held = Counter(seat.demand for seat in card.seats if seat.demand)
        for key, n in held.items():
            choice = chosen[key]
            assert choice is not None
            assert n == 1 or choice.apart is Apart.NOTHING
        layout = tuple(seat.placement for seat in card.seats if seat.placement)
        assert not layout or why_illegal(grid, layout) is None


@settings(deadline=None, max_examples=60)
@given(asked=demands(), mode=st.sampled_from((PoolMode.SLICED, PoolMode.UNIFORM)))
def test_walls_hold(asked: list[Demand], mode: PoolMode, a100: MigGrid) -> None:
    """No node gives more CPU or memory than it has, and replicas keep as far apart as they say."""
    found = plan_seats([pool(a100, 4, mode)], asked)
    check(found, asked, a100)
    refused = {key for key, choice in found.slots.chosen.items() if choice is None}
    assert refused == set(found.slots.refused)
    assert all(one.reasons for one in found.slots.refused.values())


@settings(deadline=None, max_examples=30)
@given(asked=demands(slots=(SHARED,)))
def test_walls_hold_for_shared_cards(asked: list[Demand], a100: MigGrid) -> None:
    """Cards that are handed out in turns or under MPS lie behind the same walls."""
    check(plan_seats([pool(None, 4, PoolMode.SHARED)], asked), asked, a100)


@settings(deadline=None, max_examples=30)
@given(asked=demands())
def test_without_walls_nothing_changes(asked: list[Demand], a100: MigGrid) -> None:
    """Where no node ends and nobody minds, the plan is that of the merged model."""
    plain = [ask(d.key, d.choices[0].slots_needed, d.choices[0].slot) for d in asked]
    free = Pool(name="p", mode=PoolMode.SLICED, nodes=pool(a100, 4).nodes, grid=a100)
    slots = plan_slots([free], plain)
    found = plan_seats([free], plain)
    assert found.layouts == place([free], slots)
    assert (found.slots.gap, found.struck) == (slots.gap, ())


def test_cpu_opens_another_node(a100: MigGrid) -> None:
    """Four slices would share a card, but their pods need two nodes."""
    found = plan_seats([pool(a100, 3)], [ask("a", 4, cpu_cores=4.0)])
    assert [own["a"] for own in by_node(found).values()] == [2, 2, 0]
    assert found.slots.cards_in_use == 2


def test_what_asks_too_much_is_told_the_number(a100: MigGrid) -> None:
    """A replica that no empty node holds is refused with what it asks and what there is."""
    found = plan_seats([pool(a100, 2)], [ask("a", 1, cpu_cores=9.0)])
    assert found.slots.refused["a"].reasons == (
        "p: a replica asks for 9 CPU, and all pods of a node get 8",
    )
    assert found.slots.refused["a"].smallest_change == "ask for at most 8 CPU"


def test_what_the_nodes_lack_together_is_told(a100: MigGrid) -> None:
    """Replicas that fit one by one, but not all, are refused with what is left."""
    asked = [ask("a", 2, cpu_cores=8.0), ask("b", 1, cpu_cores=1.0)]
    found = plan_seats([pool(a100, 2)], asked)
    assert list(found.slots.refused) == ["a"] or list(found.slots.refused) == ["b"]
    (refused,) = found.slots.refused.values()
    assert "left on all nodes together" in refused.reasons[0]


def test_replicas_on_a_node_each(a100: MigGrid) -> None:
    """Replicas apart by node lie on as many nodes, and more of them than nodes are refused."""
    found = plan_seats([pool(a100, 3)], [ask("a", 3, apart=Apart.NODE)])
    assert [own["a"] for own in by_node(found).values()] == [1, 1, 1]
    more = plan_seats([pool(a100, 3)], [ask("a", 4, apart=Apart.NODE)])
    assert more.slots.refused["a"].reasons == ("p: 4 replicas want a node each, and there are 3",)
    assert more.slots.refused["a"].smallest_change == "1 more node in p"


def test_preferences_cost_nothing(a100: MigGrid) -> None:
    """Spreading uses the nodes that the cards allow; packing stays on one; cards are as many."""
    wide = plan_seats([pool(a100, 4)], [ask("a", 8, "3g.20gb", preference=Preference.SPREAD)])
    tight = plan_seats([pool(a100, 4)], [ask("a", 8, "3g.20gb", preference=Preference.PACK)])
    assert sum(bool(own) for own in by_node(wide).values()) == 4
    assert sum(bool(own) for own in by_node(tight).values()) == 2
    assert wide.slots.cards_in_use == tight.slots.cards_in_use == 4
