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
from functools import lru_cache
from typing import Final

from rightslice.core.catalog.engine import EngineRelease
from rightslice.core.catalog.model import Model
from rightslice.core.perf.identity import Same
from rightslice.core.perf.result import CalibratedBy, PerfConstants

_CARRIED_SD: Final = 0.1
"""Three points on one board, used on another one: A100 to H100 9 %, H200 to H100 6 %, H100 to B200
15 % in the median, on public rows of the same model and engine."""
_OTHER_RELEASE_SD: Final = 0.05
"""Another release of the same age: judgement, half of what another board costs. No public series
measures one server with several releases of an age."""


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
    file: str = ""
    """Name of the file that it was read from."""


def architecture_of(model: Model) -> str:
    """Return the name under which calibrations of *model* and its quantized forms are found."""
    return str(model.base or model.name)


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What one calibration is worth for one server."""

    calibration: Calibration
    serves: bool
    """Of the same model and engine era."""
    distance: str
    """``same board``, or what differs and what follows from it."""


def standing_of(
    calibration: Calibration, model: Model, engine: EngineRelease, gpu: str
) -> Standing:
    """Return whether *calibration* serves a server, and how far it is from it, in words."""
    told = []
    if calibration.constants.measured_sharing:
        told.append(f"made on cards shared by {calibration.constants.measured_sharing}")
    if calibration.model != architecture_of(model):
        told.append(f"made for {calibration.model}, not {architecture_of(model)}")
    if calibration.era != engine.era:
        told.append(
            f"made with vLLM {calibration.engine_version}, whose host work is not that of"
            f" {engine.version}: measure again"
        )
    if told:
        return Standing(calibration=calibration, serves=False, distance="; ".join(told))
    if calibration.engine_version != engine.version:
        told.append(f"made with vLLM {calibration.engine_version}, band wider for {engine.version}")
    if calibration.gpu != gpu:
        told.append(f"made on {calibration.gpu}, band wider on {gpu}")
    return Standing(calibration=calibration, serves=True, distance="; ".join(told) or "same board")


def serving(
    calibrations: Sequence[Calibration],
    model: Model,
    engine: EngineRelease,
    gpu: str,
    sharing: str = "",
) -> Calibration | None:
    """Return the calibration used: of this board, of this release, the latest, of most points.

    What was measured on cards shared in one way serves that board in that way of *sharing* only.
    """
    wanted = (architecture_of(model), engine.era, sharing)
    found = [
        item
        for item in calibrations
        if (item.model, item.era, item.constants.measured_sharing) == wanted
        and (item.gpu == gpu or not sharing)
    ]
    if not found:
        return None
    return max(
        found,
        key=lambda item: (
            item.gpu == gpu,
            item.engine_version == engine.version,
            item.date,
            len(item.points),
        ),
    )


def nearest(
    calibrations: Sequence[Calibration],
    model: Model,
    engine: EngineRelease,
    gpu: str,
    sharing: str = "",
) -> PerfConstants | None:
    """Return the constants of the calibration that serves, with the doubt that distance adds."""
    best = serving(calibrations, model, engine, gpu, sharing)
    if best is None:
        return None
    distance = standing_of(best, model, engine, gpu).distance
    return _seen_from(Same(best), engine.version, gpu, distance)


@lru_cache(maxsize=256)
def _seen_from(
    calibration: Same[Calibration], engine_version: str, gpu: str, distance: str
) -> PerfConstants:
    """Return the constants for a release and a board; one object, so that steps are kept for it."""
    best = calibration.value
    constants = replace(
        best.constants,
        calibrated_by=CalibratedBy(
            file=best.file,
            model=best.model,
            gpu=best.gpu,
            engine_version=best.engine_version,
            date=best.date,
            points=len(best.points),
            distance=distance,
        ),
    )
    if best.engine_version != engine_version:
        further = math.hypot(constants.log_sd_tpot, _OTHER_RELEASE_SD)
        constants = replace(constants, log_sd_tpot=further)
    if best.gpu != gpu:
        further = math.hypot(constants.log_sd_new_gpu, _CARRIED_SD)
        constants = replace(constants, log_sd_new_gpu=further)
    return constants
