"""Text in drawings: what fits into a box, in how many lines.

SVG does not wrap. Widths are estimated at 0.56 em a character, the mean of lower-case text in the
system fonts (Segoe UI, San Francisco, Roboto); the full text is always in the title.
"""

from __future__ import annotations

import re
from typing import Final

from rightslice.entry.report.markup import Html, element, text

_EM: Final = 0.56
_BREAKS: Final = re.compile(r"(?<=[-_./ ])")


def fitting(width: float, size: float) -> int:
    """Return how many characters of a font of *size* fit into *width*."""
    return max(1, int(width / (size * _EM)))


def shorten(label: str, limit: int) -> str:
    """Return *label*, cut with an ellipsis when it has more than *limit* characters.

    >>> shorten("granite-7b-base", 8)
    'granite…'
    """
    return label if len(label) <= limit else label[: max(1, limit - 1)].rstrip("-_./ ") + "…"


def wrap(label: str, limit: int, lines: int) -> list[str]:
    """Return *label* in at most *lines* lines of *limit* characters, broken after hyphens.

    >>> wrap("mistral-7b-high-load", 11, 3)
    ['mistral-7b-', 'high-load']
    """
    wrapped: list[str] = []
    for piece in _BREAKS.split(label):
        if wrapped and len(wrapped[-1]) + len(piece) <= limit:
            wrapped[-1] += piece
        else:
            wrapped.append(piece)
    if len(wrapped) > lines:
        wrapped = [*wrapped[: lines - 1], "".join(wrapped[lines - 1 :])]
    return [shorten(line, limit) for line in wrapped]


def block(centre: tuple[float, float], lines: list[tuple[str, str]], leading: float) -> Html:
    """Return lines of (class, text), centred on a point."""
    x, middle = centre
    top = middle - leading * (len(lines) - 1) / 2
    return Html(
        "".join(
            element("text", text(line), x=x, y=top + leading * index, class_=class_)
            for index, (class_, line) in enumerate(lines)
        )
    )


def upright(centre: tuple[float, float], lines: list[tuple[str, str]], leading: float) -> Html:
    """Return the same lines, read from below upwards."""
    x, y = centre
    return element(
        "g", block((0.0, 0.0), lines, leading), transform=f"translate({x:.1f} {y:.1f}) rotate(-90)"
    )
