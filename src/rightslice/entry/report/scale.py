"""Axes: from numbers to places in a drawing, and the round numbers to label."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Linear:
    """Evenly spaced, from zero."""

    largest: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """Return the coordinate of *value*, which may lie beyond the axis."""
        return self.start + (self.end - self.start) * value / self.largest

    def ticks(self, about: int = 4) -> list[float]:
        """Return round numbers from zero to the end of the axis.

        >>> Linear(largest=34.0, start=0, end=1).ticks()
        [0.0, 10.0, 20.0, 30.0]
        """
        raw = self.largest / about
        power = 10.0 ** math.floor(math.log10(raw))
        step = next(power * m for m in (1, 2, 2.5, 5, 10) if power * m >= raw * 0.999)
        return [step * i for i in range(int(self.largest / step + 1e-9) + 1)]


@dataclass(frozen=True, kw_only=True)
class Doubling:
    """Each doubling as wide as the one before: batches are read that way."""

    smallest: float
    largest: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """Return the coordinate of *value*, kept inside the axis."""
        inside = min(max(value, self.smallest), self.largest)
        span = math.log2(self.largest / self.smallest)
        share = math.log2(inside / self.smallest) / span if span > 0 else 0.5
        return self.start + (self.end - self.start) * share

    def ticks(self) -> list[int]:
        """Return powers of two (of four on a long axis).

        >>> Doubling(smallest=1, largest=16, start=0, end=1).ticks()
        [1, 2, 4, 8, 16]
        """
        doublings = math.log2(self.largest / self.smallest)
        base = 2 if doublings <= 8 else 4
        powers = (base**i for i in range(20))
        return [power for power in powers if self.smallest <= power <= self.largest]
