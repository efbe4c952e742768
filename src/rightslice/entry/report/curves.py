"""The section of curves: latency and throughput over concurrency, one drawing a workload."""

from __future__ import annotations

from rightslice.core.perf.result import Curve
from rightslice.core.plan.result import Placed, WorkloadPlan
from rightslice.entry.report.layouts import swatch
from rightslice.entry.report.look import Look
from rightslice.entry.report.markup import NOTHING, Html, drawing, element, shape, text
from rightslice.entry.report.section import section
from rightslice.entry.report.svg_curve import Marks, curve_drawing
from rightslice.entry.report.wording import load_size, plural


def curves(look: Look) -> Html:
    """Return the section; nothing when there is no curve to show."""
    shown = [item for item in look.plan.workloads if item.name in look.curves]
    if not shown:
        return NOTHING
    lead = (
        "One replica on its slice. Above, the mean time per output token with its 90 % band; below,"
        " output tokens per second. Where the lower curve flattens, more concurrency buys waiting."
    )
    figures = (_figure(item, look.curves[item.name], look) for item in shown)
    return section("curves", "Curves", lead, _legend(), element("div", *figures, class_="curves"))


def _figure(item: WorkloadPlan, curve: Curve, look: Look) -> Html:
    prediction = None
    if isinstance(item.outcome, Placed):
        prediction = item.outcome.candidate.prediction
    title = f"{item.name} on {curve.sizing.device.label}: TPOT and throughput over concurrency"
    marks = Marks(target_seconds=item.workload.slo.tpot_seconds, prediction=prediction, title=title)
    caption = element(
        "figcaption",
        element("b", swatch(look.hue(item.name)), text(item.name)),
        element("span", text(_where(item, curve)), class_="muted"),
    )
    return element("figure", caption, curve_drawing(curve, marks))


def _where(item: WorkloadPlan, curve: Curve) -> str:
    traffic = item.workload.traffic
    replicas = 1 if item.placed is None else item.placed.replicas
    return (
        f"{curve.sizing.device.label} · {load_size(traffic)} in all, {plural(replicas, 'replica')}"
    )


def _legend() -> Html:
    entries = (
        (_mark(shape("path", d="M0 6H22", class_="line")), "expected"),
        (_mark(shape("rect", x=0, y=1, width=22, height=10, class_="band")), "90 % band"),
        (_mark(shape("path", d="M0 6H22", class_="slo-line")), "TPOT target"),
        (_mark(shape("circle", cx=11, cy=6, r=4.0, class_="load")), "this load"),
        (_mark(shape("circle", cx=11, cy=6, r=4.5, class_="knee")), "knee"),
        (_mark(shape("rect", x=0, y=0, width=22, height=12, class_="beyond")), "more than fits"),
    )
    return element(
        "ul", *(element("li", mark, text(words)) for mark, words in entries), class_="legend"
    )


def _mark(content: Html) -> Html:
    return drawing(22, 12, content, class_="swatch wide curve", aria_hidden="true")
