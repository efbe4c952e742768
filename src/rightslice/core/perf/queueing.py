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
A prompt that does not fit beside them joins the next step too.
Requests beyond the capacity wait an exponential time on top, while places come free at the largest
stable rate: prompts of those admitted slow a full server as they do at that rate.

TPOT percentiles: a request meets the token-weighted law of n, averaged over its own life in which
n forgets at about the rate at which requests end, which leaves sqrt(2/e) = 0.86 of its deviation.

Known gap: beyond 85 to 90 % of the largest stable rate all closed forms fall short, so nothing is
promised there (`STABLE_UTILIZATION`); arrivals burstier than Poisson wait longer.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

from rightslice.core.catalog.traffic import Traffic
from rightslice.core.perf.arithmetic import Arithmetic
from rightslice.core.perf.law import NEGLIGIBLE, Law, Met, states_of
from rightslice.core.perf.operation import NORMAL, QUANTILES, Operation, Spread
from rightslice.core.perf.roofline import Step
from rightslice.core.perf.shapes import Requests, requests_of

STABLE_UTILIZATION: Final = 0.85
"""Largest share of the stable rate that is promised: closed forms and simulation part beyond."""
_LEFT: Final = 10.0
"""One in so many of the slowest requests is taken to have found a place, at least."""
_REST: Final = 8.0
"""A rest of a prompt, however small, takes a step: from an eighth on it is taken for a whole one,
below by its part, so that latencies stay continuous."""
_MEMORY_OF_BATCH: Final = math.sqrt(2 / math.e)


def open_loop(step: Step, traffic: Traffic, rate: float, capacity: int) -> Operation:
    """Return the steady state under *rate* requests a second; unserved when none exists."""
    requests = requests_of(traffic)
    step = _at_rate(step, requests, rate, capacity)
    limit = stable_rate(step, requests, capacity) if capacity > 0 else 0.0
    if rate >= limit:
        return Operation.unserved(waiting=math.inf, utilization=rate / limit if limit else math.inf)
    states = states_of(step, requests, (rate, limit), capacity)
    flow = flow_of(step, requests, states.law, limit)
    if flow.busy >= 1:
        return Operation.unserved(waiting=math.inf, utilization=flow.utilization)
    return settled(step, requests, flow, states.met())


def mean_latencies(step: Step, traffic: Traffic, rate: float, capacity: int) -> tuple[float, float]:
    """Return mean TPOT and TTFT as `open_loop` does, without percentiles; infinite if unserved."""
    requests = requests_of(traffic)
    step = _at_rate(step, requests, rate, capacity)
    limit = stable_rate(step, requests, capacity) if capacity > 0 else 0.0
    if rate >= limit:
        return math.inf, math.inf
    flow = flow_of(step, requests, states_of(step, requests, (rate, limit), capacity).law, limit)
    return (flow.tpot, mean_ttft(step, flow)) if flow.busy < 1 else (math.inf, math.inf)


def largest_stable_rate(step: Step, traffic: Traffic, capacity: int) -> float:
    """Return the requests a second at which a full batch leaves as fast as requests arrive."""
    return stable_rate(step, requests_of(traffic), capacity)


def stable_rate(step: Step, requests: Requests, capacity: float) -> float:
    """Return the largest stable rate of requests that need prefill.

    Solves rate = capacity / ((O - 1) step / (1 - rate * prefill) + prefill), bounded also by the
    rate at which steps can take prompts.
    """
    arithmetic = step.arithmetic
    step = step.settled(capacity)
    full = step.seconds(capacity)
    decode = arithmetic.larger(requests.output_tokens - 1, 0.0) * full
    prefill = step.prefill / step.stages
    linear = decode + step.prefill + capacity * prefill
    square = linear * linear - 4 * prefill * step.prefill * capacity
    drain = 2 * capacity / (linear + arithmetic.sqrt(arithmetic.larger(square, 0.0)))
    return arithmetic.smaller(drain, 1 / (prefill + step.step_share(1) * step.seconds(1)))


def _at_rate(step: Step, requests: Requests, rate: float, capacity: int) -> Step:
    """Return the server as calibration corrects it at the mean batch under *rate*."""
    if step.misfit is None or capacity < 1:
        return step
    full = step.settled(capacity)
    limit = stable_rate(full, requests, capacity)
    if rate >= limit:
        return full
    return step.settled(states_of(full, requests, (rate, limit), capacity).law.running)


@dataclass(frozen=True, kw_only=True, slots=True)
class Flow:
    """What a law of the batch leads to in the mean."""

    law: Law
    utilization: float
    tpot: float
    busy: float
    """Load of the queue of prompts; nothing settles at one."""
    step: float
    """Of the mean batch."""
    own: float
    """Time of a request's own prompt."""
    wait: float
    """Mean wait behind prompts of others, one by one."""
    shared: _Gate
    """Wait when a step takes all prompts that came during the last."""


def flow_of(step: Step, requests: Requests, law: Law, limit: float) -> Flow:
    """Return mean latencies under *law*, of a server whose largest stable rate is *limit*."""
    larger, where = step.arithmetic.larger, step.arithmetic.where
    output = requests.output_tokens
    mean_step = step.seconds(larger(law.running, 1.0))
    decoding = law.running / law.rate - step.prefill
    free = 1 - law.rate * step.prefill / step.stages
    tpot = where(output > 1, decoding / larger(output - 1, NEGLIGIBLE), mean_step / free)
    service = step.prefill / step.stages + step.step_share(law.running) * mean_step
    busy = law.rate * service
    variation = 1 + requests.input_variation
    spare = where(busy < 1, 1 - busy, 1.0)
    return Flow(
        law=law,
        utilization=larger(law.rate / limit, busy),
        tpot=tpot,
        busy=busy,
        step=mean_step,
        own=step.prompt_alone + step.steps_per_prompt(law.running) * mean_step,
        wait=busy * service * variation / (2 * spare),
        shared=_gate(step, law.rate, mean_step, variation),
    )


def mean_ttft(step: Step, flow: Flow) -> float:
    """Return the mean time to first token: the larger of the two waits for prompts counts."""
    longer = step.arithmetic.larger(flow.step / 2 + flow.wait, flow.shared.mean)
    queued = flow.law.waiting / flow.law.rate
    return (step.first_token + flow.own + longer + queued) * step.ttft_ratio


def settled(step: Step, requests: Requests, flow: Flow, met: Met) -> Operation:
    """Return the steady state, percentiles included."""
    law = flow.law
    share = flow.tpot * law.rate * step.prefill / step.stages
    return Operation(
        running=law.running,
        waiting=law.waiting,
        tpot=_tpot(step, requests, flow, met),
        ttft=_ttft(step, requests, flow),
        requests_per_second=law.rate,
        utilization=flow.utilization,
        prefill_per_token=step.arithmetic.larger(share, 0.0),
    )


def _tpot(step: Step, requests: Requests, flow: Flow, met: Met) -> Spread:
    larger, mean = step.arithmetic.larger, flow.tpot
    usual = larger(met.mean, 1.0)
    at_usual = step.seconds(usual)
    foreign = flow.law.rate * requests.output_tokens * mean
    prompts = step.prefill / step.stages * step.arithmetic.sqrt(foreign) / requests.output_tokens
    values = []
    for q, z, size in zip(QUANTILES, NORMAL, met.quantiles, strict=True):
        shifted = usual + _MEMORY_OF_BATCH * (size - usual)
        batch = mean * (step.seconds(larger(shifted, 1.0)) / at_usual - 1)
        both = batch if q <= 0.5 else step.arithmetic.hypot(larger(batch, 0.0), z * prompts)
        values.append(mean + both)
    return Spread.ascending(mean, tuple(values), step.arithmetic)


def _ttft(step: Step, requests: Requests, flow: Flow) -> Spread:
    """Return the larger of two waits: prompts one by one, and all of a step together.

    Of the slowest requests, those that find all places taken are a part: the others reach a
    percentile of theirs that is as much further out.
    """
    arithmetic, law = step.arithmetic, flow.law
    larger, log = arithmetic.larger, arithmetic.log
    mean_wait, half_step, own = flow.wait / flow.busy, flow.step / 2, step.first_token + flow.own
    spilled, shared = _spilled(step, flow), flow.shared.waits(arithmetic)
    values = []
    for level, excess in zip(_LEVELS, requests.input_excess, strict=True):
        tail = larger(level.rare - law.full, level.found)
        further = log(level.rare / tail)
        together = shared(level.z + further / (level.hazard + level.bend * further))
        together = together + spilled(together - half_step)
        behind = half_step + mean_wait * log(larger(flow.busy / tail, 1.0))
        behind = larger(behind, together)
        queued = log(larger(law.full / level.queued, 1.0)) / law.drain
        longer = _together(step.prefill * excess, behind + queued, arithmetic)
        values.append((own + longer) * step.ttft_ratio)
    return Spread.ascending(mean_ttft(step, flow), tuple(values), arithmetic)


class _Level(NamedTuple):
    """A percentile of a normal law, and how to go further out from it.

    The hazard h of the law grows by h (h - z), so that what is L logs less likely lies about
    L / (h + L (h - z) / 2) further out: right within 0.03 up to a tenth of the probability.
    """

    rare: float
    """Probability beyond it."""
    found: float
    """The least of it for requests that find a place."""
    queued: float
    """The most of it for the others."""
    z: float
    hazard: float
    bend: float

    @classmethod
    def at(cls, quantile: float, z: float) -> _Level:
        """Return the level of *quantile*, at *z*."""
        rare = 1 - quantile
        hazard = math.exp(-z * z / 2) / math.sqrt(2 * math.pi) / rare
        return cls(rare, rare / _LEFT, rare - rare / _LEFT, z, hazard, (hazard - z) / 2)


_LEVELS: Final = tuple([_Level.at(q, z) for q, z in zip(QUANTILES, NORMAL, strict=True)])


def _spilled(step: Step, flow: Flow) -> Callable[[float], float]:
    """Return how much longer a prompt takes that does not fit beside others of so many seconds.

    What is left of it joins the next step, with the prompts that arrived meanwhile.
    """
    larger, smaller = step.arithmetic.larger, step.arithmetic.smaller
    share, rate, plain = step.step_share(flow.law.running), flow.law.rate, flow.step
    each, room = step.prefill / step.stages, 1 / share
    prefill, is_shared = larger(step.prefill, NEGLIGIBLE), (share <= 1) * 1.0

    def longer(beside: float) -> float:
        arrived = rate * (beside + plain)
        further = larger(share * (1 + smaller(beside / prefill, 2 * arrived)) - 1, 0.0)
        return smaller(_REST * further, is_shared) * (plain + smaller(arrived, room) * each)

    return longer


@dataclass(frozen=True, kw_only=True, slots=True)
class _Gate:
    """Wait before and beside other prompts when a step takes all that came during the last."""

    mean: float
    shape: float
    """Squared mean over variance: the wait is taken as gamma distributed."""

    def waits(self, arithmetic: Arithmetic) -> Callable[[float], float]:
        """Return the wait by normal quantile (Wilson and Hilferty 1931)."""
        mean, ninth, larger = self.mean, 1 / (9 * self.shape), arithmetic.larger
        usual, spread = 1 - ninth, arithmetic.sqrt(ninth)

        def wait(z: float) -> float:
            root = larger(usual + z * spread, 0.0)
            return mean * (root * root * root)

        return wait


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


def _together(longer: float, waited: float, arithmetic: Arithmetic) -> float:
    """Add independent deviations: below the mean as they are, above it as squares."""
    above = arithmetic.hypot(longer, waited)
    return arithmetic.where(longer <= 0, longer + waited, above)
