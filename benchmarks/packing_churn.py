"""GPUs held beside the proven optimum while slices come and go: our policy and five others.

Usage: packing_churn.py [--n N] [--mix MIX|all] [--seed S] [--seeds COUNT]
           [--lives exponential|lognormal|both] [--moves-per-arrival X] [--json OUT] [--dump FILE]
       packing_churn.py --fixed [--n N] [--load SHARE] ...

N slices live on average (Poisson arrivals, mean life 1); counting starts after three mean lives
and lasts four. The pool is elastic: a card is opened when no card in use has room, and given back
when it is empty. Ours places by least loss of capability and, every N/10 events, solves for the
best moves that the budget still allows; the more of it is unspent, the more a GPU is worth.
With --fixed the fleet has a fixed number of cards and slices without room are turned away.

The other rules are models of those systems' placement, not their code: das takes the first card
and its lowest start (openshift/instaslice-operator@9f4fc07), hami the first card and the start
that keeps the longest free run (Project-HAMi/HAMi PR #2855), spread the emptiest card (DAS's node
score), first fit and best fit place inside the card as NVIDIA's driver does.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from parts.packing_traffic import (
    GPU,
    MIXES,
    PROFILES,
    WARM_UP,
    events,
)

from rightslice.core.catalog.mig import MigGrid, Placement, ProfileName
from rightslice.core.packing.cards import CardTable, Content, bit_indices
from rightslice.core.packing.fewest import FewestCards
from rightslice.core.packing.live import LiveCard, LivePod, LiveSlice, LiveState
from rightslice.core.packing.online import CardPool, Seated
from rightslice.core.packing.repack import RepackLimits, RepackPlan, best_moves, make_room
from rightslice.core.packing.steps import StepKind
from rightslice.edge.catalog_files import Catalog

DIAL_BASE, DIAL_PER_MOVE = 2.01, 0.25
"""Moves that a GPU is worth with an empty budget, and more for each move unspent."""
MOST_UNSPENT, EARNED = 0.2, 0.95
"""The unspent budget is capped at that of a fifth of a mean life, and a twentieth is not earned:
so no count over four mean lives exceeds the rate, whatever was unspent at its start."""


Chooser = Callable[[CardPool, ProfileName], tuple[str, Placement] | None]


def by_card(rank: Callable[[CardTable, Content, int], float], slot: str) -> Chooser:
    """Return the rule that takes the least *rank* of a card and then *slot* on it."""

    def choose(pool: CardPool, profile: ProfileName) -> tuple[str, Placement] | None:
        table = pool.table
        options = [
            (rank(table, content, int(card)), int(card), content)
            for card, content in pool.contents.items()
            if table.room_for(content, profile)
        ]
        if not options:
            return None
        _, card, content = min(options)
        return str(card), SLOTS[slot](table, content, profile)

    return choose


def _driver(table: CardTable, content: Content, profile: ProfileName) -> Placement:
    spot = table.best_spot(content, profile)
    assert spot is not None
    return table.layout(spot.bit)[0]


def _lowest(table: CardTable, content: Content, profile: ProfileName) -> Placement:
    return table.layout(table.room_for(content, profile))[0]


def _longest_run(table: CardTable, content: Content, profile: ProfileName) -> Placement:
    def score(index: int) -> tuple[int, int]:
        after = content | 1 << index
        taken = table.slots(after)
        free = "".join("1" if taken >> slot & 1 else "0" for slot in range(table.grid.slots or 0))
        return max(map(len, free.split("1"))), table.room(after).bit_count()

    best = max(bit_indices(table.room_for(content, profile)), key=score)
    return table.spots[best].placement


SLOTS = {"driver": _driver, "lowest": _lowest, "run": _longest_run}


def _ours(pool: CardPool, profile: ProfileName) -> tuple[str, Placement] | None:
    answer = pool.place(profile)
    if not isinstance(answer, Seated):
        return None
    pool.release(answer.card, answer.placement)
    return answer.card, answer.placement


def _free(table: CardTable, content: Content) -> int:
    return (table.grid.slots or 0) - table.slots(content).bit_count()


POLICIES: Mapping[str, Chooser] = {
    "ours": _ours,
    "ours, no repack": _ours,
    "first fit": by_card(lambda _table, _content, card: card, "driver"),
    "best fit": by_card(lambda table, content, _card: _free(table, content), "driver"),
    "spread": by_card(lambda table, content, _card: -_free(table, content), "lowest"),
    "hami": by_card(lambda _table, _content, card: card, "run"),
    "das": by_card(lambda _table, _content, card: card, "lowest"),
}


@dataclass
class Fleet:
    """The cards of one policy, and which pod sits where."""

    grid: MigGrid
    choose: Chooser
    fixed_cards: int | None = None
    seats: dict[str, tuple[str, Placement]] = field(default_factory=dict)
    changed: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.pool = CardPool(self.grid, frozenset(PROFILES))
        self._next, self._given_back = 0, list[int]()
        for card in range(self.fixed_cards or 0):
            self.pool.add_card(str(card))

    def arrive(self, pod: str, profile: ProfileName) -> bool:
        """Place *pod*, on a new card if need be; return whether there was room."""
        seat = self.choose(self.pool, profile)
        if seat is None and self.fixed_cards is None:
            seat = self._open(), _driver(self.pool.table, 0, profile)
        if seat is not None:
            self.sit(pod, seat)
        return seat is not None

    def _open(self) -> str:
        if self._given_back:
            number = min(self._given_back)
            self._given_back.remove(number)
        else:
            number, self._next = self._next, self._next + 1
        self.pool.add_card(str(number))
        return str(number)

    def sit(self, pod: str, seat: tuple[str, Placement]) -> None:
        """Put *pod* there."""
        self.pool.take(*seat)
        self.seats[pod] = seat
        self.changed.add(seat[0])

    def leave(self, pod: str) -> None:
        """Free the pod's slice, and give back its card when that was the last one."""
        card, placement = self.seats.pop(pod)
        self.pool.release(card, placement)
        self.changed.add(card)
        if self.fixed_cards is None and not self.pool.contents[card]:
            self.pool.remove_card(card)
            self._given_back.append(int(card))

    def state(self) -> LiveState:
        """Return the cards as repacking sees them."""
        slices: dict[str, list[LiveSlice]] = {card: [] for card in self.pool.contents}
        for pod, (card, placement) in self.seats.items():
            slices[card].append(LiveSlice(placement=placement, pod=LivePod(name=pod)))
        cards = (LiveCard(name=card, slices=tuple(held)) for card, held in slices.items())
        return LiveState(grid=self.grid, cards=tuple(cards))

    def carry_out(self, plan: RepackPlan) -> int:
        """Move the pods of *plan* and return how many restarts that took, detours included."""
        for move in plan.moves:
            self.pool.release(*self.seats.pop(move.pod.name))
            self.changed |= {move.from_card, move.to_card}
        for move in plan.moves:
            self.sit(move.pod.name, (move.to_card, move.to_placement))
        for card in [card for card, content in self.pool.contents.items() if not content]:
            if self.fixed_cards is None:
                self.pool.remove_card(card)
                self._given_back.append(int(card))
        return sum(step.action in (StepKind.MOVE, StepKind.START) for step in plan.steps)


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
        return RepackLimits(moves_budget=math.floor(self.unspent), moves_per_card=dial)


@dataclass(frozen=True)
class Run:
    """What one run is asked for."""

    seed: int
    n: int
    mix: str
    lives: str
    moves_per_arrival: float


@dataclass(frozen=True)
class Result:
    """What one policy held."""

    ratio_to_optimum: float
    moves_per_arrival: float


def optima(run: Run, counter: FewestCards) -> list[int]:
    """Return the fewest cards after every event."""
    row, profile_of, found = Counter[ProfileName](), dict[str, ProfileName](), list[int]()
    for event in events(run.seed, run.n, run.mix, run.lives):
        if event.profile is not None:
            profile_of[event.pod] = event.profile
        row[profile_of[event.pod]] += 1 if event.profile else -1
        found.append(counter.count(row))
    return found


def simulate(
    run: Run, grid: MigGrid, policy: str, optimum: Sequence[int], dump: IO[str] | None = None
) -> Result:
    """Return the time-mean of cards over the time-mean of the optimum after the warm-up."""
    fleet = Fleet(grid, POLICIES[policy])
    budget = Budget(EARNED * run.moves_per_arrival, MOST_UNSPENT * run.moves_per_arrival * run.n)
    every = max(run.n // 10, 1)
    arrivals = moves = 0
    held = needed = 0.0
    story = events(run.seed, run.n, run.mix, run.lives)
    for index, event in enumerate(story):
        if event.profile is None:
            fleet.leave(event.pod)
        else:
            fleet.arrive(event.pod, event.profile)
            budget.arrive()
        made = 0
        is_due = policy == "ours" and index % every == 0 and budget.unspent >= 1
        if is_due and len(fleet.pool) > optimum[index]:
            plan = best_moves(fleet.state(), budget.limits())
            made = fleet.carry_out(plan) if isinstance(plan, RepackPlan) else 0
            budget.unspent -= made
        if event.time < WARM_UP:
            continue
        if dump is not None:
            write_changes(dump, event.time, fleet, is_first=arrivals == 0 and held == 0)
        fleet.changed.clear()
        arrivals += event.profile is not None
        moves += made
        span = story[index + 1].time - event.time if index + 1 < len(story) else 0.0
        held += len(fleet.pool) * span
        needed += optimum[index] * span
    return Result(held / needed, moves / arrivals)


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
    budget = Budget(EARNED * run.moves_per_arrival, MOST_UNSPENT * run.moves_per_arrival * run.n)
    for event in events(run.seed, run.n, run.mix, run.lives):
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
        if event.time >= WARM_UP:
            asked[event.profile] += 1
            placed[event.profile] += found
    return {name: placed[name] / count for name, count in sorted(asked.items())}


def runs(options: argparse.Namespace) -> Iterator[Run]:
    """Yield every run that the options name."""
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
    parser.add_argument(
        "--lives", choices=["exponential", "lognormal", "both"], default="exponential"
    )
    parser.add_argument("--moves-per-arrival", type=float, default=0.25)
    parser.add_argument("--fixed", action="store_true")
    parser.add_argument("--load", type=float, default=0.8)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--dump", type=Path)
    options = parser.parse_args()
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


def print_ratios(
    options: argparse.Namespace, grid: MigGrid, counter: FewestCards
) -> dict[str, object]:
    """Print one line a run and policy, and return the means as one document."""
    found: dict[str, list[Result]] = {policy: [] for policy in POLICIES}
    every = list(runs(options))
    for run in every:
        optimum = optima(run, counter)
        print(f"{run.mix}, N = {run.n}, {run.lives} lives, seed {run.seed}", flush=True)
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
    return {**means["ours"], "policies": means, "runs": [vars(run) for run in every]}


if __name__ == "__main__":
    raise SystemExit(main())
