"""Cards and replicas of a pool dealt out to nodes with walls: CPU, memory, replicas kept apart.

A rule of thumb. Whole cards go first, then the plan's cards are dealt in turns to the first nodes,
as few as will do (found by bisection), and replicas to their open slots: the most valued and the
hardest first. What finds no place on them takes what else a card can be cut into, or opens one.
Who is still homeless is told to the caller, who judges what that costs from a bound.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from rightslice.core.catalog.together import Apart, Preference
from rightslice.core.packing.demand import WHOLE, Pool, PoolMode, PoolPlan
from rightslice.core.packing.open_cards import UNCUT, Asked, Card, Slots
from rightslice.core.packing.refusal import NOISE, addable, per_card
from rightslice.units import GIB

_BYTES_A_CORE: Final = 4 * GIB
"""Puts memory beside CPU where hard asks go first: cloud instances have about 4 GiB a vCPU."""


@dataclass
class Node:
    """One node while it is being filled."""

    pool: Pool
    cards: list[Card]
    cpu_cores: float = 0.0
    """What its pods ask for."""
    memory_bytes: float = 0.0
    own: Counter[str] = field(default_factory=Counter)
    """Replicas by demand."""
    open: Counter[str] = field(default_factory=Counter)
    """Slots without a holder."""

    @property
    def free(self) -> list[Card]:
        """Cards on which nothing is planned."""
        return [card for card in self.cards if card.is_free]

    def may_take(self, ask: Asked) -> bool:
        """Return whether one more replica may come here, slots aside."""
        choice = ask.choice
        if self.cpu_cores + choice.cpu_cores > self.pool.node_cpu_cores * (1 + NOISE):
            return False
        if self.memory_bytes + choice.memory_bytes > self.pool.node_memory_bytes * (1 + NOISE):
            return False
        return choice.apart is not Apart.NODE or not self.own[ask.key]

    def card_for(self, ask: Asked) -> Card | None:
        """Return the card with an open slot that holds the fewest replicas of its own."""
        slot, best, fewest = ask.choice.slot, None, 0
        for card in self.cards:
            held = card.holders[slot] if card.slots else []
            if dict(card.slots).get(slot, 0) <= len(held):
                continue
            own = _own_on(card, ask.key)
            if own and ask.choice.apart is Apart.GPU:
                continue
            if best is None or own < fewest:
                best, fewest = card, own
        return best

    def seat(self, ask: Asked, card: Card) -> None:
        """Put one replica on a slot of *card*."""
        card.holders[ask.choice.slot].append(ask.key)
        self.open[ask.choice.slot] -= 1
        self.count(ask)

    def count(self, ask: Asked) -> None:
        """Count one more replica here."""
        self.own[ask.key] += 1
        self.cpu_cores += ask.choice.cpu_cores
        self.memory_bytes += ask.choice.memory_bytes


@dataclass(frozen=True, kw_only=True)
class Dealt:
    """A pool's nodes as filled, and who found no place."""

    nodes: tuple[Node, ...]
    homeless: Counter[str]
    """Replicas without a place, by demand."""

    @property
    def cards(self) -> dict[str, list[Card]]:
        """Every card by its node."""
        return {node.cards[0].node: node.cards for node in self.nodes}

    @property
    def cards_in_use(self) -> int:
        """Cards that hold anything."""
        return sum(bool(card.held) for node in self.nodes for card in node.cards)


def deal(pool: Pool, plan: PoolPlan, asked: Sequence[Asked]) -> Dealt:
    """Return the nodes of *pool* filled as *plan* says, on as few of them as will do."""
    most = len(pool.nodes)
    trials = []
    for order in (sorted(asked, key=rank) for rank in (_by_apartness, _by_host, _by_slots)):
        best = _dealt(pool, plan, order, most)
        if best.homeless:
            trials.append(_squeezed(best, order))
            continue
        least, enough = _least_nodes(pool, plan, asked), most
        while least < enough:
            middle = (least + enough) // 2
            trial = _dealt(pool, plan, order, middle)
            if trial.homeless:
                least = middle + 1
            else:
                best, enough = trial, middle
        return best
    worth = {ask.key: ask.weight for ask in asked}
    return min(trials, key=lambda one: (sum(worth[key] for key in one.homeless), one.cards_in_use))


def _least_nodes(pool: Pool, plan: PoolPlan, asked: Sequence[Asked]) -> int:
    """Return the nodes that the cards need, and that replicas want which spread."""
    if pool.mode is PoolMode.UNIFORM:
        return len(pool.nodes)
    cards, least = len(plan.cards), 0
    for node in pool.nodes:
        if cards <= 0:
            break
        least, cards = least + 1, cards - node.cards
    wanted = [
        ask.choice.pods
        for ask in asked
        if ask.choice.apart is Apart.NODE or ask.choice.preference is Preference.SPREAD
    ]
    return min(len(pool.nodes), max(least, *wanted, 1))


def _dealt(pool: Pool, plan: PoolPlan, asked: Sequence[Asked], count: int) -> Dealt:
    """Deal everything out in order to the first *count* nodes, cards beyond where need be."""
    nodes = [
        Node(pool, [Card(node.name, index) for index in range(node.cards)]) for node in pool.nodes
    ]
    if pool.mode is PoolMode.UNIFORM:
        _cut(nodes, plan)
    homeless = Counter[str]()
    for ask in asked:
        if ask.choice.slot == WHOLE:
            homeless[ask.key] += _seat_whole(nodes[:count], ask)
    _deal_cards(nodes, count, [slots for slots in plan.cards if WHOLE not in dict(slots)])
    waiting: dict[str, dict[int, Node]] = {}
    for number, node in enumerate(nodes):
        for slot in node.open:
            waiting.setdefault(slot, {})[number] = node
    for ask in asked:
        if ask.choice.slot != WHOLE:
            homeless[ask.key] += _seat_slots(waiting.get(ask.choice.slot, {}), ask)
    return Dealt(nodes=tuple(nodes), homeless=+homeless)


def _by_apartness(ask: Asked) -> tuple[object, ...]:
    """Order by worth, then by how far replicas keep apart: they have the least choice."""
    apart = list(Apart).index(ask.choice.apart)
    return (-ask.weight, -apart, -ask.choice.same_node, *_by_host(ask)[1:])


def _by_host(ask: Asked) -> tuple[object, ...]:
    """Order by worth, then by what a replica takes of its node."""
    choice = ask.choice
    host = max(choice.cpu_cores, choice.memory_bytes / _BYTES_A_CORE)
    return (-ask.weight, -host, -choice.slots_needed, ask.key)


def _by_slots(ask: Asked) -> tuple[object, ...]:
    """Order by worth, then by replicas: the most first."""
    return (-ask.weight, -ask.choice.pods, *_by_apartness(ask)[1:])


def _cut(nodes: Sequence[Node], plan: PoolPlan) -> None:
    left = {(cut.slot, cut.cards_per_node): cut.nodes for cut in plan.cuts}
    for node in nodes:
        size = len(node.cards)
        slot = next((slot for (slot, n), count in left.items() if n == size and count), UNCUT)
        if slot != UNCUT:
            left[slot, size] -= 1
        for card in node.cards:
            card.cut = slot


def _seat_whole(nodes: Sequence[Node], ask: Asked) -> int:
    """Seat replicas of whole cards; return how many found no node."""
    size, left = ask.choice.same_node, ask.choice.pods
    for node in _turns(nodes, ask):
        if not left:
            break
        free = [card for card in node.free if card.cut in (None, WHOLE)]
        while left and len(free) >= size and node.may_take(ask):
            for card in free[:size]:
                card.whole = ask.key
            free, left = free[size:], left - 1
            node.count(ask)
            if ask.choice.preference is Preference.SPREAD:
                break
    return left


def _turns(nodes: Iterable[Node], ask: Asked) -> Iterator[Node]:
    """Yield the nodes in order, and again while replicas that spread find places."""
    every = tuple(nodes)
    while True:
        before = sum(node.own[ask.key] for node in every)
        yield from every
        if sum(node.own[ask.key] for node in every) == before:
            return


def _deal_cards(nodes: Sequence[Node], count: int, cards: Iterable[Slots]) -> None:
    """Cut free cards as planned, the first *count* nodes in turns and then the others."""
    turns: dict[str | None, deque[Node]] = {}
    for node in nodes[:count]:
        turns.setdefault(node.cards[0].cut, deque()).append(node)
    for node in nodes[count:]:
        turns.setdefault(node.cards[0].cut, deque())
    beyond = deque(nodes[count:])
    for slots in sorted(cards):
        own = turns.get(None) if None in turns else turns.get(slots[0][0], deque())
        assert own is not None
        while own and not own[0].free:
            own.popleft()
        while not own and beyond and not beyond[0].free:
            beyond.popleft()
        first = own or beyond
        if not first:
            return  # the replicas of the other cards are homeless
        first[0].free[0].slots = slots
        first[0].open.update(dict(slots))
        own.rotate(-1)


def _seat_slots(waiting: dict[int, Node], ask: Asked) -> int:
    """Seat replicas on the open slots of nodes, in turns; return how many found none."""
    left, slot = ask.choice.slots_needed, ask.choice.slot
    found = True
    while left and found:
        found = False
        for number, node in tuple(waiting.items()):
            while left and node.may_take(ask) and (card := node.card_for(ask)) is not None:
                node.seat(ask, card)
                left, found = left - 1, True
                if not node.open[slot]:
                    del waiting[number]
                    break
                if ask.choice.preference is not Preference.PACK:
                    break
            if not left:
                break
    return left


def _squeezed(dealt: Dealt, asked: Sequence[Asked]) -> Dealt:
    """Give the homeless what else the cards can be cut into, card by card."""
    for node in dealt.nodes:
        for card in node.cards:
            card.slots = () if card.whole is not None else card.held
    homeless = Counter(dealt.homeless)
    for ask in asked:
        for node in dealt.nodes:
            if not homeless[ask.key] or ask.choice.slot == WHOLE:
                break
            while homeless[ask.key] and node.may_take(ask):
                roomy = _roomy(node, ask)
                if roomy is None:
                    break
                node.open[ask.choice.slot] += 1
                node.seat(ask, roomy)
                roomy.slots = roomy.held
                homeless[ask.key] -= 1
    return Dealt(nodes=dealt.nodes, homeless=+homeless)


def _roomy(node: Node, ask: Asked) -> Card | None:
    """Return a card of *node* that can be cut into one slot more; those in use go first."""
    slot = ask.choice.slot
    for card in sorted(node.cards, key=lambda card: card.is_free):
        if card.whole is not None or (ask.choice.apart is Apart.GPU and _own_on(card, ask.key)):
            continue
        if card.cut is not None and card.cut != slot:
            if card.cut != UNCUT:
                continue
            for other in node.cards:
                other.cut = slot
        if _room_on(node.pool, card, slot):
            return card
    return None


def _room_on(pool: Pool, card: Card, slot: str) -> bool:
    if pool.mode is PoolMode.SLICED:
        assert pool.grid is not None
        return addable(pool.grid, card.slots, slot) > 0
    return len(card.holders[slot]) < per_card(pool, slot)


def _own_on(card: Card, key: str) -> int:
    return sum(keys.count(key) for keys in card.holders.values())
