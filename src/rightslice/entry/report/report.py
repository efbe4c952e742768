"""The whole page: a plan and its curves as one HTML file for a browser or a printer.

Nothing is loaded from elsewhere: styles are inlined, drawings are SVG, there is no script. Light
and dark follow the reader's system.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files

from rightslice.core.perf.result import Curve
from rightslice.core.plan.result import Plan
from rightslice.entry.report.closing import not_placed, notes, reading
from rightslice.entry.report.cost import cost
from rightslice.entry.report.curves import curves as curve_section
from rightslice.entry.report.headline import headline
from rightslice.entry.report.layouts import layouts
from rightslice.entry.report.look import Look
from rightslice.entry.report.markup import Html, element, shape, text
from rightslice.entry.report.workloads import workloads


def render_report(plan: Plan, *, curves: Mapping[str, Curve], generated: str) -> str:
    """Return the report of *plan* as the text of one self-contained HTML file.

    Args:
        plan: what is reported.
        curves: latency and throughput over concurrency by workload name; may lack some.
        generated: when the plan was made, as it shall be printed.
    """
    look = Look(plan=plan, curves=curves, generated=generated)
    body = element(
        "body",
        patterns(),
        element(
            "main",
            headline(look),
            layouts(look),
            workloads(look),
            curve_section(look),
            cost(look),
            not_placed(look),
            notes(plan),
            reading(),
        ),
    )
    return f"<!DOCTYPE html>\n{element('html', _head(plan), body, lang='en')}\n"


def stylesheet() -> str:
    """Return the packaged style sheet."""
    return files("rightslice.entry.report").joinpath("report.css").read_text(encoding="utf-8")


def _head(plan: Plan) -> Html:
    return element(
        "head",
        shape("meta", charset="utf-8"),
        shape("meta", name="viewport", content="width=device-width, initial-scale=1"),
        shape("meta", name="color-scheme", content="light dark"),
        element("title", text(f"{plan.fleet_name}: rightslice plan")),
        element("style", Html(stylesheet())),
    )


def patterns() -> Html:
    """Return the hatching that every drawing refers to."""
    hatch = element(
        "pattern",
        shape("rect", width=6, height=6, class_="hatch-ground"),
        shape("path", d="M-1 1l2-2M0 6l6-6M5 7l2-2", class_="hatch-line"),
        id="hatch",
        width=6,
        height=6,
        patternUnits="userSpaceOnUse",
    )
    return element(
        "svg", element("defs", hatch), width=0, height=0, class_="defs", aria_hidden="true"
    )
