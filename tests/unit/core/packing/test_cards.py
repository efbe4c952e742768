"""Look-up tables of what a card can still hold."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightslice.core.catalog.mig import MigGrid, Placement, ProfileName
from rightslice.core.packing import geometry
from rightslice.core.packing.cards import EMPTY, CardTable, card_table
from rightslice.errors import InputError

SIX = frozenset(("1g.5gb", "1g.10gb", "2g.10gb", "3g.20gb", "4g.20gb", "7g.40gb"))


@pytest.fixture(scope="module")
def table(a100: MigGrid) -> CardTable:
    """The six usual profiles of an A100."""
    return card_table(a100, SIX)


@given(data=st.data())
def test_bits_and_layouts_are_two_forms_of_one_content(
    data: st.DataObject, a100: MigGrid, table: CardTable
) -> None:
    """Every legal layout survives the way into bits and back."""
    layout = data.draw(st.sampled_from(geometry.states(a100, SIX)))
    assert table.layout(table.content(layout)) == layout


@given(data=st.data())
def test_room_is_what_the_geometry_allows(
    data: st.DataObject, a100: MigGrid, table: CardTable
) -> None:
    """The looked-up room holds exactly the placements that conflict with nothing."""
    layout = data.draw(st.sampled_from(geometry.states(a100, SIX)))
    allowed = tuple(p for p in geometry.room(a100, layout) if p.profile in SIX)
    assert table.layout(table.room(table.content(layout))) == allowed


def test_fills_of_an_empty_card_are_the_patterns(a100: MigGrid, table: CardTable) -> None:
    """What an empty card can receive at most are the 28 patterns of packing."""
    fills = {counts for counts, _ in table.fills(EMPTY)}
    assert fills == set(geometry.largest_multisets(a100, SIX))


@given(data=st.data())
def test_fills_are_legal_and_leave_no_room(
    data: st.DataObject, a100: MigGrid, table: CardTable
) -> None:
    """A fill beside its content is a legal layout to which nothing can be added."""
    content = table.content(data.draw(st.sampled_from(geometry.states(a100, SIX))))
    for counts, added in table.fills(content):
        assert geometry.why_illegal(a100, table.layout(content | added)) is None
        assert table.room(content | added) == 0
        assert geometry.multiset(p.profile for p in table.layout(added)) == counts


def test_best_spot_of_a_one_leaves_the_large_profiles(table: CardTable) -> None:
    """On an empty card 1g goes to slot 6, as the driver's own rule does."""
    spot = table.best_spot(EMPTY, ProfileName("1g.5gb"))
    assert spot is not None
    assert table.layout(spot.bit) == (Placement(profile=ProfileName("1g.5gb"), start=6),)


def test_a_full_card_has_no_spot(table: CardTable) -> None:
    """Beside 7g nothing can be created."""
    full = table.bit(Placement(profile=ProfileName("7g.40gb"), start=0))
    assert table.best_spot(full, ProfileName("1g.5gb")) is None


def test_foreign_placements_are_refused(table: CardTable) -> None:
    """A start slot that the card does not have is named."""
    with pytest.raises(InputError, match=r"3g\.20gb at slot 1 is no placement"):
        table.bit(Placement(profile=ProfileName("3g.20gb"), start=1))
