"""Many servers under many loads at once: the formulas of `predict` over arrays.

`clients` and `rates` predict every row of `tables.Points`; `largest_clients` and `largest_rates`
search every row's largest load at once. The formulas are those of one prediction (`batching`,
`queueing`, `bands`, `held`), called with arrays. Imported only where many are predicted at once:
numpy loads with it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from rightslice.core.catalog.estimate import check_confidence, normal_quantile
from rightslice.core.catalog.traffic import Slo
from rightslice.core.perf.arrays import (
    ARRAYS,
    Array,
    Mask,
    array_of,
    column,
    joined,
    rows_of,
)
from rightslice.core.perf.bands import Doubt
from rightslice.core.perf.batching import busy_loop
from rightslice.core.perf.chains import Chains, calm
from rightslice.core.perf.held import MET, SAME, Ask, Bracket
from rightslice.core.perf.law import Law, Met
from rightslice.core.perf.operation import Operation, Spread, end_to_end
from rightslice.core.perf.queueing import (
    STABLE_UTILIZATION,
    Flow,
    flow_of,
    mean_ttft,
    settled,
    stable_rate,
)
from rightslice.core.perf.tables import Points

_ROWS: Final = 32_768
"""Rows worked out together: their columns stay in a core's cache."""
_LawAndMet = Callable[[Chains, Array, Array], tuple[Law, Met]]


@dataclass(frozen=True, kw_only=True)
class Swept:
    """Every row's steady state; a row that is not served has infinite latencies and runs none."""

    state: Operation
    whole: Spread
    """Latency of whole requests."""
    doubt: Doubt
    """Log-scale standard deviations: of TPOT and of TTFT."""
    step_seconds: Array
    """Of a step at the mean batch, prompts of others not counted."""
    output_tokens_per_second: Array

    @property
    def tpot(self) -> Spread:
        """Time per output token: mean and percentiles, each an array."""
        return self.state.tpot

    @property
    def ttft(self) -> Spread:
        """Time to first token: mean and percentiles, each an array."""
        return self.state.ttft

    def upper(self, slo: Slo, confidence: float) -> tuple[Array, Array]:
        """Return what TPOT and TTFT at the percentiles of *slo* stay below with *confidence*."""
        z = normal_quantile(confidence)
        return (
            array_of(self.tpot.at(slo.tpot_percentile, ARRAYS)) * np.exp(z * self.doubt.tpot),
            array_of(self.ttft.at(slo.ttft_percentile, ARRAYS)) * np.exp(z * self.doubt.ttft),
        )

    def band(self) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
        """Return the low and high ends of the 90 % bands of mean TPOT and of mean TTFT."""
        z = normal_quantile(0.95)
        ends = []
        for mean, log_sd in (
            (self.tpot.mean, self.doubt.tpot),
            (self.ttft.mean, self.doubt.ttft),
        ):
            factor = np.exp(z * array_of(log_sd))
            ends.append((array_of(mean) / factor, array_of(mean) * factor))
        return ends[0], ends[1]


def clients(rows: Points, concurrency: Array) -> Swept:
    """Return every row's steady state under *concurrency* clients, whole and at least one."""
    is_served = rows.places >= 1
    places = np.maximum(rows.places, 1.0)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        state = busy_loop(rows.step, rows.requests, column(concurrency), column(places))
        state = _only(is_served, state, waiting=concurrency, utilization=np.inf)
        doubt = rows.doubt.at(rows.step, state.running, state.prefill_per_token)
        return _swept(rows, state, doubt, is_served)


def rates(rows: Points, requests_per_second: Array, slo: Slo | None = None) -> Swept:
    """Return every row's steady state under a rate; those that never settle are not served.

    Where *slo* is all that counts, and asks for the mean TPOT only, all tokens meet the mean batch:
    percentiles of TPOT are then those of one batch.
    """
    law = Chains.with_met if slo is None or slo.tpot_percentile is not None else Chains.with_usual
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        if len(rows) <= _ROWS:
            return _rates(rows, requests_per_second, law)
        parts = []
        for start in range(0, len(rows), _ROWS):
            some = np.arange(start, min(start + _ROWS, len(rows)))
            parts.append(_rates(rows.rows(some), requests_per_second[some], law))
    return joined(parts)


def largest_clients(rows: Points, slo: Slo, *, confidence: float) -> Array:
    """Return the largest concurrency that each row holds within *slo*; 0 where none is.

    ``places`` of *rows* are those that fit with probability *confidence* (`capacity.surely`).

    Raises:
        InputError: when *confidence* is out of range.
    """
    ask = _ask(rows, slo, confidence)
    low, high = np.zeros(len(rows)), np.floor(np.maximum(rows.places, 0.0))
    places = np.maximum(rows.places, 1.0)
    while (low < high).any():
        middle = np.floor((low + high + 1) / 2)
        state = busy_loop(rows.step, rows.requests, column(np.maximum(middle, 1.0)), column(places))
        excess = ask.near(rows.step, state).excess(state.tpot, state.ttft, slowed=False)
        is_held = array_of(excess) <= 0
        low = np.where(is_held, np.minimum(middle, high), low)
        high = np.where(is_held, high, np.maximum(middle - 1, low))
    return low


def largest_rates(rows: Points, slo: Slo, *, confidence: float) -> Array:
    """Return the largest requests a second that each row holds within *slo*; 0 where none are.

    ``places`` of *rows* are those that fit with probability *confidence* (`capacity.surely`).

    Raises:
        InputError: when *confidence* is out of range.
    """
    check_confidence(confidence)
    found = np.zeros(len(rows))
    for start in range(0, len(rows), _ROWS):
        alive = start + np.flatnonzero(rows.places[start : start + _ROWS] >= 1)
        if alive.size:
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                found[alive] = _largest_rates(rows.rows(alive), slo, confidence)
    return found


def _ask(rows: Points, slo: Slo, confidence: float) -> Ask:
    return Ask(
        slo=slo, doubt=rows.doubt, confidence=check_confidence(confidence), arithmetic=ARRAYS
    )


def _chains(rows: Points) -> Chains:
    """Return the chains of *rows*; one place where there is none, for an answer to be dropped."""
    places = np.maximum(np.floor(rows.places), 1.0)
    return Chains(step=rows.step, requests=rows.requests, capacity=places)


def _rates(rows: Points, rate: Array, law: _LawAndMet) -> Swept:
    chains = _chains(rows)
    state, is_served = _settled(chains, rate, law)
    is_served &= rows.places >= 1
    utilization = np.where(rows.places >= 1, state.utilization, np.inf)
    state = _only(is_served, state, waiting=np.inf, utilization=utilization)
    doubt = rows.doubt.at(rows.step, state.running, state.prefill_per_token)
    factor = np.exp(doubt.tpot)
    tpot, ttft = _means(chains, rate * factor)
    slowed = column(factor * tpot), column(factor * ttft)
    queued = doubt.in_queue((state.tpot.mean, state.ttft.mean), slowed, ARRAYS)
    doubt = doubt._replace(
        tpot=column(np.where(is_served, queued.tpot, doubt.tpot)),
        ttft=column(np.where(is_served, queued.ttft, doubt.ttft)),
    )
    return _swept(rows, state, doubt, is_served)


def _flow(chains: Chains, rate: Array, of: _LawAndMet) -> tuple[Met, Flow, Mask]:
    """Return the batch met and the flow of every chain, and which of them settle."""
    step, requests = chains.step, chains.requests
    limit = array_of(stable_rate(step, requests, column(chains.capacity)))
    is_stable = rate < limit
    law, met = of(chains, calm(rate, limit), limit)
    flow = flow_of(step, requests, law, column(limit))
    utilization = np.where(is_stable, flow.utilization, rate / limit)
    flow = replace(flow, utilization=column(utilization))
    return met, flow, is_stable & (array_of(flow.busy) < 1)


def _at_rate(chains: Chains, rate: Array) -> Chains:
    """Return the servers as calibration corrects them at the mean batch under *rate*."""
    if chains.step.misfit is None:
        return chains
    full = chains.settled(chains.capacity)
    limit = array_of(stable_rate(full.step, full.requests, column(full.capacity)))
    running = array_of(full.law(calm(rate, limit), limit).running)
    return chains.settled(np.where(rate < limit, running, chains.capacity))


def _settled(
    chains: Chains, rate: Array, law: _LawAndMet = Chains.with_met
) -> tuple[Operation, Mask]:
    chains = _at_rate(chains, rate)
    met, flow, is_served = _flow(chains, rate, law)
    state = settled(chains.step, chains.requests, flow, met)
    return _only(
        is_served, state, waiting=np.inf, utilization=array_of(flow.utilization)
    ), is_served


def _means(chains: Chains, rate: Array) -> tuple[float, float]:
    """Return mean TPOT and TTFT, infinite where nothing settles."""
    chains = _at_rate(chains, rate)
    _, flow, is_served = _flow(chains, rate, Chains.with_usual)
    ttft = mean_ttft(chains.step, flow)
    return (
        column(np.where(is_served, flow.tpot, np.inf)),
        column(np.where(is_served, ttft, np.inf)),
    )


def _only(
    is_served: Mask, state: Operation, *, waiting: Array | float, utilization: Array | float
) -> Operation:
    """Return *state* where it is served, and elsewhere that of a server that cannot serve."""

    def served_or(value: float, other: Array | float) -> float:
        return column(np.where(is_served, value, other))

    return Operation(
        running=served_or(state.running, 0.0),
        waiting=served_or(state.waiting, waiting),
        tpot=Spread(*[served_or(value, np.inf) for value in state.tpot]),
        ttft=Spread(*[served_or(value, np.inf) for value in state.ttft]),
        requests_per_second=served_or(state.requests_per_second, 0.0),
        utilization=served_or(state.utilization, utilization),
        prefill_per_token=served_or(state.prefill_per_token, 0.0),
    )


def _swept(rows: Points, state: Operation, doubt: Doubt, is_served: Mask) -> Swept:
    tokens = rows.requests.output_tokens, rows.requests.output_quantiles
    whole = end_to_end(state.ttft, state.tpot, tokens, ARRAYS)
    return Swept(
        state=state,
        whole=Spread(*[column(np.where(is_served, value, np.inf)) for value in whole]),
        doubt=doubt,
        step_seconds=array_of(rows.step.seconds(state.running)),
        output_tokens_per_second=array_of(state.requests_per_second * rows.requests.output_tokens),
    )


def _largest_rates(rows: Points, slo: Slo, confidence: float) -> Array:
    """Search as `predict.largest_load` does: slowed by the doubt, then by that at the batch met."""
    ask = _ask(rows, slo, confidence)
    chains = _chains(rows)
    held = _rate_held(chains.slowed(array_of(ask.factor(ask.doubt.tpot))), ask)
    some = np.flatnonzero(held > 0)
    if not some.size:
        return held
    state, _ = _settled(chains.rows(some), held[some])
    first = replace(ask, doubt=rows_of(ask.doubt, some))
    there = first.near(rows_of(rows.step, some), state)
    further = array_of(ask.factor(there.doubt.tpot - first.doubt.tpot))
    again = np.flatnonzero(further >= SAME)
    if again.size:
        there = replace(there, doubt=rows_of(there.doubt, again))
        slower = chains.rows(some[again]).slowed(array_of(ask.factor(there.doubt.tpot)))
        held[some[again]] = np.minimum(held[some[again]], _rate_held(slower, there))
    return held


def _rate_held(slow: Chains, ask: Ask) -> Array:
    """Return the largest rate at which each already *slow* server keeps the SLO."""
    limit = stable_rate(slow.step, slow.requests, column(slow.capacity))
    found = STABLE_UTILIZATION * array_of(limit)
    above = _excess(slow, found, ask)
    rows = np.flatnonzero(above > 0)
    bracket = Bracket.under(column(found[rows]), column(above[rows]))
    slow, ask = slow.rows(rows), replace(ask, doubt=rows_of(ask.doubt, rows))
    while rows.size:
        rate = bracket.aim(ARRAYS)
        excess = _excess(slow, array_of(rate), ask)
        bracket = bracket.narrowed(rate, column(excess), ARRAYS)
        is_open = array_of(bracket.high - bracket.low) > array_of(bracket.enough)
        is_open &= ~((excess > -MET) & (excess <= 0))
        found[rows[~is_open]] = array_of(bracket.low)[~is_open]
        if not is_open.all():
            left = np.flatnonzero(is_open)
            rows, bracket, slow = rows[left], rows_of(bracket, left), slow.rows(left)
            ask = replace(ask, doubt=rows_of(ask.doubt, left))
    return found


def _excess(slow: Chains, rate: Array, ask: Ask) -> Array:
    law = Chains.with_usual if ask.slo.tpot_percentile is None else Chains.with_met
    state, _ = _settled(slow, rate, law)
    return array_of(ask.rate_excess(state, STABLE_UTILIZATION))
