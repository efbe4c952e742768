"""What start slots that counts make certain cost, and slices onto nodes with walls: times and gaps.

Usage: packing_nodes.py [--lists COUNT] [--nodes COUNT] [--seed S]

First random lists of an H100 are packed with every set of slices and with those only whose
placement by mig-parted's counts is certain. Then 50 workloads of 200 replicas, with CPU and with
every rule of apartness, are packed onto so many nodes of eight cards.
"""

from __future__ import annotations

import argparse
import random
import time

from rightslice.core.catalog.mig import MigGrid, ProfileName
from rightslice.core.catalog.together import Apart
from rightslice.core.packing.backends import Backend
from rightslice.core.packing.node_ask import Accepted, NodeAsk, NodeKind, Replicas
from rightslice.core.packing.node_pack import pack_nodes
from rightslice.core.packing.offline import DoesNotFit, Packing, pack
from rightslice.edge.catalog_files import Catalog

GPU = "H100-80GB"
SIX = ("1g.10gb", "1g.20gb", "2g.20gb", "3g.40gb", "4g.40gb", "7g.80gb")
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


def main() -> int:
    """Print both."""
    parser = argparse.ArgumentParser(description="Certain start slots, and nodes with walls.")
    parser.add_argument("--lists", type=int, default=200)
    parser.add_argument("--nodes", type=int, default=700)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    grid = Catalog().mig_gpu(GPU)
    certainty(grid, options.lists, random.Random(options.seed))  # noqa: S311 - a benchmark's lists
    walls(grid, options.nodes)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
