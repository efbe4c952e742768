"""The fitted numbers that a decision rests on, loaded once at the edge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rightslice.core.catalog.device import Device
from rightslice.core.catalog.engine import EngineRelease
from rightslice.core.catalog.model import Model
from rightslice.core.catalog.question import Question
from rightslice.core.catalog.share import sharing_key
from rightslice.core.perf.calibration import Calibration, nearest
from rightslice.core.perf.result import PerfConstants
from rightslice.core.sizing.coefficients import MemoryCoefficients


@dataclass(frozen=True, kw_only=True)
class FittedConstants:
    """Coefficients of the memory model, and step-time constants by engine era."""

    memory: MemoryCoefficients
    perf: Mapping[str, PerfConstants]
    calibrations: tuple[Calibration, ...] = ()
    """Measured by the user: they come before the era's constants for the models they name."""

    def era(self, engine: EngineRelease) -> PerfConstants:
        """Return the step-time constants of *engine*'s age."""
        return self.perf[engine.era]

    def of(self, engine: EngineRelease, model: Model, gpu: str) -> PerfConstants:
        """Return the step-time constants of *model* on *gpu*: calibrated, or the era's."""
        if self.calibrations:
            measured = nearest(self.calibrations, model, engine, gpu)
            if measured is not None:
                return measured
        return self.era(engine)

    def on(self, question: Question, device: Device) -> PerfConstants:
        """Return the constants of *question*'s model on *device*: measured in its mode of sharing.

        Without such a calibration, those of the board's cards held alone.
        """
        engine, model, gpu = question.engine, question.model, device.gpu_name
        sharing = sharing_key(device.share)
        measured = None
        if sharing and self.calibrations:
            measured = nearest(self.calibrations, model, engine, gpu, sharing)
        return measured or self.of(engine, model, gpu)

    def is_measured(self, question: Question, device: Device) -> bool:
        """Whether latencies in the device's mode of sharing rest on measured points.

        Cards and slices do; no public series measures servers that share a card by MPS or in turns,
        so that those need a calibration of this model and board in this very mode.
        """
        sharing = sharing_key(device.share)
        return not sharing or bool(self.on(question, device).measured_sharing)
