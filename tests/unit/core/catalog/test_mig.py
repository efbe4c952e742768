"""MIG profiles are found by name, and their part of a card is known where the grid is."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from rightslice.core.catalog.mig import slice_share
from rightslice.edge.catalog_files import Catalog
from rightslice.errors import UnknownNameError


def test_a_profile_is_found_by_its_name() -> None:
    """The driver's own name."""
    assert Catalog().mig_gpu("H100-SXM-80GB").profile("3g.40gb").compute_slices == 3


def test_a_misspelt_profile_gets_near_matches() -> None:
    """The grid's own names are suggested."""
    with pytest.raises(UnknownNameError, match=r"did you mean .*3g\.40gb"):
        Catalog().mig_gpu("H100-SXM-80GB").profile("3g.40g")


def test_the_part_of_a_card_counts_slots() -> None:
    """3g.40gb of an H100: four of eight memory slots, three of seven compute slices."""
    grid = Catalog().mig_gpu("H100-SXM-80GB")
    share = slice_share(grid, grid.profile("3g.40gb"))
    assert share is not None
    assert (share.memory, share.compute) == (Fraction(1, 2), Fraction(3, 7))


def test_an_unknown_grid_has_no_parts() -> None:
    """Without slots nothing is derived."""
    grid = Catalog().mig_gpu("H100-SXM-80GB")
    assert slice_share(replace(grid, slots=None), grid.profile("3g.40gb")) is None
