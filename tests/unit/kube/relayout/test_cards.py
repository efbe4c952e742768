"""How the cards of a node are cut for what is wanted."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rightslice.core.catalog.mig import MigGrid, ProfileName
from rightslice.core.packing.driver import parted_layout
from rightslice.edge.catalog_files import Catalog
from rightslice.kube.relayout.cards import NodeCards, TooFew, Wanted, card_counts, cut_for


def grid() -> MigGrid:
    """Return that of an A100 of 40 GB."""
    found = Catalog().gpu("NVIDIA-A100-SXM4-40GB").mig
    assert found is not None
    return found


GRID = grid()
SMALL, MEDIUM, LARGE = (ProfileName(one) for one in ("1g.5gb", "2g.10gb", "3g.20gb"))


def node(cards: int, whole: int = 0, **slices: int) -> NodeCards:
    """Return a node with so many slices of the profiles that are called by their size."""
    names = {"small": SMALL, "medium": MEDIUM, "large": LARGE}
    counts = {names[name]: count for name, count in slices.items()}
    return NodeCards(grid=GRID, cards=cards, whole=whole, slices=counts)


@pytest.mark.parametrize(
    ("there", "whole", "slices", "made"),
    [
        (node(1, small=7), 0, {LARGE: 1}, [{SMALL: 4, LARGE: 1}]),
        (node(1, small=7), 1, {}, [{}]),
        (node(1, 1), 0, {MEDIUM: 2}, [{MEDIUM: 3}]),
        (node(2, 1, small=7), 0, {LARGE: 1}, [{SMALL: 4, LARGE: 1}, {}]),
        (node(2, 1, small=7), 2, {}, [{}, {}]),
        (node(2, small=14), 0, {LARGE: 1}, [{SMALL: 4, LARGE: 1}, {SMALL: 7}]),
    ],
)
def test_what_is_wanted_is_made_and_the_rest_kept(
    there: NodeCards, whole: int, slices: dict[ProfileName, int], made: list[dict[str, int]]
) -> None:
    """A card that is needed is filled with what the node had; whole cards are touched last."""
    found = cut_for(there, Wanted(whole=whole, slices=slices))
    assert not isinstance(found, TooFew)
    assert [dict(one) for one in found] == made


@pytest.mark.parametrize(
    ("there", "whole", "slices", "says"),
    [
        (node(2, small=14), 0, {LARGE: 5}, "its 2 cards do not hold 5 3g.20gb"),
        (node(2, small=14), 2, {LARGE: 1}, "it has 2 cards, and 3 are needed"),
        (node(2, small=1, large=4), 0, {MEDIUM: 1}, "cannot be told from the counts"),
    ],
)
def test_too_little_says_by_how_much(
    there: NodeCards, whole: int, slices: dict[ProfileName, int], says: str
) -> None:
    """In cards, or in slices."""
    found = cut_for(there, Wanted(whole=whole, slices=slices))
    assert isinstance(found, TooFew)
    assert says in found.reason


@settings(deadline=None)
@given(
    cards=st.integers(1, 4), cut=st.integers(0, 4), whole=st.integers(0, 2),
    wanted=st.dictionaries(st.sampled_from([one.name for one in GRID.profiles]), st.integers(0, 4)),
)  # fmt: skip
def test_every_cut_holds_what_is_wanted_and_is_one_that_counts_reach(
    cards: int, cut: int, whole: int, wanted: dict[ProfileName, int]
) -> None:
    """mig-parted's order leads there for certain, on each card, and no card is added or lost."""
    cut = min(cut, cards)
    there = NodeCards(grid=GRID, cards=cards, whole=cards - cut, slices={SMALL: 7 * cut})
    found = cut_for(there, Wanted(whole=whole, slices=wanted))
    if isinstance(found, TooFew):
        return
    uncut, slices = card_counts(found)
    assert len(found) == cards
    assert uncut >= whole
    assert not Counter(wanted) - slices
    for one in found:
        reached = parted_layout(GRID, one)
        assert not one or (reached is not None and reached.certain)
