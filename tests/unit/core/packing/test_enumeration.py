"""Everything that a card can hold, counted and listed."""

from __future__ import annotations

import pytest

from rightslice.core.packing.enumeration import grid_layouts
from rightslice.core.packing.geometry import why_illegal
from rightslice.edge.catalog_files import Catalog
from rightslice.errors import InputError

CORE = ("1g.5gb", "2g.10gb", "3g.20gb", "4g.20gb", "7g.40gb")


@pytest.mark.parametrize(
    ("gpu", "names", "maximal", "states"),
    [
        ("A100-40GB", CORE, 19, 298),
        ("A100-40GB", None, 78, 723),
        ("A30-24GB", None, 5, 26),
        ("RTX-PRO-6000", None, 5, 26),
    ],
)
def test_counts_are_the_published_ones(
    gpu: str, names: tuple[str, ...] | None, maximal: int, states: int
) -> None:
    """19 / 78 / 5 / 5 maximal placements and 298 / 723 / 26 / 26 states."""
    grid = Catalog().gpu(gpu).mig
    assert grid is not None
    found = grid_layouts(grid, names)
    assert (len(found.maximal), found.states) == (maximal, states)
    assert all(why_illegal(grid, each.layout) is None for each in found.maximal)


def test_stuck_layouts_and_those_that_counts_reach_are_marked() -> None:
    """3g at the left of three 1g blocks slot 7; at the right it leaves room for a fourth."""
    grid = Catalog().gpu("A100-40GB").mig
    assert grid is not None
    found = grid_layouts(grid, ["1g.5gb", "3g.20gb"])
    stuck = [each for each in found.maximal if each.is_stuck]
    assert [[p.start for p in each.layout] for each in stuck] == [[0, 4, 5, 6]]
    assert [each.by_counts for each in found.maximal] == [True, False, True, True]


def test_a_grid_without_a_transcript_is_refused() -> None:
    """Start slots that nobody has published are not guessed."""
    grid = Catalog().gpu("RTX-PRO-5000").mig
    assert grid is not None
    with pytest.raises(InputError, match="no placement transcript"):
        grid_layouts(grid)
