"""The fewest cards for a list of slices."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rightslice.core.catalog.mig import MigGrid, ProfileName
from rightslice.core.packing.certificate import check_certificate
from rightslice.core.packing.geometry import feasible_multisets, why_illegal
from rightslice.core.packing.offline import DoesNotFit, Packing, pack
from rightslice.errors import InputError, UnknownNameError

Wanted = dict[ProfileName, int]
NAMES = tuple(map(ProfileName, ("1g.5gb", "1g.10gb", "2g.10gb", "3g.20gb", "4g.20gb", "7g.40gb")))
SMALL = tuple(map(ProfileName, ("1g.6gb", "2g.12gb", "4g.24gb", "1g.6gb+me")))


def lists(names: tuple[ProfileName, ...], most: int) -> st.SearchStrategy[Wanted]:
    """Return lists of slices with at least one."""
    counts = st.dictionaries(st.sampled_from(names), st.integers(1, most), min_size=1)
    return counts.map(dict)


def packed(grid: MigGrid, wanted: Wanted) -> Packing:
    """Return the packing on as many cards as needed."""
    answer = pack(grid, wanted)
    assert isinstance(answer, Packing)
    return answer


@settings(deadline=None, max_examples=60)
@given(wanted=lists(NAMES, 400))
def test_packings_are_legal_complete_and_proven(wanted: Wanted, a100: MigGrid) -> None:
    """Every slice is placed once, no card overlaps, and the bound meets the count."""
    answer = packed(a100, wanted)
    placed = Counter(p.profile for card in answer.cards for p in card.layout)
    assert placed == wanted
    assert all(why_illegal(a100, layout) is None for layout in {c.layout for c in answer.cards})
    assert answer.is_proven
    assert check_certificate(a100, wanted, answer.certificate) <= answer.gpus_used


def brute_force(grid: MigGrid, wanted: Wanted) -> int:
    """Return the fewest cards by trying every sequence of legal cards."""
    names = sorted(wanted)
    cards = {tuple(dict(m).get(n, 0) for n in names) for m in feasible_multisets(grid)}
    left, count = {tuple(wanted[name] for name in names)}, 0
    while all(any(state) for state in left):
        left = {
            tuple(max(0, a - b) for a, b in zip(state, card, strict=True))
            for state in left
            for card in cards
        }
        count += 1
    return count


@settings(deadline=None, max_examples=40)
@given(wanted=lists(SMALL, 3))
def test_small_lists_match_brute_force(wanted: Wanted, a30: MigGrid) -> None:
    """The count is that of an exhaustive search."""
    assert packed(a30, wanted).gpus_used == brute_force(a30, wanted)


@settings(deadline=None, max_examples=25)
@given(wanted=lists(NAMES, 9), name=st.sampled_from(NAMES))
def test_more_slices_never_need_fewer_cards(
    wanted: Wanted, name: ProfileName, a100: MigGrid
) -> None:
    """Adding a slice keeps or raises the number of cards, by one at most."""
    more = {**wanted, name: wanted.get(name, 0) + 1}
    assert packed(a100, more).gpus_used - packed(a100, wanted).gpus_used in (0, 1)


def left_memory(grid: MigGrid, wanted: Wanted, cards: int) -> int:
    """Return the memory slots of what does not fit on so many cards."""
    answer = pack(grid, wanted, cards)
    left = answer.left_over if isinstance(answer, DoesNotFit) else {}
    return sum((grid.profile(name).memory_slots or 0) * n for name, n in left.items())


@settings(deadline=None, max_examples=20)
@given(wanted=lists(NAMES, 6))
def test_more_cards_never_leave_more_over(wanted: Wanted, a100: MigGrid) -> None:
    """What is left over shrinks with every card and ends at nothing."""
    needed = packed(a100, wanted).gpus_used
    left = [left_memory(a100, wanted, cards) for cards in range(needed + 1)]
    assert left == sorted(left, reverse=True)
    assert (left[0] > 0, left[-1]) == (True, 0)


def test_too_few_cards_is_an_answer(a100: MigGrid) -> None:
    """Two 4g on one card: one is left over, and one more card would do."""
    answer = pack(a100, {ProfileName("4g.20gb"): 2, ProfileName("1g.5gb"): 3}, 1)
    assert isinstance(answer, DoesNotFit)
    assert (answer.gpus_needed, answer.left_over) == (2, {"4g.20gb": 1})


def test_bad_lists_are_refused(a100: MigGrid, unknown: MigGrid) -> None:
    """Unknown profiles, empty lists, negative counts and unknown grids are bad input."""
    with pytest.raises(UnknownNameError, match=r"did you mean 1g.5gb"):
        pack(a100, {ProfileName("1g.5g"): 1})
    with pytest.raises(InputError, match="no slices are asked for"):
        pack(a100, {})
    with pytest.raises(InputError, match=r"-1 slices of 1g.5gb"):
        pack(a100, {ProfileName("1g.5gb"): -1})
    with pytest.raises(InputError, match="no placement transcript"):
        pack(unknown, {ProfileName("1g.16gb"): 1})
