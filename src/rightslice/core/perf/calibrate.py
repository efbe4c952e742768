"""Calibration: a few measured points of one model on one board move the era's constants.

The constants of the era are the prior, each free within its usual spread between servers of one
era, and one scale moves them all. Beside them stands the model's own error, alike for alike loads
(`anchors`). Gauss-Newton steps on the joint posterior of both; a point that all others contradict
hardly counts. The posterior gives the band of every later prediction:
wide where no measured point says anything, narrow near those measured, wider everywhere when points
lie far from what was expected, and by as much as servers of the era differ.

Which points to measure next stands in `advice`.

Imported only where something is fitted: numpy and scipy load with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from rightslice.core.catalog.share import Exclusive, sharing_key
from rightslice.core.perf.anchors import MISFIT_SD, POINT_NOISE, REACH, Anchors, Place
from rightslice.core.perf.fitting import (
    NAMES,
    Array,
    Features,
    features_of,
    tpot,
    with_ttft_known,
)
from rightslice.core.perf.observation import Observation, place_of
from rightslice.core.perf.result import PerfConstants

SERVER_SD: Final = (0.081, 0.155, 0.042, 0.23, 0.59, 0.30, 0.47, 0.63, 5.4, 0.43)
"""How far a server's constants lie from its era's, in logs and the order of `NAMES`."""
_SCALE_SD: Final = 0.039
"""The same of one factor on all of them."""
"""All spreads by maximum likelihood over series of public rows (benchmarks/fit_calibration.py)."""
_DEGREES: Final = 5.0
"""Degrees of freedom of Student's t: how soon points far off widen every band."""
_USUAL_SD: Final = 0.11
"""Spread of an era's rows at which bands are as the series' likelihood says. Eras whose servers
differ more have wider ones, up to `_WIDER`."""
_NARROWER: Final = 0.6
_WIDER: Final = 2.0
_BELIEVED: Final = 6.0
"""Standard deviations by which a point may miss what all others say of it."""
_ROUNDS: Final = 8
_LEAST: Final = 1e-30
"""Stands for a constant of zero, which has no logarithm and stays without effect."""
_SPREAD: Final = np.diag(np.square(SERVER_SD)) + _SCALE_SD**2


@dataclass(frozen=True, kw_only=True)
class Calibrated:
    """The constants of one server, and how far they are from each measured point."""

    constants: PerfConstants
    """With the points as anchors of later predictions."""
    residuals: tuple[float, ...]
    """log(predicted / measured) TPOT of each point, in their order."""


def calibrate(points: Sequence[Observation], prior: PerfConstants) -> Calibrated:
    """Return *prior* moved to *points*, all of one model, board, engine and way of sharing."""
    decoded = [point for point in points if point.tpot_seconds is not None]
    if not decoded:
        return Calibrated(constants=with_ttft_known(points, prior), residuals=())
    moved, residuals = _moved(decoded, prior)
    shared = sharing_key(points[0].device.share)
    measured_on_slices = any(not isinstance(point.device.share, Exclusive) for point in points)
    constants = replace(
        with_ttft_known(points, moved),
        fitted_gpus=tuple(sorted({point.device.gpu_name for point in points})),
        log_sd_slice=0.0 if measured_on_slices else prior.log_sd_slice,
        log_sd_shared=0.0 if shared else prior.log_sd_shared,
        measured_sharing=shared,
    )
    return Calibrated(constants=constants, residuals=residuals)


def _moved(
    points: Sequence[Observation], prior: PerfConstants
) -> tuple[PerfConstants, tuple[float, ...]]:
    """Gauss-Newton on the joint posterior of constants and misfit; wild points count less."""
    features = features_of(points, prior)
    centre = np.log([max(getattr(prior, name), _LEAST) for name in NAMES])
    measured = np.log(features.measured)
    places = [place_of(point) for point in points]
    alike = misfits(places, places)
    moved: Array = np.zeros(len(NAMES))
    noise: Array = np.full(len(points), POINT_NOISE**2)
    for _ in range(_ROUNDS):
        values: Array = np.exp(centre + moved)
        slopes = log_slopes(features, values)
        surprise = measured - np.log(tpot(features, values)) + slopes @ moved
        explained = slopes @ _SPREAD @ slopes.T + alike
        inverse = _inverse(explained + np.diag(noise))
        pulls = inverse @ surprise
        moved = _SPREAD @ slopes.T @ pulls
        noise = _noise_of(pulls, inverse, noise)
    values = np.exp(centre + moved)
    expected = _DEGREES * min(max(prior.log_sd_tpot / _USUAL_SD, _NARROWER), _WIDER)
    scale = (expected + surprise @ pulls) / (_DEGREES + len(points))
    gap = np.log(tpot(features, values)) - measured + alike @ pulls
    anchors = Anchors(
        places=tuple(places),
        slopes=_rows(slopes @ _SPREAD),
        pulls=tuple(pulls.tolist()),
        inverse=_rows(inverse),
        spread=_rows(_SPREAD),
        scale=float(scale),
    )
    named = {name: float(value) for name, value in zip(NAMES, values, strict=True)}
    constants = replace(
        prior,
        **named,  # type: ignore[arg-type]  # NAMES are fields of numbers
        log_sd_tpot=0.0,
        log_sd_host=0.0,
        anchors=anchors,
    )
    return constants, tuple(gap.tolist())


def _noise_of(pulls: Array, inverse: Array, noise: Array) -> Array:
    """Return the variance of every point's noise: large where all others contradict the point.

    Left out, a point is missed by pull / (C^-1)_ii with variance 1 / (C^-1)_ii; what that exceeds
    `_BELIEVED` standard deviations by counts as noise.
    """
    precision = np.diag(inverse)
    missed, doubt = np.abs(pulls) / precision, np.sqrt(1 / precision - noise + POINT_NOISE**2)
    wild = np.maximum(missed - _BELIEVED * doubt, 0.0)
    found: Array = POINT_NOISE**2 + wild * wild
    return found


def _inverse(matrix: Array) -> Array:
    found = np.linalg.inv(matrix)
    whole: Array = found.astype(np.float64)
    return whole


def _rows(matrix: Array) -> tuple[tuple[float, ...], ...]:
    return tuple(map(tuple, matrix.tolist()))


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Latencies by how they follow the log constants, and where they lie."""

    slopes: Array
    """A row a latency."""
    places: tuple[Place, ...]


def covariance(some: Reading, others: Reading, known: Anchors | None) -> Array:
    """Return the covariance of log latencies, given the points that are *known*."""
    shared = _prior_covariance(some, others)
    if known is None:
        return shared
    measured = np.array(known.slopes).T
    left = some.slopes @ measured + misfits(some.places, known.places)
    right = others.slopes @ measured + misfits(others.places, known.places)
    remaining: Array = shared - left @ np.array(known.inverse) @ right.T
    return remaining


def _prior_covariance(some: Reading, others: Reading) -> Array:
    shared: Array = some.slopes @ _SPREAD @ others.slopes.T + misfits(some.places, others.places)
    return shared


def misfits(some: Sequence[Place], others: Sequence[Place]) -> Array:
    """Return the covariance of the model's own log error between places."""
    one, two = (np.array([place.logs for place in places]) for places in (some, others))
    apart = np.abs(one[:, None] - two[None]) / np.array(REACH.logs)
    shared: Array = MISFIT_SD**2 * np.exp(-apart.sum(axis=-1))
    return shared


def log_slopes(features: Features, constants: Array) -> Array:
    """Return d log TPOT / d log constant, a row a point."""
    whole = tpot(features, constants)
    columns = []
    for index, value in enumerate(constants):
        up = constants.copy()
        up[index] = value * (1 + _STEP)
        columns.append((np.log(tpot(features, up)) - np.log(whole)) / _STEP)
    return np.array(columns).T


_STEP: Final = 1e-4
