"""Layouts inferred from counts, where a cluster tells nothing else.

Under the device plugin a node tells how many slices of each profile it has, not where they are.
If every card of the node can be cut alike, they are taken to be (mig-manager's usual
configurations are ``all-...``); else the counts are packed onto the node's cards. Start slots are
those that mig-parted's order reaches by the driver's rule. All of it is a guess, and marked so.
"""

from __future__ import annotations

from collections.abc import Mapping

from rightslice.core.catalog.mig import MigGrid, ProfileName
from rightslice.core.packing.driver import parted_layout
from rightslice.core.packing.geometry import Layout
from rightslice.core.packing.offline import DoesNotFit, pack


def inferred_layouts(
    grid: MigGrid, counts: Mapping[ProfileName, int], cards: int
) -> tuple[Layout, ...] | None:
    """Return a layout for each of a node's *cards* that has the *counts* together, or None.

    None: no cutting of so many cards gives these counts.

    Raises:
        InputError: when the grid is unknown or has no profile of that name.
    """
    present = {name: count for name, count in counts.items() if count}
    if all(count % cards == 0 for count in present.values()):
        alike = parted_layout(grid, {name: count // cards for name, count in present.items()})
        if alike is not None:
            return (alike.layout,) * cards
    packed = pack(grid, present, cards)
    if isinstance(packed, DoesNotFit):
        return None
    layouts = [card.layout for card in packed.cards]
    return (*layouts, *((),) * (cards - len(layouts)))
