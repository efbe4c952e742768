"""Slices onto nodes with walls: legal, complete, and as cheap as trying everything finds."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import product
from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rightslice.core.catalog.mig import MigGrid, ProfileName
from rightslice.core.catalog.together import Apart, Preference
from rightslice.core.packing.backends import Backend
from rightslice.core.packing.certificate import Holds, verify
from rightslice.core.packing.geometry import feasible_multisets, multiset, why_illegal
from rightslice.core.packing.node_ask import Accepted, NodeAsk, NodeKind, NodePacking, Replicas
from rightslice.core.packing.node_pack import pack_nodes
from rightslice.errors import InputError, UnknownNameError

few = settings(max_examples=40, deadline=None)


def workload(grid: MigGrid, name: str, count: int, *profiles: str) -> Replicas:
    """Return replicas that any of the profiles serves."""
    accepts = tuple(Accepted(gpu=grid.name, profile=ProfileName(each)) for each in profiles)
    return Replicas(name=name, count=count, accepts=accepts)


def nodes(grid: MigGrid, count: int, cards: int, cpu_cores: float = inf) -> tuple[NodeKind, ...]:
    """Return nodes of one kind."""
    return (NodeKind(name="n", grid=grid, count=count, cards=cards, cpu_cores=cpu_cores),)


def drawn(data: st.DataObject, grid: MigGrid) -> NodeAsk:
    """Draw up to five replicas of up to three workloads on two nodes."""
    sets = st.sampled_from(
        [("3g.20gb",), ("1g.10gb", "2g.10gb"), ("4g.20gb", "3g.20gb"), ("7g.40gb",)]
    )
    workloads, total = [], 0
    for name in "abc"[: data.draw(st.integers(1, 3))]:
        count = data.draw(st.integers(1, max(1, min(3, 5 - total))))
        total += count
        workloads.append(
            replace(
                workload(grid, name, count, *data.draw(sets)),
                cpu_cores=data.draw(st.sampled_from([0.0, 1.0, 2.0])),
                apart=data.draw(st.sampled_from(Apart)),
            )
        )
    cpu = data.draw(st.sampled_from([inf, 3.0, 5.0]))
    prefer = data.draw(st.sampled_from(Preference))
    return NodeAsk(kinds=nodes(grid, 2, 2, cpu), workloads=tuple(workloads), preference=prefer)


def broken(ask: NodeAsk, answer: NodePacking) -> list[str]:
    """Return every rule that the answer breaks."""
    kinds = {kind.name: kind for kind in ask.kinds}
    found = []
    placed = Counter[str]()
    for node in answer.nodes:
        kind = kinds[node.nodes]
        here = Counter(h for card in node.cards for h in card.holders if h)
        placed += here
        cpu = sum(each.cpu_cores * here[each.name] for each in ask.workloads)
        found += ["CPU"] if cpu > kind.cpu_cores or cpu != node.cpu_cores else []
        found += ["cards"] if len(node.cards) > kind.cards else []
        for card in node.cards:
            why = why_illegal(kind.grid, card.layout)
            found += [] if why is None else [why]
        for each in ask.workloads:
            beside = [card.holders.count(each.name) for card in node.cards]
            if each.apart is Apart.NODE and sum(beside) > 1:
                found.append("two on a node")
            if each.apart is Apart.GPU and max(beside, default=0) > 1:
                found.append("two on a card")
            accepted = {accepted.profile for accepted in each.accepts}
            got = {p.profile for c in node.cards for p, h in zip(c.layout, c.holders, strict=True)
                   if h == each.name}  # fmt: skip
            found += [] if got <= accepted else ["a profile that does not serve"]
    for each in ask.workloads:
        if placed[each.name] + answer.left_over.get(each.name, 0) != each.count:
            found.append("a replica lost")
    return found


def least_cost(ask: NodeAsk, placed: Counter[str]) -> float:
    """Return the fewest cards for the replicas *placed*, by trying every card and profile."""
    (kind,) = ask.kinds
    feasible = feasible_multisets(kind.grid)
    pods = [each for each in ask.workloads for _ in range(placed[each.name])]
    spots = list(product(range(kind.count), range(kind.cards)))
    best = inf
    for where in product(spots, repeat=len(pods)):
        if len(set(where)) >= best or not apart(ask, pods, where):
            continue
        for chosen in product(*(each.accepts for each in pods)):
            cards: dict[object, list[ProfileName]] = {}
            for spot, accepted in zip(where, chosen, strict=True):
                cards.setdefault(spot, []).append(accepted.profile)
            if all(multiset(held) in feasible for held in cards.values()):
                best = len(cards)
                break
    return best


def apart(ask: NodeAsk, pods: list[Replicas], where: tuple[tuple[int, int], ...]) -> bool:
    """Return whether CPU suffices and replicas lie apart."""
    (kind,) = ask.kinds
    cpu, beside = Counter[int](), Counter[tuple[str, object]]()
    for pod, spot in zip(pods, where, strict=True):
        cpu[spot[0]] += int(pod.cpu_cores)
        if pod.apart is not Apart.NOTHING:
            beside[pod.name, spot if pod.apart is Apart.GPU else spot[0]] += 1
    return all(n <= 1 for n in beside.values()) and all(n <= kind.cpu_cores for n in cpu.values())


@given(data=st.data())
@few
def test_answers_keep_every_rule_and_are_the_cheapest(data: st.DataObject, a100: MigGrid) -> None:
    """What is proven is what trying every card finds, and one more replica finds no place."""
    ask = drawn(data, a100)
    answer = pack_nodes(ask)
    assert broken(ask, answer) == []
    placed = Counter({w.name: w.count - answer.left_over.get(w.name, 0) for w in ask.workloads})
    best = least_cost(ask, placed)
    assert best <= answer.cost
    if answer.is_proven:
        assert answer.cost == best
        for name in answer.left_over:
            assert least_cost(ask, placed + Counter([name])) == inf


def test_the_walls_of_nodes_are_seen(a100: MigGrid) -> None:
    """Five cores a node take two pods of two, though both nodes together would take five."""
    a = replace(workload(a100, "a", 5, "1g.5gb"), cpu_cores=2.0)
    answer = pack_nodes(NodeAsk(kinds=nodes(a100, 2, 2, 5.0), workloads=(a,)))
    assert answer.left_over == {"a": 1}
    assert answer.is_proven
    assert answer.bound_of == "the whole problem, node by node"


def test_packing_leaves_nodes_empty_and_spreading_uses_them(a100: MigGrid) -> None:
    """The preference decides between as few cards on one node and on four."""
    asked = NodeAsk(kinds=nodes(a100, 4, 4), workloads=(workload(a100, "a", 4, "7g.40gb"),))
    assert len(pack_nodes(replace(asked, preference=Preference.PACK)).nodes) == 1
    assert len(pack_nodes(asked).nodes) == 4


def test_the_price_of_a_slice_decides_last(a100: MigGrid) -> None:
    """Of two profiles on as many cards the cheaper one is taken."""
    accepts = tuple(
        Accepted(gpu=a100.name, profile=ProfileName(name), usd_per_hour=price)
        for name, price in (("2g.10gb", 2.0), ("1g.10gb", 1.0))
    )
    ask = NodeAsk(
        kinds=nodes(a100, 1, 1), workloads=(Replicas(name="a", count=2, accepts=accepts),)
    )
    assert pack_nodes(ask).slices_usd_per_hour == 2.0


def test_the_certificate_holds_without_a_solver(a100: MigGrid) -> None:
    """Prices prove as many cards as acceptable sets need."""
    ask = NodeAsk(
        kinds=nodes(a100, 10, 8),
        workloads=(
            workload(a100, "a", 30, "1g.10gb", "2g.10gb"),
            workload(a100, "b", 9, "4g.20gb"),
        ),
    )
    answer = pack_nodes(ask)
    assert answer.certificate is not None
    assert isinstance(verify(a100, answer.certificate), Holds)
    assert answer.certificate.at_least == answer.gpus_used


def test_the_reserve_stays_free_and_counts_alone_suffice(a100: MigGrid) -> None:
    """Head-room has no holder; for the device plugin every start slot is certain."""
    spare = replace(workload(a100, "spare", 2, "1g.10gb"), is_reserve=True)
    ask = NodeAsk(
        kinds=nodes(a100, 1, 2),
        workloads=(workload(a100, "a", 3, "1g.5gb"), spare),
        backend=Backend.DEVICE_PLUGIN,
    )
    (node,) = pack_nodes(ask).nodes
    assert all(card.certain for card in node.cards)
    assert [h for card in node.cards for h in card.holders if h] == ["a"] * 3
    assert sum(h is None for card in node.cards for h in card.holders) >= 2


def test_bad_asks_are_refused(a100: MigGrid) -> None:
    """Names that repeat, unknown GPUs and profiles, and odd amounts are input errors."""
    a = workload(a100, "a", 1, "1g.5gb")
    with pytest.raises(InputError, match="'a' is given twice"):
        NodeAsk(kinds=nodes(a100, 1, 1), workloads=(a, a))
    with pytest.raises(UnknownNameError, match="9g"):
        NodeAsk(kinds=nodes(a100, 1, 1), workloads=(workload(a100, "a", 1, "9g.1gb"),))
    with pytest.raises(InputError, match="accepts no profile"):
        workload(a100, "a", 1)
    with pytest.raises(InputError, match="1 or more"):
        nodes(a100, 0, 1)
