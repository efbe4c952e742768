"""The frontier drawn: dollars an hour across, the latency that the target names upwards."""

from __future__ import annotations

from typing import Final

from rightslice.core.fit.frontier import Frontier, FrontierPoint, staircase
from rightslice.core.fit.result import Recommendation
from rightslice.entry.cli.plot import Mark, Plot, draw, top
from rightslice.units import format_duration, format_ratio

_FEWEST: Final = 3
"""Points of a frontier that is worth a picture."""
_WIDTH: Final = 56
_HEIGHT: Final = 9
_FAR: Final = 4
"""Times the target, or the price taken, beyond which points are left out of the picture."""
_GUTTER: Final = 9


def frontier_lines(answer: Recommendation) -> list[str]:
    """Return the picture of *answer*'s frontier, with the target and what is taken; [] if bare."""
    frontier = answer.frontier
    chosen = None if answer.chosen is None else answer.chosen.offer.name
    points = _near(frontier, chosen)
    if len(points) < _FEWEST:
        return []
    plot = Plot(
        points=staircase(points),
        marks=tuple(
            Mark(
                x=float(point.usd_per_hour),
                y=point.upper_seconds,
                symbol="●" if point.offer == chosen else "o",
            )
            for point in points
        ),
        limit=frontier.target_seconds,
        width=_WIDTH,
        height=_HEIGHT,
    )
    return [_title(answer, frontier), *_with_axes(plot, points), _legend(frontier, chosen, points)]


def _near(frontier: Frontier, chosen: str | None) -> list[FrontierPoint]:
    """Return the points around the target and the price taken: others would flatten the line."""
    slow = [p for p in frontier.points if p.upper_seconds <= _FAR * frontier.target_seconds]
    taken = next((p for p in slow if p.offer == chosen), None)
    if taken is None:
        return slow
    dearest = _FAR * taken.usd_per_hour
    return [point for point in slow if point.usd_per_hour <= dearest]


def _title(answer: Recommendation, frontier: Frontier) -> str:
    which = "mean" if frontier.percentile is None else f"p{frontier.percentile * 100:g}"
    sure = format_ratio(answer.question.confidence)
    return f"{which} {frontier.latency} (at most, at {sure} confidence) against price:"


def _with_axes(plot: Plot, points: list[FrontierPoint]) -> list[str]:
    high, far = top(plot), float(points[-1].usd_per_hour)
    lines = draw(plot)
    labels = [""] * len(lines)
    labels[0] = format_duration(high)
    labels[-1] = "0"
    box = [f"{label:>{_GUTTER}} │{line}" for label, line in zip(labels, lines, strict=True)]
    end = f"${far:,.2f}/h"
    axis = " " * (_GUTTER + 1) + "└" + "─" * plot.width
    return [*box, axis, " " * (_GUTTER + 2) + "0" + end.rjust(plot.width - 1)]


def _legend(frontier: Frontier, chosen: str | None, points: list[FrontierPoint]) -> str:
    target = f"╌ target {format_duration(frontier.target_seconds)}"
    fastest = f"fastest drawn: {points[-1].offer}"
    taken = "" if chosen not in {point.offer for point in points} else f"● {chosen}; "
    return f"{taken}{target}; o no other is as cheap and as fast; {fastest}"
