"""The table of what each slicing back end can do, from `rightslice.core.packing.backends`."""

from __future__ import annotations

from rightslice.core.packing.backends import TABLE, Steering

_CHOICE = {
    Steering.NONE: "no",
    Steering.GPU: "the GPU",
    Steering.START: "the GPU and the start",
}


def backends() -> None:
    """Print one row for each back end."""
    print(
        "| back end | placement can be chosen | slice made on demand | node drained for a change |"
    )
    print("|---|---|---|---|")
    for row in TABLE:
        cells = (
            f"`{row.backend.value}`",
            _CHOICE[row.steering],
            "yes" if row.creates_on_demand else "no",
            "yes" if row.needs_drained_node else "no",
        )
        print(f"| {' | '.join(cells)} |")
