"""Checks a --dump of packing_churn.py by other means: legality, counts, and the ratio recomputed.

Usage: packing_check.py [DUMP] [--gpu NAME]

Rests on the catalogue's table of legal starts only: it shares no code with the planner. For every
event: time grows, each pod lies on one GPU, slots are those of the profile at a legal start, no
slot is taken twice, compute slices and instances stay within the card. The optimum comes from an
integer program over card fillings enumerated here. Without DUMP a short run is made and checked.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import groupby
from pathlib import Path

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

from rightslice.core.catalog.mig import MigGrid
from rightslice.edge.catalog_files import Catalog

Slice = tuple[str, str, int]
"""Pod, profile, start."""


@dataclass
class Fleet:
    """What the lines say of every GPU, and the faults found in them."""

    grid: MigGrid
    content: dict[str, list[Slice]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def take(self, time: float, lines: list[Mapping[str, object]]) -> None:
        """Replace the content of every GPU that *lines* name, and check it."""
        named = {str(line["gpu"]) for line in lines}
        for gpu in named:
            held = [line for line in lines if line["gpu"] == gpu and line["pod"] is not None]
            slices = [(str(x["pod"]), str(x["profile"]), int(str(x["start"]))) for x in held]
            self.content[gpu] = slices
            where = f"time {time:.6f}, {gpu}"
            self.faults += [f"{where}: {fault}" for fault in illegal(self.grid, slices)]
            for line, (_, profile, start) in zip(held, slices, strict=True):
                if line["slots"] != list(range(start, start + self._size(profile))):
                    self.faults.append(f"{where}: slots {line['slots']} are not {profile}'s")
        pods = Counter(pod for slices in self.content.values() for pod, _, _ in slices)
        self.faults += [
            f"time {time:.6f}: {pod} is on {n} GPUs" for pod, n in pods.items() if n > 1
        ]

    def _size(self, profile: str) -> int:
        return self.grid.profile(profile).memory_slots or 0

    def counts(self) -> tuple[tuple[str, int], ...]:
        """Return the slices of each profile."""
        every = (name for slices in self.content.values() for _, name, _ in slices)
        return tuple(sorted(Counter(every).items()))

    def in_use(self) -> int:
        """Return the GPUs that hold something."""
        return sum(bool(slices) for slices in self.content.values())


def illegal(grid: MigGrid, slices: list[Slice]) -> Iterator[str]:
    """Yield what is wrong with the slices of one card."""
    taken = Counter[int]()
    for _, name, start in slices:
        profile = grid.profile(name)
        if start not in (profile.starts or ()):
            yield f"{name} may not start at {start}"
        taken.update(range(start, start + (profile.memory_slots or 0)))
    yield from (f"slot {slot} is taken {n} times" for slot, n in taken.items() if n > 1)
    compute = sum(grid.profile(name).compute_slices for _, name, _ in slices)
    if compute > grid.compute_slices:
        yield f"{compute} compute slices of {grid.compute_slices}"
    for name, count in Counter(name for _, name, _ in slices).items():
        if count > (grid.profile(name).max_instances or count):
            yield f"{count} of {name}"


def fillings(grid: MigGrid, names: tuple[str, ...]) -> np.ndarray:
    """Return what one card can hold, one row of counts each, by trying every start in turn."""
    rows = set[tuple[int, ...]]()

    def extend(slices: list[Slice], slot: int) -> None:
        rows.add(tuple(sum(name == n for _, n, _ in slices) for name in names))
        for name in names:
            for start in grid.profile(name).starts or ():
                if start >= slot and not [*illegal(grid, [*slices, ("", name, start)])]:
                    end = start + (grid.profile(name).memory_slots or 0)
                    extend([*slices, ("", name, start)], end)

    extend([], 0)
    return np.array(sorted(rows))


class Optimum:
    """The fewest cards for counts of profiles."""

    def __init__(self, grid: MigGrid, names: tuple[str, ...]) -> None:
        self._names, self._rows = names, fillings(grid, names)
        self.of = lru_cache(maxsize=None)(self._solve)

    def _solve(self, counts: tuple[tuple[str, int], ...]) -> int:
        wanted = np.array([dict(counts).get(name, 0) for name in self._names])
        columns = len(self._rows)
        found = milp(
            np.ones(columns),
            integrality=np.ones(columns, dtype=np.int8),
            bounds=Bounds(0, np.inf),
            constraints=[LinearConstraint(self._rows.T, wanted, np.inf)],
        )
        assert found.success, found.message
        return round(found.fun)


def check(dump: Path, grid: MigGrid) -> tuple[Fleet, float, int]:
    """Return the fleet with its faults, the ratio to the optimum and the events of *dump*."""
    lines = [json.loads(line) for line in dump.read_text(encoding="utf-8").splitlines()]
    optimum = Optimum(grid, tuple(sorted({line["profile"] for line in lines if line["pod"]})))
    fleet, previous, events = Fleet(grid), 0.0, 0
    held = needed = 0.0
    used = best = 0
    for time, group in groupby(lines, key=lambda line: float(line["time"])):
        if events and time <= previous:
            fleet.faults.append(f"time {time} does not come after {previous}")
        if events:
            held, needed = held + used * (time - previous), needed + best * (time - previous)
        fleet.take(time, list(group))
        used, best, previous, events = fleet.in_use(), optimum.of(fleet.counts()), time, events + 1
        if used < best:
            fleet.faults.append(f"time {time}: {used} GPUs hold what needs {best}")
    return fleet, held / needed, events


def short_run(folder: Path) -> Path:
    """Return the dump of a run of some seconds."""
    dump = folder / "dump.jsonl"
    script = Path(__file__).with_name("packing_churn.py")
    words = ["--n", "50", "--mix", "uniform6", "--policy", "ours", "--dump", str(dump)]
    subprocess.run([sys.executable, str(script), *words], check=True)
    return dump


def main() -> int:
    """Print how many events were checked, the ratio, and every fault."""
    parser = argparse.ArgumentParser(description="An independent check of a churn run.")
    parser.add_argument("dump", type=Path, nargs="?")
    parser.add_argument("--gpu", default="H100-80GB")
    options = parser.parse_args()
    grid = Catalog().gpu(options.gpu).mig
    assert grid is not None
    with tempfile.TemporaryDirectory() as folder:
        dump = options.dump or short_run(Path(folder))
        fleet, ratio, events = check(dump, grid)
    print(
        f"{events:,} events checked: ratio to the optimum {ratio:.4f}, {len(fleet.faults)} faults"
    )
    for fault in fleet.faults[:20]:
        print(f"  {fault}")
    return 1 if fleet.faults else 0


if __name__ == "__main__":
    raise SystemExit(main())
