"""The closed forms against a discrete-event simulation of a continuously batching server.

    .venv/bin/python benchmarks/queueing.py [--requests 4000] [--runs 4]

The simulated server runs steps one after the other. Decoding sequences get a token a step; prompts
that wait are computed in order of arrival as far as the step's token budget goes, and lengthen the
step by their prefill time; a request gets its first token at the end of the step that completes
its prompt. Events are totally ordered by (time, number), and the seeds are fixed. Queues for places
come and go in long spells: of one run of 25,000 requests at 80 % load the mean time to first token
lies anywhere from 39 to 50 ms, so runs with several seeds are taken together. Where waits come in
steps, of no prompt or one, p95 jumps with chance: it is compared once more with what lies between
the simulated p94 and p96, the sampling error of some 2,000 requests.

Clients whose answers are all exactly equally long are told apart. They stay in step: their prompts
come together and are missing from the steps that decode, with which TPOT is deliberately not
credited, since a stated length stands for lengths near it.
"""

from __future__ import annotations

import argparse
import heapq
import math
import random
import statistics
from collections import deque
from dataclasses import dataclass, field
from typing import Final

from rightslice.core.catalog.lengths import Lengths
from rightslice.core.catalog.traffic import ClosedLoop, Traffic
from rightslice.core.perf.batching import closed_loop
from rightslice.core.perf.operation import Operation
from rightslice.core.perf.queueing import largest_stable_rate, open_loop
from rightslice.core.perf.roofline import Step

WARM_UP: Final = 0.2
LOADS: Final = (0.3, 0.5, 0.7, 0.8, 0.85, 0.9)
PROMISED: Final = 0.8
"""Load up to which the aims below hold."""
AIM_TPOT: Final = 0.10
AIM_P95: Final = 0.15
SHAPES: Final = (
    ("1024 in, 128 out", 1024, 128, 0.0),
    ("512 in, 400 out", 512, 400, 0.0),
    ("512 in, ~400 out", 512, 400, 1.0),
    ("2048 in, 256 out", 2048, 256, 0.0),
)
"""Name, prompt tokens, mean output tokens, log-scale sigma of output tokens."""
CLOSED: Final = (
    (1024, 128, 2048),
    (512, 400, 2048),
    (2048, 256, 2048),
    (4096, 512, 2048),
    (2048, 256, 8192),
    (512, 128, 8192),
    (256, 512, 2048),
)
"""Prompt tokens, mean output tokens, tokens a step may compute."""
SIGMAS: Final = (0.0, 0.01, 0.05, 0.3, 1.0)
CLIENTS: Final = (4, 16, 48)
ROUNDS: Final = 20
CAPACITY: Final = 64
BUDGET: Final = 2048
SECONDS_A_PROMPT_TOKEN: Final = 30e-6
ROUND_TRIP_SECONDS: Final = 0.02
"""Longest time from an answer's end to the same client's next request."""


@dataclass
class Request:
    """One simulated request."""

    arrived: float
    output: int
    left: float
    first: float = 0.0
    done: int = 0
    finished: float = 0.0


@dataclass
class Simulation:
    """A server, its queue, and what has left it."""

    step: Step
    waiting: deque[Request] = field(default_factory=deque)
    running: list[Request] = field(default_factory=list)
    finished: list[Request] = field(default_factory=list)

    def advance(self, now: float) -> float:
        """Run one step that starts at *now*; return when it ends."""
        budget = max(self.step.chunk_tokens - len(self.running), 16)
        computed = 0.0
        started: list[Request] = []
        while self.waiting and computed < budget:
            if len(self.running) + len(started) >= CAPACITY:
                break
            request = self.waiting[0]
            part = min(request.left, budget - computed)
            request.left -= part
            computed += part
            if request.left > 0:
                break
            started.append(self.waiting.popleft())
        # a prompt under way holds its place from its first part on: the place is at most one
        prefill = self.step.prefill * computed / self.step.prompt_tokens
        end = now + self.step.seconds(max(len(self.running), 1)) + prefill
        for request in self.running:
            request.done += 1
        for request in started:
            request.first, request.done = end, 1
        for request in (*self.running, *started):
            if request.done >= request.output:
                request.finished = end
                self.finished.append(request)
        alive = [r for r in (*self.running, *started) if r.done < r.output]
        self.running = alive
        return end


def server(prompt_tokens: int, chunk_tokens: int) -> Step:
    """Return a server with a step of 7.5 ms and 60 us a sequence."""
    return Step(
        overhead=2.0e-3,
        host_per_sequence=0.0,
        weights=5.5e-3,
        experts=(),
        memory_per_sequence=60e-6,
        compute_per_sequence=0.0,
        all_reduce=0.0,
        all_reduce_per_sequence=0.0,
        prefill=SECONDS_A_PROMPT_TOKEN * prompt_tokens,
        prompt_tokens=float(prompt_tokens),
        chunk_tokens=chunk_tokens,
        stages=1,
        first_token=0.0,
    )


def outputs(mean: int, sigma: float) -> Lengths:
    """Return output lengths of this mean."""
    if not sigma:
        return Lengths.fixed(mean)
    return Lengths.lognormal(mean / math.exp(sigma * sigma / 2), sigma)


def simulate_open(
    step: Step, lengths: Lengths, rate: float, count: int, seed: int
) -> list[Request]:
    """Return *count* requests that arrived at *rate*, by a Poisson process."""
    dice = random.Random(seed)  # noqa: S311 - a simulation, no secret
    state, now, next_at, sent = Simulation(step), 0.0, dice.expovariate(rate), 0
    while len(state.finished) < count:
        while next_at <= now and sent < count:
            state.waiting.append(Request(next_at, dice.choice(lengths.tokens), step.prompt_tokens))
            sent += 1
            next_at += dice.expovariate(rate)
        now = state.advance(now) if state.waiting or state.running else next_at
    done = sorted(state.finished, key=lambda r: r.arrived)
    return done[int(WARM_UP * len(done)) :]


def simulate_closed(step: Step, lengths: Lengths, clients: int, count: int) -> list[Request]:
    """Return about *count* requests of runs in which all clients start at once.

    Each run has `ROUNDS` requests a client: what a load generator sends. What an answer's end and
    the next request are apart is drawn anew each time.
    """
    dice = random.Random(7)  # noqa: S311 - a simulation, no secret
    kept: list[Request] = []
    for _ in range(max(1, round(count / clients / ROUNDS))):
        done = _one_run(step, lengths, clients, dice)
        done.sort(key=lambda r: r.arrived)
        kept += done[int(WARM_UP * len(done)) :]
    return kept


def _one_run(step: Step, lengths: Lengths, clients: int, dice: random.Random) -> list[Request]:
    state, now, seen = Simulation(step), 0.0, 0
    starts = [0.0] * clients
    while len(state.finished) < clients * ROUNDS:
        while starts and starts[0] <= now:
            arrived = heapq.heappop(starts)
            state.waiting.append(Request(arrived, dice.choice(lengths.tokens), step.prompt_tokens))
        if not state.waiting and not state.running:
            now = starts[0]
            continue
        now = state.advance(now)
        for _ in state.finished[seen:]:
            heapq.heappush(starts, now + dice.uniform(0, ROUND_TRIP_SECONDS))
        seen = len(state.finished)
    return state.finished


@dataclass(frozen=True)
class Measured:
    """Mean TPOT over tokens, mean TTFT and percentiles of TTFT, in seconds."""

    tpot: float
    ttft: float
    p94: float
    p95: float
    p96: float


def measured(requests: list[Request]) -> Measured:
    """Return what *requests* saw."""
    tokens = sum(r.output - 1 for r in requests)
    first = sorted(r.first - r.arrived for r in requests)
    p94, p95, p96 = (first[int(q * len(first))] for q in (0.94, 0.95, 0.96))
    return Measured(
        tpot=sum(r.finished - r.first for r in requests) / tokens,
        ttft=statistics.mean(first),
        p94=p94,
        p95=p95,
        p96=p96,
    )


@dataclass(frozen=True)
class Compared:
    """One case: what it is, and by how much the formula is off."""

    label: str
    tpot: float
    p95: float
    beside: float
    """Of p95, beyond what lies between the simulated p94 and p96."""


def compare(label: str, simulated: Measured, formula: Operation) -> Compared:
    """Print one line: simulated figures and the formula's error."""
    seen = (simulated.tpot, simulated.ttft, simulated.p95)
    said = (formula.tpot.mean, formula.ttft.mean, formula.ttft.p95)
    errors = [guess / truth - 1 for truth, guess in zip(seen, said, strict=True)]
    cells = "".join(
        f"{truth * 1e3:>10.1f}{error:>+8.1%}" for truth, error in zip(seen, errors, strict=True)
    )
    print(f"{label:<34}{cells}")
    low, high = formula.ttft.p95 / simulated.p94 - 1, formula.ttft.p95 / simulated.p96 - 1
    return Compared(label, errors[0], errors[2], min(low, 0.0) + max(high, 0.0))


def summary(name: str, cases: list[Compared]) -> None:
    """Print how many of *cases* are within the aims, and those that are not."""
    within = [abs(case.tpot) <= AIM_TPOT for case in cases]
    near = [abs(case.p95) <= AIM_P95 for case in cases]
    told = sum(abs(case.beside) <= AIM_P95 for case in cases)
    print(
        f"\n{name}: mean TPOT within {AIM_TPOT:.0%} in {sum(within)} of {len(cases)},"
        f" p95 TTFT within {AIM_P95:.0%} in {sum(near)}; in {told} of what lies between the"
        " simulated p94 and p96"
    )
    for case, one, other in zip(cases, within, near, strict=True):
        if not (one and other):
            print(
                f"  {case.label.strip():<40} TPOT {case.tpot:+.1%}, p95 TTFT {case.p95:+.1%}"
                f" ({case.beside:+.1%})"
            )


def open_grid(count: int, runs: int) -> list[Compared]:
    """Print rates, as shares of the largest stable one; return those with a promise."""
    found = []
    for name, prompt, mean, sigma in SHAPES:
        step, lengths = server(prompt, BUDGET), outputs(mean, sigma)
        traffic = Traffic(
            load=ClosedLoop(concurrency=1), input=Lengths.fixed(prompt), output=lengths
        )
        limit = largest_stable_rate(step, traffic, CAPACITY)
        for load in LOADS:
            rate = load * limit
            seen = [
                request
                for seed in range(runs)
                for request in simulate_open(step, lengths, rate, count, seed)
            ]
            guess = open_loop(step, traffic, rate, CAPACITY)
            case = compare(f"open   {name:<18}{load:>5.0%}", measured(seen), guess)
            if load <= PROMISED:
                found.append(case)
    return found


def closed_grid(count: int) -> tuple[list[Compared], list[Compared]]:
    """Print clients: lengths, how much they vary, steps of several sizes.

    Return the cases whose lengths vary, and those with equal ones.
    """
    varied: list[Compared] = []
    equal: list[Compared] = []
    for prompt, mean, chunk in CLOSED:
        for sigma in SIGMAS:
            for clients in CLIENTS:
                step, lengths = server(prompt, chunk), outputs(mean, sigma)
                load = ClosedLoop(concurrency=clients)
                traffic = Traffic(load=load, input=Lengths.fixed(prompt), output=lengths)
                seen = measured(simulate_closed(step, lengths, clients, count))
                guess = closed_loop(step, traffic, clients, CAPACITY)
                label = f"{prompt} in {mean} out {chunk} s {sigma:<4} c {clients}"
                (varied if sigma else equal).append(compare(label, seen, guess))
    return varied, equal


def main() -> None:
    """Print both grids, and what came of them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--requests", type=int, default=4000, help="of each run")
    parser.add_argument("--runs", type=int, default=4, help="of each rate")
    arguments = parser.parse_args()
    print(f"{'simulated (ms) and error':<34}{'TPOT':>10}{'':>8}{'TTFT':>10}{'':>8}{'p95':>10}")
    rates = open_grid(arguments.requests, arguments.runs)
    varied, equal = closed_grid(arguments.requests)
    summary(f"rates up to {PROMISED:.0%} of the stable one", rates)
    summary("clients, lengths that vary", varied)
    summary("clients, equal lengths: in step, TPOT not credited", equal)


if __name__ == "__main__":
    main()
