"""Cards and replicas of merged nodes dealt out to single ones, and slices to the cards of a node.

A rule of thumb: hard asks first, each replica to the node where the fewest of its own are (spread)
or to the first with room (pack). What finds no room opens a card where one is free. Whether the
result is the best is judged by whoever called, from a bound.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush

from rightslice.core.catalog.mig import ProfileName
from rightslice.core.catalog.together import Apart, Preference
from rightslice.core.packing.geometry import Multiset
from rightslice.core.packing.node_ask import NodeAsk, NodeKind, Replicas

_NOISE = 1e-9


@dataclass
class Node:
    """One node while it is being filled."""

    kind: NodeKind
    index: int
    cards: list[Multiset] = field(default_factory=list)
    open: Counter[ProfileName] = field(default_factory=Counter)
    """Slots without a replica."""
    taken: dict[int, Counter[ProfileName]] = field(default_factory=dict)
    """Replicas by workload and profile."""
    cpu_cores: float = 0.0
    memory_bytes: float = 0.0

    def add_card(self, pattern: Multiset) -> None:
        """Open one more card."""
        self.cards.append(pattern)
        self.open.update(dict(pattern))

    def own(self, number: int) -> int:
        """Return how many replicas of a workload are here."""
        return self.taken[number].total() if number in self.taken else 0

    def may_take(self, number: int, each: Replicas, profile: ProfileName) -> bool:
        """Return whether one more replica may come here, slots aside."""
        limits = (
            (self.cpu_cores + each.cpu_cores, self.kind.cpu_cores),
            (self.memory_bytes + each.memory_bytes, self.kind.memory_bytes),
        )
        if any(used > limit * (1 + _NOISE) for used, limit in limits):
            return False
        if each.apart is Apart.NODE:
            return self.own(number) == 0
        if each.apart is Apart.GPU:
            having = sum(profile in dict(card) for card in self.cards)
            here = self.taken.get(number, Counter())[profile]
            return here < having and self.own(number) < len(self.cards)
        return True

    def take(self, number: int, each: Replicas, profile: ProfileName, count: int = 1) -> None:
        """Put replicas here."""
        self.open[profile] -= count
        self.taken.setdefault(number, Counter())[profile] += count
        self.cpu_cores += each.cpu_cores * count
        self.memory_bytes += each.memory_bytes * count


@dataclass(frozen=True, kw_only=True)
class Share:
    """What one kind of node is to hold."""

    kind: NodeKind
    cards: Sequence[tuple[Multiset, int]]
    taken: Mapping[tuple[int, ProfileName], int]
    """Replicas by workload and profile."""


def deal(
    ask: NodeAsk, shares: Iterable[Share], left: Sequence[int]
) -> tuple[list[Node], list[int]]:
    """Return every node filled, and how many replicas of each workload found no place."""
    homeless = list(left)
    nodes: list[Node] = []
    for share in shares:
        own = [Node(share.kind, index) for index in range(share.kind.count)]
        _deal_cards(own, share.cards, ask.preference)
        for (number, profile), count in sorted(
            share.taken.items(), key=lambda item: _hardness(ask.workloads[item[0][0]], share.kind)
        ):
            homeless[number] += _deal_replicas(ask, own, (number, profile), count)
        nodes += own
    for number, count in enumerate(homeless):
        homeless[number] = _squeeze(ask, nodes, number, count)
    return nodes, homeless


def _deal_cards(
    nodes: Sequence[Node], cards: Sequence[tuple[Multiset, int]], preference: Preference
) -> None:
    every = [pattern for pattern, count in cards for _ in range(count)]
    if preference is Preference.PACK:
        for number, pattern in enumerate(every):
            nodes[number // nodes[0].kind.cards].add_card(pattern)
        return
    for number, pattern in enumerate(every):
        nodes[number % len(nodes)].add_card(pattern)


def _hardness(each: Replicas, kind: NodeKind) -> tuple[int, float, str]:
    share = max(
        each.cpu_cores / (kind.cpu_cores or 1.0), each.memory_bytes / (kind.memory_bytes or 1.0)
    )
    return (-list(Apart).index(each.apart), -share, each.name)


def _deal_replicas(
    ask: NodeAsk, nodes: Sequence[Node], what: tuple[int, ProfileName], count: int
) -> int:
    """Seat *count* replicas on open slots; return how many found none."""
    (number, profile), each = what, ask.workloads[what[0]]

    def rank(node: Node) -> tuple[float, float, int]:
        if ask.preference is Preference.PACK:
            return (0.0, 0.0, node.index)
        full = max(
            node.cpu_cores / (node.kind.cpu_cores or 1.0),
            node.memory_bytes / (node.kind.memory_bytes or 1.0),
        )
        return (float(node.own(number)), full, node.index)

    waiting = [(rank(node), at) for at, node in enumerate(nodes) if node.open[profile] > 0]
    heapify(waiting)
    while waiting and count:
        _, at = heappop(waiting)
        node = nodes[at]
        if not node.may_take(number, each, profile):
            continue
        node.take(number, each, profile)
        count -= 1
        if node.open[profile] > 0:
            heappush(waiting, (rank(node), at))
    return count


def _squeeze(ask: NodeAsk, nodes: Sequence[Node], number: int, count: int) -> int:
    """Seat what is left on any open slot, else on further cards; return what finds no place."""
    each = ask.workloads[number]
    for accepted in sorted(each.accepts, key=lambda accepted: accepted.usd_per_hour):
        if not count:
            break
        like = [node for node in nodes if node.kind.grid.name == accepted.gpu]
        count = _deal_replicas(ask, like, (number, accepted.profile), count)
        for node in like:
            while count and len(node.cards) < node.kind.cards:
                before = count
                node.add_card(((accepted.profile, 1),))
                if node.may_take(number, each, accepted.profile):
                    node.take(number, each, accepted.profile)
                    count -= 1
                if count == before:
                    node.open[accepted.profile] -= 1
                    node.cards.pop()
                    break
    return count


@dataclass
class Held:
    """One card: whose each slot is."""

    pattern: Multiset
    holders: list[tuple[ProfileName, int]] = field(default_factory=list)
    """(profile, workload)."""

    def has_room(self, profile: ProfileName) -> bool:
        """Return whether a slot of *profile* has no holder."""
        return sum(name == profile for name, _ in self.holders) < dict(self.pattern).get(profile, 0)


def seat(ask: NodeAsk, node: Node) -> tuple[list[Held], Counter[int]]:
    """Return the cards of *node* with their holders, and replicas that cannot lie apart on them.

    Those that lie apart come first, the most replicas first, each on the cards with most room.
    """
    cards = [Held(pattern) for pattern in node.cards]
    homeless = Counter[int]()
    asks = sorted(
        ((n, profile, count) for n, own in node.taken.items() for profile, count in own.items()),
        key=lambda item: (ask.workloads[item[0]].apart is not Apart.GPU, -item[2], item[0]),
    )
    for number, profile, count in asks:
        is_apart = ask.workloads[number].apart is Apart.GPU
        for _ in range(count):
            options = [
                card
                for card in cards
                if card.has_room(profile)
                and not (is_apart and any(n == number for _, n in card.holders))
            ]
            if not options:
                homeless[number] += 1
                continue
            own = {id(card): sum(n == number for _, n in card.holders) for card in options}
            best = min(options, key=lambda card: (own[id(card)], -_room(card)))
            best.holders.append((profile, number))
    return [card for card in cards if card.holders], homeless


def _room(card: Held) -> int:
    return sum(count for _, count in card.pattern) - len(card.holders)
