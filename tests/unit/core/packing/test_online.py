"""Placing slices as they come and go."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rightslice.core.catalog.mig import MigGrid, Placement, ProfileName
from rightslice.core.packing import geometry
from rightslice.core.packing.online import CardPool, NoSeat, Seated
from rightslice.errors import InputError, UnknownNameError

SIX = ("1g.5gb", "1g.10gb", "2g.10gb", "3g.20gb", "4g.20gb", "7g.40gb")
events = st.lists(st.tuples(st.booleans(), st.sampled_from(SIX), st.integers(0, 99)), max_size=60)


def pool_of(grid: MigGrid, cards: int) -> CardPool:
    """Return empty cards named c0, c1 and so on."""
    pool = CardPool(grid, frozenset(SIX))
    for index in range(cards):
        pool.add_card(f"c{index}")
    return pool


@given(story=events)
def test_every_content_stays_legal(story: list[tuple[bool, str, int]], a100: MigGrid) -> None:
    """Whatever comes and goes, no card ever holds an illegal layout, and slices add up."""
    pool, seated = pool_of(a100, 4), list[Seated]()
    for leaves, name, pick in story:
        if leaves and seated:
            gone = seated.pop(pick % len(seated))
            pool.release(gone.card, gone.placement)
        elif isinstance(answer := pool.place(ProfileName(name)), Seated):
            seated.append(answer)
        for content in pool.contents.values():
            assert geometry.why_illegal(a100, pool.table.layout(content)) is None
    assert sum(pool.counts().values()) == len(seated)


@given(story=events)
def test_no_seat_means_no_room(story: list[tuple[bool, str, int]], a100: MigGrid) -> None:
    """A slice is turned away only when every card is blocked for it."""
    pool = pool_of(a100, 2)
    for _, name, _ in story:
        profile = ProfileName(name)
        before = list(pool.contents.values())
        if isinstance(pool.place(profile), NoSeat):
            assert not any(pool.table.room_for(content, profile) for content in before)


def test_a_small_slice_avoids_the_card_that_a_large_one_needs(a100: MigGrid) -> None:
    """1g goes beside 4g, where it costs little, not to the card that could still take 3g."""
    pool = pool_of(a100, 2)
    pool.take("c0", Placement(profile=ProfileName("3g.20gb"), start=4))
    pool.take("c1", Placement(profile=ProfileName("4g.20gb"), start=0))
    pool.take("c1", Placement(profile=ProfileName("2g.10gb"), start=4))
    answer = pool.place(ProfileName("1g.5gb"))
    assert isinstance(answer, Seated)
    assert answer.card == "c1"


def test_an_empty_card_is_the_last_resort(a100: MigGrid) -> None:
    """A card in use takes the slice even where an empty one would lose less."""
    pool = pool_of(a100, 2)
    pool.take("c1", Placement(profile=ProfileName("1g.5gb"), start=0))
    answer = pool.place(ProfileName("3g.20gb"))
    assert isinstance(answer, Seated)
    assert (answer.card, pool.in_use) == ("c1", 1)


def test_what_cannot_be_is_refused(a100: MigGrid) -> None:
    """Taken slots, absent slices, unknown cards and profiles are each named."""
    pool = pool_of(a100, 1)
    seven = Placement(profile=ProfileName("7g.40gb"), start=0)
    with pytest.raises(InputError, match="no 7g"):
        pool.release("c0", seven)
    pool.take("c0", seven)
    with pytest.raises(InputError, match="beside what is there"):
        pool.take("c0", Placement(profile=ProfileName("1g.5gb"), start=0))
    with pytest.raises(UnknownNameError, match="c9"):
        pool.release("c9", seven)
    with pytest.raises(UnknownNameError, match="9g"):
        pool.place(ProfileName("9g.40gb"))


def test_cards_come_and_go(a100: MigGrid) -> None:
    """A removed card is no longer counted, and a name is given once."""
    pool = pool_of(a100, 2)
    pool.remove_card("c0")
    assert (len(pool), pool.in_use) == (1, 0)
    with pytest.raises(InputError, match="exists already"):
        pool.add_card("c1")


def test_head_room_is_held_back_from_other_slices(a100: MigGrid) -> None:
    """One of two cards stays free for a 7g, which then takes it."""
    large, small = ProfileName("7g.40gb"), ProfileName("1g.5gb")
    pool = CardPool(a100, frozenset({large, small}), reserve={large: 1})
    pool.add_card("a")
    pool.add_card("b")
    answers = [pool.place(small) for _ in range(8)]
    assert all(isinstance(answer, Seated) for answer in answers[:7])
    assert answers[7] == NoSeat(profile=small, cards=2, held_for=(large,))
    assert isinstance(pool.place(large), Seated)


@given(asked=st.lists(st.sampled_from(["1g.5gb", "2g.10gb", "3g.20gb"]), max_size=40))
@settings(max_examples=40, deadline=None)
def test_head_room_never_falls_below_what_is_kept(asked: list[str], a100: MigGrid) -> None:
    """However slices come, two cards keep room for a 4g."""
    large = ProfileName("4g.20gb")
    pool = CardPool(a100, reserve={large: 2})
    for name in "abcd":
        pool.add_card(name)
    for profile in asked:
        pool.place(ProfileName(profile))
        able = sum(bool(pool.table.room_for(each, large)) for each in pool.contents.values())
        assert able >= 2
