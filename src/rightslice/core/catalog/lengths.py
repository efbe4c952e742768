"""Token lengths of requests: a number, a distribution, or what a trace holds.

A distribution is kept as equally likely quantiles, so that every use (mean, percentile, sum of C
sequences) reads the same values.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Final

from rightslice.core.catalog.estimate import normal_quantile
from rightslice.errors import InputError

_QUANTILES: Final = 200


@dataclass(frozen=True)
class Lengths:
    """Equally likely token counts, ascending.

    >>> Lengths.fixed(128).mean
    128.0
    """

    __record__: ClassVar = ("text", "mean", "largest")

    tokens: tuple[int, ...]
    text: str
    """How it was given: ``128``, ``lognormal(512, 1.0)``, ``trace.csv``."""

    def __post_init__(self) -> None:
        if not self.tokens or self.tokens[0] < 1:
            raise InputError(f"lengths {self.text!r} must be token counts of at least 1")

    @classmethod
    def fixed(cls, tokens: int) -> Lengths:
        """Every request has this many tokens."""
        return cls((tokens,), str(tokens))

    @classmethod
    def uniform(cls, low: int, high: int) -> Lengths:
        """Evenly spread between *low* and *high*, as ``vllm bench serve --random-range-ratio``."""
        if not 1 <= low <= high:
            raise InputError(f"uniform({low}, {high}) needs 1 <= low <= high")
        if low == high:
            return cls.fixed(low)
        points = (low + (high - low) * (i + 0.5) / _QUANTILES for i in range(_QUANTILES))
        return cls(tuple(round(point) for point in points), f"uniform({low}, {high})")

    @classmethod
    def lognormal(cls, median: float, sigma: float) -> Lengths:
        """Log-normal with this *median* and log-scale *sigma*, the usual shape of LLM traffic."""
        if not 1 <= median < math.inf or not 0 <= sigma <= 4:
            raise InputError(f"lognormal({median:g}, {sigma:g}) needs median >= 1, 0 <= sigma <= 4")
        points = (
            median * math.exp(sigma * normal_quantile((i + 0.5) / _QUANTILES))
            for i in range(_QUANTILES)
        )
        return cls(
            tuple(max(1, round(point)) for point in points), f"lognormal({median:g}, {sigma:g})"
        )

    @classmethod
    def observed(cls, samples: Sequence[int], text: str) -> Lengths:
        """The lengths of a trace, thinned to quantiles when there are many."""
        ordered = sorted(samples)
        if len(ordered) > 10 * _QUANTILES:
            last = len(ordered) - 1
            steps = 5 * _QUANTILES
            ordered = [ordered[round(i * last / (steps - 1))] for i in range(steps)]
        return cls(tuple(ordered), text)

    @cached_property
    def mean(self) -> float:
        """Mean tokens a request."""
        return sum(self.tokens) / len(self.tokens)

    @cached_property
    def variance(self) -> float:
        """Variance of the tokens a request."""
        return sum((count - self.mean) ** 2 for count in self.tokens) / len(self.tokens)

    @property
    def largest(self) -> int:
        """Longest request."""
        return self.tokens[-1]

    @property
    def is_fixed(self) -> bool:
        """Whether every request is equally long."""
        return self.tokens[0] == self.tokens[-1]

    def percentile(self, probability: float) -> int:
        """Return the token count that a share *probability* of requests stays within."""
        index = math.ceil(round(probability * len(self.tokens), 9)) - 1
        return self.tokens[min(max(index, 0), len(self.tokens) - 1)]
