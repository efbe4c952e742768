"""Open loop: Poisson arrivals on a continuously batching server, in closed form.

The number in system is a birth-death chain: arrivals at rate L, departures with n present at

    mu(n) = n' / ((O - 1) t(n') + prefill),   n' = min(n, capacity)
    t(n) = step(n) / (1 - L prefill)

since the time that prompts take is lost to decoding. The chain shares one processor, so the law
of output lengths does not matter. Little's law on those in service gives the mean TPOT.

A prompt is served in S = prefill + chunks * step(E n), waits half a step, and behind other prompts
as in M/G/1: W = L E[s^2] / (2 (1 - rho)). p95 TTFT = S + step/2 + (W / rho) ln(rho / 0.05), other
percentiles alike. Where steps take several prompts, each waits for the rest of a step and is
computed together with all that arrived during it (`_gate`); the longer of the two waits counts.
Requests beyond the capacity wait an exponential time on top.

TPOT percentiles: a request meets the token-weighted law of n, averaged over its own life in which
n forgets at about the rate at which requests end, which leaves sqrt(2/e) = 0.86 of its deviation.

Known gap: beyond 85 to 90 % of the largest stable rate all closed forms fall short, so nothing is
promised there (`STABLE_UTILIZATION`); arrivals burstier than Poisson wait longer.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate, count
from operator import mul
from typing import Final

from rightslice.core.catalog.estimate import normal_quantile
from rightslice.core.catalog.traffic import Traffic
from rightslice.core.perf.batching import squared_variation
from rightslice.core.perf.operation import QUANTILES, Operation, Spread
from rightslice.core.perf.roofline import Step

STABLE_UTILIZATION: Final = 0.85
"""Largest share of the stable rate that is promised: closed forms and simulation part beyond."""
_MEMORY_OF_BATCH: Final = math.sqrt(2 / math.e)
_NEGLIGIBLE: Final = 1e-6


def open_loop(step: Step, traffic: Traffic, rate: float, capacity: int) -> Operation:
    """Return the steady state under *rate* requests a second; unserved when none exists."""
    flow = _flow(step, traffic, rate, capacity)
    if flow.law is None:
        return Operation.unserved(waiting=math.inf, utilization=flow.utilization)
    law, prompts, tpot = flow.law, flow.prompts, flow.tpot
    return Operation(
        running=law.running,
        waiting=law.waiting,
        tpot=_tpot(step, traffic, law, tpot),
        ttft=_ttft(step, traffic, law, prompts),
        requests_per_second=rate,
        utilization=flow.utilization,
        prefill_per_token=max(tpot * rate * step.prefill / step.stages, 0.0),
    )


def mean_latencies(step: Step, traffic: Traffic, rate: float, capacity: int) -> tuple[float, float]:
    """Return mean TPOT and TTFT as `open_loop` does, without percentiles; infinite if unserved."""
    flow = _flow(step, traffic, rate, capacity)
    if flow.law is None:
        return math.inf, math.inf
    law, prompts = flow.law, flow.prompts
    return flow.tpot, _first_token(step, traffic, law, prompts).mean * step.ttft_ratio


@dataclass(frozen=True, slots=True)
class _Flow:
    """What one rate leads to in the mean; without a law where nothing settles."""

    utilization: float
    law: _Law | None
    prompts: _Prompts
    tpot: float


def _flow(step: Step, traffic: Traffic, rate: float, capacity: int) -> _Flow:
    if capacity < 1:
        return _Flow(math.inf, None, _NO_PROMPTS, math.inf)
    limit = largest_stable_rate(step, traffic, capacity)
    if rate >= limit:
        return _Flow(rate / limit, None, _NO_PROMPTS, math.inf)
    law = _law_of_batch(step, traffic, rate, capacity)
    output = traffic.output.mean
    mean_step = step.seconds(max(law.running, 1.0))
    decoding = law.running / rate - step.prefill
    free = 1 - rate * step.prefill / step.stages
    tpot = decoding / (output - 1) if output > 1 else mean_step / free
    service = step.prefill / step.stages + step.step_share(law.running) * mean_step
    busy = rate * service
    utilization = max(rate / limit, busy)
    if busy >= 1:
        return _Flow(utilization, None, _NO_PROMPTS, math.inf)
    return _Flow(utilization, law, _Prompts(busy=busy, service=service, step=mean_step), tpot)


def largest_stable_rate(step: Step, traffic: Traffic, capacity: int) -> float:
    """Return the requests a second at which a full batch leaves as fast as requests arrive.

    Solves rate = capacity / ((O - 1) step / (1 - rate * prefill) + prefill), bounded also by the
    rate at which steps can take prompts.
    """
    full = step.seconds(capacity)
    decode = max(traffic.output.mean - 1, 0.0) * full
    prefill = step.prefill / step.stages
    linear = decode + step.prefill + capacity * prefill
    root = math.sqrt(max(linear * linear - 4 * prefill * step.prefill * capacity, 0.0))
    drain = 2 * capacity / (linear + root) if linear + root else math.inf
    return min(drain, 1 / (prefill + step.step_share(1) * step.seconds(1)))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Law:
    """The stationary law of the number in system, where it is not negligible."""

    rate: float
    first: int
    weights: tuple[float, ...]
    """Probabilities of first, first + 1, ... sequences, up to the capacity."""
    running: float
    waiting: float
    full: float
    """Probability that all places are taken."""
    drain: float
    """Rate at which a full server's queue shrinks, seen from its tail: mu(capacity) - rate."""

    def token_weighted(self, shares: Sequence[float]) -> list[float]:
        """Return the batch sizes that each share of tokens is made at or below, ascending."""
        gone = list(accumulate(map(mul, count(self.first), self._with_queue())))
        last = len(gone) - 1
        return [float(self.first + min(bisect_left(gone, q * self.running), last)) for q in shares]

    @property
    def token_mean(self) -> float:
        """Return the mean batch size over tokens."""
        tokens = map(mul, count(self.first), self._with_queue())
        squares = sum(map(mul, count(self.first), tokens))
        return squares / self.running if self.running else 0.0

    def _with_queue(self) -> tuple[float, ...]:
        """Return the probabilities with all states beyond the capacity counted as full."""
        if self.full > self.weights[-1]:
            return (*self.weights[:-1], self.full)
        return self.weights


def _law_of_batch(step: Step, traffic: Traffic, rate: float, capacity: int) -> _Law:
    tokens = max(traffic.output.mean - 1, 0.0) / (1 - rate * step.prefill / step.stages)

    def leave(n: int) -> float:
        return n / (tokens * step.seconds(n) + step.prefill)

    mode = _mode(leave, rate, capacity)
    down: list[float] = []
    weight = 1.0
    for n, seconds in step.series(range(mode, 0, -1)):
        weight *= n / (tokens * seconds + step.prefill) / rate
        down.append(weight)
        if weight <= _NEGLIGIBLE:
            break
    first = mode - len(down)
    up: list[float] = [1.0]
    weight = 1.0
    for n, seconds in step.series(range(mode + 1, capacity + 1)):
        weight *= rate * (tokens * seconds + step.prefill) / n
        up.append(weight)
        if weight <= _NEGLIGIBLE:
            break
    n = mode + len(up) - 1
    weights = [*reversed(down), *up]
    full_rate = leave(capacity)
    ratio = rate / full_rate
    at_capacity = weights[-1] if n == capacity else 0.0
    beyond = at_capacity * ratio / (1 - ratio)
    total = sum(weights) + beyond
    running = sum(map(mul, count(first), weights)) + capacity * beyond
    return _Law(
        rate=rate,
        first=first,
        weights=tuple(w / total for w in weights),
        running=running / total,
        waiting=beyond / (1 - ratio) / total,
        full=(at_capacity + beyond) / total,
        drain=full_rate - rate,
    )


def _mode(leave: Callable[[int], float], rate: float, capacity: int) -> int:
    """Return the most likely number in system: the last to leave no faster than arrivals."""
    low, high = 0, capacity
    while low < high:
        middle = (low + high + 1) // 2
        if leave(middle) <= rate:
            low = middle
        else:
            high = middle - 1
    return low


def _tpot(step: Step, traffic: Traffic, law: _Law, mean: float) -> Spread:
    usual = max(law.token_mean, 1.0)
    at_usual = step.seconds(usual)
    met = law.rate * traffic.output.mean * mean
    prompts = step.prefill / step.stages * math.sqrt(met) / traffic.output.mean
    values = []
    for q, size in zip(QUANTILES, law.token_weighted(QUANTILES), strict=True):
        shifted = usual + _MEMORY_OF_BATCH * (size - usual)
        batch = mean * (step.seconds(max(shifted, 1.0)) / at_usual - 1)
        by_prompts = normal_quantile(q) * prompts
        both = batch if q <= 0.5 else math.hypot(max(batch, 0.0), by_prompts)
        values.append(mean + both)
    return Spread.ascending(mean, tuple(values))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Prompts:
    """The queue of prompts: its load, the time one keeps the next waiting, the step they join."""

    busy: float
    service: float
    step: float


_NO_PROMPTS: Final = _Prompts(busy=math.inf, service=math.inf, step=math.inf)


def _ttft(step: Step, traffic: Traffic, law: _Law, prompts: _Prompts) -> Spread:
    """Return the larger of two waits: prompts one by one, and all of a step together."""
    first = _first_token(step, traffic, law, prompts)
    inputs = traffic.input
    values = []
    for q in QUANTILES:
        behind = first.wait / prompts.busy * math.log(max(prompts.busy / (1 - q), 1.0))
        behind = max(prompts.step / 2 + behind, first.shared.quantile(q))
        queued = math.log(max(law.full / (1 - q), 1.0)) / law.drain
        longer = step.prefill * (inputs.percentile(q) / inputs.mean - 1)
        values.append(step.first_token + first.own + _together(longer, behind + queued))
    return Spread.ascending(first.mean, tuple(values)).times(step.ttft_ratio)


@dataclass(frozen=True, kw_only=True, slots=True)
class _FirstToken:
    """The mean time to first token and the parts that its percentiles rest on."""

    mean: float
    own: float
    wait: float
    shared: _Gate


def _first_token(step: Step, traffic: Traffic, law: _Law, prompts: _Prompts) -> _FirstToken:
    variation = 1 + squared_variation(traffic.input)
    wait = prompts.busy * prompts.service * variation / (2 * (1 - prompts.busy))
    own = step.prefill + step.steps_per_prompt(law.running) * prompts.step
    shared = _gate(step, law.rate, prompts.step, variation)
    longer = max(prompts.step / 2 + wait, shared.mean)
    mean = step.first_token + own + longer + law.waiting / law.rate
    return _FirstToken(mean=mean, own=own, wait=wait, shared=shared)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Gate:
    """Wait before and beside other prompts when a step takes all that came during the last."""

    mean: float
    shape: float
    """Squared mean over variance: the wait is taken as gamma distributed."""

    def quantile(self, q: float) -> float:
        """Return the wait that a share *q* stays within (Wilson and Hilferty 1931)."""
        ninth = 1 / (9 * self.shape)
        root = 1 - ninth + normal_quantile(q) * math.sqrt(ninth)
        return self.mean * max(root, 0.0) ** 3


def _gate(step: Step, rate: float, plain: float, variation: float) -> _Gate:
    """Return the wait under gated service.

    A step lasts T = plain + prefill K, K Poisson arrivals during the step before, so E T = plain /
    (1 - rate prefill) and Var T = rate prefill^2 E T / (1 - (rate prefill)^2). A prompt falls into
    a step T* in proportion to its length, waits for what is left of it, and is computed together
    with all others that arrived in T*. Third moments are those of a gamma law.
    """
    prefill = step.prefill / step.stages
    load = rate * prefill
    mean = plain / (1 - load)
    squared = rate * prefill * prefill * variation * mean / (1 - load * load) / (mean * mean)
    met = mean * (1 + squared)
    met_square = mean * mean * (1 + squared) * (1 + 2 * squared)
    met_variance = met_square - met * met
    residual_variance = met_square / 3 - met * met / 4
    others_variance = load * prefill * variation * met + load * load * met_variance
    variance = residual_variance + others_variance + load * met_variance
    total = met / 2 + load * met
    return _Gate(mean=total, shape=total * total / variance)


def _together(longer: float, waited: float) -> float:
    """Add independent deviations: below the mean as they are, above it as squares."""
    return longer + waited if longer <= 0 else math.hypot(longer, waited)
