"""Layouts as ``nvidia-smi`` commands with start slots, one shell script a node.

Each script checks first that MIG is on and that no instance stands where the layout has none:
such a one is removed if nothing runs in it, and the driver's refusal ends the script otherwise.
mig-manager must leave the node alone meanwhile, or it cuts the cards by its own label again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rightslice.core.catalog.mig import MigGrid
from rightslice.core.packing.geometry import Layout
from rightslice.core.plan.result import CardPlan
from rightslice.kube.smi import FUNCTIONS, create_line, tuple_of

_HEAD = """#!/bin/sh
# {node}: cut the cards as planned. Run it as root on the node, with no pod left in the slices that
# go. It can be run again after any line. Written by rightslice.
set -eu
{functions}
mig_is_on() {{
  mode=$(nvidia-smi -i "$1" --query-gpu=mig.mode.current --format=csv,noheader)
  [ "$mode" = Enabled ] || {{ echo "GPU $1: MIG is $mode; nvidia-smi -i $1 -mig 1" >&2; exit 1; }}
}}
only() {{  # GPU "ID:START ...": remove what stands elsewhere
  for found in $(nvidia-smi mig -i "$1" -lgi | tr '|' ' ' | awk \\
      '$2 == "MIG" {{ split($6, at, ":"); print $4 ":" at[1] }}'); do
    case " $2 " in *" $found "*) ;; *) destroy "$1" "${{found%:*}}" "${{found#*:}}" ;; esac
  done
}}
"""


def render(cards: Sequence[CardPlan]) -> dict[str, str]:
    """Return a script for every node that is cut, by the node's name.

    Raises:
        InputError: when nobody has published the id of a profile.
    """
    layouts: dict[str, dict[int, Layout]] = {}
    grids: dict[str, MigGrid] = {}
    for card in cards:
        if card.layout and card.group.gpu.mig is not None:
            layouts.setdefault(card.node, {})[card.card] = card.layout
            grids[card.node] = card.group.gpu.mig
    return {node: script(grids[node], node, found) for node, found in layouts.items()}


def script(grid: MigGrid, node: str, layouts: Mapping[int, Layout]) -> str:
    """Return the script that gives each numbered card of *node* its layout.

    Raises:
        InputError: when nobody has published the id of a profile.
    """
    head = _HEAD.format(node=node, functions=FUNCTIONS)
    return head + "\n".join(_lines(grid, layouts)) + "\n"


def _lines(grid: MigGrid, layouts: Mapping[int, Layout]) -> Iterator[str]:
    for gpu, layout in layouts.items():
        planned = " ".join("{}:{}".format(*tuple_of(grid, each)) for each in layout)
        yield f"\nmig_is_on {gpu}\nonly {gpu} '{planned}'"
        for each in layout:
            yield create_line(grid, str(gpu), each)
    yield "\nnvidia-smi mig -lgi"
