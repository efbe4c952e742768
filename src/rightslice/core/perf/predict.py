"""Latency, throughput and the load that is held, for one sized server and one traffic.

Physics in `roofline`, closed loop in `batching`, open loop in `queueing`; this module puts bands
on them. A server slower by a factor f at rate L does f times as long what it does at rate L f, so
doubt about the server's speed is carried through queues by slowing the server, not by stretching
the answer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from rightslice.core.catalog.estimate import Estimate, check_confidence
from rightslice.core.catalog.traffic import ClosedLoop, OpenLoop, Slo, Traffic
from rightslice.core.perf.arithmetic import SCALAR
from rightslice.core.perf.bands import Doubt, doubt_on, with_band
from rightslice.core.perf.batching import closed_loop
from rightslice.core.perf.capacity import capacity_at, capacity_of
from rightslice.core.perf.held import MET, SAME, Ask, Bracket
from rightslice.core.perf.knee import knee_of
from rightslice.core.perf.operation import Operation, Spread, end_to_end
from rightslice.core.perf.queueing import (
    STABLE_UTILIZATION,
    largest_stable_rate,
    mean_latencies,
    open_loop,
)
from rightslice.core.perf.result import (
    Bound,
    Capacity,
    Curve,
    CurvePoint,
    HeldLoad,
    Outlook,
    PerfConstants,
    Prediction,
    StepTerm,
)
from rightslice.core.perf.roofline import Step, step_of
from rightslice.core.perf.shapes import requests_of
from rightslice.core.perf.terms import bound_of, terms_of
from rightslice.core.sizing.result import Sizing


def predict(sizing: Sizing, traffic: Traffic, *, constants: PerfConstants) -> Prediction:
    """Return latency, throughput and the parts of a step, in steady state.

    A server that does not start, or cannot settle under the rate, has infinite latencies.

    Raises:
        InputError: when the device's bandwidth, FLOP/s or (for several GPUs) link is unknown.
    """
    step = step_of(sizing, traffic, constants)
    places = capacity_of(sizing, traffic)
    state = _state(step, traffic, places.sequences)
    doubt = _doubt(step, state, traffic, places.sequences, doubt_on(sizing.device, constants))
    served = state.running > 0
    terms: tuple[StepTerm, ...] = ()
    if served:
        terms = terms_of(
            step,
            max(state.running, 1.0),
            prefill_per_token=state.prefill_per_token,
            tpot_seconds=state.tpot.mean,
        )
    requests = requests_of(traffic)
    whole = Spread.never()
    if served:
        tokens = requests.output_tokens, requests.output_quantiles
        whole = end_to_end(state.ttft, state.tpot, tokens)
    throughput_doubt = doubt.tpot if isinstance(traffic.load, ClosedLoop) else 0.0
    rate = Estimate(state.requests_per_second, throughput_doubt if served else 0.0)
    return Prediction(
        traffic=traffic,
        running=state.running,
        waiting=state.waiting,
        tpot=with_band(state.tpot, doubt.tpot),
        ttft=with_band(state.ttft, doubt.ttft),
        end_to_end=with_band(whole, _whole_doubt(state, whole, doubt)),
        output_tokens_per_second=rate.scaled(requests.output_tokens),
        requests_per_second=rate,
        capacity=places,
        utilization=state.utilization,
        bound=bound_of(terms) if served else Bound.MEMORY_BANDWIDTH,
        terms=terms,
        calibrated_by=constants.calibrated_by,
    )


def _whole_doubt(state: Operation, whole: Spread, doubt: Doubt) -> float:
    """Return the doubt about a whole request: that of its two parts, by their share of it."""
    if not math.isfinite(whole.mean):
        return doubt.tpot
    first = min(state.ttft.mean / whole.mean, 1.0)
    return first * doubt.ttft + (1 - first) * doubt.tpot


def capacity(sizing: Sizing, traffic: Traffic) -> Capacity:
    """Return how many sequences of *traffic* run at once without queueing, and what limits them."""
    return capacity_of(sizing, traffic)


def curve(
    sizing: Sizing,
    traffic: Traffic,
    *,
    constants: PerfConstants,
    points: Sequence[int] | None = None,
) -> Curve:
    """Return latency and throughput over concurrency, with the knee.

    Args:
        sizing: the server.
        traffic: its request lengths; a closed loop's own concurrency becomes a point.
        constants: of the engine's era.
        points: concurrencies; by default 1, 2, 4 ... to the capacity and one beyond it.

    Raises:
        InputError: when the device's bandwidth, FLOP/s or (for several GPUs) link is unknown.
    """
    step = step_of(sizing, traffic, constants)
    places = capacity_of(sizing, traffic)
    doubt = doubt_on(sizing.device, constants)
    chosen = set(points) if points is not None else set(_doublings(places.sequences))
    if isinstance(traffic.load, ClosedLoop):
        chosen.add(traffic.load.concurrency)
    return Curve(
        sizing=sizing,
        points=tuple(
            _curve_point(
                step, closed_loop(step, traffic, clients, places.sequences), traffic, doubt
            )
            for clients in sorted(chosen)
            if places.sequences > 0
        ),
        knee=knee_of(step, traffic, places),
    )


def _doublings(most: int) -> list[int]:
    points = [1]
    while points[-1] < most:
        points.append(min(points[-1] * 2, most))
    return [*points, 2 * points[-1]]


def _curve_point(step: Step, state: Operation, traffic: Traffic, doubt: Doubt) -> CurvePoint:
    doubt = doubt.at(step, state.running, state.prefill_per_token)
    return CurvePoint(
        concurrency=round(state.running + state.waiting),
        tpot=Estimate(state.tpot.mean, doubt.tpot),
        ttft_p95=Estimate(state.ttft.p95, doubt.ttft),
        output_tokens_per_second=Estimate(
            state.requests_per_second * traffic.output.mean, doubt.tpot
        ),
        held=state.waiting == 0,
    )


def largest_load(
    sizing: Sizing, traffic: Traffic, slo: Slo, *, constants: PerfConstants, confidence: float
) -> float:
    """Return the largest load of *traffic*'s kind that is held within *slo*; 0 when none is.

    Concurrency (whole) for a closed loop, requests a second for an open one. Held means: C
    sequences fit the KV pool, ``max-num-seqs`` and ``max-model-len`` at once, and the SLO is met at
    that batch; or the rate stays within 85 % of the largest stable one and the SLO is met at its
    percentile. Both with probability *confidence*. Queueing for a place never counts as holding.

    Raises:
        InputError: when a figure of the device is unknown, or *confidence* is out of range.
    """
    doubt = doubt_on(sizing.device, constants)
    ask = Ask(slo=slo, doubt=doubt, confidence=check_confidence(confidence))
    places = capacity_at(capacity_of(sizing, traffic), confidence)
    step = step_of(sizing, traffic, constants)
    if places < 1:
        return 0.0
    if isinstance(traffic.load, ClosedLoop):
        return float(_largest_batch(step, traffic, places, ask))
    return _largest_rate(step, traffic, places, ask)


def outlook(
    sizing: Sizing, traffic: Traffic, slo: Slo | None, *, constants: PerfConstants
) -> Outlook:
    """Return prediction, curve, and the largest load that is held, within *slo* if there is one.

    Raises:
        InputError: when the device's bandwidth, FLOP/s or (for several GPUs) link is unknown.
    """
    target = slo or Slo(tpot_seconds=math.inf)
    expected, surely = (
        largest_load(sizing, traffic, target, constants=constants, confidence=confidence)
        for confidence in (0.5, 0.9)
    )
    match traffic.load:
        case ClosedLoop(concurrency=asked):
            pass
        case OpenLoop(requests_per_second=asked):
            pass
    return Outlook(
        prediction=predict(sizing, traffic, constants=constants),
        slo=slo,
        is_held=asked <= expected,
        largest=HeldLoad(expected=expected, at_90_percent=surely),
        curve=curve(sizing, traffic, constants=constants),
    )


def _largest_batch(step: Step, traffic: Traffic, places: int, ask: Ask) -> int:
    low, high = 0, places
    while low < high:
        middle = (low + high + 1) // 2
        state = closed_loop(step, traffic, middle, places)
        if ask.near(step, state).excess(state.tpot, state.ttft, slowed=False) <= 0:
            low = middle
        else:
            high = middle - 1
    return low


def _largest_rate(step: Step, traffic: Traffic, places: int, ask: Ask) -> float:
    """Return the rate held by a server as slow as the doubt about the batch there allows."""
    slow = step.slowed(ask.factor(ask.doubt.tpot))
    rate = _rate_held(slow, traffic, places, ask)
    if not rate:
        return rate
    there = ask.near(step, open_loop(step, traffic, rate, places))
    if ask.factor(there.doubt.tpot - ask.doubt.tpot) < SAME:
        return rate
    slower = step.slowed(ask.factor(there.doubt.tpot))
    return min(rate, _rate_held(slower, traffic, places, there))


def _rate_held(slow: Step, traffic: Traffic, places: int, ask: Ask) -> float:
    """Return the largest rate at which an already *slow* server keeps the SLO."""

    def excess_at(rate: float) -> float:
        return ask.rate_excess(open_loop(slow, traffic, rate, places), STABLE_UTILIZATION)

    high = STABLE_UTILIZATION * largest_stable_rate(slow, traffic, places)
    above = excess_at(high)
    if above <= 0:
        return high
    bracket = Bracket.under(high, above)
    while bracket.high - bracket.low > bracket.enough:
        rate = bracket.aim(SCALAR)
        excess = excess_at(rate)
        bracket = bracket.narrowed(rate, excess, SCALAR)
        if -MET < excess <= 0:
            break
    return bracket.low


def _state(step: Step, traffic: Traffic, places: int) -> Operation:
    match traffic.load:
        case ClosedLoop(concurrency=clients):
            return closed_loop(step, traffic, clients, places)
        case OpenLoop(requests_per_second=rate):
            return open_loop(step, traffic, rate, places)


def _doubt(step: Step, now: Operation, traffic: Traffic, places: int, doubt: Doubt) -> Doubt:
    """Return the doubt about latencies: in an open loop, queues amplify that about the speed."""
    doubt = doubt.at(step, now.running, now.prefill_per_token)
    if isinstance(traffic.load, ClosedLoop):
        return doubt
    if not now.running:
        return doubt
    factor = math.exp(doubt.tpot)
    rate = factor * traffic.load.requests_per_second
    tpot, ttft = mean_latencies(step, traffic, rate, places)
    slowed = factor * tpot, factor * ttft
    return doubt.in_queue((now.tpot.mean, now.ttft.mean), slowed, step.arithmetic)
