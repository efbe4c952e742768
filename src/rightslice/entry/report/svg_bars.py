"""Bars: memory by term, a latency against its target, and dollars.

All are drawn on a width of 100 and stretched to their column, so they carry no text of their own;
the numbers stand beside them in HTML.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from rightslice.core.catalog.estimate import Estimate
from rightslice.core.sizing.result import Sizing
from rightslice.entry.report.markup import NOTHING, Html, drawing, element, shape, text
from rightslice.units import format_bytes, format_duration

_MEMORY_CLASSES: Final = {
    "weights": "m-weights",
    "activation": "m-activation",
    "cuda graphs": "m-graphs",
    "kv cache": "m-kv",
    "unused": "free",
}


@dataclass(frozen=True, kw_only=True)
class Part:
    """One piece of a bar."""

    size: float
    class_: str
    title: str


def memory_class(term: str) -> str:
    """Return the colour of a memory term; the small ones share one."""
    return _MEMORY_CLASSES.get(term, "m-other")


def memory_bar(sizing: Sizing) -> Html:
    """Return the device's memory, term by term, largest uses first as vLLM takes them."""
    parts = [
        Part(
            size=max(0, term.size_bytes.expected),
            class_=memory_class(term.name),
            title=f"{term.name}: {format_bytes(term.size_bytes.expected)}",
        )
        for term in sizing.terms
    ]
    order = ["m-weights", "m-activation", "m-graphs", "m-other", "m-kv", "free"]
    parts.sort(key=lambda part: order.index(part.class_))
    return bar(parts, sum(part.size for part in parts), "memory")


def bar(parts: Sequence[Part], full: float, label: str) -> Html:
    """Return one horizontal bar; *full* is what its whole width stands for."""
    return drawing(
        100, 12, *_pieces(parts, full), class_="bar", preserveAspectRatio="none", label=label
    )


def _pieces(parts: Sequence[Part], full: float) -> Iterator[Html]:
    x = 0.0
    for part in parts:
        width = 100 * part.size / full if full > 0 else 0.0
        if width > 0.05:
            yield element(
                "rect", element("title", text(part.title)), class_=part.class_, x=f"{x:.2f}",
                y=0, width=f"{width:.2f}", height=12,
            )  # fmt: skip
        x += width


def target_bar(latency: Estimate, target_seconds: float) -> Html:
    """Return a latency with its 90 % band, against its target (the upright line)."""
    if not math.isfinite(latency.expected):
        return NOTHING
    full = max(target_seconds * 1.25, latency.high * 1.06)
    low, middle, high, line = (
        100 * seconds / full
        for seconds in (latency.low, latency.expected, latency.high, target_seconds)
    )
    verdict = "over" if latency.expected > target_seconds else "within"
    title = (
        f"{format_duration(latency.expected)}, 90 % between {format_duration(latency.low)} and"
        f" {format_duration(latency.high)}; target {format_duration(target_seconds)}"
    )
    return drawing(
        100, 12,
        element("title", text(title)),
        shape("rect", x=0, y=5, width=100, height=2, class_="track"),
        shape("rect", x=f"{low:.2f}", y=2.5, width=f"{high - low:.2f}", height=7,
              class_=f"spread {verdict}"),
        shape("rect", x=f"{middle - 0.8:.2f}", y=1, width=1.6, height=10,
              class_=f"value {verdict}"),
        shape("rect", x=f"{line - 0.6:.2f}", y=0, width=1.2, height=12, class_="target"),
        class_="bar", preserveAspectRatio="none"    )  # fmt: skip
