"""What measured points leave unexplained, and how far that reaches: the model's own error.

The step-time model with the best constants is still some percent off, by amounts that are alike for
alike loads. Log error is a Gaussian process over the logs of sequences, prompt and output tokens,
tensor parallelism and bytes a weight (kriging; Kennedy and O'Hagan 2001,
doi:10.1111/1467-9868.00294). With K points measured, log constants (prior covariance S, log slopes
J) and error (kernel k) follow jointly from

    C = J S J' + k + noise,   mean(x) = c(x)' C^-1 y,   var(x) = j' S j + k(x, x) - c(x)' C^-1 c(x)

where c(x) = J S j + k(x, .). Both spreads were found by maximum likelihood over series of public
rows: benchmarks/fit_calibration.py. The variance is scaled by how far the points lie from what was
expected (Student's t process: Shah, Wilson and Ghahramani 2014, arXiv:1402.4306), so points far
from the model widen every band.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from operator import mul
from typing import Final

from rightslice.core.perf.arithmetic import SCALAR, Arithmetic


@dataclass(frozen=True, slots=True)
class Place:
    """Where a point lies: natural logs."""

    sequences: float
    input_tokens: float
    output_tokens: float
    tensor_parallel: float
    weight_bytes: float
    """Bytes a parameter, of the narrowest format stored."""

    @property
    def logs(self) -> tuple[float, ...]:
        """Return all five, in order."""
        return (
            self.sequences,
            self.input_tokens,
            self.output_tokens,
            self.tensor_parallel,
            self.weight_bytes,
        )


REACH: Final = Place(2.65, 36.8, 11.4, 2.17, 0.8)
"""Distance over which likeness falls by a factor of e."""
MISFIT_SD: Final = 0.103
"""Log-scale standard deviation of the model's own error."""
POINT_NOISE: Final = 0.006
"""Run-to-run spread of a measured point: two runs alike differ by 0.6 %
(ssaketh-ch/llama31b-benchmark @72703ba, H200 NVL slice)."""


BATCHES: Final = tuple(2.0**power for power in range(13))
"""Batches at which a correction is kept: 1 to 4,096."""
LARGER: Final = 1.125
_OCTAVE: Final = math.log(2) / math.log(LARGER)


def likeness(one: Place, other: Place, arithmetic: Arithmetic = SCALAR) -> float:
    """Return the correlation of the model's error at two places.

    >>> round(likeness(Place(0, 0, 0, 0, 0), Place(2.65, 0, 0, 0, 0)), 3)
    0.368
    """
    apart = [
        abs(a - b) / reach for a, b, reach in zip(one.logs, other.logs, REACH.logs, strict=True)
    ]
    return arithmetic.exp(-sum(apart))


@dataclass(frozen=True, kw_only=True)
class Anchors:
    """Measured points, as far as predictions near them need."""

    places: tuple[Place, ...]
    slopes: tuple[tuple[float, ...], ...]
    """S j of every point: how the log constants vary with its log TPOT."""
    pulls: tuple[float, ...]
    """C^-1 y."""
    inverse: tuple[tuple[float, ...], ...]
    """C^-1."""
    spread: tuple[tuple[float, ...], ...]
    """S, the prior covariance of the log constants."""
    scale: float
    """What the variance is multiplied by: above 1 where points are further off than expected."""

    def seen_from(self, place: Place, arithmetic: Arithmetic = SCALAR) -> Misfit:
        """Return the model's own error at the lengths and the server of *place*, at any batch."""
        alike = tuple(
            MISFIT_SD**2 * likeness(replace(place, sequences=own.sequences), own, arithmetic)
            for own in self.places
        )
        return Misfit(anchors=self, alike=alike)


def padded(several: Sequence[Anchors | None]) -> list[Anchors] | None:
    """Return all with equally many points, the further ones of no weight; None if none has any."""
    given = [anchors for anchors in several if anchors is not None]
    if not given:
        return None
    size = max(len(anchors.places) for anchors in given)
    constants = len(given[0].spread)
    nothing = Anchors(
        places=(),
        slopes=(),
        pulls=(),
        inverse=(),
        spread=((0.0,) * constants,) * constants,
        scale=0.0,
    )
    return [_grown(anchors or nothing, size, constants) for anchors in several]


def _grown(anchors: Anchors, size: int, constants: int) -> Anchors:
    more = size - len(anchors.places)
    rows = tuple((*row, *(0.0,) * more) for row in anchors.inverse)
    return replace(
        anchors,
        places=anchors.places + (Place(0.0, 0.0, 0.0, 0.0, 0.0),) * more,
        slopes=anchors.slopes + ((0.0,) * constants,) * more,
        pulls=anchors.pulls + (0.0,) * more,
        inverse=rows + ((0.0,) * size,) * more,
    )


@dataclass(frozen=True, kw_only=True)
class Misfit:
    """The model's own error for one server and one kind of request, by batch."""

    anchors: Anchors
    alike: tuple[float, ...]
    """Covariance with the error at each measured point, had it the same batch."""
    log_factors: tuple[float, ...] = ()
    """What log TPOT is corrected by at `BATCHES`, linear in between."""

    def corrected(self, tpots: Sequence[tuple[float, float]], arithmetic: Arithmetic) -> Misfit:
        """Return this with its correction, never so that a larger batch is faster.

        *tpots* are those of the model at `BATCHES`, each with that of a batch `LARGER` times
        as large. Where the correction would fall faster than they rise, it is raised.
        """
        factors: list[float] = []
        least = -math.inf
        for batch, (here, beyond) in zip(BATCHES, tpots, strict=True):
            log_factor = sum(map(mul, self.anchors.pulls, self._near(batch, arithmetic)))
            factors.append(arithmetic.larger(log_factor, least))
            least = factors[-1] - _OCTAVE * arithmetic.log(beyond / here)
        return replace(self, log_factors=tuple(factors))

    def factor(self, sequences: float, arithmetic: Arithmetic) -> float:
        """Return what times are multiplied by at a batch of *sequences*."""
        octave = arithmetic.log(arithmetic.larger(sequences, 1.0)) / math.log(2)
        octave = arithmetic.smaller(octave, len(self.log_factors) - 1.0)
        log_factor = 0.0
        for power, value in enumerate(self.log_factors):
            log_factor = log_factor + value * arithmetic.larger(1.0 - abs(octave - power), 0.0)
        return arithmetic.exp(log_factor)

    def variance(
        self, sequences: float, slopes: tuple[float, ...], arithmetic: Arithmetic
    ) -> float:
        """Return the variance of log TPOT where it follows the log constants by *slopes*."""
        shared = [
            near + sum(map(mul, slopes, own))
            for near, own in zip(
                self._near(sequences, arithmetic), self.anchors.slopes, strict=True
            )
        ]
        free = MISFIT_SD**2 + _between(self.anchors.spread, slopes)
        known = _between(self.anchors.inverse, shared)
        return self.anchors.scale * (arithmetic.larger(free - known, 0.0) + POINT_NOISE**2)

    def _near(self, sequences: float, arithmetic: Arithmetic) -> list[float]:
        at = arithmetic.log(arithmetic.larger(sequences, 1.0))
        return [
            alike * arithmetic.exp(-abs(at - own.sequences) / REACH.sequences)
            for alike, own in zip(self.alike, self.anchors.places, strict=True)
        ]


def _between(matrix: tuple[tuple[float, ...], ...], vector: Sequence[float]) -> float:
    rows: list[float] = [sum(map(mul, row, vector)) for row in matrix]
    whole: float = sum(map(mul, vector, rows))
    return whole
