"""What ``calibrate`` answers: the calibration, the points not used, and which to measure next."""

from __future__ import annotations

from dataclasses import dataclass

from rightslice.core.perf.calibration import Calibration


@dataclass(frozen=True, kw_only=True)
class PointNotUsed:
    """A measured point that cannot be as stated."""

    source: str
    """File and record."""
    reason: str


@dataclass(frozen=True, kw_only=True)
class PointToMeasure:
    """One benchmark run to make, with the commands that make it."""

    concurrency: int
    input_tokens: int
    output_tokens: int
    tensor_parallel: int
    serve_command: str
    bench_command: str


@dataclass(frozen=True, kw_only=True)
class Uncertainty:
    """One thing that is to be decided, and how sure it is before and after measuring."""

    name: str
    quantity: str
    """``TPOT``, ``TTFT`` or ``capacity``."""
    probability_held: float | None
    """That the target is met, as known today; None where there is no target."""
    chance_wrong_before: float | None
    """To judge the target wrongly today; None where there is no target."""
    chance_wrong_after: float | None
    """The same, expected once the points are measured."""
    band_ratio_before: float
    """Upper over lower end of the 90 % band."""
    band_ratio_after: float


@dataclass(frozen=True, kw_only=True)
class NextPoints:
    """The points that tell most about a decision."""

    decision: str
    points: tuple[PointToMeasure, ...]
    uncertainties: tuple[Uncertainty, ...]


@dataclass(frozen=True, kw_only=True)
class CalibrationAnswer:
    """The answer of ``calibrate``."""

    calibration: Calibration | None
    """None when no points are given."""
    not_used: tuple[PointNotUsed, ...]
    next_points: NextPoints | None
    """None unless asked for."""
