"""How a sweep looks in a terminal: a line a point, and TPOT over what is swept."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from rich.table import Table

from rightslice.entry.cli.console import console
from rightslice.entry.cli.plot import Plot, draw, top
from rightslice.entry.cli.predict_sweep import Axis, Plant, Sweep, SweepRow, swept
from rightslice.units import format_duration, format_rate

_MOST_LINES: Final = 60


def print_sweep(answer: Sweep, plant: Plant, *, plot: bool) -> None:
    """Print the points, the first ones of many, and the curve of a sweep over numbers."""
    out = console()
    first = plant.sized(plant.device, plant.tensor_parallel)
    lengths = f"input {plant.input.text}, output {plant.output.text}"
    out.print(
        f"[bold]{first.model.name}[/] on [bold]{first.device.label}[/], vLLM"
        f" {first.engine.version}; {lengths}; swept: {', '.join(answer.axes)}\n",
        highlight=False,
    )
    out.print(_table(answer))
    if len(answer.rows) > _MOST_LINES:
        out.print(f"... {len(answer.rows) - _MOST_LINES:,} more; --export csv has all")
    axis = Axis(answer.axes[0])
    if plot and len(answer.axes) == 1 and axis not in (Axis.GPU, Axis.RANKS):
        _print_curve(answer.rows, axis, plant)


_HEADED: Final = (
    ("server", (Axis.GPU, Axis.RANKS)),
    ("input", (Axis.INPUT,)),
    ("output", (Axis.OUTPUT,)),
    ("load", tuple(Axis)),
)
"""Columns that name the point, and the sweeps that need them."""


def _table(answer: Sweep) -> Table:
    axes = {Axis(name) for name in answer.axes}
    needed = [heading for heading, own in _HEADED if axes & set(own)]
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in (*needed, "TPOT", "90 % band", "p95 TTFT", "tokens/s", "fits", "held"):
        table.add_column(heading, justify="left" if heading == "server" else "right", no_wrap=True)
    for row in answer.rows[:_MOST_LINES]:
        names = _names(row)
        table.add_row(
            *(names[heading] for heading in needed),
            *_latencies(row),
            f"{row.output_tokens_per_second.expected:,.0f}",
            f"{row.capacity_sequences:,}",
            "[green]yes[/]" if row.held else "[red]no[/]",
        )
    return table


def _names(row: SweepRow) -> dict[str, str]:
    """Return what the point is, column by column."""
    ranks = f" x{row.tensor_parallel}" if row.tensor_parallel > 1 else ""
    rate = format_rate(row.requests_per_second)
    return {
        "server": f"{row.gpu}{ranks}",
        "input": f"{row.input_tokens:,.0f}",
        "output": f"{row.output_tokens:,.0f}",
        "load": rate if row.concurrency is None else f"{row.concurrency:,}",
    }


def _latencies(row: SweepRow) -> tuple[str, str, str]:
    if not math.isfinite(row.tpot.expected):
        return "-", "-", "-"
    band = f"{format_duration(row.tpot.low)} to {format_duration(row.tpot.high)}"
    return format_duration(row.tpot.expected), band, format_duration(row.ttft_p95_seconds)


def _print_curve(rows: Sequence[SweepRow], axis: Axis, plant: Plant) -> None:
    served = [row for row in rows if math.isfinite(row.tpot.expected)]
    if len(served) < 2:
        return
    places = [swept(row, axis) for row in served]
    limit = plant.slo.tpot_seconds if plant.slo is not None else None
    picture = Plot(
        points=[(x, row.tpot.expected) for x, row in zip(places, served, strict=True)],
        limit=limit,
        band=[(x, row.tpot.low, row.tpot.high) for x, row in zip(places, served, strict=True)],
    )
    out = console()
    target = "   ╌ TPOT target" if limit is not None else ""
    out.print(f"\nTPOT over {axis.value}    ░ 90 % band{target}")
    for number, line in enumerate(draw(picture)):
        label = format_duration(top(picture)) if number == 0 else ""
        out.print(f"{label:>9} │{line}", markup=False)
    out.print(f"{'0':>9} └{'─' * picture.width}")
    out.print(f"{'':>11}0{f'{max(places):,.4g}':>{picture.width - 1}}")
