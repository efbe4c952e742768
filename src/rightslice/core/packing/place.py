"""From a slot plan to concrete cards: which node, which card, which start slot, whose.

Nodes are filled one after another, in the order given, so that whole nodes stay empty. Groups of
whole cards come first, largest first (exact when the sizes divide each other and the nodes),
else by the plan's own node fillings. Replicas of one workload are spread over cards and nodes
among the slots that the plan opened; spreading never opens a further card. Start slots are those
that mig-parted's counts yield on an empty card (`driver.parted_layout`).
"""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict
from collections.abc import Mapping, Sequence
from heapq import heappop, heappush

from rightslice.core.catalog.mig import MigGrid, Placement, ProfileName
from rightslice.core.packing.demand import (
    SHARED,
    WHOLE,
    CardLayout,
    Pool,
    PoolMode,
    PoolPlan,
    Seat,
    SlotPlan,
)
from rightslice.core.packing.driver import certain_cover, parted_layout
from rightslice.core.packing.open_cards import UNCUT, Asked, Card, Slots
from rightslice.core.packing.refusal import per_card


def place(
    pools: Sequence[Pool],
    plan: SlotPlan,
    dealt: Mapping[str, Mapping[str, list[Card]]] | None = None,
) -> tuple[CardLayout, ...]:
    """Return every card of *pools* with what it holds, by pool, node and card number.

    Every slot of the plan gets exactly one seat; the cards with a held seat are as many as
    ``plan.cards_in_use``. *dealt*: the filled cards of pools whose nodes have walls, by node.
    """
    layouts: list[CardLayout] = []
    for pool in pools:
        known = (dealt or {}).get(pool.name)
        cards = known or {
            node.name: [Card(node.name, index) for index in range(node.cards)]
            for node in pool.nodes
        }
        pool_plan = plan.pools.get(pool.name)
        if pool_plan is not None and known is None:
            asked = [
                Asked(key=key, choice=choice)
                for key, choice in sorted(plan.chosen.items())
                if choice is not None and choice.pool == pool.name
            ]
            _fill(pool, cards, pool_plan, asked)
        profiles = frozenset(
            choice.slot
            for choice in plan.chosen.values()
            if choice is not None
            and choice.pool == pool.name
            and choice.slot not in (WHOLE, SHARED)
        )
        layouts += [_finished(pool, card, profiles) for node in cards.values() for card in node]
    return tuple(layouts)


def _fill(
    pool: Pool, nodes: Mapping[str, list[Card]], plan: PoolPlan, asked: Sequence[Asked]
) -> None:
    if pool.mode is PoolMode.UNIFORM:
        _cut_nodes(nodes, plan)
    whole = [ask for ask in asked if ask.choice.slot == WHOLE]
    _place_groups(nodes, plan, whole)
    _spread_whole(nodes, [ask for ask in whole if ask.choice.same_node == 1])
    for slots, count in Counter(card for card in plan.cards if WHOLE not in dict(card)).items():
        free = [card for card in _by_use(nodes) if card.is_free and _may_hold(card, slots)]
        assert len(free) >= count, "the plan uses more cards than the pool has"
        for card in free[:count]:
            card.slots = slots
    cut = [ask for ask in asked if ask.choice.slot != WHOLE]
    open_cards: dict[str, OrderedDict[int, Card]] = defaultdict(OrderedDict)
    for order, card in enumerate(_by_use(nodes)):
        for slot, count in card.slots:
            if count:
                open_cards[slot][order] = card
    for ask in sorted(cut, key=lambda ask: (-ask.choice.slots_needed, ask.key)):
        _spread_slots(open_cards[ask.choice.slot], ask)


def _may_hold(card: Card, slots: Slots) -> bool:
    return card.cut is None or card.cut == slots[0][0]


def _by_use(nodes: Mapping[str, list[Card]]) -> list[Card]:
    """Return the cards of nodes in use first, then of empty nodes, each in order."""
    ordered = sorted(nodes.values(), key=lambda cards: all(card.is_free for card in cards))
    return [card for cards in ordered for card in cards]


def _cut_nodes(nodes: Mapping[str, list[Card]], plan: PoolPlan) -> None:
    left = {(cut.slot, cut.cards_per_node): cut.nodes for cut in plan.cuts}
    for cards in nodes.values():
        for card in cards:
            card.cut = UNCUT
        for (slot, size), count in left.items():
            if size == len(cards) and count:
                left[slot, size] -= 1
                for card in cards:
                    card.cut = slot
                break


def _place_groups(nodes: Mapping[str, list[Card]], plan: PoolPlan, asked: Sequence[Asked]) -> None:
    groups = [
        (ask.choice.same_node, ask.key)
        for ask in asked
        if ask.choice.same_node > 1
        for _ in range(ask.choice.slots_needed // ask.choice.same_node)
    ]
    groups.sort(key=lambda group: (-group[0], group[1]))
    sizes = [size for size, _ in groups]
    free = {name: len(cards) for name, cards in nodes.items() if cards[0].cut in (None, WHOLE)}
    homes = _first_fit(free, sizes) or _by_fillings(free, sizes, plan)
    for (size, key), home in zip(groups, homes, strict=True):
        for card in [card for card in nodes[home] if card.is_free][:size]:
            card.whole = key


def _first_fit(free: Mapping[str, int], sizes: Sequence[int]) -> list[str]:
    """Return the first node with room for each group, or nothing when one finds none."""
    left, homes = dict(free), []
    for size in sizes:
        home = next((name for name, cards in left.items() if cards >= size), None)
        if home is None:
            return []
        left[home] -= size
        homes.append(home)
    return homes


def _by_fillings(free: Mapping[str, int], sizes: Sequence[int], plan: PoolPlan) -> list[str]:
    """Return a node for each group by the plan's fillings, which always suffice."""
    offers: dict[int, list[str]] = defaultdict(list)
    names: dict[int, list[str]] = defaultdict(list)
    for name, cards in free.items():
        names[cards].append(name)
    for filling in plan.groups:
        for _ in range(filling.nodes):
            name = names[filling.cards_per_node].pop(0)
            for size, count in filling.groups:
                offers[size] += [name] * count
    return [offers[size].pop(0) for size in sizes]


def _spread_whole(nodes: Mapping[str, list[Card]], asked: Sequence[Asked]) -> None:
    """Give single-card replicas the first free cards: a card each is spread enough."""
    free = [card for card in _by_use(nodes) if card.is_free and card.cut in (None, WHOLE)]
    keys = [ask.key for ask in asked for _ in range(ask.choice.slots_needed)]
    assert len(free) >= len(keys), "the plan uses more cards than the pool has"
    for card, key in zip(free, keys, strict=False):
        card.whole = key


def _spread_slots(open_cards: OrderedDict[int, Card], ask: Asked) -> None:
    """Seat each replica where the fewest of its own are: on the card, then on the node, in order.

    Cards are looked at only as far as they may be chosen, so the work grows with the replicas,
    not with replicas times cards.
    """
    slot = ask.choice.slot
    on_node = Counter[str]()
    unseen = iter(open_cards.items())
    following = next(unseen, None)
    seen: list[tuple[int, int, int]] = []
    full: list[int] = []
    for _ in range(ask.choice.slots_needed):
        while True:
            while following is not None and (not seen or seen[0] > (0, 0, following[0])):
                order, card = following
                heappush(seen, (0, on_node[card.node], order))
                following = next(unseen, None)
            own, near, order = heappop(seen)
            card = open_cards[order]
            if near == on_node[card.node]:
                break
            # A replica was seated on this node meanwhile: look again.
            heappush(seen, (own, on_node[card.node], order))
        card.holders[slot].append(ask.key)
        on_node[card.node] += 1
        if len(card.holders[slot]) < dict(card.slots)[slot]:
            heappush(seen, (own + 1, on_node[card.node], order))
        else:
            full.append(order)
    for order in full:
        del open_cards[order]


def _finished(pool: Pool, card: Card, asked: frozenset[str]) -> CardLayout:
    seats: tuple[Seat, ...] = ()
    certain = True
    slots = dict(card.slots)
    if card.whole is not None:
        seats = (Seat(slot=WHOLE, demand=card.whole),)
    elif pool.mode is PoolMode.SHARED:
        held = card.holders[SHARED] if slots else []
        empty = [None] * (pool.replicas - len(held))
        seats = tuple(Seat(slot=SHARED, demand=key) for key in (*held, *empty)) if held else ()
    else:
        if card.cut not in (None, WHOLE, UNCUT):
            assert card.cut is not None
            slots = {card.cut: per_card(pool, card.cut)}
        if slots:
            assert pool.grid is not None
            seats, certain = _seats(pool.grid, slots, card.holders, asked | {*slots})
    return CardLayout(
        pool=pool.name, node=card.node, index=card.index, seats=seats, certain=certain
    )


def _seats(
    grid: MigGrid,
    slots: Mapping[str, int],
    holders: Mapping[str, Sequence[str]],
    asked: frozenset[str],
) -> tuple[tuple[Seat, ...], bool]:
    """Return the card's slices by start slot, with their holders in that order."""
    wanted = tuple(sorted((ProfileName(name), count) for name, count in slots.items()))
    # Slices that only make the others' start slots certain are cut too, and stay free.
    every = frozenset(profile.name for profile in grid.profiles)
    counts = certain_cover(grid, wanted, asked) or certain_cover(grid, wanted, every)
    assert counts is not None, f"no certain layout holds {slots} on {grid.name}"
    reached = parted_layout(grid, dict(counts))
    assert reached is not None, f"mig-parted cannot make {counts} on {grid.name}"
    waiting = {name: list(keys) for name, keys in holders.items()}

    def holder(placement: Placement) -> str | None:
        keys = waiting.get(placement.profile)
        return keys.pop(0) if keys else None

    seats = tuple(
        Seat(slot=placement.profile, demand=holder(placement), placement=placement)
        for placement in reached.layout
    )
    return seats, reached.certain
