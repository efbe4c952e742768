"""Offline packing: every mix proven optimal by a certificate, how fast, and what choice is worth.

Usage: packing_offline.py [--lists COUNT] [--sizes N,N,...]

Prints, for COUNT random lists (six mixes in turn, sizes in turn), how many optima are proven by
the solver-free check of their certificates, and the time of one plan with its bind list. Then
what asking "so many g by the memory's name" costs beside any acceptable profile: servers drawn
log-uniformly by memory, each population counted alike, the card's own needs in multiprocessors
drawn uniformly. And how long it takes to deal a large fleet's cards out to its workloads.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from parts.packing_traffic import (
    GPU,
    MIXES,
    PROFILES,
)

from rightslice.core.catalog.mig import MigGrid, ProfileName
from rightslice.core.packing.certificate import check_certificate
from rightslice.core.packing.demand import Choice, Demand, Pool, PoolMode, PoolNode, SlotPlan
from rightslice.core.packing.offline import Packing, pack
from rightslice.core.packing.patterns import plan_slots
from rightslice.core.packing.place import place
from rightslice.edge.catalog_files import Catalog

GB_PER_G = 10
"""The habit: a server of so many gigabytes asks for a g each ten (1g.10gb, 2g.20gb, 4g.40gb)."""
SMALLEST_GB = (5.0, 10.0, 15.0)
"""Memory needs are drawn log-uniformly from these up to LARGEST_GB."""
LARGEST_GB = 40.0
"""Half a card: larger servers take a whole one either way."""
SMS_PER_GB = (0.2, 1.5)
"""And the multiprocessors that each gigabyte wants, uniformly; the card's own are 1.65."""


def drawn(rng: np.random.Generator, mix: str, size: int) -> dict[ProfileName, int]:
    """Return *size* slices of one mix."""
    weights = np.array(MIXES[mix])
    counts = rng.multinomial(size, weights / weights.sum()).tolist()
    return {name: count for name, count in zip(PROFILES, counts, strict=True) if count}


def packed(grid: MigGrid, wanted: Mapping[ProfileName, int]) -> tuple[Packing, float]:
    """Return the packing and the seconds it took, the place of every slice included."""
    start = time.perf_counter()
    answer = pack(grid, wanted)
    seconds = time.perf_counter() - start
    assert isinstance(answer, Packing)
    return answer, seconds


def prove(grid: MigGrid, lists: int, sizes: Sequence[int]) -> None:
    """Print the proofs and times of *lists* random lists."""
    rng = np.random.default_rng(1)
    proven = certified = 0
    seconds: dict[int, list[float]] = {size: [] for size in sizes}
    packed(grid, {PROFILES[0]: 1})
    for index in range(lists):
        size = sizes[index // len(MIXES) % len(sizes)]
        wanted = drawn(rng, list(MIXES)[index % len(MIXES)], size)
        answer, took = packed(grid, wanted)
        seconds[size].append(took)
        placed = Counter(p.profile for card in answer.cards for p in card.layout)
        assert all(placed[name] >= count for name, count in wanted.items())
        proven += answer.is_proven
        certified += check_certificate(grid, wanted, answer.certificate) == answer.gpus_used
    print(f"{proven} of {lists} proven, {certified} of them by the certificate alone")
    for size, times in seconds.items():
        if times:
            middle, most = 1e3 * float(np.median(times)), 1e3 * max(times)
            print(f"{size:8,} slices with bind list: median {middle:6.1f} ms, most {most:6.1f} ms")


def smallest(grid: MigGrid, gigabytes: float, sms: float) -> ProfileName:
    """Return the profile of the fewest slots, then multiprocessors, that holds a server."""
    fitting = [
        profile
        for profile in map(grid.profile, PROFILES)
        if (profile.memory_slots or 0) * GB_PER_G >= gigabytes and (profile.sms or 0) >= sms
    ]
    best = min(
        fitting or [grid.profile(PROFILES[-1])],
        key=lambda profile: (profile.memory_slots or 0, profile.sms or 0),
    )
    return best.name


def by_memory_name(gigabytes: float, sms: float, grid: MigGrid) -> ProfileName:
    """Return what the habit asks for: the first of 1g, 2g, 4g, 7g that suffices."""
    for name in (PROFILES[0], PROFILES[2], PROFILES[4], PROFILES[5]):
        profile = grid.profile(name)
        if profile.compute_slices * GB_PER_G >= gigabytes and (profile.sms or 0) >= sms:
            return name
    return PROFILES[-1]


def acceptable(grid: MigGrid, gigabytes: float, sms: float) -> tuple[ProfileName, ...]:
    """Return every profile that holds a server; the whole card when none smaller does."""
    fitting = [
        profile.name
        for profile in map(grid.profile, PROFILES)
        if (profile.memory_slots or 0) * GB_PER_G >= gigabytes and (profile.sms or 0) >= sms
    ]
    return tuple(fitting) or (PROFILES[-1],)


def flexible(grid: MigGrid, sets: Sequence[tuple[ProfileName, ...]]) -> SlotPlan:
    """Return the fewest GPUs when each server takes any profile of its set."""
    nodes = (PoolNode(name="node", cards=len(sets)),)
    pool = Pool(name="h100", mode=PoolMode.SLICED, nodes=nodes, grid=grid)
    demands = [
        Demand(
            key=f"s{number}",
            weight=1.0,
            choices=tuple(Choice(pool="h100", slot=name, slots_needed=1) for name in names),
        )
        for number, names in enumerate(sets)
    ]
    return plan_slots([pool], demands, gap=0.0, time_limit_seconds=60)


def compare_choices(grid: MigGrid, size: int, smallest_gb: float) -> tuple[int, int]:
    """Print the GPUs of each way to ask, for *size* servers of random needs; return two of them."""
    rng = np.random.default_rng(2)
    low, high = np.log([smallest_gb, LARGEST_GB]).tolist()
    needs = np.exp(rng.uniform(low, high, size)).tolist()
    ratios = rng.uniform(SMS_PER_GB[0], SMS_PER_GB[1], size).tolist()
    servers = [(g, g * r) for g, r in zip(needs, ratios, strict=True)]
    asked = Counter(by_memory_name(g, sms, grid) for g, sms in servers)
    chosen = Counter(smallest(grid, g, sms) for g, sms in servers)
    habit, least = packed(grid, asked)[0].gpus_used, packed(grid, chosen)[0].gpus_used
    plan = flexible(grid, [acceptable(grid, g, sms) for g, sms in servers])
    print(
        f"{size:,} servers of {smallest_gb:g} to {LARGEST_GB:g} GB: {habit} GPUs asked by"
        f" memory name, {least} by smallest acceptable profile ({1 - least / habit:.0%} fewer),"
        f" {plan.cards_in_use} with acceptable sets ({1 - plan.cards_in_use / habit:.0%} fewer,"
        f" gap {plan.gap:.1%}); whole GPUs: {size}"
    )
    return habit, plan.cards_in_use


def compare_placing(grid: MigGrid) -> None:
    """Print how long the cards of a large fleet take to deal out to workloads."""
    rng = np.random.default_rng(3)
    nodes = tuple(PoolNode(name=f"n{number}", cards=8) for number in range(2000))
    pool = Pool(name="h100", mode=PoolMode.SLICED, nodes=nodes, grid=grid)
    slots = rng.choice(len(PROFILES), 3500).tolist()
    counts = rng.integers(1, 10, 3500).tolist()
    demands = [
        Demand(
            key=f"w{number}",
            weight=1.0,
            choices=(Choice(pool="h100", slot=PROFILES[slot], slots_needed=count),),
        )
        for number, (slot, count) in enumerate(zip(slots, counts, strict=True))
    ]
    plan = plan_slots([pool], demands)
    start, began = time.perf_counter(), time.process_time()
    layouts = place([pool], plan)
    seconds, busy = time.perf_counter() - start, time.process_time() - began
    seats = sum(seat.demand is not None for layout in layouts for seat in layout.seats)
    assert seats == sum(counts)
    print(
        f"{seats:,} slices of {len(demands):,} workloads placed on {plan.cards_in_use:,} GPUs of"
        f" {len(nodes):,} nodes in {seconds:.2f} s ({busy:.2f} s of a processor)"
    )


def main() -> int:
    """Print proofs, times and the worth of choice."""
    parser = argparse.ArgumentParser(description="Offline packing, proven.")
    parser.add_argument("--lists", type=int, default=90)
    parser.add_argument("--sizes", default="100,1000,10000,100000")
    options = parser.parse_args()
    grid = Catalog().gpu(GPU).mig
    assert grid is not None
    prove(grid, options.lists, [int(size) for size in options.sizes.split(",")])
    found = [compare_choices(grid, 1000, smallest_gb) for smallest_gb in SMALLEST_GB]
    habit, ours = (sum(column) for column in zip(*found, strict=True))
    print(f"together: {habit} GPUs asked by memory name, {ours} with acceptable sets", end="")
    print(f" ({1 - ours / habit:.0%} fewer)")
    compare_placing(grid)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
