"""A stored calibration: what was measured, on what, and the constants that follow.

It serves the model and the engine era it was made with. On the same board nothing more is added;
its slices and other boards have wider bands, as `bands` says: a slice by the doubt about slices, a
board without a point by the doubt about new boards and by how far constants carried between boards
were off.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from rightslice.core.catalog.model import Model
from rightslice.core.perf.result import PerfConstants

_CARRIED_SD: Final = 0.1
"""Three points on one board, used on another one: A100 to H100 9 %, H200 to H100 6 %, H100 to B200
15 % in the median, on public rows of the same model and engine."""


@dataclass(frozen=True, kw_only=True)
class MeasuredPoint:
    """One point of the evidence, and what became of it."""

    source: str
    """File and record."""
    concurrency: float
    input_tokens: float
    output_tokens: float
    tensor_parallel: int
    tpot_seconds: float
    ttft_seconds: float | None
    residual: float
    """log(predicted / measured) TPOT after the fit."""


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Constants of one model, board and engine era, with their evidence."""

    model: str
    """The base model, as `architecture_of` names it."""
    gpu: str
    engine_version: str
    era: str
    date: str
    points: tuple[MeasuredPoint, ...]
    constants: PerfConstants


def architecture_of(model: Model) -> str:
    """Return the name under which calibrations of *model* and its quantized forms are found."""
    return str(model.base or model.name)


def nearest(
    calibrations: Sequence[Calibration], model: Model, era: str, gpu: str
) -> PerfConstants | None:
    """Return the constants of the latest calibration that serves, of this board before others."""
    serving = [
        item for item in calibrations if (item.model, item.era) == (architecture_of(model), era)
    ]
    if not serving:
        return None
    best = max(serving, key=lambda item: (item.gpu == gpu, item.date))
    if best.gpu == gpu:
        return best.constants
    further = math.hypot(best.constants.log_sd_new_gpu, _CARRIED_SD)
    return replace(best.constants, log_sd_new_gpu=further)


def evidence(constants: PerfConstants, gpu: str) -> str | None:
    """Return what measured points stand behind a prediction on *gpu*, in words; None if none."""
    if not constants.covariance:
        return None
    if gpu in constants.fitted_gpus:
        return constants.source
    return f"{constants.source}; not measured on {gpu}, so bands are wider"
