"""Slices onto nodes with walls: the cheapest cards that hold the most, with a bound.

First the relaxation that merges the nodes of a kind, which gives a bound and is dealt out to the
nodes (`node_deal`). Where that costs what the bound says, it is the optimum. Otherwise the exact
model with every node on its own (`node_model`) is searched for the rest of the time, if it is
small enough, and the better result is returned with its gap.
Known gap: replicas that keep apart by card are seated after the search; what then finds no card is
left over and said to be so. Preferences decide among equal costs, without a proof.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from rightslice.core.catalog.mig import ProfileName
from rightslice.core.packing.backends import Backend
from rightslice.core.packing.certificate import Claim, check_certificate, rounded_certificate
from rightslice.core.packing.driver import certain_cover, parted_layout
from rightslice.core.packing.geometry import Multiset, largest_multisets
from rightslice.core.packing.node_ask import (
    NodeAsk,
    NodeCard,
    NodeKind,
    NodePacking,
    PackedNode,
)
from rightslice.core.packing.node_deal import Held, Node, Share, deal, seat
from rightslice.core.packing.node_model import NodeModel, merged_sites, single_sites
from rightslice.core.packing.rounding import Report, least_point
from rightslice.core.packing.solver import IntegerModel, Solved, Terms, relative_gap
from rightslice.errors import UnavailableError

_MOST_COLUMNS = 20_000
"""The exact model beyond this is not tried: HiGHS would not leave its root in a minute."""

_MERGED = "the nodes of a kind merged, without walls"
_EXACT = "the whole problem, node by node"


@dataclass(frozen=True, kw_only=True)
class _Found:
    """Filled nodes, judged."""

    nodes: tuple[PackedNode, ...]
    left: tuple[int, ...]
    worth: float
    """What is left over."""
    cost: float
    slices_usd: float


@dataclass(frozen=True, kw_only=True)
class _Bounds:
    worth: float
    cost: float
    of: str


def pack_nodes(
    ask: NodeAsk, *, time_limit_seconds: float = 30.0, report: Report | None = None
) -> NodePacking:
    """Return where every slice lies, what is left over, and the gap to the proven bound.

    Raises:
        InputError: when a grid is unknown.
        UnavailableError: when the solver found nothing at all in the time.
    """
    merged = NodeModel(ask, merged_sites(ask))
    seconds = time_limit_seconds / 3
    solved, bounds = _solve(merged, seconds, _MERGED, report)
    best = _judged(ask, merged, *deal(ask, _shares(merged, solved), _left(merged, solved)))
    if _gap(best, bounds) and _exact_columns(ask) <= _MOST_COLUMNS:
        best, bounds = _search(ask, (best, bounds), time_limit_seconds - seconds, report)
    gap = _gap(best, bounds)
    return NodePacking(
        gpus_used=sum(len(node.cards) for node in best.nodes),
        nodes=best.nodes,
        cost=best.cost,
        cost_bound=min(best.cost, bounds.cost),
        slices_usd_per_hour=best.slices_usd,
        left_over={
            each.name: count for each, count in zip(ask.workloads, best.left, strict=True) if count
        },
        gap=gap,
        bound_of=bounds.of,
        certificate=None if any(best.left) else _certificate(ask),
    )


def _exact_columns(ask: NodeAsk) -> int:
    profiles = sum(len(each.accepts) + 1 for each in ask.workloads)
    return sum(kind.count for kind in ask.kinds) * (profiles + 30)


def _search(
    ask: NodeAsk, known: tuple[_Found, _Bounds], seconds: float, report: Report | None
) -> tuple[_Found, _Bounds]:
    best, bounds = known
    exact = NodeModel(ask, single_sites(ask))
    try:
        solved, found_bounds = _solve(exact, seconds, _EXACT, report)
    except UnavailableError:
        return known
    found = _judged(ask, exact, _as_nodes(exact, solved), _left(exact, solved))
    better = min(best, found, key=lambda each: (round(each.worth, 9), each.cost))
    worth = max(bounds.worth, found_bounds.worth)
    if found_bounds.worth > bounds.worth + 1e-9:
        return better, found_bounds
    cost = max(bounds.cost, found_bounds.cost)
    of = found_bounds.of if found_bounds.cost > bounds.cost + 1e-9 else bounds.of
    return better, _Bounds(worth=worth, cost=cost, of=of)


def _gap(found: _Found, bounds: _Bounds) -> float:
    return max(
        relative_gap(found.worth, min(found.worth, bounds.worth)),
        relative_gap(found.cost, min(found.cost, bounds.cost)),
    )


def _solve(
    built: NodeModel, seconds: float, of: str, report: Report | None
) -> tuple[Solved, _Bounds]:
    """Leave the least over, then take the cheapest cards, then the cheapest tidy slices."""
    model, share = built.model, seconds / 3
    least = _least(model, built.worth, share, report)
    model.at_most(built.worth, least.objective + 1e-7)
    costs = built.costs
    try:
        cheapest = _least(model, costs, share, report)
    except UnavailableError:
        cost = sum(price * least.values[x] for x, price in costs.items())
        return least, _Bounds(worth=least.bound, cost=0.0 if cost else cost, of=of)
    model.at_most(costs, cheapest.objective * (1 + 1e-9) + 1e-9)
    bounds = _Bounds(worth=least.bound, cost=cheapest.bound, of=of)
    try:
        last = model.minimise(built.last, time_limit_seconds=share, gap=1e-3)
    except UnavailableError:
        last = None
    return last or cheapest, bounds


def _least(model: IntegerModel, objective: Terms, seconds: float, report: Report | None) -> Solved:
    found = least_point(model, objective, time_limit_seconds=seconds, report=report)
    assert found is not None, "leaving everything over is always possible"
    return found


def _left(built: NodeModel, solved: Solved) -> list[int]:
    return [solved.values[x] for x in built.left]


def _taken(built: NodeModel, solved: Solved, site: int) -> dict[tuple[int, ProfileName], int]:
    return {
        (w, profile): solved.values[x]
        for (w, n, profile), x in built.taken.items()
        if n == site and solved.values[x]
    }


def _cards(built: NodeModel, solved: Solved, site: int) -> list[tuple[Multiset, int]]:
    return [
        (pattern, solved.values[x])
        for (n, pattern), x in built.cards.items()
        if n == site and solved.values[x]
    ]


def _shares(built: NodeModel, solved: Solved) -> list[Share]:
    return [
        Share(kind=site.kind, cards=_cards(built, solved, n), taken=_taken(built, solved, n))
        for n, site in enumerate(built.sites)
    ]


def _as_nodes(built: NodeModel, solved: Solved) -> list[Node]:
    nodes = []
    for number, site in enumerate(built.sites):
        node = Node(site.kind, site.first)
        for pattern, count in _cards(built, solved, number):
            for _ in range(count):
                node.add_card(pattern)
        for (w, profile), count in _taken(built, solved, number).items():
            node.take(w, built.ask.workloads[w], profile, count)
        nodes.append(node)
    return nodes


def _judged(ask: NodeAsk, built: NodeModel, nodes: list[Node], left: list[int]) -> _Found:
    packed, homeless = [], Counter(dict(enumerate(left)))
    cost = usd = 0.0
    is_priced = any(kind.card_usd_per_hour for kind in ask.kinds)
    prices = {
        (w, a.gpu, a.profile): a.usd_per_hour
        for w, each in enumerate(ask.workloads)
        for a in each.accepts
    }
    for node in nodes:
        cards, unseated = seat(ask, node)
        homeless.update(unseated)
        cost += len(cards) * (node.kind.card_usd_per_hour if is_priced else 1.0)
        usd += sum(prices[w, node.kind.grid.name, p] for card in cards for p, w in card.holders)
        if cards:
            packed.append(_packed(ask, node, cards))
    worth = list(built.worth.values())
    return _Found(
        nodes=tuple(packed),
        left=tuple(homeless[w] for w in range(len(ask.workloads))),
        worth=sum(worth[w] * count for w, count in homeless.items()),
        cost=cost,
        slices_usd=usd,
    )


def _packed(ask: NodeAsk, node: Node, cards: list[Held]) -> PackedNode:
    pods = [ask.workloads[w] for card in cards for _, w in card.holders]
    return PackedNode(
        name=f"{node.kind.name}-{node.index}",
        nodes=node.kind.name,
        gpu=node.kind.grid.name,
        cards=tuple(_card(ask, node.kind, n, card) for n, card in enumerate(cards)),
        cpu_cores=sum(each.cpu_cores for each in pods),
        memory_bytes=sum(each.memory_bytes for each in pods),
    )


def _card(ask: NodeAsk, kind: NodeKind, index: int, card: Held) -> NodeCard:
    counts: Multiset = tuple(sorted(Counter(profile for profile, _ in card.holders).items()))
    if ask.backend is Backend.DEVICE_PLUGIN:
        every = frozenset(profile.name for profile in kind.grid.profiles)
        cover = certain_cover(kind.grid, counts, every)
        assert cover is not None, f"no certain layout holds {counts} on {kind.grid.name}"
        counts = cover
    reached = parted_layout(kind.grid, dict(counts))
    assert reached is not None, f"mig-parted cannot make {counts} on {kind.grid.name}"
    waiting: dict[ProfileName, list[str | None]] = {}
    for profile, number in card.holders:
        each = ask.workloads[number]
        waiting.setdefault(profile, []).append(None if each.is_reserve else each.name)
    holders = tuple(
        waiting[place.profile].pop(0) if waiting.get(place.profile) else None
        for place in reached.layout
    )
    return NodeCard(index=index, layout=reached.layout, holders=holders, certain=reached.certain)


def _certificate(ask: NodeAsk) -> Claim | None:
    """Return prices that prove how many cards are needed, each workload at its cheapest profile."""
    grids = {kind.grid.name: kind.grid for kind in ask.kinds}
    if len(grids) > 1:
        return None
    (grid,) = grids.values()
    sets = Counter[frozenset[ProfileName]]()
    for each in ask.workloads:
        sets[frozenset(a.profile for a in each.accepts)] += each.count
    names = sorted(frozenset[ProfileName]().union(*sets))
    model = IntegerModel()
    cards = {p: model.column(0) for p in largest_multisets(grid, frozenset(names))}
    takes = {(s, name): model.column(0) for s in sets for name in sorted(s)}
    for name in names:
        offers = {x: float(dict(p).get(name, 0)) for p, x in cards.items() if name in dict(p)}
        model.at_least(offers | {x: -1.0 for (_, n), x in takes.items() if n == name}, 0.0)
    for accepted, count in sets.items():
        model.at_least({x: 1.0 for (s, _), x in takes.items() if s == accepted}, count)
    duals = model.duals(dict.fromkeys(cards.values(), 1.0))
    certificate = rounded_certificate(grid, dict(zip(names, duals, strict=False)))
    slices = Counter[ProfileName]()
    for accepted, count in sets.items():
        slices[min(sorted(accepted), key=lambda name: certificate.prices[name])] += count
    bound = check_certificate(grid, slices, certificate)
    return Claim(slices=dict(slices), certificate=certificate, at_least=bound)
