"""Curves drawn in characters: Braille dots for the line, letters for what it passes.

A pure function of numbers, so that a test can read the picture. Each character cell holds two by
four dots (Unicode 2800 to 28FF).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_EMPTY: Final = 0x2800
_DOTS: Final = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
"""Bit of the dot in each column and row of a cell."""
_DOTS_ACROSS: Final = 2
_DOTS_DOWN: Final = 4
_FINE: Final = 4
"""Samples a dot, so that steep parts leave no gap."""


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A character at a point of the plot."""

    x: float
    y: float
    symbol: str


@dataclass(frozen=True, kw_only=True)
class Plot:
    """A line through points, marks on it, and a horizontal limit, in a box of characters."""

    points: Sequence[tuple[float, float]]
    marks: Sequence[Mark] = ()
    limit: float | None = None
    """Drawn as a dashed line, when it lies in the picture."""
    band: Sequence[tuple[float, float, float]] = ()
    """Abscissa, low and high end of what the line may be, ascending: shaded."""
    width: int = 64
    height: int = 12


def draw(plot: Plot) -> tuple[str, ...]:
    """Return the picture line by line, zero at the lower left, without axes.

    >>> draw(Plot(points=((0, 0), (1, 1)), width=2, height=1))
    ('⡠⠊',)
    """
    high = top(plot)
    far = max(x for x, _ in plot.points) or 1.0
    cells = [[0] * plot.width for _ in range(plot.height)]
    for x, y in _samples(plot, far):
        _set(cells, x / far, y / high)
    rows = [[chr(_EMPTY + cell) if cell else " " for cell in row] for row in cells]
    _shade(rows, plot, far, high)
    if plot.limit is not None and plot.limit <= high:
        row = rows[_row(plot.limit / high, plot.height)]
        row[:] = ["╌" if cell in " ░" else cell for cell in row]
    for mark in plot.marks:
        column = min(int(mark.x / far * plot.width), plot.width - 1)
        rows[_row(mark.y / high, plot.height)][column] = mark.symbol
    return tuple("".join(row).rstrip() for row in rows)


def top(plot: Plot) -> float:
    """Return the value at the upper edge: a limit is shown unless it flattens the line."""
    high = max((y for _, y in plot.points), default=0.0)
    high = max([high, *(end for _, _, end in plot.band)]) or 1.0
    if plot.limit is not None and high < plot.limit <= 3 * high:
        return plot.limit * 1.05
    return high


def _shade(rows: list[list[str]], plot: Plot, far: float, high: float) -> None:
    """Fill empty cells between the ends of the band, column by column."""
    for (x0, low0, high0), (x1, low1, high1) in zip(plot.band, plot.band[1:], strict=False):
        for column in range(_column(x0 / far, plot.width), _column(x1 / far, plot.width) + 1):
            centre = (column + 0.5) / plot.width * far
            share = min(max((centre - x0) / (x1 - x0), 0.0), 1.0) if x1 > x0 else 0.0
            lowest = _row((low0 + share * (low1 - low0)) / high, plot.height)
            highest = _row((high0 + share * (high1 - high0)) / high, plot.height)
            for row in rows[highest : lowest + 1]:
                if row[column] == " ":
                    row[column] = "░"


def _column(share: float, width: int) -> int:
    return min(max(int(share * width), 0), width - 1)


def bar(share: float, width: int) -> str:
    """Return a bar that fills *share* of *width* characters, in eighths.

    >>> bar(0.5, 4)
    '██'
    """
    eighths = round(max(share, 0.0) * width * 8)
    return "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()


def _samples(plot: Plot, far: float) -> list[tuple[float, float]]:
    """Return points so dense that neighbours touch."""
    steps = plot.width * _DOTS_ACROSS * _FINE
    high = top(plot)
    dense = list(plot.points[:1])
    for (x0, y0), (x1, y1) in zip(plot.points, plot.points[1:], strict=False):
        longest = max(abs(x1 - x0) / far, abs(y1 - y0) / high)
        count = max(1, math.ceil(longest * steps))
        dense += [
            (x0 + (x1 - x0) * i / count, y0 + (y1 - y0) * i / count) for i in range(1, count + 1)
        ]
    return dense


def _row(share: float, height: int) -> int:
    return height - 1 - min(max(int(share * height), 0), height - 1)


def _set(cells: list[list[int]], across: float, up: float) -> None:
    columns, rows = len(cells[0]) * _DOTS_ACROSS, len(cells) * _DOTS_DOWN
    column = min(int(across * columns), columns - 1)
    row = rows - 1 - min(max(int(up * rows), 0), rows - 1)
    cells[row // _DOTS_DOWN][column // _DOTS_ACROSS] |= _DOTS[column % _DOTS_ACROSS][
        row % _DOTS_DOWN
    ]
