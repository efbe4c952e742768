"""How long the operator takes over many ModelDeployments: one pass, and the real process.

    .venv/bin/python benchmarks/operator_scale.py [--served N] [--nodes N] [--mode MODE ...]
           [--control-plane] [--json OUT]

Without a control plane the decisions alone are timed: all from scratch, once more after their
statuses are written, nothing changed, one spec changed, one pod come. With one, the operator's own
process works on a real API server with kwok nodes: seconds until every status is written, its share
of a core and its memory over a minute in which nothing changes, and seconds from a change of a spec
to its status. API server, etcd, scheduler, controllers and kwok share this machine's processors.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).parents[1]))

from parts.operator_fleet import gpu_nodes, model_deployments, models
from parts.operator_live import measure_live

from rightslice.core.fit.answers import Answers
from rightslice.edge.catalog_files import Catalog
from rightslice.edge.cluster.node_prices import CardPrices
from rightslice.edge.constants import fitted_constants
from rightslice.kube.cluster.hardware import hardware_of
from rightslice.kube.cluster.read import read_cluster
from rightslice.kube.operate.again import Memory, decide_again
from rightslice.kube.operate.ask import Release
from rightslice.kube.operate.view import Key, Served, World, read_served

NOW: Final = dt.datetime(2026, 11, 23, tzinfo=dt.UTC)
MIB: Final = 2**20
SHORT: Final = (200, 40)
FULL: Final = (1000, 200)


@dataclass
class Fleet:
    """A world and who is served in it."""

    served: dict[Key, Served]
    world: World
    memory: Memory = field(default_factory=Memory)

    def decide(self) -> float:
        """Decide once, and return the seconds."""
        began = time.perf_counter()
        self.memory = decide_again(self.served.values(), self.world, NOW, self.memory)
        return time.perf_counter() - began

    def write(self) -> None:
        """Write every status down, as the operator does."""
        for decision in self.memory.decisions:
            one = self.served[decision.key]
            self.served[decision.key] = replace(one, before=decision.status)

    def change(self) -> None:
        """Double the load of one."""
        key, one = next(iter(self.served.items()))
        assert one.spec is not None
        load = replace(one.spec.load, concurrency=2 * (one.spec.load.concurrency or 1))
        self.served[key] = replace(one, spec=replace(one.spec, load=load), generation=2)

    def occupy(self) -> None:
        """Let a pod take a slice that some of them would have taken."""
        first, *rest = self.world.cluster.nodes
        name = next(name for name in first.allocatable if "mig" in name)
        taken = replace(first, used={**first.used, name: first.used.get(name, Fraction(0)) + 1})
        cluster = replace(self.world.cluster, nodes=(taken, *rest))
        self.world = replace(self.world, cluster=cluster)


def fleet(served: int, nodes: int, mode: str) -> Fleet:
    """Return a fleet of that size, nothing decided yet."""
    catalog = Catalog()
    given = [one.manifest() | one.status() for one in gpu_nodes(nodes)]
    cluster = read_cluster({"Node": given}).cluster
    world = World(
        cluster=cluster,
        hardware={one.name: hardware_of(one, catalog.gpu) for one in cluster.nodes},
        models={
            (one["metadata"]["namespace"], one["metadata"]["name"]): catalog.model(
                one["spec"]["source"]
            )
            for one in models()
        },
        release=Release(find=catalog.engine),
        recommend=Answers(fitted_constants()).recommend,
        card_price=CardPrices(catalog).of,
    )
    every = [read_served(one) for one in model_deployments(served, mode)]
    return Fleet({one.key: one for one in every}, world)


def measure_pure(served: int, nodes: int, mode: str) -> dict[str, float]:
    """Return what the decisions alone cost, in seconds and MiB."""
    one = fleet(served, nodes, mode)
    found = {"first": one.decide()}
    one.write()
    found["statuses written"] = one.decide()
    one.write()
    one.decide()
    assert not one.memory.anew
    found["nothing changed"] = min(one.decide() for _ in range(3))
    for name, happen in (("one spec changed", one.change), ("one pod came", one.occupy)):
        found |= _after(one, name, happen)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {**found, "resident MiB, at most": peak * 1024 / MIB}


def _after(one: Fleet, name: str, happen: Callable[[], None]) -> dict[str, float]:
    happen()
    seconds = one.decide()
    return {name: seconds, f"{name}: decided anew": float(len(one.memory.anew))}


def show(title: str, found: dict[str, dict[str, float]]) -> None:
    """Print a table: a row a figure, a column a mode."""
    names = dict.fromkeys(name for values in found.values() for name in values)
    print(f"\n{title}\n{'':32}" + "".join(f"{mode:>12}" for mode in found))
    for name in names:
        cells = "".join(
            f"{values[name]:12.4g}" if name in values else f"{'-':>12}" for values in found.values()
        )
        print(f"{name:32}{cells}")


def main() -> None:
    """Measure, print, and write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--served", type=int)
    parser.add_argument("--nodes", type=int)
    parser.add_argument("--mode", nargs="+", default=["advise", "enforce"])
    parser.add_argument("--control-plane", action="store_true")
    parser.add_argument("--minute", type=float, default=60.0, help="seconds of rest")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    short = FULL if options.control_plane else SHORT
    served, nodes = options.served or short[0], options.nodes or short[1]
    size = f"{served} ModelDeployments, {nodes} nodes, {os.cpu_count()} cores"
    results: dict[str, Any] = {"served": served, "nodes": nodes}
    if options.control_plane:
        results["live"] = {}
        for mode in options.mode:
            with tempfile.TemporaryDirectory() as folder:
                results["live"][mode] = measure_live(
                    Path(folder), (served, nodes, mode), options.minute
                )
            show(f"The operator's process: {size}", results["live"])
    else:
        results["pure"] = {mode: measure_pure(served, nodes, mode) for mode in options.mode}
        show(f"Decisions alone, seconds: {size}", results["pure"])
    if options.json is not None:
        options.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
