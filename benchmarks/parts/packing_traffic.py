"""Slices that come and go: the mixes of profiles and the event lists of the packing benchmarks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from rightslice.core.catalog.mig import ProfileName

GPU = "H100-80GB"
PROFILES = tuple(
    ProfileName(name) for name in ("1g.10gb", "1g.20gb", "2g.20gb", "3g.40gb", "4g.40gb", "7g.80gb")
)
MIXES: Mapping[str, tuple[float, ...]] = {
    "uniform5": (1, 0, 1, 1, 1, 1),
    "uniform6": (1, 1, 1, 1, 1, 1),
    "small": (5, 3, 3, 1, 0.5, 0.1),
    "large": (0.5, 0.5, 1, 3, 3, 2),
    "bimodal": (6, 0, 0, 2, 2, 0),
    "mid": (0, 2, 3, 3, 1, 0),
}
"""How often each profile is asked for, relatively."""
WARM_UP, MEASURED = 3, 4
"""Mean lives."""
SIGMA = 1.5
"""Of the lognormal lives: the median is a third of the mean."""


@dataclass(frozen=True)
class Event:
    """A slice comes, or goes when *profile* is None."""

    time: float
    pod: str
    profile: ProfileName | None


def events(seed: int, n: int, mix: str, lives: str) -> list[Event]:
    """Return the arrivals and departures of one run, by time."""
    rng = np.random.default_rng(seed)
    count = (WARM_UP + MEASURED) * n
    arrivals = np.cumsum(rng.exponential(1 / n, count))
    weights = np.array(MIXES[mix])
    asked = rng.choice(len(PROFILES), count, p=weights / weights.sum())
    spans = (
        rng.exponential(1.0, count)
        if lives == "exponential"
        else rng.lognormal(-(SIGMA**2) / 2, SIGMA, count)
    )
    found = [Event(float(arrivals[k]), f"p{k}", PROFILES[asked[k]]) for k in range(count)]
    ends = arrivals + spans
    found += [Event(float(end), f"p{k}", None) for k, end in enumerate(ends) if end < arrivals[-1]]
    return sorted(found, key=lambda event: event.time)
