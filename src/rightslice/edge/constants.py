"""All fitted constants in one value, read once a process."""

from __future__ import annotations

from functools import cache

from rightslice.core.fit.constants import FittedConstants
from rightslice.edge.memory_coefficients import memory_coefficients
from rightslice.edge.perf_constants import load_constants


@cache
def fitted_constants() -> FittedConstants:
    """Return the shipped coefficients of the memory and performance models."""
    return FittedConstants(memory=memory_coefficients(), perf=load_constants())
