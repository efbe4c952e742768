"""Slices that come and go: the mixes of profiles and the event lists of the packing benchmarks."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

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
LIVES = ("exponential", "lognormal", "bursts")
WARM_UP, MEASURED = 3, 4
"""Mean lives."""
SIGMA = 1.5
"""Of the lognormal lives: the median is a third of the mean."""
DAY, SWING = 1.0, 0.6
"""Of the traffic in bursts: a day lasts a mean life, and the rate swings by this share."""
LARGEST_BURST = 8
"""Replicas that come at once, one in the mean of such a geometric draw."""


@dataclass(frozen=True)
class Event:
    """A slice comes, or goes when *profile* is None."""

    time: float
    pod: str
    profile: ProfileName | None


@dataclass(frozen=True)
class Traffic:
    """The events of one run, and when counting starts."""

    events: tuple[Event, ...]
    warm_up: float
    live: float
    """Slices that live on average."""


def drawn(seed: int, n: int, mix: str, lives: str) -> Traffic:
    """Return the traffic of *n* slices on average, in mean lives."""
    rng = np.random.default_rng(seed)
    count = (WARM_UP + MEASURED) * n
    arrivals = np.cumsum(rng.exponential(1 / n, count))
    weights = np.array(MIXES[mix])
    asked = rng.choice(len(PROFILES), count, p=weights / weights.sum())
    if lives == "exponential":
        spans = rng.exponential(1.0, count)
    else:
        spans = rng.lognormal(-(SIGMA**2) / 2, SIGMA, count)
    if lives == "bursts":
        first = _first_of_burst(rng, count)
        arrivals, asked = _swung(arrivals[first]), asked[first]
    rows = zip(arrivals.tolist(), (arrivals + spans).tolist(), asked.tolist(), strict=True)
    last = float(arrivals[-1])
    events = _in_order((start, end, PROFILES[k]) for start, end, k in rows)
    kept = tuple(event for event in events if event.profile or event.time < last)
    return Traffic(kept, float(WARM_UP), float(n))


def _first_of_burst(rng: np.random.Generator, count: int) -> np.ndarray:
    """Return for each arrival the number of the first one of its burst."""
    sizes = np.minimum(rng.geometric(2 / LARGEST_BURST, count), LARGEST_BURST)
    return np.repeat(np.cumsum(sizes) - sizes, sizes)[:count]


def _swung(times: np.ndarray) -> np.ndarray:
    """Return *times* moved so that their rate swings as day and night, with the mean kept."""
    return times - SWING * DAY / (2 * math.pi) * np.sin(2 * math.pi * times / DAY)


def read_trace(path: Path) -> Traffic:
    """Return the traffic of a CSV file (columns start, end, profile) up to its last start."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = [
            (float(row["start"]), float(row["end"] or "inf"), ProfileName(row["profile"]))
            for row in csv.DictReader(file)
        ]
    begin, end = min(start for start, _, _ in rows), max(start for start, _, _ in rows)
    events = tuple(event for event in _in_order(rows) if event.time < end or event.profile)
    warm_up = begin + (end - begin) / 3
    spans = (max(min(b, end) - max(a, warm_up), 0.0) for a, b, _ in rows)
    return Traffic(events, warm_up, sum(spans) / (end - warm_up))


def _in_order(rows: Iterable[tuple[float, float, ProfileName]]) -> list[Event]:
    """Return every coming and going by time, no two at one time, departures first."""
    found = [
        event
        for number, (start, end, profile) in enumerate(rows)
        for event in (Event(start, f"p{number}", profile), Event(end, f"p{number}", None))
    ]
    found.sort(key=lambda event: (event.time, event.profile is not None))
    ordered: list[Event] = []
    for event in found:
        floor = math.nextafter(ordered[-1].time, math.inf) if ordered else -math.inf
        ordered.append(Event(max(event.time, floor), event.pod, event.profile))
    return ordered
