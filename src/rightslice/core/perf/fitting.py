"""Fit of the era constants to measured points: robust, with a prior, in log space.

Minimises a Cauchy loss of log(predicted / measured) over a noise of 8 %, plus squared distances of
log constants from their prior (MAP). Points of one (model, board) pair share a fixed weight, so
that long series do not decide alone. Imported only where something is fitted: numpy and scipy
load with it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from scipy.optimize import least_squares

from rightslice.core.perf.observation import (
    Observation,
    step_for,
    tpot_as_measured,
    tpot_factors,
    ttft_as_measured,
)
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
    "host_seconds_per_context_token",
    "prompt_seconds_per_layer",
    "prompt_seconds_per_rank",
)
PRIOR_LOG_SD: Final = (0.5, 1.0, 0.06, 0.10, 0.35, 0.2, 1.0, 1.5, 1.0, 1.0)
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
    "host_seconds_per_context_token": 1.0,
    "prompt_seconds_per_layer": 1.0,
    "prompt_seconds_per_rank": 1.0,
    "ttft_seconds": 0.0,
    "ttft_seconds_per_layer": 0.0,
    "eager_factor": 1.0,
}


_PRIOR: Final = PerfConstants(
    era="",
    overhead_seconds_per_layer=64e-6,
    eager_factor=2.0,
    weight_ratio=1.05,
    kv_ratio=1.02,
    compute_ratio=0.86,
    prefill_ratio=1.79,
    all_reduce_seconds=1.3e-6,
    all_reduce_pcie_seconds=60e-6,
    host_seconds_per_sequence=3e-6,
    host_seconds_per_context_token=1e-9,
    prompt_seconds_per_layer=30e-6,
    prompt_seconds_per_rank=15e-6,
    ttft_seconds=0.010,
    ttft_seconds_per_layer=0.0,
    log_sd_tpot=0.2,
    log_sd_ttft=0.5,
    log_sd_host=0.4,
    log_sd_slice=0.10,
    log_sd_shared=0.30,
    log_sd_new_gpu=0.10,
    fitted_gpus=(),
    source="",
)
"""Dense rows of recent engines (aiconfigurator's silicon sample); all-reduce 5 to 15 us and more on
older engines; eager launches up to twice the overhead. Slices: error of constants carried between
boards of one host, 4 to 10 %. Host work a sequence: as far apart as rows of vLLM 0.11 are.
Shares under MPS and time-slicing: judgement, one public test."""
_RECENT: Final = ("2025", "2026")
_OLDER: Final = {"overhead_seconds_per_layer": 114e-6, "all_reduce_seconds": 15e-6}
_FEW: Final = 8
"""Clients up to which the wait behind prompts hardly counts: they fix the constant of TTFT."""
_TTFT_GRID: Final = tuple(
    (start / 1e3, layer / 1e6) for start in (2, 5, 10, 15, 20, 30) for layer in range(0, 1600, 100)
)
"""Constant part of TTFT, and part a layer, in seconds."""
_TTFT_NOISE: Final = 0.35
"""Spread of one point's TTFT around its server's."""
_TTFT_SD: Final = 0.4
"""Spread of servers' TTFT around their era's."""
_TTFT_DEGREES: Final = 5.0
"""Points that a spread known beforehand is worth."""


@dataclass(frozen=True, kw_only=True)
class Features:
    """Points as columns, each the time that a constant of one would give."""

    columns: Array
    """overhead, host, weights, kv, compute, prefill, all-reduce latency, host for the context,
    launches of prompts, rings of prompts."""
    fixed: Array
    """Seconds that no constant scales: links in steps."""
    fixed_prefill: Array
    """The same in prompts."""
    steps: Array
    prompts: Array
    passes: Array
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
                step.prompt_alone - links,
                step.all_reduce,
                step.host_of_context * n,
                step.prompt_launch,
                step.prompt_ring,
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
        steps=np.array([made.steps for made in factors]),
        prompts=np.array([made.prompts for made in factors]),
        passes=np.array([made.passes for made in factors]),
        measured=np.array(measured),
        weights=np.array(each),
    )


def tpot(features: Features, constants: Array) -> Array:
    """Return the TPOT of every point, as it was measured, for *constants* in the order `NAMES`."""
    columns = (features.columns * constants).T
    overhead, host, weights, kv, compute, prefill, reduce, context, launch, ring = columns
    step = overhead + host + context + np.hypot(weights + kv, compute) + reduce + features.fixed
    prompts: Array = features.prompts * (prefill + features.fixed_prefill)
    whole: Array = features.steps * step + prompts + features.passes * (launch + ring)
    return whole


def fit_tpot(points: Sequence[Observation], prior: PerfConstants) -> PerfConstants:
    """Return *prior* with its step-time constants moved to the measured TPOTs of *points*."""
    return fit_features(features_of(points, prior), prior)


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


def prior_of(era: str) -> PerfConstants:
    """Return where the fit of *era* starts."""
    older = {} if era.endswith(_RECENT) else _OLDER
    return replace(_PRIOR, era=era, **older)  # type: ignore[arg-type]  # floats, both of them


def fit_ttft(points: Sequence[Observation], constants: PerfConstants) -> PerfConstants:
    """Return *constants* with the parts of TTFT at least median error on rows of few clients.

    Static batches prefill all their prompts alone, faster than beside decoding sequences: a ratio
    on the whole takes that up.
    """
    first = [point for point in points if point.ttft_seconds is not None]
    few = [point for point in first if point.sequences <= _FEW] or first
    if not few:
        return constants

    def trial(start: tuple[float, float]) -> PerfConstants:
        return replace(constants, ttft_seconds=start[0], ttft_seconds_per_layer=start[1])

    found = min(
        (trial(start) for start in _TTFT_GRID),
        key=lambda tried: float(np.median([abs(ttft_error(point, tried)) for point in few])),
    )
    together = [point for point in first if point.is_static_ttft]
    return with_ttft_ratio(together, found)


def with_ttft_ratio(points: Sequence[Observation], constants: PerfConstants) -> PerfConstants:
    """Return *constants* with a ratio for TTFT: the median log gap, drawn towards none."""
    gaps = [ttft_error(point, constants) for point in points if point.ttft_seconds is not None]
    if not gaps:
        return constants
    odds = (_TTFT_NOISE / _TTFT_SD) ** 2
    ratio = float(np.exp(-np.median(gaps) * len(gaps) / (len(gaps) + odds)))
    return replace(constants, ttft_ratio=constants.ttft_ratio * ratio)


def with_ttft_known(points: Sequence[Observation], constants: PerfConstants) -> PerfConstants:
    """Return *constants* with a ratio for TTFT, and the doubt about it that *points* leave.

    The spread of an era is that of its servers and that of one server's points. Points narrow the
    first; the second follows how far they lie from one ratio (Student's t).
    """
    moved = with_ttft_ratio(points, constants)
    gaps = [ttft_error(point, constants) for point in points if point.ttft_seconds is not None]
    if not gaps:
        return moved
    share = _TTFT_NOISE**2 / (_TTFT_NOISE**2 + _TTFT_SD**2)
    noise, between = share * constants.log_sd_ttft**2, (1 - share) * constants.log_sd_ttft**2
    shift = math.log(constants.ttft_ratio / moved.ttft_ratio)
    surprise = sum((gap - shift) ** 2 for gap in gaps) / noise + shift**2 / between
    scale = (_TTFT_DEGREES + surprise) / (_TTFT_DEGREES + len(gaps))
    known = scale * noise * (1 + 1 / (len(gaps) + noise / between))
    return replace(moved, log_sd_ttft=math.sqrt(known))


def tpot_error(point: Observation, constants: PerfConstants) -> float:
    """Return log(predicted / measured) of a point that has a TPOT."""
    return math.log(tpot_as_measured(point, constants) / (point.tpot_seconds or math.nan))


def ttft_error(point: Observation, constants: PerfConstants) -> float:
    """Return log(predicted / measured) of a point that has a TTFT."""
    return math.log(ttft_as_measured(point, constants) / (point.ttft_seconds or math.nan))


def fit_without(
    points: Sequence[Observation], prior: PerfConstants, keys: Sequence[Hashable]
) -> dict[Hashable, PerfConstants]:
    """Return, for each distinct key, the constants fitted on the points that have another key.

    Points set aside are fitted nowhere.
    """
    fitted = {}
    both = list(zip(points, keys, strict=True))
    for key in dict.fromkeys(keys):
        others = [point for point, own in both if own != key and not point.is_set_aside]
        fitted[key] = fit(others, prior)
    return fitted


def fit(points: Sequence[Observation], prior: PerfConstants) -> PerfConstants:
    """Return *prior* with all its constants moved to *points*."""
    decoded = [point for point in points if point.tpot_seconds is not None]
    return fit_ttft(points, fit_tpot(decoded, prior) if decoded else prior)
