"""Fit of the era constants to measured points: robust, with a prior, in log space.

Minimises a Cauchy loss of log(predicted / measured) over a noise of 8 %, plus squared distances of
log constants from their prior (MAP). Points of one (model, board) pair share a fixed weight, so
that long series do not decide alone. Imported only where something is fitted: numpy and scipy
load with it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Final

import numpy as np
from scipy.optimize import least_squares

from rightslice.core.perf.observation import Observation, step_for, tpot_factors
from rightslice.core.perf.result import PerfConstants

Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]

NAMES: Final = (
    "overhead_seconds_per_layer",
    "host_seconds_per_sequence",
    "weight_ratio",
    "kv_ratio",
    "compute_ratio",
    "prefill_ratio",
    "all_reduce_seconds",
)
PRIOR_LOG_SD: Final = (0.5, 1.0, 0.06, 0.10, 0.35, 0.2, 1.0)
"""How far each may move from its prior.

Streaming is held near what boards reach (85 to 95 % of stated bandwidth) and prefill near 56 % of
peak: serving data alone trade them against overheads.
"""
_NOISE: Final = 0.08
_POINTS_A_PAIR: Final = 12.0
"""A pair counts as at most this many points."""
_UNIT: Final = {
    "overhead_seconds_per_layer": 1.0,
    "host_seconds_per_sequence": 1.0,
    "weight_ratio": 1.0,
    "kv_ratio": 1.0,
    "compute_ratio": 1.0,
    "prefill_ratio": 1.0,
    "all_reduce_seconds": 1.0,
    "all_reduce_pcie_seconds": 1.0,
    "ttft_seconds": 0.0,
    "ttft_seconds_per_layer": 0.0,
    "eager_factor": 1.0,
}


@dataclass(frozen=True, kw_only=True)
class Features:
    """Points as columns, each the time that a constant of one would give."""

    columns: Array
    """overhead, host, weights, kv, compute, prefill, all-reduce latency."""
    fixed: Array
    """Seconds that no constant scales: links in steps."""
    fixed_prefill: Array
    """The same in prompts."""
    steps: Array
    prompts: Array
    measured: Array
    weights: Array


def features_of(points: Sequence[Observation], constants: PerfConstants) -> Features:
    """Return the features of all points that have a TPOT."""
    unit = replace(constants, **_UNIT)  # type: ignore[arg-type]  # floats, all of them
    rows, fixed, prefill, factors, measured = [], [], [], [], []
    for point in points:
        step = step_for(point, unit)
        n = point.sequences
        experts = sum(size * (1 - untouched**n) for size, untouched in step.experts)
        links = step.all_reduce_per_sequence * step.prompt_tokens
        rows.append(
            (
                step.overhead * (constants.eager_factor if point.is_eager else 1.0),
                n,
                step.weights + experts,
                step.memory_per_sequence * n,
                step.compute_per_sequence * n,
                step.prefill - links,
                step.all_reduce,
            )
        )
        fixed.append(step.all_reduce_per_sequence * n)
        prefill.append(links)
        factors.append(tpot_factors(point, step))
        measured.append(point.tpot_seconds or np.nan)
    counts = Counter(point.pair for point in points)
    each = [min(1.0, _POINTS_A_PAIR / counts[point.pair]) for point in points]
    return Features(
        columns=np.array(rows),
        fixed=np.array(fixed),
        fixed_prefill=np.array(prefill),
        steps=np.array([steps for steps, _ in factors]),
        prompts=np.array([prompts for _, prompts in factors]),
        measured=np.array(measured),
        weights=np.array(each),
    )


def tpot(features: Features, constants: Array) -> Array:
    """Return the TPOT of every point, as it was measured, for *constants* in the order `NAMES`."""
    overhead, host, weights, kv, compute, prefill, reduce = (features.columns * constants).T
    step = overhead + host + np.hypot(weights + kv, compute) + reduce + features.fixed
    prompts: Array = features.prompts * (prefill + features.fixed_prefill)
    whole: Array = features.steps * step + prompts
    return whole


def fit_tpot(points: Sequence[Observation], prior: PerfConstants) -> PerfConstants:
    """Return *prior* with its step-time constants moved to the measured TPOTs of *points*."""
    return fit_features(features_of(points, prior), prior)


def select(features: Features, chosen: Array) -> Features:
    """Return the points where *chosen* (Boolean) holds."""
    return Features(
        **{field.name: getattr(features, field.name)[chosen] for field in fields(Features)}
    )


def fit_without(
    points: Sequence[Observation], prior: PerfConstants, keys: Sequence[Hashable]
) -> dict[Hashable, PerfConstants]:
    """Return, for each distinct key, the constants fitted on the points that have another key."""
    features = features_of(points, prior)
    fitted = {}
    for key in dict.fromkeys(keys):
        others = np.array([other != key for other in keys])
        fitted[key] = fit_features(select(features, others), prior) if others.any() else prior
    return fitted


def fit_features(features: Features, prior: PerfConstants) -> PerfConstants:
    """Return *prior* with its step-time constants moved to *features*."""
    centre = np.log([getattr(prior, name) for name in NAMES])
    spread = np.array(PRIOR_LOG_SD)
    root = np.sqrt(features.weights)
    measured = np.log(features.measured)

    def residuals(offsets: Array) -> Array:
        predicted = np.log(tpot(features, np.exp(centre + offsets * spread)))
        scaled = (predicted - measured) / _NOISE
        # Cauchy loss on points only: the prior stays quadratic
        robust = np.sign(scaled) * np.sqrt(np.log1p(scaled * scaled))
        both: Array = np.concatenate([root * robust, offsets])
        return both

    found = least_squares(residuals, np.zeros(len(NAMES)), bounds=(-3, 3))
    values = np.exp(centre + found.x * spread)
    moved = {name: float(value) for name, value in zip(NAMES, values, strict=True)}
    return replace(prior, **moved)  # type: ignore[arg-type]  # NAMES are fields of numbers
