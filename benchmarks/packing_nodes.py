"""What start slots that counts make certain cost, and slices onto nodes with walls: times and gaps.

Usage: packing_nodes.py [--lists COUNT] [--nodes COUNT] [--fleets COUNT] [--seed S]

First random lists of an H100 are packed with every set of slices and with those only whose
placement by mig-parted's counts is certain. Then 50 workloads of 200 replicas, with CPU and with
every rule of apartness, are packed onto so many nodes of eight cards. Last the plan of a fleet,
which deals replicas out by a rule of thumb: small tight fleets beside the exact search, and five
replicas a node with CPU and apartness on 2.9 times as many nodes.
"""

from __future__ import annotations

import argparse
import random
import time
from dataclasses import replace

from rightslice.core.catalog.mig import MigGrid, ProfileName
from rightslice.core.catalog.together import Apart
from rightslice.core.packing.backends import Backend
from rightslice.core.packing.demand import Choice, Demand, Pool, PoolMode, PoolNode
from rightslice.core.packing.node_ask import Accepted, NodeAsk, NodeKind, Replicas
from rightslice.core.packing.node_pack import pack_nodes
from rightslice.core.packing.offline import DoesNotFit, Packing, pack
from rightslice.core.packing.plan_seats import plan_seats
from rightslice.edge.catalog_files import Catalog

GPU = "H100-80GB"
SIX = ("1g.10gb", "1g.20gb", "2g.20gb", "3g.40gb", "4g.40gb", "7g.80gb")
FIVE = ("1g.10gb", "1g.20gb", "2g.20gb", "3g.40gb", "7g.80gb")
SETS = (
    ("1g.10gb",),
    ("1g.10gb", "1g.20gb"),
    ("2g.20gb", "3g.40gb"),
    ("3g.40gb",),
    ("4g.40gb",),
)
"""Acceptable profiles of the workloads, in turn."""


def certainty(grid: MigGrid, lists: int, rng: random.Random) -> None:
    """Print how many cards more the certain sets need."""
    free = certain = dearer = 0
    for _ in range(lists):
        names = rng.sample(SIX, rng.randint(2, len(SIX)))
        wanted = {ProfileName(name): rng.randint(1, int(10 ** rng.uniform(0, 3))) for name in names}
        one = used(pack(grid, wanted))
        two = used(pack(grid, wanted, backend=Backend.DEVICE_PLUGIN))
        free, certain, dearer = free + one, certain + two, dearer + (two > one)
    print(
        f"{lists} lists: {free:,} cards, {certain:,} with certain start slots"
        f" ({certain / free - 1:.3%} more); {dearer} lists need more"
    )


def used(answer: Packing | DoesNotFit) -> int:
    """Return the cards of a list that has as many as it needs."""
    assert isinstance(answer, Packing)
    return answer.gpus_used


def walls(grid: MigGrid, nodes: int) -> None:
    """Print how long nodes with walls take, and the gap."""
    workloads = tuple(
        Replicas(
            name=f"w{number}",
            count=max(2 * nodes // 7, 1),
            accepts=tuple(
                Accepted(gpu=grid.name, profile=ProfileName(name)) for name in SETS[number % 5]
            ),
            cpu_cores=float(number % 7),
            apart=list(Apart)[number % 3],
        )
        for number in range(50)
    )
    kind = NodeKind(name="n", grid=grid, count=nodes, cards=8, cpu_cores=128.0)
    begin = time.perf_counter()
    answer = pack_nodes(NodeAsk(kinds=(kind,), workloads=workloads))
    seconds = time.perf_counter() - begin
    slices = sum(each.count for each in workloads) - sum(answer.left_over.values())
    print(
        f"{nodes} nodes: {slices:,} slices on {answer.gpus_used:,} cards, gap {answer.gap:.2%},"
        f" {sum(answer.left_over.values())} left over, {seconds:.2f} s"
    )


def replicas(rng: random.Random, grid: MigGrid, number: int) -> Replicas:
    """Return a small workload with CPU, and often a rule of apartness."""
    return Replicas(
        name=f"d{number}",
        count=rng.randint(1, 4),
        accepts=(Accepted(gpu=grid.name, profile=ProfileName(rng.choice(FIVE))),),
        cpu_cores=float(rng.choice((1, 1, 2, 2, 3))),
        apart=rng.choice((Apart.NOTHING, Apart.NOTHING, Apart.GPU, Apart.NODE)),
    )


def as_demand(each: Replicas) -> Demand:
    """Return *each* as the plan of a fleet asks for it."""
    choice = Choice(
        pool="p",
        slot=each.accepts[0].profile,
        slots_needed=each.count,
        cpu_cores=each.cpu_cores,
        apart=each.apart if each.count > 1 else Apart.NOTHING,
    )
    return Demand(key=each.name, weight=1.0, choices=(choice,))


def fleet(grid: MigGrid, nodes: int, cards: int, cpu_cores: float) -> Pool:
    """Return so many nodes of one pool."""
    return Pool(
        name="p",
        mode=PoolMode.SLICED,
        nodes=tuple(PoolNode(name=f"n{index}", cards=cards) for index in range(nodes)),
        card_usd_per_hour=1.0,
        grid=grid,
        node_cpu_cores=cpu_cores,
    )


def rule_of_thumb(grid: MigGrid, fleets: int, rng: random.Random) -> None:
    """Print how often a plan refuses, or takes a card more, where an exact search places all."""
    possible = refused = dearer = 0
    for _ in range(fleets):
        nodes = rng.randint(2, 6)
        workloads = tuple(replicas(rng, grid, number) for number in range(rng.randint(2, 7)))
        kind = NodeKind(name="p", grid=grid, count=nodes, cards=2, cpu_cores=8.0)
        ask = NodeAsk(kinds=(kind,), workloads=workloads, backend=Backend.DEVICE_PLUGIN)
        exact = pack_nodes(ask, time_limit_seconds=5.0)
        if exact.left_over:
            continue
        found = plan_seats([fleet(grid, nodes, 2, 8.0)], [as_demand(each) for each in workloads])
        possible += 1
        refused += bool(found.slots.refused)
        dearer += not found.slots.refused and found.slots.cards_in_use > exact.gpus_used
    print(
        f"{fleets} small fleets, {possible} of which can hold everything: the plan refuses"
        f" something in {refused} and takes more cards in {dearer}"
    )


def large_plan(grid: MigGrid, nodes: int, rng: random.Random) -> None:
    """Print how long the plan of a large fleet with walls takes."""
    demands = []
    for number in range(nodes * 7 // 4):
        each = replace(replicas(rng, grid, number), count=rng.randint(1, 9))
        demands.append(as_demand(replace(each, cpu_cores=float(rng.choice((2, 4, 8, 16))))))
    begin = time.perf_counter(), time.process_time()
    found = plan_seats([fleet(grid, nodes, 8, 150.0)], demands, time_limit_seconds=10.0)
    seconds, busy = time.perf_counter() - begin[0], time.process_time() - begin[1]
    pods = sum(choice.pods for choice in found.slots.chosen.values() if choice is not None)
    print(
        f"{nodes} nodes: a plan of {pods:,} replicas of {len(demands):,} workloads on"
        f" {found.slots.cards_in_use:,} cards, gap {found.slots.gap:.2%},"
        f" {len(found.slots.refused)} refused, {seconds:.1f} s ({busy:.1f} s of processor)"
    )


def main() -> int:
    """Print all of it."""
    parser = argparse.ArgumentParser(description="Certain start slots, and nodes with walls.")
    parser.add_argument("--lists", type=int, default=200)
    parser.add_argument("--nodes", type=int, default=700)
    parser.add_argument("--fleets", type=int, default=150)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    grid = Catalog().mig_gpu(GPU)
    certainty(grid, options.lists, random.Random(options.seed))  # noqa: S311 - a benchmark's lists
    walls(grid, options.nodes)
    rng = random.Random(options.seed)  # noqa: S311 - a benchmark's fleets
    rule_of_thumb(grid, options.fleets, rng)
    large_plan(grid, options.nodes * 20 // 7, rng)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
