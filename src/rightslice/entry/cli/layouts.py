"""`rightslice layouts`: everything that one card can hold, counted and drawn."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from rightslice.core.catalog.mig import MigGrid
from rightslice.core.packing.enumeration import GridLayouts, MaximalLayout, grid_layouts
from rightslice.edge.catalog_files import Catalog
from rightslice.entry.cli.card_drawing import (
    DEAD,
    FREE,
    LEGEND,
    draw_card,
    draw_ruler,
    slot_width,
)
from rightslice.entry.cli.console import Exit, Output, OutputOption, print_json
from rightslice.errors import InputError

GridArgument = Annotated[str, typer.Argument(metavar="GPU", help="A board with MIG, by its name.")]
ProfileOption = Annotated[
    list[str],
    typer.Option(
        "--profile", metavar="NAME", help="Only these profiles; default: all without + or -."
    ),
]


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command("layouts")(layouts_command)


def layouts_command(
    gpu: GridArgument,
    *,
    profile: ProfileOption = [],  # noqa: B006 - typer reads the default and never changes it
    output: OutputOption = Output.TABLE,
) -> int:
    """Every way to fill one card with MIG slices: legal starts, counts, all maximal layouts drawn.

    Example: rightslice layouts A30
    """
    grid = Catalog().gpu(gpu).mig
    if grid is None:
        raise InputError(f"{gpu} has no MIG: its cards cannot be cut into slices")
    found = grid_layouts(grid, profile or None)
    if output is Output.JSON:
        print_json(found)
    else:
        for line in describe(grid, found):
            typer.echo(line)
    return Exit.DONE


def describe(grid: MigGrid, found: GridLayouts) -> list[str]:
    """Return the layouts as lines of text."""
    head = (
        f"{found.gpu}: {found.slots} memory slots, {found.compute_slices} compute slices;"
        f" placements {found.placement_evidence}"
    )
    names = [str(each.profile) for each in found.profiles]
    longest = max(map(len, names), default=0)
    starts = [
        f"{name:{longest}}  {each.memory_slots} of {found.slots} slots,"
        f" at most {each.max_instances or '?'}, may start at {', '.join(map(str, each.starts))}"
        for name, each in zip(names, found.profiles, strict=True)
    ]
    counts = (
        f"{found.states:,} legal layouts, {len(found.maximal):,} of them maximal;"
        f" {found.multisets:,} sets of slices to which none can be added"
    )
    layouts = [[(p, str(p.profile)) for p in each.layout] for each in found.maximal]
    width = slot_width(grid, layouts)
    drawn = [_drawn(grid, each, width) for each in found.maximal]
    marks = [f"  {FREE} free   {LEGEND[DEAD]}"] if any(DEAD in line for line in drawn) else []
    return [head, "", *starts, "", counts, "", draw_ruler(grid, width), *drawn, *marks, *_NOTES]


_NOTES: Final = (
    "  counts: given as counts alone (mig-parted), the driver makes exactly this layout",
    "  stuck:  the same slices placed otherwise would leave room for one more",
)


def _drawn(grid: MigGrid, each: MaximalLayout, width: int) -> str:
    said = [word for word, is_so in (("counts", each.by_counts), ("stuck", each.is_stuck)) if is_so]
    return f"{draw_card(grid, each.layout, width=width)}  {', '.join(said)}".rstrip()
