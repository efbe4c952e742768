"""Repacking churned cards: fewest moves to the optimum, proven, and how long that takes.

Usage: repack.py [--sizes N,N,...] [--seeds COUNT] [--small COUNT]

States come from first fit at the lowest start under churn (four departures and arrivals a slice).
Every intermediate state of every plan is carried out step by step, which refuses what cannot be.
With --small so many tiny states are also solved by trying every set of moves.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
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
    table = card_table(grid, frozenset(PROFILES))
    rng = np.random.default_rng(seed)
    weights = np.array(MIXES[mix])
    asked = rng.choice(len(PROFILES), (TURNOVER + 1) * size, p=weights / weights.sum()).tolist()
    contents, seats = list[int](), list[tuple[int, int]]()
    for index, number in enumerate(asked):
        if index >= size:
            leaving = int(rng.integers(len(seats)))
            seats[leaving], seats[-1] = seats[-1], seats[leaving]
            card, bit = seats.pop()
            contents[card] &= ~bit
        seats.append(first_fit(table, contents, PROFILES[number]))
    owners = rng.integers(max(size // PER_WORKLOAD, 1), size=len(contents) * 8).tolist()
    return state_of(grid, table, contents, owners)


def first_fit(table: CardTable, contents: list[int], profile: ProfileName) -> tuple[int, int]:
    """Put a slice at the first card's lowest start and return where."""
    for card, content in enumerate(contents):
        room = table.room_for(content, profile)
        if room:
            contents[card] |= room & -room
            return card, room & -room
    room = table.room_for(0, profile)
    contents.append(room & -room)
    return len(contents) - 1, room & -room


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
    start = time.perf_counter()
    plan = repack(state)
    seconds = time.perf_counter() - start
    if not isinstance(plan, RepackPlan):
        print(f"{label}: {plan.reason}  {seconds:.2f} s")
        return
    names = {each.placement.profile for card in state.cards for each in card.slices}
    after = apply_steps(card_table(state.grid, frozenset(names)), state, plan.steps)
    check_state(after)
    assert cards_in_use(after) == plan.cards_after
    assert running(after) == running(state)
    pods = sum(running(state).values())
    print(
        f"{label}: {plan.cards_before} -> {plan.cards_after} GPUs (optimum {plan.cards_fewest}),"
        f" {len(plan.moves)} moves ({len(plan.moves) / pods:.0%}),"
        f" {'proven' if plan.is_proven else f'at least {plan.weight_bound:g}'},"
        f" {len(plan.steps)} legal steps, {plan.stops} stops, {plan.detours} detours,"
        f" {seconds:.2f} s"
    )


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
    parser.add_argument("--small", type=int, default=40)
    options = parser.parse_args()
    grid = Catalog().gpu(GPU).mig
    assert grid is not None
    for size in map(int, options.sizes.split(",")):
        for mix in MIXES:
            for seed in range(1, options.seeds + 1):
                print_repack(churned(grid, mix, size, seed), f"{mix}, {size:,} pods, seed {seed}")
    check_small(grid, options.small)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
