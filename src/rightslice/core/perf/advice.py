"""Which points to measure next: those that tell most about what is to be decided.

Bayesian experimental design on the linearised posterior of the log constants (Chaloner and
Verdinelli 1995, doi:10.1214/ss/1177009939). What is to be decided are stakes: latencies whose
truth may lie on either side of a target, each with a weight. Greedy: each point is the one after
which the weighted variance of the stakes is least, given those before it. That depends on where
one measures and not on what comes out.

A latency at its target in the mean weighs most, one far on either side hardly: the weight is the
density of the log margin at zero, which is how fast the chance of a wrong choice falls with the
spread. Known gap: which offer wins by price is not weighed, only which of them hold.

Imported only where something is fitted: numpy and scipy load with it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Final

import numpy as np

from rightslice.core.perf.anchors import POINT_NOISE
from rightslice.core.perf.calibrate import Reading, calibrate, covariance, log_slopes
from rightslice.core.perf.fitting import NAMES, Array, features_of
from rightslice.core.perf.observation import (
    Observation,
    doubt_as_measured,
    place_of,
    tpot_as_measured,
    ttft_as_measured,
)
from rightslice.core.perf.result import PerfConstants

_STANDARD: Final = NormalDist()
_STEP: Final = 1e-3
_FLAT: Final = 1e-6
"""Below this total weight nothing is open, and every stake counts alike."""
_CELLS: Final = 400
"""Of the integral over what the measurements may say, out to eight standard deviations."""


@dataclass(frozen=True, kw_only=True)
class Stake:
    """One latency, at one load, that a decision turns on."""

    name: str
    point: Observation
    """Where the latency is predicted; nothing is measured there."""
    log_margin: float | None
    """log(target / predicted): above zero the offer holds. None: no target, the band counts."""
    is_first_token: bool = False
    """The latency is the time to first token and not that of the others."""
    elasticity: float = 1.0
    """d log latency / d log of what is decided: of concurrency, for a capacity under a target."""

    def log_sd(self, constants: PerfConstants) -> float:
        """Return the doubt about what is decided, as a log-scale standard deviation."""
        doubt = doubt_as_measured(self.point, constants)
        return (doubt.ttft if self.is_first_token else doubt.tpot) / self.elasticity

    def holds(self, constants: PerfConstants) -> float | None:
        """Return the probability that the target is met, or None without one."""
        if self.log_margin is None:
            return None
        return _STANDARD.cdf(self.log_margin / max(self.log_sd(constants), 1e-9))


@dataclass(frozen=True, kw_only=True)
class Advice:
    """Points to measure, and what they are expected to do for each stake."""

    chosen: tuple[int, ...]
    """Indices of the points offered, in the order in which they tell most."""
    before: tuple[float, ...]
    """Log-scale standard deviation of every stake today."""
    after: tuple[float, ...]
    """The same once the points are measured and lie where they are expected."""


def advise(
    candidates: Sequence[Observation],
    targets: Sequence[Observation],
    constants: PerfConstants,
    count: int,
) -> tuple[int, ...]:
    """Return the indices of the *count* candidates that tell most about the TPOT of *targets*.

    Constants that are calibrated already start from what they know.
    """
    wanted = _reading(targets, constants)
    return _greedy(_reading(candidates, constants), wanted, constants, count)


def advise_for(
    stakes: Sequence[Stake],
    offered: Sequence[Observation],
    known: Sequence[Observation],
    prior: PerfConstants,
    count: int,
) -> Advice:
    """Return which *count* of the points *offered* serve the decision best.

    Args:
        stakes: what is to be decided.
        offered: points that can be measured.
        known: points measured already; they are fitted before anything is asked for.
        prior: of the engine's era, not calibrated.
        count: how many points to ask for.
    """
    now = calibrate(known, prior).constants if known else prior
    weights = weights_of(stakes, now)
    wanted = Reading(
        slopes=np.array([_stake_slopes(stake, now) for stake in stakes]),
        places=tuple(place_of(stake.point) for stake in stakes),
    )
    elasticity = np.array([stake.elasticity for stake in stakes])
    chosen = _greedy(_reading(offered, now), wanted, now, count, weights / elasticity**2)
    expected = [_expected(offered[index], now) for index in chosen]
    then = calibrate([*known, *expected], prior).constants
    return Advice(
        chosen=chosen,
        before=tuple(stake.log_sd(now) for stake in stakes),
        after=tuple(
            min(stake.log_sd(then), stake.log_sd(now)) if chosen else stake.log_sd(now)
            for stake in stakes
        ),
    )


def weights_of(stakes: Sequence[Stake], constants: PerfConstants) -> Array:
    """Return how much each stake is open: the density of its log margin at zero; they sum to 1."""
    open_: list[float] = []
    for stake in stakes:
        sd = max(stake.log_sd(constants), 1e-9)
        margin = stake.log_margin
        open_.append(1.0 if margin is None else _STANDARD.pdf(margin / sd) / sd)
    weights: Array = np.array(open_)
    if weights.sum() < _FLAT:
        weights = np.ones(len(stakes))
    shares: Array = weights / weights.sum()
    return shares


def chance_wrong(log_margin: float, before: float, after: float) -> float:
    """Return the chance to judge a target wrongly once its doubt has shrunk.

    The truth is normal around *log_margin* with sd *before*; measuring moves the expected margin
    and leaves sd *after*. Wrong: truth and expectation lie on different sides of the target.

    >>> round(chance_wrong(0.0, 0.2, 0.2), 2), round(chance_wrong(0.0, 0.2, 0.1), 2)
    (0.5, 0.17)
    """
    moved = math.sqrt(max(before * before - after * after, 0.0))
    if after <= 0:
        return 0.0
    if not moved:
        return _STANDARD.cdf(-abs(log_margin) / after)
    width = 16.0 / _CELLS
    whole = 0.0
    for cell in range(_CELLS):
        z = -8.0 + (cell + 0.5) * width
        whole += _STANDARD.pdf(z) * width * _STANDARD.cdf(-abs(log_margin + moved * z) / after)
    return whole


def _expected(point: Observation, constants: PerfConstants) -> Observation:
    return replace(point, tpot_seconds=tpot_as_measured(point, constants), ttft_seconds=None)


def _tpot_slopes(points: Sequence[Observation], constants: PerfConstants) -> Array:
    """Return d log TPOT / d log constant, a row a point."""
    values: Array = np.array([getattr(constants, name) for name in NAMES])
    return log_slopes(features_of(points, constants), values)


def _stake_slopes(stake: Stake, constants: PerfConstants) -> Array:
    """Return how the latency follows each log constant."""
    if not stake.is_first_token:
        own: Array = _tpot_slopes([stake.point], constants)[0]
        return own
    now = ttft_as_measured(stake.point, constants)
    slopes: Array = np.zeros(len(NAMES))
    for index, name in enumerate(NAMES):
        up = replace(constants, **{name: getattr(constants, name) * (1 + _STEP)})
        slopes[index] = math.log(ttft_as_measured(stake.point, up) / now) / _STEP
    return slopes


def _reading(points: Sequence[Observation], constants: PerfConstants) -> Reading:
    return Reading(
        slopes=_tpot_slopes(points, constants), places=tuple(place_of(point) for point in points)
    )


def _greedy(
    offered: Reading,
    wanted: Reading,
    constants: PerfConstants,
    count: int,
    weights: Array | None = None,
) -> tuple[int, ...]:
    """Return which of *offered* shrink the weighted variance of those *wanted* most, in order."""
    own = covariance(offered, offered, constants.anchors)
    shared = covariance(wanted, offered, constants.anchors)
    importance = np.ones(len(shared)) if weights is None else weights
    chosen: list[int] = []
    for _ in range(min(count, len(own))):
        noise = np.diag(own) + POINT_NOISE**2
        gains = importance @ np.square(shared) / noise
        gains[chosen] = -1.0
        best = int(np.argmax(gains))
        chosen.append(best)
        shared = shared - np.outer(shared[:, best], own[best]) / noise[best]
        own = own - np.outer(own[:, best], own[best]) / noise[best]
    return tuple(chosen)
