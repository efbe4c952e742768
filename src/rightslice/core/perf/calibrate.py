"""Calibration: a few measured points of one model on one board move the era's constants.

MAP fit in log space. The constants of the era are the prior, each free within its usual spread
between servers of one era, and one scale moves them all. The loss of a point is Cauchy over a
noise of 4 %. The posterior's covariance (Laplace) gives the band of every later prediction: wide
where no measured point says anything, narrow near those measured.

Which points to measure next stands in `advice`.

Imported only where something is fitted: numpy and scipy load with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from scipy.optimize import least_squares

from rightslice.core.catalog.share import Exclusive
from rightslice.core.perf.fitting import (
    NAMES,
    Array,
    Features,
    features_of,
    tpot,
    ttft_error,
)
from rightslice.core.perf.observation import Observation
from rightslice.core.perf.result import PerfConstants

_SERVER_SD: Final = (0.2, 1.0, 0.08, 0.2, 0.2, 0.5, 0.7)
"""How far a server's constants lie from its era's, in logs and the order of `NAMES`."""
_SCALE_SD: Final = 0.1
POINT_NOISE: Final = 0.04
"""Run-to-run spread of a measured point, and what no constant explains."""
_LEFT: Final = 0.7
"""Part of the era's spread that remains however many points are measured. Fitted, as all figures
here, on rows that were neither in the era's fit nor measured: benchmarks/perf_accuracy.py."""
_TTFT_NOISE: Final = 0.35
_TTFT_SD: Final = 0.4
_MIXING: Final = np.hstack([np.diag(_SERVER_SD), np.full((len(NAMES), 1), _SCALE_SD)])
"""Offsets of unit normal prior, one a constant and one for all, to log constants."""


@dataclass(frozen=True, kw_only=True)
class Calibrated:
    """The constants of one server, and how far they are from each measured point."""

    constants: PerfConstants
    """With the posterior's covariance and what remains of the era's spread."""
    residuals: tuple[float, ...]
    """log(predicted / measured) TPOT of each point, in their order."""


def calibrate(points: Sequence[Observation], prior: PerfConstants) -> Calibrated:
    """Return *prior* moved to *points*, all of one model, board and engine."""
    decoded = [point for point in points if point.tpot_seconds is not None]
    if not decoded:
        return Calibrated(constants=_with_ttft(points, prior), residuals=())
    moved, residuals = _moved(features_of(decoded, prior), prior)
    measured_on_slices = any(not isinstance(point.device.share, Exclusive) for point in points)
    constants = replace(
        _with_ttft(points, moved),
        fitted_gpus=tuple(sorted({point.device.gpu_name for point in points})),
        log_sd_slice=0.0 if measured_on_slices else prior.log_sd_slice,
    )
    return Calibrated(constants=constants, residuals=residuals)


def _moved(features: Features, prior: PerfConstants) -> tuple[PerfConstants, tuple[float, ...]]:
    centre = np.log([getattr(prior, name) for name in NAMES])
    measured = np.log(features.measured)

    def misfit(offsets: Array) -> Array:
        constants: Array = np.exp(centre + _MIXING @ offsets)
        gap: Array = np.log(tpot(features, constants)) - measured
        return gap

    def residuals(offsets: Array) -> Array:
        scaled = misfit(offsets) / POINT_NOISE
        robust = np.sign(scaled) * np.sqrt(np.log1p(scaled * scaled))
        both: Array = np.concatenate([robust, offsets])
        return both

    found: Array = least_squares(residuals, np.zeros(_MIXING.shape[1]), bounds=(-4, 4)).x
    constants: Array = np.exp(centre + _MIXING @ found)
    gap = misfit(found)
    weights = 1 / (1 + (gap / POINT_NOISE) ** 2)
    covariance = _covariance(log_slopes(features, constants), weights)
    values = {name: float(value) for name, value in zip(NAMES, constants, strict=True)}
    moved = replace(
        prior,
        **values,  # type: ignore[arg-type]  # NAMES are fields of numbers
        log_sd_tpot=_LEFT * prior.log_sd_tpot,
        covariance=tuple(map(tuple, covariance.tolist())),
    )
    return moved, tuple(gap.tolist())


def spread_of(constants: PerfConstants) -> Array:
    """Return the covariance of log constants: a calibration's, or that of servers of one era."""
    known: Array = np.array(constants.covariance) if constants.covariance else _MIXING @ _MIXING.T
    return known


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


def _covariance(shares: Array, weights: Array) -> Array:
    """Return the posterior covariance of log constants."""
    jacobian = shares @ _MIXING / POINT_NOISE
    precision = np.eye(_MIXING.shape[1]) + jacobian.T @ (weights[:, None] * jacobian)
    spread: Array = _MIXING @ np.linalg.inv(precision) @ _MIXING.T
    return spread


def _with_ttft(points: Sequence[Observation], constants: PerfConstants) -> PerfConstants:
    """Return *constants* with a ratio for TTFT: the mean log gap, drawn towards the era's."""
    gaps = [ttft_error(point, constants) for point in points if point.ttft_seconds is not None]
    if not gaps:
        return constants
    odds = (_TTFT_NOISE / _TTFT_SD) ** 2
    ratio = float(np.exp(-np.median(gaps) * len(gaps) / (len(gaps) + odds)))
    return replace(constants, ttft_ratio=constants.ttft_ratio * ratio)
