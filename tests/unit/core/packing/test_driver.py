"""The driver's placement rule and mig-parted's creation order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightslice.core.catalog.mig import MigGrid, ProfileName
from rightslice.core.packing import driver, geometry

NAMES = {"19": "1g.5gb", "15": "1g.10gb", "14": "2g.10gb", "9": "3g.20gb", "5": "4g.20gb"}
CORE = frozenset(("1g.5gb", "2g.10gb", "3g.20gb", "4g.20gb", "7g.40gb"))


@pytest.mark.parametrize(
    ("order", "starts"),
    [
        ("9,19,14,19", (4, 0, 2, 1)),
        ("14,19,19,19,19,19", (4, 6, 0, 1, 2, 3)),
        ("19,19,19,19,19,19,19", (6, 4, 5, 0, 1, 2, 3)),
        ("9,9", (4, 0)),
    ],
)
def test_documented_transcripts(order: str, starts: tuple[int, ...], a100: MigGrid) -> None:
    """The user guide's creation orders give the start slots that it prints."""
    outcome = driver.replay(a100, [NAMES[number] for number in order.split(",")])
    assert isinstance(outcome, driver.Created)
    assert tuple(placement.start for placement in outcome.placements) == starts


def test_documented_failure(a100: MigGrid) -> None:
    """Two 1g and a 2g leave no half for the 3g, which the user guide says to create first."""
    outcome = driver.replay(a100, [NAMES[number] for number in ("19", "19", "14", "9")])
    assert isinstance(outcome, driver.Rejected)
    assert (outcome.failed, [p.start for p in outcome.placements]) == ("3g.20gb", [6, 4, 0])


@pytest.mark.parametrize("grid_name", ["a100", "a30", "rtx"])
def test_mig_parted_reaches_every_feasible_multiset(
    grid_name: str, request: pytest.FixtureRequest
) -> None:
    """What fits at all, mig-parted can make from counts, legally and completely."""
    grid: MigGrid = request.getfixturevalue(grid_name)
    for counts in geometry.feasible_multisets(grid):
        reached = driver.parted_layout(grid, dict(counts))
        assert reached is not None
        assert geometry.multiset(p.profile for p in reached.layout) == counts
        assert geometry.why_illegal(grid, reached.layout) is None


def test_counts_reach_twelve_of_nineteen_maximal_layouts(a100: MigGrid) -> None:
    """Counts alone cannot ask for most placements of a card."""
    maximal = set(geometry.maximal_layouts(a100, CORE))
    reached = {
        outcome.layout
        for counts in geometry.feasible_multisets(a100, CORE)
        if (outcome := driver.parted_layout(a100, dict(counts))) is not None
    }
    assert (len(reached), len(reached & maximal)) == (38, 12)


def test_what_does_not_fit_has_no_layout(a100: MigGrid) -> None:
    """All orderings of two 4g fail."""
    assert driver.parted_layout(a100, {ProfileName("4g.20gb"): 2}) is None


def test_equal_ranks_are_marked_uncertain(a100: MigGrid) -> None:
    """1g.5gb and 1g.10gb tie in mig-parted's sort, which Go maps leave to chance."""
    tied = driver.parted_layout(a100, {ProfileName("1g.5gb"): 1, ProfileName("1g.10gb"): 1})
    alone = driver.parted_layout(a100, {ProfileName("1g.10gb"): 1})
    assert tied is not None
    assert alone is not None
    assert (tied.certain, alone.certain) == (False, True)


@given(order=st.lists(st.sampled_from(sorted(NAMES.values())), max_size=8))
def test_every_replay_is_legal(order: list[str], a100: MigGrid) -> None:
    """Whatever is asked in whatever order, the driver never overlaps slices."""
    outcome = driver.replay(a100, order)
    assert geometry.why_illegal(a100, outcome.placements) is None
