"""Plans are legal, kept within quotas, fair to priorities, and paid for to the cent."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rightslice.core.catalog.fleet import Fleet, MigStrategy, NodeGroup, Workload
from rightslice.core.catalog.question import Isolation
from rightslice.core.catalog.resource import extended_resource
from rightslice.core.catalog.share import MigSlice, MpsShare, TimeSlice
from rightslice.core.catalog.together import Apart
from rightslice.core.packing.geometry import why_illegal
from rightslice.core.plan.plan import plan
from rightslice.core.plan.result import NotPlaced, Placed, Plan
from rightslice.edge.constants import fitted_constants

TODAY = dt.date(2026, 11, 22)
MODELS = ("facebook/opt-1.3b", "ibm-granite/granite-7b-base")
KINDS: tuple[dict[str, Any], ...] = (
    {},
    {"gpu": "A100-SXM-40GB", "dollars": "7.77"},
    {"mig": MigStrategy.SINGLE, "count": 2, "gpus_per_node": 1, "dollars": "3.33"},
    {"gpu": "A10G-24GB", "mig": MigStrategy.NONE, "dollars": "2.01"},
    {"gpu": "A10G-24GB", "mig": MigStrategy.NONE, "time_slicing_replicas": 3, "dollars": "1.99"},
    {"gpu": "A10G-24GB", "mig": MigStrategy.NONE, "mps_replicas": 2, "dollars": "1.98"},
)
Build = Callable[..., Any]
Planned = Callable[..., Plan]

described = st.tuples(
    st.lists(st.sampled_from(KINDS), min_size=1, max_size=3),
    st.lists(
        st.fixed_dictionaries(
            {
                "model": st.sampled_from(MODELS),
                "clients": st.sampled_from([1, 8, 40, 200]),
                "max_replicas": st.sampled_from([1, 4]),
                "priority": st.sampled_from([0, 0, 10]),
                "isolation": st.sampled_from(list(Isolation)),
                "confidence": st.sampled_from([0.5, 0.9]),
                "team": st.sampled_from(["team", "free"]),
            }
        ),
        min_size=1,
        max_size=5,
    ),
    st.fixed_dictionaries(
        {},
        optional={
            "cards": st.sampled_from([Fraction(1, 2), Fraction(2)]),
            "usd_per_hour": st.sampled_from([Decimal(2), Decimal(9)]),
            "resources": st.just({"nvidia.com/mig-1g.10gb": 1, "nvidia.com/gpu": 1}),
        },
    ),
)
few = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.fixture(scope="module")
def random_plan(group: Build, workload: Build, planned: Planned) -> Callable[..., Plan]:
    """Plan a fleet as hypothesis describes it; equal descriptions are planned once."""
    known: dict[str, Plan] = {}

    def answer(shape: tuple[list[Any], list[Any], dict[str, Any]]) -> Plan:
        nodes, workloads, quota = shape
        if repr(shape) not in known:
            known[repr(shape)] = planned(
                [group(f"g{i}", **kind) for i, kind in enumerate(nodes)],
                [workload(f"w{i}", **asked) for i, asked in enumerate(workloads)],
                **quota,
            )
        return known[repr(shape)]

    return answer


def _placed(answer: Plan) -> dict[str, Placed]:
    return {item.name: item.placed for item in answer.workloads if item.placed is not None}


@few
@given(shape=described)
def test_every_card_is_legal(random_plan: Callable[..., Plan], shape: object) -> None:
    """Layouts exist on the card, slots are taken once, and only slots of the layout."""
    for card in random_plan(shape).cards:
        grid = card.group.gpu.mig
        assert not card.layout or (grid is not None and why_illegal(grid, card.layout) is None)
        seats = [slot.placement for slot in card.slots if slot.placement is not None]
        assert not Counter(seats) - Counter(card.layout)
        if len(seats) < len(card.slots):
            assert not card.layout
            assert len(card.slots) <= card.replicas


@few
@given(shape=described)
def test_single_strategy_has_one_profile_a_node(
    random_plan: Callable[..., Plan], shape: object
) -> None:
    """Under single every card of a node is cut into the same profile; under none nothing is."""
    profiles: dict[tuple[str, MigStrategy], set[str]] = defaultdict(set)
    for card in random_plan(shape).cards:
        profiles[card.node, card.group.mig] |= {placement.profile for placement in card.layout}
    for (_, strategy), found in profiles.items():
        assert strategy is MigStrategy.MIXED or len(found) <= (strategy is MigStrategy.SINGLE)


@few
@given(shape=described)
def test_everyone_runs_where_the_offer_says(
    random_plan: Callable[..., Plan], shape: object
) -> None:
    """Each workload has its replicas' slots, all of the offer's pool and profile, and holds."""
    answer = random_plan(shape)
    held = defaultdict(list)
    for card in answer.cards:
        for slot in card.slots:
            held[slot.workload].append((card.group.name, slot.placement and slot.placement.profile))
    assert set(held) == set(_placed(answer))
    for name, placed in _placed(answer).items():
        offer = placed.candidate.offer
        share = offer.device.share
        profile = share.profile if isinstance(share, MigSlice) else None
        assert placed.candidate.holds is not None
        assert placed.replicas == placed.candidate.holds.replicas
        assert held[name] == [(offer.pool, profile)] * placed.replicas * offer.tensor_parallel


@few
@given(shape=described)
def test_replicas_are_numbered(random_plan: Callable[..., Plan], shape: object) -> None:
    """Every replica from 0 up has as many slots as the offer has ranks, all on one node."""
    answer = random_plan(shape)
    nodes = defaultdict(list)
    for card in answer.cards:
        for slot in card.slots:
            nodes[slot.workload, slot.replica].append(card.node)
    for name, placed in _placed(answer).items():
        for replica in range(placed.replicas):
            assert len(nodes[name, replica]) == placed.candidate.offer.tensor_parallel
            assert len(set(nodes[name, replica])) == 1


@few
@given(shape=described)
def test_shared_cards_are_for_those_who_ask_for_no_isolation(
    random_plan: Callable[..., Plan], shape: object
) -> None:
    """Hardware isolation is never traded away, nor is anything promised that is unmeasured."""
    answer = random_plan(shape)
    for item in answer.workloads:
        if item.placed is not None and isinstance(
            item.placed.candidate.offer.device.share, TimeSlice | MpsShare
        ):
            assert item.workload.isolation is Isolation.NONE
            assert item.workload.confidence == 0.5


@few
@given(shape=described)
def test_quotas_are_kept(random_plan: Callable[..., Plan], shape: object) -> None:
    """Cards, dollars and resources of the team stay within what it may hold."""
    answer = random_plan(shape)
    use, quota = answer.teams[0], answer.fleet.teams[0].quota
    assert quota.cards is None or use.cards <= quota.cards
    if quota.usd_per_hour is not None and use.usd_per_hour is not None:
        assert use.usd_per_hour <= quota.usd_per_hour + Decimal("0.05")
    groups = {node.name: node for node in answer.fleet.nodes}
    held: Counter[str] = Counter()
    for item in answer.workloads:
        if item.placed is not None and item.team == "team":
            offer = item.placed.candidate.offer
            resource = extended_resource(groups[offer.pool].mig, offer.device.share)
            held[resource] += item.placed.replicas * offer.tensor_parallel
    assert all(held[name] <= limit for name, limit in quota.resources.items())


@few
@given(shape=described)
def test_the_bill_sums_to_the_cent(random_plan: Callable[..., Plan], shape: object) -> None:
    """Lines are the nodes' price, none negative; workloads and teams show the same figures."""
    answer = random_plan(shape)
    assert answer.bill is not None
    lines = {line.name: line.usd_per_hour for line in answer.bill.lines}
    nodes = sum(n.price.usd_per_hour * n.count for n in answer.fleet.nodes if n.price is not None)
    assert sum(lines.values()) == answer.bill.total_usd_per_hour == nodes
    assert min(lines.values()) >= 0
    costs = {name: placed.cost for name, placed in _placed(answer).items()}
    assert all(cost is not None and cost.usd_per_hour == lines[n] for n, cost in costs.items())
    paid = sum(use.usd_per_hour or 0 for use in answer.teams)
    assert paid + sum(lines[name] for name in lines if name.startswith("idle")) == nodes


@few
@given(shape=described)
def test_who_gets_nothing_is_told_why(random_plan: Callable[..., Plan], shape: object) -> None:
    """A reason and a change that would help."""
    for item in random_plan(shape).not_placed:
        assert isinstance(item.outcome, NotPlaced)
        assert item.outcome.reason
        assert item.outcome.remedy


@settings(max_examples=8, deadline=None)
@given(shape=described)
def test_the_same_fleet_has_the_same_plan(random_plan: Callable[..., Plan], shape: object) -> None:
    """Planning again changes nothing."""
    one = random_plan(shape)
    other = plan(one.fleet, constants=fitted_constants(), today=TODAY)
    assert (one.cards, one.bill, one.notes) == (other.cards, other.bill, other.notes)


def test_a_higher_priority_goes_first(group: Build, workload: Build, planned: Planned) -> None:
    """With room for one, the urgent workload runs, wherever it is listed."""
    whole = [group("g", gpus_per_node=1, mig=MigStrategy.NONE)]
    low, high = workload("low"), workload("high", priority=5)
    for order in ([low, high], [high, low]):
        answer = planned(whole, order)
        assert set(_placed(answer)) == {"high"}
        assert [item.name for item in answer.not_placed] == ["low"]


def test_one_urgent_workload_outweighs_many(
    group: Build, workload: Build, planned: Planned
) -> None:
    """A higher priority is not outvoted by lower ones that would use the same card."""
    cut = [group("g", gpus_per_node=1)]
    urgent = workload("urgent", priority=1, model="Qwen/Qwen2.5-32B-Instruct")
    answer = planned(cut, [*(workload(f"w{i}") for i in range(5)), urgent])
    assert set(_placed(answer)) == {"urgent"}


def test_a_misfit_does_not_stop_the_others(group: Build, workload: Build, planned: Planned) -> None:
    """What fits nowhere is named with its figures; the rest is placed."""
    answer = planned(
        [group("g")], [workload("big", model="meta-llama/Llama-3.1-405B"), workload("w")]
    )
    assert set(_placed(answer)) == {"w"}
    outcome = answer.not_placed[0].outcome
    assert isinstance(outcome, NotPlaced)
    assert "no offer of the fleet holds it; the nearest" in outcome.reason
    assert "more memory" in outcome.remedy


def test_an_idle_fleet_is_billed_as_idle(group: Build, workload: Build, planned: Planned) -> None:
    """Nothing runs, everything is paid for, and the note says so."""
    answer = planned([group("g")], [workload("big", model="meta-llama/Llama-3.1-405B")])
    assert answer.cards_in_use == 0
    assert answer.cards_total == 2
    assert answer.bill is not None
    assert answer.bill.in_use_usd_per_hour == 0
    assert [line.usd_per_hour for line in answer.bill.lines] == [0, 10]
    assert any("nothing runs on g-0" in note for note in answer.notes)


def test_many_idle_nodes_are_counted(group: Build, workload: Build, planned: Planned) -> None:
    """A note stays readable on a large fleet."""
    answer = planned([group("g", count=50)], [workload("w")])
    note = next(note for note in answer.notes if "nothing runs on" in note)
    assert "and 41 more, $490.00/h" in note


def test_without_a_price_there_is_no_bill(group: Build, workload: Build, planned: Planned) -> None:
    """The plan stands, costs are left out, and the price is asked for."""
    answer = planned([group("g"), group("own", dollars=None)], [workload("w")])
    assert answer.bill is None
    assert answer.workloads[0].placed is not None
    assert answer.workloads[0].placed.cost is None
    assert answer.teams[0].usd_per_hour is None
    assert any("no price is known for node group own" in note for note in answer.notes)


def test_cards_of_a_given_memory_are_billed(
    group: Build, workload: Build, planned: Planned
) -> None:
    """A board whose memory only the cluster knows is planned and paid for like any other."""
    own = group("own", gpu="H100-NVL-94GB", gpu_memory_bytes=94 * 2**30, mig=MigStrategy.NONE)
    answer = planned([own], [workload("w")])
    assert answer.bill is not None
    assert answer.bill.in_use_usd_per_hour == 5


def test_prices_are_marked_when_old_and_listed_once(
    group: Build, workload: Build, planned: Planned
) -> None:
    """Older than 180 days, or without a date; equal items at other prices stay apart."""
    groups = [group(name) for name in "abc"]
    dates = [dt.date(2026, 5, 26), dt.date(2026, 5, 25), None]
    priced = [
        replace(node, price=replace(node.price, item="x", as_of=date))
        for node, date in zip(groups, dates, strict=True)
    ]
    answer = planned([*priced, replace(priced[0], name="d")], [workload("w")])
    assert len(answer.prices) == 3
    notes = " ".join(answer.notes)
    assert notes.count("days old") == 1
    assert "the price of x is 181 days old (2026-05-25): check it" in notes
    assert "the price of x has no date" in notes


def test_equal_questions_are_answered_once(group: Build, workload: Build, planned: Planned) -> None:
    """Two owners of one question share its recommendation."""
    answer = planned([group("g")], [workload("a"), workload("b", team="free", priority=3)])
    assert answer.workloads[0].recommendation is answer.workloads[1].recommendation


def test_parallel_ranks_stay_on_one_node(group: Build, workload: Build, planned: Planned) -> None:
    """A model that needs two cards gets both on one node."""
    node: NodeGroup = group("g", count=2, gpus_per_node=4)
    asked: Workload = workload("big", model="meta-llama/Llama-3.1-70B", clients=1)
    answer = planned([node], [asked])
    placed = answer.workloads[0].placed
    assert placed is not None
    ranks = placed.candidate.offer.tensor_parallel
    assert ranks > 1
    used = [card.node for card in answer.cards if card.slots]
    assert used == [used[0]] * ranks


def test_the_fleet_is_shown_whole(group: Build, fleet: Callable[..., Fleet], planned: Planned,
                                  workload: Build) -> None:  # fmt: skip
    """Every card of every node is in the plan, in order."""
    answer = planned([group("a", count=2), group("b")], [workload("w")])
    assert [(card.node, card.card) for card in answer.cards] == [
        ("a-0", 0), ("a-0", 1), ("a-1", 0), ("a-1", 1), ("b-0", 0), ("b-0", 1),
    ]  # fmt: skip
    assert answer.fleet_name == fleet([group("a")], []).name


def test_cpu_of_nodes_binds_once_asked_for(group: Build, workload: Build, planned: Planned) -> None:
    """Replicas that share a card by memory need two nodes by CPU, and who asks for more gets no."""
    nodes = [group("g", count=2, vcpus=20, memory_bytes=2**38)]
    asks = {"min_replicas": 2, "max_replicas": 2}
    found = planned(
        nodes, [workload("a", pod_cpu_cores=9.0, **asks), workload("b", pod_cpu_cores=17.0)]
    )
    assert {card.node for card in found.cards if card.slots} == {"g-0", "g-1"}
    refused = found.workloads[1].outcome
    assert isinstance(refused, NotPlaced)
    assert refused.reason == "g: a replica asks for 17 CPU, and all pods of a node get 16"
    assert refused.remedy == "ask for at most 16 CPU"
    assert any(note.startswith("80% of a node's CPU and memory") for note in found.notes)


def test_parts_of_a_node_always_fit(group: Build, workload: Build, planned: Planned) -> None:
    """Who names no CPU is counted with its slice's part, so asking small changes nothing."""
    nodes = [group("g", vcpus=20, memory_bytes=2**38)]
    workloads = [workload(name) for name in "abcdef"]
    small = [*workloads[:5], replace(workloads[5], pod_cpu_cores=0.1)]
    before, after = planned(nodes, workloads), planned(nodes, small)
    assert [card.layout for card in before.cards] == [card.layout for card in after.cards]
    assert after.not_placed == ()


def test_replicas_keep_apart_by_node(group: Build, workload: Build, planned: Planned) -> None:
    """One replica a node where that is asked for; without, they share a card."""
    nodes = [group("g", count=3)]
    asks = {"min_replicas": 3, "max_replicas": 3}
    apart = planned(nodes, [workload("a", apart=Apart.NODE, **asks)])
    assert sorted(card.node for card in apart.cards for _ in card.slots) == ["g-0", "g-1", "g-2"]
    assert planned(nodes, [workload("a", **asks)]).cards_in_use == 1


def test_a_workload_stays_on_its_groups(group: Build, workload: Build, planned: Planned) -> None:
    """Cheaper nodes that it may not use are no offers for it."""
    nodes = [group("cheap", dollars="1.00"), group("dear")]
    for groups, pool in ((None, "cheap"), (frozenset({"dear"}), "dear")):
        (found,) = planned(nodes, [workload("a", groups=groups)]).workloads
        assert found.placed is not None
        assert found.placed.candidate.offer.pool == pool
