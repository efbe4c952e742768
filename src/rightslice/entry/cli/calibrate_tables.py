"""How a calibration and the points to measure next look in a terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import typer
from rich.table import Table

from rightslice.core.perf.calibration import Calibration
from rightslice.core.perf.observation import Observation, tpot_as_measured
from rightslice.core.perf.result import PerfConstants
from rightslice.entry.cli.calibrate_result import NextPoints, Uncertainty
from rightslice.entry.cli.console import console
from rightslice.units import format_duration

_MOST_STAKES: Final = 8
_WILD: Final = math.log(1.25)
"""A point as far off as this after the fit hardly counted: run-to-run spread is 4 %."""


def print_fit(points: Sequence[Observation], prior: PerfConstants, made: Calibration) -> None:
    """Print every point as measured, before and after the fit, and what stands out."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("clients", "input", "output", "tp", "measured", "before", "after", "residual"):
        table.add_column(heading, justify="right")
    for point, kept in zip(points, made.points, strict=True):
        table.add_row(
            f"{kept.concurrency:,.0f}",
            f"{kept.input_tokens:,.0f}",
            f"{kept.output_tokens:,.0f}",
            str(kept.tensor_parallel),
            format_duration(kept.tpot_seconds),
            format_duration(tpot_as_measured(point, prior)),
            format_duration(kept.tpot_seconds * math.exp(kept.residual)),
            f"{math.expm1(kept.residual):+.1%}",
        )
    console().print("TPOT, measured and predicted")
    console().print(table)
    for kept in made.points:
        if abs(kept.residual) > _WILD:
            console().print(
                f"[yellow]not believed:[/] {kept.source} is far from what the others agree on;"
                " measure it again",
                highlight=False,
            )


def print_next(answer: NextPoints) -> None:
    """Print what is to be decided, how sure it is before and after, and the commands."""
    out = console()
    out.print(f"To decide: {answer.decision}", highlight=False)
    out.print(_uncertainties(answer.uncertainties))
    served = ""
    for number, point in enumerate(answer.points, start=1):
        if point.serve_command != served:
            served = point.serve_command
            typer.echo(f"\nserve:\n{served}")
        typer.echo(f"measure {number}:\n{point.bench_command}")


def _uncertainties(found: Sequence[Uncertainty]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    has_targets = any(item.probability_held is not None for item in found)
    table.add_column("")
    table.add_column("")
    for heading in ("holds", "judged wrongly", "expected after") if has_targets else ():
        table.add_column(heading, justify="right")
    table.add_column("90 % band", justify="right")
    table.add_column("expected after", justify="right")
    for item in _shown(found):
        sure = (
            (item.probability_held, item.chance_wrong_before, item.chance_wrong_after)
            if has_targets
            else ()
        )
        table.add_row(
            item.name,
            item.quantity,
            *("" if chance is None else f"{chance:.0%}" for chance in sure),
            f"x{item.band_ratio_before:.2f}",
            f"x{item.band_ratio_after:.2f}",
        )
    return table


def _shown(found: Sequence[Uncertainty]) -> list[Uncertainty]:
    """Return all stakes, or the most uncertain of a long grid."""
    if len(found) <= _MOST_STAKES:
        return list(found)
    ranked = sorted(found, key=lambda item: item.band_ratio_before, reverse=True)
    return ranked[:_MOST_STAKES]
