"""The fitted numbers that a decision rests on, loaded once at the edge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rightslice.core.catalog.engine import EngineRelease
from rightslice.core.perf.result import PerfConstants
from rightslice.core.sizing.coefficients import MemoryCoefficients


@dataclass(frozen=True, kw_only=True)
class FittedConstants:
    """Coefficients of the memory model, and step-time constants by engine era."""

    memory: MemoryCoefficients
    perf: Mapping[str, PerfConstants]

    def era(self, engine: EngineRelease) -> PerfConstants:
        """Return the step-time constants of *engine*'s age."""
        return self.perf[engine.era]
