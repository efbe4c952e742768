"""Repacking churned cards: fewest moves to the optimum, proven, and how long that takes.

Usage: repack.py [--sizes N,N,...] [--seeds COUNT] [--states COUNT] [--small COUNT]

States come from first fit at the lowest start under churn (four departures and arrivals a slice).
Every intermediate state of every plan is carried out step by step, which refuses what cannot be.
With --states so many more of 20 to 200 pods are counted, every third with pinned pods and weights.
With --small so many tiny states are also solved by trying every set of moves.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import replace
from heapq import heappop, heappush
from itertools import combinations

import numpy as np
from parts.packing_traffic import (
    GPU,
    MIXES,
    PROFILES,
)

from rightslice.core.catalog.mig import MigGrid, ProfileName
from rightslice.core.packing.cards import CardTable, bit_indices, card_table
from rightslice.core.packing.live import (
    LiveCard,
    LivePod,
    LiveSlice,
    LiveState,
    cards_in_use,
    check_state,
    running,
)
from rightslice.core.packing.repack import RepackPlan, repack
from rightslice.core.packing.steps import apply_steps
from rightslice.edge.catalog_files import Catalog

TURNOVER = 4
"""Departures and arrivals of each slice."""
PER_WORKLOAD = 4
"""Replicas of a workload, on average."""


def churned(grid: MigGrid, mix: str, size: int, seed: int) -> LiveState:
    """Return what first fit leaves of *size* slices after churn."""
    rng = np.random.default_rng(seed)
    weights = np.array(MIXES[mix])
    asked = rng.choice(len(PROFILES), (TURNOVER + 1) * size, p=weights / weights.sum()).tolist()
    cards, seats = FirstFit(card_table(grid, frozenset(PROFILES))), list[tuple[int, int]]()
    for index, number in enumerate(asked):
        if index >= size:
            leaving = int(rng.integers(len(seats)))
            seats[leaving], seats[-1] = seats[-1], seats[leaving]
            cards.leave(*seats.pop())
        seats.append(cards.place(PROFILES[number]))
    owners = rng.integers(max(size // PER_WORKLOAD, 1), size=len(cards.contents) * 8).tolist()
    return state_of(grid, cards.table, cards.contents, owners)


class FirstFit:
    """Cards filled from the first on, each at its lowest start."""

    def __init__(self, table: CardTable) -> None:
        self.table = table
        self.contents = list[int]()
        self._maybe: dict[ProfileName, list[int]] = {name: [] for name in PROFILES}
        """A heap a profile of the cards that may have room for it."""

    def place(self, profile: ProfileName) -> tuple[int, int]:
        """Put a slice at the first card's lowest start and return where."""
        heap = self._maybe[profile]
        while heap and not self.table.room_for(self.contents[heap[0]], profile):
            heappop(heap)
        if not heap:
            self.contents.append(0)
            self._offer(len(self.contents) - 1)
        card = heap[0]
        room = self.table.room_for(self.contents[card], profile)
        self.contents[card] |= room & -room
        return card, room & -room

    def leave(self, card: int, bit: int) -> None:
        """Free a slice."""
        self.contents[card] &= ~bit
        self._offer(card)

    def _offer(self, card: int) -> None:
        for heap in self._maybe.values():
            heappush(heap, card)


def state_of(grid: MigGrid, table: CardTable, contents: list[int], owners: list[int]) -> LiveState:
    """Return the contents with a pod in each slice."""
    cards = []
    for number, content in enumerate(contents):
        slices = []
        for placement in table.layout(content):
            owner = owners[number * 8 + placement.start]
            pod = LivePod(name=f"p{number}-{placement.start}", workload=f"w{owner}")
            slices.append(LiveSlice(placement=placement, pod=pod))
        cards.append(LiveCard(name=f"gpu-{number}", slices=tuple(slices)))
    return LiveState(grid=grid, cards=tuple(cards))


def print_repack(state: LiveState, label: str) -> None:
    """Repack one state, check the end, and print a line."""
    start, began = time.perf_counter(), time.process_time()
    plan = repack(state)
    seconds, busy = time.perf_counter() - start, time.process_time() - began
    if not isinstance(plan, RepackPlan):
        print(f"{label}: {plan.reason}  {seconds:.2f} s")
        return
    check_steps(state, plan)
    pods = sum(running(state).values())
    print(
        f"{label}: {plan.cards_before} -> {plan.cards_after} GPUs (optimum {plan.cards_fewest}),"
        f" {len(plan.moves)} moves ({len(plan.moves) / pods:.0%}),"
        f" {'proven' if plan.is_proven else f'at least {plan.weight_bound:g}'},"
        f" {len(plan.steps)} legal steps, {plan.stops} stops, {plan.detours} detours,"
        f" {seconds:.2f} s ({busy:.2f} s of a processor)"
    )


def weighed(state: LiveState, seed: int) -> LiveState:
    """Return *state* with every eighth pod pinned and moves of different weights."""
    rng = np.random.default_rng(seed)

    def changed(each: LiveSlice) -> LiveSlice:
        if each.pod is None:
            return each
        weight, pinned = float(rng.integers(1, 6)), bool(rng.integers(8) == 0)
        return replace(each, pod=replace(each.pod, move_weight=weight, pinned=pinned))

    cards = (replace(card, slices=tuple(map(changed, card.slices))) for card in state.cards)
    return replace(state, cards=tuple(cards))


def count_proofs(grid: MigGrid, count: int) -> None:
    """Print how many random states are repacked with proof, every step carried out."""
    proven = repacked = settled = detours = 0
    slowest = 0.0
    for seed in range(1, count + 1):
        size = 20 + 45 * (seed % 5)
        state = churned(grid, list(MIXES)[seed % len(MIXES)], size, seed)
        state = weighed(state, seed) if seed % 3 == 0 else state
        start = time.perf_counter()
        plan = repack(state)
        slowest = max(slowest, time.perf_counter() - start)
        if isinstance(plan, RepackPlan):
            check_steps(state, plan)
            repacked += 1
            proven += plan.is_proven
            detours += bool(plan.detours)
        else:
            settled += 1
    print(
        f"{count} random states: {repacked} repacked, {proven} of them proven the fewest moves"
        f" ({detours} need a detour, which no proof covers), {settled} had nothing to gain;"
        f" slowest {slowest:.2f} s"
    )


def check_steps(state: LiveState, plan: RepackPlan) -> None:
    """Carry out every step of *plan*, each of which is refused if it cannot be."""
    names = {each.placement.profile for card in state.cards for each in card.slices}
    after = apply_steps(card_table(state.grid, frozenset(names)), state, plan.steps)
    check_state(after)
    assert cards_in_use(after) == plan.cards_after
    assert running(after) == running(state)


def brute_force(table: CardTable, contents: list[int], cards: int) -> int:
    """Return the fewest slices whose leaving lets everything fit on so many cards."""
    seats = [(i, bit) for i, content in enumerate(contents) for bit in bit_indices(content)]
    for count in range(len(seats) + 1):
        for chosen in combinations(seats, count):
            left = list(contents)
            for card, bit in chosen:
                left[card] &= ~(1 << bit)
            moved = sorted((table.profile_of(bit) for _, bit in chosen), reverse=True)
            if packable(table, left, moved, cards):
                return count
    raise AssertionError("the optimum can be reached by moving everything")


def packable(table: CardTable, contents: list[int], left: list[ProfileName], cards: int) -> bool:
    """Return whether the slices *left* fit beside *contents* on so many used cards."""
    if sum(map(bool, contents)) > cards:
        return False
    return not left or any(
        packable(table, after, left[1:], cards) for after in _placed(table, contents, left[0])
    )


def _placed(table: CardTable, contents: list[int], profile: ProfileName) -> Iterator[list[int]]:
    seen = set()
    for index, content in enumerate(contents):
        for bit in bit_indices(table.room_for(content, profile)):
            after = [*contents[:index], content | 1 << bit, *contents[index + 1 :]]
            key = tuple(sorted(after))
            if key not in seen:
                seen.add(key)
                yield after


def check_small(grid: MigGrid, count: int) -> None:
    """Print on how many tiny states the plan moves as few as trying every set finds."""
    table = card_table(grid, frozenset(PROFILES))
    same = tried = seed = 0
    while tried < count:
        seed += 1
        state = churned(grid, list(MIXES)[seed % len(MIXES)], 8, seed)
        plan = repack(state)
        if isinstance(plan, RepackPlan):
            tried += 1
            contents = [table.content(s.placement for s in card.slices) for card in state.cards]
            same += brute_force(table, contents, plan.cards_fewest) == len(plan.moves)
    print(f"{same} of {count} small states moved as few pods as trying every set finds")


def main() -> int:
    """Print one line a state."""
    parser = argparse.ArgumentParser(description="Repacking with the fewest moves.")
    parser.add_argument("--sizes", default="100,1000")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--states", type=int, default=30)
    parser.add_argument("--small", type=int, default=40)
    options = parser.parse_args()
    grid = Catalog().gpu(GPU).mig
    assert grid is not None
    for size in map(int, options.sizes.split(",")):
        for mix in MIXES:
            for seed in range(1, options.seeds + 1):
                print_repack(churned(grid, mix, size, seed), f"{mix}, {size:,} pods, seed {seed}")
    count_proofs(grid, options.states)
    check_small(grid, options.small)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
