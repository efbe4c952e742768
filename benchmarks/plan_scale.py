"""How long a plan takes: 200 workloads on 50 nodes, and the example fleet.

Prints seconds for reading, fitting, packing, placing and billing, and the memory at its peak. The
parts' seconds are their shares of a profiled second run; CPU seconds stand beside the clock's,
because other work on the machine stretches these. Also checks that every card's layout is legal,
that every replica has its place, and that the bill sums to the cent. Targets: 10 s for the large
fleet, 2 s for the example, on two cores.
Run: ``python benchmarks/plan_scale.py [FLEET.yaml ...] [--workloads N] [--seed N]``.
"""

from __future__ import annotations

import argparse
import cProfile
import datetime as dt
import pstats
import random
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from rightslice.core.packing.geometry import why_illegal
from rightslice.core.plan.plan import plan
from rightslice.core.plan.result import Plan
from rightslice.edge.catalog_files import Catalog
from rightslice.edge.constants import fitted_constants
from rightslice.edge.fleet_file import read_fleet

EXAMPLE = Path(__file__).parents[1] / "examples" / "gpu-as-a-service" / "fleet.yaml"
TODAY = dt.date(2026, 11, 22)
NODES = """\
    - {name: a100, count: 14, instanceType: p4d.24xlarge, mig: mixed}
    - {name: h100, count: 10, instanceType: p5.48xlarge, mig: mixed}
    - {name: a10g, count: 14, instanceType: g5.48xlarge}
    - {name: l4, count: 12, instanceType: g6.12xlarge, timeSlicing: {replicas: 2}}
"""
MODELS = (
    "facebook/opt-1.3b", "facebook/opt-6.7b", "microsoft/phi-2", "ibm-granite/granite-7b-base",
    "meta-llama/Meta-Llama-3-8B", "meta-llama/Llama-3.1-8B-Instruct", "meta-llama/Llama-3.2-1B",
    "meta-llama/Llama-3.2-3B", "meta-llama/Llama-3.1-70B-Instruct", "Qwen/Qwen2.5-1.5B-Instruct",
    "Qwen/Qwen2.5-7B-Instruct", "Qwen/Qwen2.5-14B-Instruct", "Qwen/Qwen3-4B", "Qwen/Qwen3-8B",
    "mistralai/Mistral-7B-Instruct-v0.3", "mistralai/Mixtral-8x7B-v0.1", "google/gemma-2-9b-it",
    "neuralmagic/Mistral-7B-Instruct-v0.3-quantized.w8a16", "ibm-granite/granite-3.3-8b-instruct",
    "tiiuae/falcon-7b",
)  # fmt: skip
PHASES = (("fitting", "_recommend"), ("packing", "plan_slots"), ("placing", "place"),
          ("billing", "bill"))  # fmt: skip
TEAMS = ("search", "support", "research", "ads", "labs")
INPUTS = ("128", "512", "1024", "lognormal(512, 0.8)", "uniform(100, 900)")
OUTPUTS = ("64", "128", "256", "lognormal(160, 0.6)")
LOADS = ("concurrency: 1", "concurrency: 4", "concurrency: 16", "rate: 30/min", "rate: 2/s")
TARGETS = ("tpot: 40ms", "tpot: 60ms", "tpot: 100ms", "tpot: 60ms, ttft: 2s")


def large_fleet(workloads: int, seed: int) -> str:
    """Return the YAML of a fleet of 50 nodes of four kinds; the same for the same *seed*."""
    chosen = random.Random(seed)  # noqa: S311 - a repeatable example, not a secret
    rows = [
        f"    - {{name: w{i}, team: {chosen.choice(TEAMS)}, model: {chosen.choice(MODELS)},"
        f" load: {{{chosen.choice(LOADS)}}}, input: '{chosen.choice(INPUTS)}',"
        f" output: '{chosen.choice(OUTPUTS)}', slo: {{{chosen.choice(TARGETS)}}},"
        f" flags: {{maxModelLen: 2048}}, replicas: {{min: 1, max: 4}},"
        f" priority: {chosen.randrange(3)}, isolation: {chosen.choice(('hardware', 'none'))}}}\n"
        for i in range(workloads)
    ]
    teams = "".join(f"    - {{name: {team}}}\n" for team in TEAMS)
    return (
        "apiVersion: rightslice.dev/v1alpha1\nkind: Fleet\nmetadata: {name: large}\nspec:\n"
        f"  nodes:\n{NODES}  teams:\n{teams}  workloads:\n{''.join(rows)}"
    )


def check(answer: Plan) -> None:
    """Assert that the plan is legal and its bill whole."""
    for card in answer.cards:
        grid = card.group.gpu.mig
        if card.layout:
            assert grid is not None
            assert why_illegal(grid, card.layout) is None
            used = Counter(slot.placement for slot in card.slots)
            assert not used - Counter(card.layout)
        else:
            assert len(card.slots) <= card.replicas
    seats = Counter(slot.workload for card in answer.cards for slot in card.slots)
    for item in answer.workloads:
        placed = item.placed
        ranks = 0 if placed is None else placed.replicas * placed.candidate.offer.tensor_parallel
        assert seats[item.name] == ranks
    if answer.bill is not None:
        lines = sum((line.usd_per_hour for line in answer.bill.lines), Decimal(0))
        assert lines == answer.bill.total_usd_per_hour


def shares(path: Path) -> dict[str, float]:
    """Return each phase's share of the time of one profiled plan."""
    fleet = read_fleet(path, catalog=Catalog(), own_prices={})
    profile = cProfile.Profile()
    afresh = replace(fitted_constants())  # answers are remembered by the constants they rest on
    profile.runcall(plan, fleet, constants=afresh, today=TODAY)
    stats: dict[tuple[str, int, str], tuple[float, ...]] = vars(pstats.Stats(profile))["stats"]
    spent = {
        name: row[3]
        for (file, _, name), row in stats.items()
        if "rightslice" in file and name in {"plan", *(function for _, function in PHASES)}
    }
    return {phase: spent.get(function, 0.0) / spent["plan"] for phase, function in PHASES}


def measure(path: Path) -> None:
    """Print how long the fleet at *path* takes, and what came out."""
    start, busy = time.perf_counter(), time.process_time()
    fleet = read_fleet(path, catalog=Catalog(), own_prices={})
    read = time.perf_counter()
    answer = plan(fleet, constants=fitted_constants(), today=TODAY)
    planned, busy = time.perf_counter() - read, time.process_time() - busy
    check(answer)
    nodes = sum(group.count for group in fleet.nodes)
    print(f"{fleet.name}: {len(fleet.workloads)} workloads on {nodes} nodes")
    print(f"  reading  {read - start:7.2f} s")
    print(f"  planning {planned:7.2f} s")
    for phase, share in shares(path).items():
        print(f"    {phase:8} {share * planned:7.2f} s  {share:4.0%}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"  total    {read - start + planned:7.2f} s, {busy:.2f} s of CPU, at most {peak:,.0f} MiB"
    )
    bill = "" if answer.bill is None else f", bill ${answer.bill.total_usd_per_hour:,.2f}/h sums"
    print(
        f"  {len(answer.workloads) - len(answer.not_placed)} placed on {answer.cards_in_use} of"
        f" {answer.cards_total} GPUs, every layout legal{bill};"
        f" proven within {answer.proven_gap_ratio:.1%}"
    )


def main(arguments: Sequence[str]) -> None:
    """Measure the fleets named, or the large one and the example."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("fleets", nargs="*", type=Path)
    parser.add_argument("--workloads", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        large = Path(folder) / "fleet.yaml"
        large.write_text(large_fleet(given.workloads, given.seed), encoding="utf-8")
        for path in given.fleets or (large, EXAMPLE):
            measure(path)


if __name__ == "__main__":
    main(sys.argv[1:])
