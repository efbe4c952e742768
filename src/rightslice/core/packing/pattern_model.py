"""Columns and rows of the pattern model that `patterns.plan_slots` solves.

Columns: how many cards of each pool take each pattern (an inclusion-maximal multiset of slots,
of those whose start slots are certain from counts alone, as mig-parted takes them),
and how many demands of each group of identical ones take each of their choices. Rows: every slot
taken is offered by some card; cards, nodes and named limits suffice. Whole cards that must share
a node (tensor parallelism) are packed by node fillings in the same model, which is exact: single
cards fit wherever cards are left. CPU and memory bind summed over a pool's nodes, and replicas that
keep apart need as many cards as they are: a relaxation of the walls of single nodes, which
`walled` deals out.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf

from rightslice.core.catalog.together import Apart
from rightslice.core.packing.demand import SHARED, WHOLE, Choice, Demand, Pool, PoolMode
from rightslice.core.packing.driver import certain_multisets
from rightslice.core.packing.refusal import why_never
from rightslice.core.packing.solver import IntegerModel

Pattern = tuple[tuple[str, int], ...]


@dataclass(frozen=True, kw_only=True)
class Group:
    """Demands that are alike in weight and choices."""

    keys: tuple[str, ...]
    weight: float
    choices: tuple[Choice, ...]


@dataclass
class PoolColumns:
    """Where a pool's variables stand in the model."""

    pool: Pool
    cards: dict[Pattern, int] = field(default_factory=dict)
    cuts: dict[tuple[Pattern, int], int] = field(default_factory=dict)
    groups: dict[tuple[int, tuple[tuple[int, int], ...]], int] = field(default_factory=dict)


@dataclass
class Columns:
    """The model, and what its columns mean."""

    model: IntegerModel
    groups: tuple[Group, ...]
    pools: list[PoolColumns]
    taken: dict[tuple[int, int], int]
    """(group, choice) to column."""


def build(
    pools: Mapping[str, Pool], demands: Sequence[Demand], limits: Mapping[str, float]
) -> Columns:
    """Return the model of *demands* on *pools*; without an objective yet."""
    model = IntegerModel()
    groups = _grouped(demands)
    taken = {
        (g, c): model.column(0 if why_never(pools[choice.pool], choice) else len(group.keys))
        for g, group in enumerate(groups)
        for c, choice in enumerate(group.choices)
    }
    for g, group in enumerate(groups):
        model.at_most({taken[g, c]: 1.0 for c in range(len(group.choices))}, len(group.keys))
    asked: dict[str, dict[str, dict[int, float]]] = defaultdict(lambda: defaultdict(dict))
    together: dict[str, dict[int, dict[int, float]]] = defaultdict(lambda: defaultdict(dict))
    used: dict[str, dict[int, float]] = defaultdict(dict)
    for (g, c), column in taken.items():
        choice = groups[g].choices[c]
        asked[choice.pool][choice.slot][column] = choice.slots_needed
        if choice.same_node > 1:
            groups_needed = choice.slots_needed // choice.same_node
            together[choice.pool][choice.same_node][column] = groups_needed
        for name, amount in choice.uses:
            used[name][column] = amount
    for name, terms in used.items():
        model.at_most(terms, limits[name])
    found = [
        _add_pool(model, pool, asked[name], together[name])
        for name, pool in pools.items()
        if name in asked
    ]
    chosen = [(groups[g].choices[c], column) for (g, c), column in taken.items()]
    for columns in found:
        own = [(each, column) for each, column in chosen if each.pool == columns.pool.name]
        _add_walls(model, columns, own)
    return Columns(model=model, groups=groups, pools=found, taken=taken)


def _grouped(demands: Sequence[Demand]) -> tuple[Group, ...]:
    alike: dict[tuple[float, tuple[Choice, ...], str], list[str]] = defaultdict(list)
    for demand in demands:
        if demand.choices:
            # Who keeps apart stands alone: the cards that it needs are no multiple of its group.
            is_apart = any(choice.apart is not Apart.NOTHING for choice in demand.choices)
            own = demand.key if is_apart else ""
            alike[demand.weight, demand.choices, own].append(demand.key)
    return tuple(
        Group(keys=tuple(sorted(keys)), weight=weight, choices=choices)
        for (weight, choices, _), keys in alike.items()
    )


def _add_walls(
    model: IntegerModel, columns: PoolColumns, chosen: Sequence[tuple[Choice, int]]
) -> None:
    """Hold what the pool's nodes have together, and give replicas that keep apart their cards."""
    pool = columns.pool
    for limit, amounts in (
        (pool.node_cpu_cores, {x: choice.cpu_cores * choice.pods for choice, x in chosen}),
        (pool.node_memory_bytes, {x: choice.memory_bytes * choice.pods for choice, x in chosen}),
    ):
        if limit < inf and any(amounts.values()):
            # In shares of one node, so that the solver's tolerance is the same for both.
            shares = {x: amount / (limit or 1.0) for x, amount in amounts.items() if amount}
            model.at_most(shares, float(len(pool.nodes)) if limit else 0.0)
    for choice, column in chosen:
        if choice.apart is not Apart.NOTHING and choice.slot != WHOLE:
            having = [x for p, x in columns.cards.items() if dict(p).get(choice.slot)]
            model.at_least({**dict.fromkeys(having, 1.0), column: -float(choice.pods)}, 0.0)


def _add_pool(
    model: IntegerModel,
    pool: Pool,
    asked: Mapping[str, Mapping[int, float]],
    together: Mapping[int, Mapping[int, float]],
) -> PoolColumns:
    columns = PoolColumns(pool=pool)
    for pattern in card_patterns(pool, asked):
        columns.cards[pattern] = model.column(pool.gpu_count)
    model.at_most(dict.fromkeys(columns.cards.values(), 1.0), pool.gpu_count)
    for slot, terms in asked.items():
        offered = {x: float(dict(p).get(slot, 0)) for p, x in columns.cards.items()}
        needed = {y: -amount for y, amount in terms.items()}
        model.at_least({x: n for x, n in offered.items() if n} | needed, 0.0)
    sizes = Counter(node.cards for node in pool.nodes)
    if pool.mode is PoolMode.UNIFORM:
        _add_cuts(model, columns, sizes)
    if together:
        _add_groups(model, columns, sizes, together)
    return columns


def card_patterns(pool: Pool, slots: Iterable[str]) -> tuple[Pattern, ...]:
    """Return what one card of *pool* can offer at most, over the *slots* that are asked."""
    asked = set(slots)
    whole: tuple[Pattern, ...] = (((WHOLE, 1),),) if WHOLE in asked else ()
    if pool.mode is PoolMode.WHOLE:
        return whole
    if pool.mode is PoolMode.SHARED:
        return (((SHARED, pool.replicas),),)
    assert pool.grid is not None
    profiles = frozenset(asked - {WHOLE})
    if not profiles:
        return whole
    if pool.mode is PoolMode.SLICED:
        return (*whole, *certain_multisets(pool.grid, profiles))
    alone = (certain_multisets(pool.grid, frozenset({name})) for name in sorted(profiles))
    return (*whole, *(pattern for patterns in alone for pattern in patterns))


def _add_cuts(model: IntegerModel, columns: PoolColumns, sizes: Mapping[int, int]) -> None:
    """Make every card of a node take the node's one pattern."""
    for pattern, cards in columns.cards.items():
        nodes = {size: model.column(count) for size, count in sizes.items()}
        columns.cuts |= {(pattern, size): column for size, column in nodes.items()}
        model.at_least({column: float(size) for size, column in nodes.items()} | {cards: -1.0}, 0.0)
    for size, count in sizes.items():
        model.at_most({x: 1.0 for (_, s), x in columns.cuts.items() if s == size}, count)


def _add_groups(
    model: IntegerModel,
    columns: PoolColumns,
    sizes: Mapping[int, int],
    together: Mapping[int, Mapping[int, float]],
) -> None:
    """Pack groups of whole cards into nodes; a group never spans two."""
    for size, count in sizes.items():
        fillings = _fillings(size, sorted(together, reverse=True))
        columns.groups |= {(size, filling): model.column(count) for filling in fillings}
        nodes = {x: 1.0 for (s, _), x in columns.groups.items() if s == size}
        whole = columns.cuts.get((((WHOLE, 1),), size))
        if whole is not None:
            model.at_most(nodes | {whole: -1.0}, 0.0)
        elif nodes:
            model.at_most(nodes, count)
    for cards, terms in together.items():
        offered = {x: float(dict(f).get(cards, 0)) for (_, f), x in columns.groups.items()}
        needed = {y: -amount for y, amount in terms.items()}
        model.at_least({x: n for x, n in offered.items() if n} | needed, 0.0)


def _fillings(size: int, groups: Sequence[int]) -> tuple[tuple[tuple[int, int], ...], ...]:
    """Return the maximal ways to put groups of whole cards on a node of *size* cards."""

    def extend(left: int, index: int) -> Iterator[tuple[tuple[int, int], ...]]:
        if index == len(groups):
            yield ()
            return
        cards = groups[index]
        last = index == len(groups) - 1
        for count in range(left // cards, -1, -1):
            for rest in extend(left - count * cards, index + 1):
                yield ((cards, count), *rest) if count else rest
            if last:
                break

    return tuple(dict.fromkeys(filling for filling in extend(size, 0) if filling))


def fill(
    patterns: Iterable[tuple[Pattern, int]],
    needed: Mapping[str, int],
    least_cards: Mapping[str, int] | None = None,
) -> tuple[Pattern, ...]:
    """Return what each card holds when *needed* slots are put on the cards of *patterns*.

    Cards that remain empty are left out. *least_cards*: the cards on which a slot must lie.
    """
    left, apart = dict(needed), dict(least_cards or {})
    every = [pattern for pattern, count in patterns for _ in range(count)]
    firsts: list[set[str]] = []
    for pattern in every:
        first = {slot for slot, n in pattern if n and apart.get(slot, 0) and left.get(slot, 0)}
        for slot in first:
            apart[slot] -= 1
            left[slot] -= 1
        firsts.append(first)
    cards: list[Pattern] = []
    for pattern, first in zip(every, firsts, strict=True):
        kept = []
        for slot, n in pattern:
            more = min(n - (slot in first), left.get(slot, 0))
            if more:
                left[slot] -= more
            if more or slot in first:
                kept.append((slot, more + (slot in first)))
        if kept:
            cards.append(tuple(kept))
    assert not any(left.values()), f"the patterns offer too few slots: {left}"
    return tuple(cards)
