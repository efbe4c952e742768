"""Cards drawn as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightslice.core.catalog.mig import MigGrid, Placement, ProfileName
from rightslice.core.packing.geometry import states
from rightslice.edge.catalog_files import Catalog
from rightslice.entry.cli.card_drawing import draw_card, draw_ruler


@pytest.fixture(scope="session")
def a100() -> MigGrid:
    """An A100 with 40 GB."""
    mig = Catalog().gpu("A100-40GB").mig
    assert mig is not None
    return mig


def at(name: str, start: int) -> Placement:
    """Return a placement."""
    return Placement(profile=ProfileName(name), start=start)


def test_slices_are_boxes_over_their_slots(a100: MigGrid) -> None:
    """Each slice spans its slots; the borders between slots stay where they are."""
    layout = [at("3g.20gb", 4), at("1g.5gb", 0), at("2g.10gb", 2)]
    assert draw_card(a100, layout) == ("│1g.5gb│  ·   │2g.10gb      │3g.20gb                    │")


def test_a_dead_slot_is_shaded(a100: MigGrid) -> None:
    """Slot seven holds nothing once the rest of its half is taken."""
    layout = [at("4g.20gb", 0), at("1g.5gb", 4), at("1g.5gb", 5), at("1g.5gb", 6)]
    assert draw_card(a100, layout).endswith("│1g.5gb│1g.5gb│1g.5gb│░░░░░░│")


def test_labels_replace_profiles_and_are_cut(a100: MigGrid) -> None:
    """A workload's name stands in its box, with an ellipsis when it is too long."""
    one = at("1g.5gb", 0)
    assert draw_card(a100, [one], {one: "summarise"}, width=6).startswith("│summa…│")


def test_ruler_numbers_stand_over_their_slots(a100: MigGrid) -> None:
    """The ruler's numbers begin where the slots' cells begin."""
    card = draw_card(a100, [], width=6)
    ruler = draw_ruler(a100, 6)
    assert [ruler[i] for i, mark in enumerate(card[:-1], 1) if mark == "│"] == list("01234567")


@given(data=st.data())
def test_all_cards_of_a_width_align(data: st.DataObject, a100: MigGrid) -> None:
    """Whatever the layout, a card takes the same columns."""
    layout = data.draw(st.sampled_from(states(a100)))
    assert len(draw_card(a100, layout, width=10)) == 8 * 11 + 1
