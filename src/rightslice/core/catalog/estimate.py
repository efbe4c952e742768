"""Predicted quantities: never a bare number, always a number with its band.

Two forms. `Estimate` is for positive quantities whose error is relative (seconds, tokens per
second): a median and a spread on the log scale. `Band` is for bytes, whose error is additive and
which may be negative once subtracted: low, expected and high. A band is the central 90 %.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import ClassVar, Final

from rightslice.errors import InputError

BAND_CONFIDENCE: Final = 0.90
"""A band holds the truth in nine of ten cases: 5 % below it, 5 % above."""
_ROUNDING: Final = 1e-9
"""99.9 % as a share is a hair above 0.999 in floating point."""


@lru_cache(maxsize=256)
def normal_quantile(probability: float) -> float:
    """Return z with P(Z <= z) = *probability* for a standard normal Z.

    >>> round(normal_quantile(0.95), 3)
    1.645
    """
    return NormalDist().inv_cdf(probability)


def check_confidence(confidence: float) -> float:
    """Return *confidence*, a probability of being right.

    Raises:
        InputError: when it is not between 0.5 (the point estimate) and 0.999.
    """
    if not 0.5 <= confidence <= 0.999 + _ROUNDING:
        raise InputError(
            f"confidence {confidence:g} must lie between 0.5 (the point estimate) and 0.999"
        )
    return confidence


@dataclass(frozen=True, slots=True)
class Estimate:
    """A positive quantity known up to a factor: log-normal around its median.

    >>> round(Estimate(10.0, 0.1).upper(0.95), 2)
    11.79
    """

    __record__: ClassVar = ("expected", "low", "high")

    expected: float
    log_sd: float = 0.0

    @property
    def low(self) -> float:
        """Lower end of the 90 % band."""
        return self.lower(0.95)

    @property
    def high(self) -> float:
        """Upper end of the 90 % band."""
        return self.upper(0.95)

    def upper(self, confidence: float) -> float:
        """Return what the quantity stays below with probability *confidence*."""
        return self.expected * math.exp(normal_quantile(confidence) * self.log_sd)

    def lower(self, confidence: float) -> float:
        """Return what the quantity stays above with probability *confidence*."""
        return self.expected * math.exp(-normal_quantile(confidence) * self.log_sd)

    def scaled(self, factor: float) -> Estimate:
        """Return this estimate times a known *factor*."""
        return Estimate(self.expected * factor, self.log_sd)


@dataclass(frozen=True, slots=True)
class Band:
    """Bytes or tokens with their 90 % band; exact when all three agree."""

    low: int
    expected: int
    high: int

    def __post_init__(self) -> None:
        assert self.low <= self.expected <= self.high, self

    @classmethod
    def exact(cls, value: int) -> Band:
        """Return a band without width."""
        return cls(value, value, value)

    @property
    def is_exact(self) -> bool:
        """Whether nothing about it is estimated."""
        return self.low == self.high

    def at_most(self, confidence: float) -> int:
        """Return what the value stays at or below with probability *confidence*."""
        share = normal_quantile(confidence) / normal_quantile(0.95)
        return self.expected + math.ceil((self.high - self.expected) * share)

    def at_least(self, confidence: float) -> int:
        """Return what the value stays at or above with probability *confidence*."""
        share = normal_quantile(confidence) / normal_quantile(0.95)
        return self.expected - math.ceil((self.expected - self.low) * share)
