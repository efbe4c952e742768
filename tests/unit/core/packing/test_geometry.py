"""Layouts that one card can hold."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightslice.core.catalog.mig import MigGrid, Placement, ProfileName
from rightslice.core.packing import geometry
from rightslice.edge.catalog_files import Catalog
from rightslice.errors import InputError

CORE = frozenset(("1g.5gb", "2g.10gb", "3g.20gb", "4g.20gb", "7g.40gb"))


def place(*slices: tuple[str, int]) -> list[Placement]:
    """Return placements from (profile, start) pairs."""
    return [Placement(profile=ProfileName(name), start=start) for name, start in slices]


@pytest.mark.parametrize(
    ("grid_name", "names", "states", "maximal"),
    [
        ("a100", CORE, 298, 19),
        ("a100", CORE | {"1g.10gb"}, 723, 78),
        ("a30", frozenset(("1g.6gb", "2g.12gb", "4g.24gb")), 26, 5),
        ("rtx", frozenset(("1g.24gb", "2g.48gb", "4g.96gb")), 26, 5),
    ],
)
def test_layout_counts_are_the_published_ones(
    grid_name: str, names: frozenset[str], states: int, maximal: int, request: pytest.FixtureRequest
) -> None:
    """The states and maximal placements of each grid are counted exactly."""
    grid: MigGrid = request.getfixturevalue(grid_name)
    counted = (
        len(geometry.states(grid, names)),
        len(geometry.maximal_layouts(grid, names)),
    )
    assert counted == (states, maximal)


def test_patterns_and_stuck_multisets(a100: MigGrid) -> None:
    """Twenty-eight multisets of the six profiles are largest; ten can only be stuck."""
    names = CORE | {"1g.10gb"}
    largest = geometry.largest_multisets(a100, names)
    stuck = geometry.stuck_multisets(a100, names)
    assert (len(largest), len(stuck)) == (28, 10)


@given(data=st.data())
def test_no_state_overlaps(data: st.DataObject, a100: MigGrid) -> None:
    """Every enumerated layout is legal, and no two of its masks share a slot."""
    layout = data.draw(st.sampled_from(geometry.states(a100)))
    masks = [geometry.spot_at(a100, placement).mask for placement in layout]
    assert sum(masks) == sum(1 << slot for slot in range(8) if any(m >> slot & 1 for m in masks))
    assert geometry.why_illegal(a100, layout) is None


@pytest.mark.parametrize(
    ("layout", "reason"),
    [
        ([("3g.20gb", 4), ("1g.5gb", 5)], "1g.5gb at slot 5 overlaps 3g.20gb at slot 4"),
        ([("1g.5gb+me", 0), ("1g.5gb+me", 1)], "a card holds at most 1 of 1g.5gb+me"),
        ([("4g.20gb", 0), ("3g.20gb", 4)], None),
        ([("4g.20gb", 0), ("2g.10gb", 4), ("1g.10gb", 6)], None),
    ],
)
def test_why_a_layout_is_illegal(
    layout: list[tuple[str, int]], reason: str | None, a100: MigGrid
) -> None:
    """An illegal layout names the slices that clash; a legal one names nothing."""
    assert geometry.why_illegal(a100, place(*layout)) == reason


@pytest.mark.parametrize(
    ("layout", "word"),
    [
        ([("1g.24gb+me", 0), ("1g.24gb+me.all", 3)], "at most one +me"),
        ([("1g.24gb", 0), ("1g.24gb+me.all", 3)], "every media engine"),
        ([("1g.24gb+me.all", 0), ("1g.24gb+gfx", 3)], "needs media engines"),
        ([("1g.24gb-me", 0), ("2g.48gb+me.all", 6)], ""),
    ],
)
def test_media_engines_limit_a_layout(
    layout: list[tuple[str, int]], word: str, rtx: MigGrid
) -> None:
    """One +me a card, and beside +me.all only slices without media engines."""
    assert word in (geometry.why_illegal(rtx, place(*layout)) or "")


def test_one_media_set_serves_one_slice_of_any_profile(a30: MigGrid) -> None:
    """1g+me and 2g+me exclude each other on an A30."""
    reason = geometry.why_illegal(a30, place(("1g.6gb+me", 0), ("2g.12gb+me", 2)))
    assert reason == "a card holds at most one +me slice"


def test_wrong_start_is_bad_input(a100: MigGrid) -> None:
    """A placement that the driver does not know names the legal starts."""
    with pytest.raises(InputError, match=r"2g.10gb cannot start at slot 6 .* 0, 2, 4"):
        geometry.why_illegal(a100, place(("2g.10gb", 6)))


def test_unknown_grid_is_refused_with_its_reason(unknown: MigGrid) -> None:
    """A GPU without a placement transcript is named and never guessed."""
    with pytest.raises(InputError, match=r"RTX-PRO-4500.* not known: no placement transcript"):
        geometry.states(unknown)


def test_room_beside_a_four(a100: MigGrid) -> None:
    """Beside 4g only slots four and up remain, and slot seven starts nothing by itself."""
    free = geometry.room(a100, place(("4g.20gb", 0)))
    assert {(p.profile, p.start) for p in free if p.profile in CORE} == {
        ("1g.5gb", 4), ("1g.5gb", 5), ("1g.5gb", 6), ("2g.10gb", 4), ("3g.20gb", 4),
    }  # fmt: skip


def test_every_grid_of_the_catalogue_is_enumerated_or_refused() -> None:
    """The 127 profiles of 18 GPUs: 15 grids have placements, three are refused by name."""
    refused = []
    grids = Catalog().mig_gpus()
    for grid in grids:
        try:
            assert geometry.maximal_layouts(grid)
        except InputError as error:
            refused.append(str(error).split(" is not known")[0])
    assert sum(len(grid.profiles) for grid in grids) == 127
    assert (len(grids), len(refused)) == (18, 3)
