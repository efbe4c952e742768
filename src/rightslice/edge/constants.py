"""All fitted constants in one value, read once a process."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

from rightslice.core.fit.constants import FittedConstants
from rightslice.edge.calibration_files import read_calibrations
from rightslice.edge.memory_coefficients import memory_coefficients
from rightslice.edge.perf_constants import load_constants


@cache
def fitted_constants() -> FittedConstants:
    """Return the shipped coefficients of the memory and performance models."""
    return FittedConstants(memory=memory_coefficients(), perf=load_constants())


def constants_with(calibrations: Path | None) -> FittedConstants:
    """Return the shipped coefficients, with the user's own calibrations in a folder if named.

    Raises:
        InputError: when it is no folder, or a file in it is no calibration.
    """
    shipped = fitted_constants()
    if calibrations is None:
        return shipped
    return replace(shipped, calibrations=read_calibrations(calibrations))
