"""One workload's latency and throughput over concurrency, drawn.

Above: time per output token with its 90 % band and the target. Below: output tokens per second,
which shows where more concurrency stops to pay. Both share the concurrency axis; upright lines
mark the load of one replica, the knee, and where memory gives out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from rightslice.core.catalog.estimate import Estimate
from rightslice.core.perf.result import Curve, CurvePoint, Prediction
from rightslice.entry.report.markup import NOTHING, Html, drawing, element, shape, text
from rightslice.entry.report.scale import Doubling, Linear
from rightslice.units import format_duration

WIDTH: Final = 460.0
HEIGHT: Final = 306.0
_LEFT: Final = 46.0
_RIGHT: Final = 448.0
_UPPER: Final = (26.0, 150.0)
_LOWER: Final = (190.0, 262.0)
_CEILING: Final = 2.2
"""The latency axis ends at this multiple of the target, or the load's latency, if beyond."""

_Pick = Callable[[CurvePoint], Estimate]


@dataclass(frozen=True, kw_only=True)
class Marks:
    """What is marked on a curve."""

    target_seconds: float | None
    prediction: Prediction | None
    """One replica at its part of the load."""
    title: str


@dataclass(frozen=True, kw_only=True)
class _Axes:
    across: Doubling
    latency: Linear
    rate: Linear


def curve_drawing(curve: Curve, marks: Marks) -> Html:
    """Return the drawing; an empty curve gives axes without a line."""
    points = [point for point in curve.points if _is_finite(point)]
    if not points:
        return drawing(WIDTH, 40, _words(WIDTH / 2, 24, "no curve: the server does not start"),
                       label=marks.title)  # fmt: skip
    axes = _axes(points, curve, marks)
    return drawing(
        WIDTH,
        HEIGHT,
        element("title", text(marks.title)),
        *_grid(axes),
        *_beyond_memory(axes, curve),
        *_line(axes, points),
        *_marks(axes, curve, marks),
        class_="curve",
    )


def _is_finite(point: CurvePoint) -> bool:
    return math.isfinite(point.tpot.high) and math.isfinite(point.output_tokens_per_second.high)


def _axes(points: Sequence[CurvePoint], curve: Curve, marks: Marks) -> _Axes:
    top = _latency_top(points, marks)
    last = max(points[-1].concurrency, curve.knee.concurrency, 2)
    return _Axes(
        across=Doubling(
            smallest=max(1, points[0].concurrency), largest=last, start=_LEFT, end=_RIGHT
        ),
        latency=Linear(largest=top * 1e3, start=_UPPER[1], end=_UPPER[0]),
        rate=Linear(
            largest=max(point.output_tokens_per_second.high for point in points) * 1.05,
            start=_LOWER[1],
            end=_LOWER[0],
        ),
    )


def _latency_top(points: Sequence[CurvePoint], marks: Marks) -> float:
    """Return where the latency axis ends: the curve's, unless the target says what matters."""
    highest = max(point.tpot.high for point in points)
    target = marks.target_seconds
    if target is None:
        return highest * 1.04
    at_load = 0.0 if marks.prediction is None else marks.prediction.tpot.mean.expected
    at_load = at_load if math.isfinite(at_load) else 0.0
    wanted = max(min(highest, target * _CEILING), at_load * 1.2) * 1.04
    return max(wanted, target * 1.18) if target < wanted * _CEILING else wanted


def _grid(axes: _Axes) -> Iterator[Html]:
    for value in axes.latency.ticks(4):
        yield from _level(axes.latency.at(value), f"{value:g}")
    for value in axes.rate.ticks(2):
        yield from _level(axes.rate.at(value), _thousands(value))
    for batch in axes.across.ticks():
        yield _words(axes.across.at(batch), _LOWER[1] + 15, str(batch), "tick")
    yield element("text", text("TPOT, ms"), x=4, y=12, class_="axis")
    yield element("text", text("output tokens/s"), x=4, y=_LOWER[0] - 10, class_="axis")
    yield _words((_LEFT + _RIGHT) / 2, HEIGHT - 8, "sequences at once, one replica", "axis middle")


def _level(y: float, label: str) -> Iterator[Html]:
    yield shape("path", d=f"M{_LEFT:.1f} {y:.1f}H{_RIGHT:.1f}", class_="gridline")
    yield element("text", text(label), x=_LEFT - 6, y=y + 3.5, class_="tick end")


def _thousands(value: float) -> str:
    return f"{value / 1000:g}k" if value >= 1000 else f"{value:g}"


def _beyond_memory(axes: _Axes, curve: Curve) -> Iterator[Html]:
    """Shade what is beyond the KV cache or max-num-seqs."""
    capacity = curve.knee.capacity
    if capacity.sequences >= axes.across.largest:
        return
    x = axes.across.at(max(capacity.sequences, axes.across.smallest))
    top, bottom = _UPPER[0], _LOWER[1]
    title = f"{capacity.limit} ends at {capacity.sequences} sequences"
    yield element(
        "g",
        element("title", text(title)),
        shape("rect", x=x, y=top, width=_RIGHT - x, height=bottom - top, class_="beyond"),
        shape("path", d=f"M{x:.1f} {top:.1f}V{bottom:.1f}", class_="cap-line"),
    )
    yield from _flag(x, top + 10, f"{capacity.limit}: {capacity.sequences}", "cap")


def _line(axes: _Axes, points: Sequence[CurvePoint]) -> Iterator[Html]:
    """Yield band and line of both panels; what is not held at once is dashed."""
    held = [point for point in points if point.held]
    rest = points[max(0, len(held) - 1) :]
    panels: tuple[tuple[_Pick, Linear], ...] = ((_tpot, axes.latency), (_rate, axes.rate))
    for pick, axis in panels:
        lines = (
            shape("path", d=_area(axes, points, pick, axis), class_="band"),
            shape("path", d=_path(axes, held, pick, axis), class_="line"),
            shape("path", d=_path(axes, rest, pick, axis), class_="line unheld"),
        )
        yield _clipped(axis, *lines)


def _clipped(axis: Linear, *children: Html) -> Html:
    """Return *children* cut off at the panel's frame: an inner image clips by itself."""
    width, height = _RIGHT - _LEFT, axis.start - axis.end
    return element(
        "svg", *children, x=_LEFT, y=axis.end, width=width, height=height,
        viewBox=f"{_LEFT:.1f} {axis.end:.1f} {width:.1f} {height:.1f}",
    )  # fmt: skip


def _path(axes: _Axes, points: Sequence[CurvePoint], pick: _Pick, axis: Linear) -> str | None:
    if not points:
        return None
    return "M" + "L".join(
        f"{axes.across.at(point.concurrency):.1f} {axis.at(pick(point).expected):.1f}"
        for point in points
    )


def _area(axes: _Axes, points: Sequence[CurvePoint], pick: _Pick, axis: Linear) -> str:
    upper = [(axes.across.at(p.concurrency), axis.at(pick(p).high)) for p in points]
    lower = [(axes.across.at(p.concurrency), axis.at(pick(p).low)) for p in reversed(points)]
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in (*upper, *lower)) + "Z"


def _marks(axes: _Axes, curve: Curve, marks: Marks) -> Iterator[Html]:
    if marks.target_seconds is not None:
        yield from _target(axes, marks.target_seconds)
    knee = curve.knee
    if knee.concurrency >= 1:
        x = axes.across.at(knee.concurrency)
        title = f"knee: {knee.concurrency} sequences ({knee.binding})"
        yield _dot((x, axes.latency.at(knee.tpot_seconds * 1e3)), "knee", title)
        yield _dot((x, axes.rate.at(knee.output_tokens_per_second)), "knee")
    if marks.prediction is not None:
        yield from _load(axes, marks.prediction)


def _target(axes: _Axes, target_seconds: float) -> Iterator[Html]:
    """Yield the target's line, or its word alone when it lies far above the curve."""
    words = f"target {format_duration(target_seconds)}"
    y = axes.latency.at(target_seconds * 1e3)
    if y < _UPPER[0]:
        yield element("text", text(f"{words}, above"), x=_LEFT + 5, y=_UPPER[0] + 10, class_="slo")
        return
    yield shape("path", d=f"M{_LEFT:.1f} {y:.1f}H{_RIGHT:.1f}", class_="slo-line")
    yield element("text", text(words), x=_LEFT + 5, y=y - 5, class_="slo")


def _load(axes: _Axes, prediction: Prediction) -> Iterator[Html]:
    latency = prediction.tpot.mean.expected
    if not math.isfinite(latency) or prediction.running <= 0:
        return
    x = axes.across.at(prediction.running)
    title = f"this load: {prediction.running:.1f} sequences, TPOT {format_duration(latency)}"
    yield shape("path", d=f"M{x:.1f} {_UPPER[0]:.1f}V{_LOWER[1]:.1f}", class_="load-line")
    yield _dot((x, axes.latency.at(latency * 1e3)), "load", title)
    rate = prediction.output_tokens_per_second.expected
    yield _dot((x, axes.rate.at(rate)), "load")
    yield from _flag(x, _LOWER[1] - 6, "load", "load-word")


def _dot(place: tuple[float, float], class_: str, title: str = "") -> Html:
    x, y = place
    words = element("title", text(title)) if title else NOTHING
    return element("circle", words, cx=x, cy=y, r=4.5 if class_ == "knee" else 4.0, class_=class_)


def _flag(x: float, y: float, words: str, class_: str) -> Iterator[Html]:
    """Yield a word beside an upright line, on the side that has room."""
    turn = x > _RIGHT - 110
    place = x - 5 if turn else x + 5
    yield element("text", text(words), x=place, y=y, class_=f"{class_} end" if turn else class_)


def _tpot(point: CurvePoint) -> Estimate:
    return point.tpot.scaled(1e3)


def _rate(point: CurvePoint) -> Estimate:
    return point.output_tokens_per_second


def _words(x: float, y: float, words: str, class_: str = "tick") -> Html:
    return element("text", text(words), x=x, y=y, class_=f"{class_} middle")
