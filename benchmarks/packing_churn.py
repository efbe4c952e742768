"""GPUs held beside the proven optimum while slices come and go: our policy and five others.

Usage: packing_churn.py [--n N] [--mix MIX|all] [--seed S] [--seeds COUNT]
           [--lives exponential|lognormal|bursts|both] [--moves-per-arrival X] [--trace CSV]
           [--policy NAME ...] [--json OUT] [--dump FILE]
       packing_churn.py --fixed [--n N] [--load SHARE] ...

N slices live on average (Poisson arrivals, mean life 1); counting starts after three mean lives
and lasts four. The pool is elastic: a card is opened when no card in use has room, and given back
when it is empty. Ours places by least loss of capability and, every N/10 events, solves for the
best moves that the budget still allows, and again whenever a card is opened; the more of the
budget is unspent, the more a GPU is worth. It starts at nothing when counting starts, so moves
never exceed the rate but for detours.
With --fixed the fleet has a fixed number of cards and slices without room are turned away.

With --trace the slices come from a file: CSV with the columns start, end (empty: it stays) and
profile, in any unit of time; counting starts after the first third of it. The lives "bursts" are
drawn like production traffic: day and night, several replicas at once, few long lives.

`parts/packing_policies.py` holds the policies, `packing_check.py` checks a --dump independently.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from parts.packing_policies import POLICIES, Fleet
from parts.packing_traffic import GPU, LIVES, MIXES, PROFILES, Traffic, drawn, read_trace

from rightslice.core.catalog.mig import MigGrid, Placement, ProfileName
from rightslice.core.packing.fewest import FewestCards
from rightslice.core.packing.repack import RepackLimits, RepackPlan, best_moves, make_room
from rightslice.edge.catalog_files import Catalog

SOLVES_PER_LIFE = 10
"""Solves for each time that as many events have come as slices live."""
DIAL_BASE, DIAL_PER_MOVE = 2.01, 0.25
"""Moves that a GPU is worth with an empty budget, and more for each move unspent."""
MOST_UNSPENT, LEAST_UNSPENT, EARNED = 0.2, 5.0, 0.98
"""The unspent budget is capped at that of a fifth of a mean life, or five moves in small fleets:
freeing one card takes that many there as well. A fiftieth is not earned, for detours."""


@dataclass
class Budget:
    """Moves that may still be made: so many more with every arrival."""

    per_arrival: float
    most: float
    unspent: float = 0.0

    def arrive(self) -> None:
        """Count one arrival."""
        self.unspent = min(self.unspent + self.per_arrival, self.most)

    def limits(self) -> RepackLimits:
        """Return what a repack may cost now."""
        dial = DIAL_BASE + DIAL_PER_MOVE * self.unspent
        return RepackLimits(moves_budget=math.floor(max(self.unspent, 0.0)), moves_per_card=dial)


@dataclass(frozen=True)
class Run:
    """What one run is asked for."""

    seed: int
    n: int
    mix: str
    lives: str
    moves_per_arrival: float
    trace: Path | None = None

    def traffic(self) -> Traffic:
        """Return its events."""
        if self.trace is not None:
            return read_trace(self.trace)
        return drawn(self.seed, self.n, self.mix, self.lives)

    def __str__(self) -> str:
        if self.trace is not None:
            return f"trace {self.trace.name}"
        return f"{self.mix}, N = {self.n:,}, {self.lives} lives, seed {self.seed}"


@dataclass(frozen=True)
class Result:
    """What one policy held."""

    ratio_to_optimum: float
    moves_per_arrival: float


def optima(traffic: Traffic, counter: FewestCards) -> list[int]:
    """Return the fewest cards after every event."""
    row, profile_of, found = Counter[ProfileName](), dict[str, ProfileName](), list[int]()
    for event in traffic.events:
        if event.profile is not None:
            profile_of[event.pod] = event.profile
        row[profile_of[event.pod]] += 1 if event.profile else -1
        found.append(counter.count(row))
    return found


def budget_of(traffic: Traffic, rate: float) -> Budget:
    """Return the budget of *rate* moves an arrival."""
    return Budget(EARNED * rate, max(MOST_UNSPENT * rate * traffic.live, LEAST_UNSPENT))


def simulate(
    run: Run, grid: MigGrid, policy: str, optimum: Sequence[int], dump: IO[str] | None = None
) -> Result:
    """Return the time-mean of cards over the time-mean of the optimum after the warm-up."""
    traffic = run.traffic()
    fleet = Fleet(grid, POLICIES[policy])
    budget = budget_of(traffic, run.moves_per_arrival)
    every = max(round(traffic.live / SOLVES_PER_LIFE), 1)
    arrivals = moves = 0
    held = needed = 0.0
    is_counting = False
    for index, event in enumerate(traffic.events):
        is_first = not is_counting and event.time >= traffic.warm_up
        if is_first:
            is_counting, budget.unspent = True, 0.0
        before = len(fleet.pool)
        fleet.meet(event)
        if event.profile is not None:
            budget.arrive()
        made = 0
        is_due = index % every == 0 or len(fleet.pool) > before
        if policy == "ours" and is_due and budget.unspent >= 1 and len(fleet.pool) > optimum[index]:
            plan = best_moves(fleet.state(), budget.limits())
            made = fleet.carry_out(plan) if isinstance(plan, RepackPlan) else 0
            budget.unspent -= made
        if not is_counting:
            continue
        if dump is not None:
            write_changes(dump, event.time, fleet, is_first=is_first)
        fleet.changed.clear()
        arrivals += event.profile is not None
        moves += made
        following = traffic.events[index + 1 : index + 2]
        span = following[0].time - event.time if following else 0.0
        held += len(fleet.pool) * span
        needed += optimum[index] * span
    if not needed:
        raise SystemExit(f"{run}: no slice lives after the warm-up, so there is nothing to count")
    return Result(held / needed, moves / max(arrivals, 1))


def write_changes(dump: IO[str], time: float, fleet: Fleet, *, is_first: bool) -> None:
    """Write the content of every card that the event changed; of all cards the first time."""
    content: dict[str, list[tuple[int, str, Placement]]] = {}
    for pod, (card, placement) in fleet.seats.items():
        content.setdefault(card, []).append((placement.start, pod, placement))
    for card in sorted(content if is_first else fleet.changed, key=int):
        base = {"time": time, "gpu": f"gpu-{card}"}
        for start, pod, placement in sorted(content.get(card, [])):
            size = fleet.grid.profile(placement.profile).memory_slots or 0
            slots = list(range(start, start + size))
            line = {"pod": pod, "profile": placement.profile, "start": start, "slots": slots}
            dump.write(json.dumps(base | line) + "\n")
        if card not in content:
            dump.write(json.dumps(base | {"pod": None}) + "\n")


def accepted(run: Run, grid: MigGrid, policy: str, cards: int) -> dict[ProfileName, float]:
    """Return the share of arrivals of each profile that found room on *cards* cards."""
    fleet = Fleet(grid, POLICIES[policy], fixed_cards=cards)
    asked, placed = Counter[ProfileName](), Counter[ProfileName]()
    traffic = run.traffic()
    budget = budget_of(traffic, run.moves_per_arrival)
    for event in traffic.events:
        if event.profile is None:
            if event.pod in fleet.seats:
                fleet.leave(event.pod)
            continue
        budget.arrive()
        found = fleet.arrive(event.pod, event.profile)
        if not found and policy == "ours":
            plan = make_room(fleet.state(), {event.profile: 1}, budget.limits())
            if isinstance(plan, RepackPlan):
                budget.unspent -= fleet.carry_out(plan)
                ((card, (placement,)),) = plan.room.items()
                fleet.sit(event.pod, (card, placement))
                found = True
        if event.time >= traffic.warm_up:
            asked[event.profile] += 1
            placed[event.profile] += found
    return {name: placed[name] / count for name, count in sorted(asked.items())}


def runs(options: argparse.Namespace) -> Iterator[Run]:
    """Yield every run that the options name."""
    if options.trace is not None:
        yield Run(0, 0, "", "", options.moves_per_arrival, options.trace)
        return
    mixes = list(MIXES) if options.mix == "all" else [options.mix]
    lives = ["exponential", "lognormal"] if options.lives == "both" else [options.lives]
    for mix in mixes:
        for life in lives:
            for seed in range(options.seed, options.seed + options.seeds):
                yield Run(seed, options.n, mix, life, options.moves_per_arrival)


def print_acceptance(options: argparse.Namespace, grid: MigGrid, counter: FewestCards) -> None:
    """Print the share of each profile that finds room on a fixed fleet."""
    for run in runs(options):
        weights = MIXES[run.mix]
        mean = [round(1000 * run.n * weight / sum(weights)) for weight in weights]
        by_name = dict(zip(PROFILES, mean, strict=True))
        cards = math.ceil(counter.count(by_name) / 1000 / options.load)
        print(f"{run.mix}, {run.lives}, seed {run.seed}: {cards} GPUs at load {options.load:g}")
        for policy in POLICIES:
            shares = accepted(run, grid, policy, cards)
            print(f"  {policy:16}", *(f"{name} {share:.1%} " for name, share in shares.items()))


def main() -> int:
    """Print every policy's ratio to the optimum, or its acceptance on a fixed fleet."""
    parser = argparse.ArgumentParser(description="GPUs held beside the optimum under churn.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--n", type=int, default=100)
    parser.add_argument("--mix", choices=[*MIXES, "all"], default="mid")
    parser.add_argument("--lives", choices=[*LIVES, "both"], default="exponential")
    parser.add_argument("--moves-per-arrival", type=float, default=0.25)
    parser.add_argument("--trace", type=Path)
    parser.add_argument("--policy", action="append", choices=list(POLICIES))
    parser.add_argument("--fixed", action="store_true")
    parser.add_argument("--load", type=float, default=0.8)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--dump", type=Path)
    options = parser.parse_args()
    refuse_odd(parser, options)
    grid = Catalog().gpu(GPU).mig
    assert grid is not None
    counter = FewestCards(grid, frozenset(PROFILES))
    if options.fixed:
        print_acceptance(options, grid, counter)
        return 0
    results = print_ratios(options, grid, counter)
    if options.json is not None:
        options.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    return 0


def refuse_odd(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """End with a message where the options cannot be met."""
    if options.n < 1 or options.seeds < 1 or options.load <= 0:
        parser.error("--n and --seeds are 1 or more, --load is more than 0")
    if not 0 <= options.moves_per_arrival < math.inf:
        parser.error("--moves-per-arrival is a finite number, 0 or more")
    if options.dump is not None and (len(list(runs(options))) > 1 or options.fixed):
        parser.error("--dump holds one run: give one mix, one kind of lives and one seed")
    if options.dump is not None and options.policy and "ours" not in options.policy:
        parser.error("--dump is of our policy: leave --policy out or add --policy ours")


def print_ratios(
    options: argparse.Namespace, grid: MigGrid, counter: FewestCards
) -> dict[str, object]:
    """Print one line a run and policy, and return the means as one document."""
    found: dict[str, list[Result]] = {policy: [] for policy in options.policy or POLICIES}
    every = list(runs(options))
    for run in every:
        optimum = optima(run.traffic(), counter)
        print(run, flush=True)
        for policy, results in found.items():
            if policy == "ours" and options.dump is not None:
                with options.dump.open("w", encoding="utf-8") as file:
                    results.append(simulate(run, grid, policy, optimum, file))
            else:
                results.append(simulate(run, grid, policy, optimum))
            last = results[-1]
            print(f"  {policy:16} {last.ratio_to_optimum:.4f}  {last.moves_per_arrival:.3f} moves")
    means = {
        policy: {
            "ratio_to_optimum": statistics.fmean(r.ratio_to_optimum for r in results),
            "moves_per_arrival": statistics.fmean(r.moves_per_arrival for r in results),
        }
        for policy, results in found.items()
    }
    if len(every) > 1:
        print(f"mean of {len(every)} runs")
        for policy, mean in means.items():
            print(
                f"  {policy:16} {mean['ratio_to_optimum']:.4f}"
                f"  {mean['moves_per_arrival']:.3f} moves"
            )
    asked = [{**vars(run), "trace": run.trace and str(run.trace)} for run in every]
    return {**means.get("ours", {}), "policies": means, "runs": asked}


if __name__ == "__main__":
    raise SystemExit(main())
