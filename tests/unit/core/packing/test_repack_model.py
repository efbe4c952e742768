"""The model of a repack, by kinds of cards."""

from __future__ import annotations

from rightslice.core.catalog.mig import MigGrid, Placement, ProfileName
from rightslice.core.packing.cards import card_table
from rightslice.core.packing.repack_model import Aim, RepackModel, plain_held

ONE = ProfileName("1g.5gb")


def model_of(grid: MigGrid, cards: int) -> RepackModel:
    """Return so many cards with one 1g each, at slot 0."""
    table = card_table(grid, frozenset((ONE,)))
    content = table.bit(Placement(profile=ONE, start=0))
    return RepackModel(table=table, cards={plain_held(content): cards})


def test_the_model_does_not_grow_with_the_cards(a100: MigGrid) -> None:
    """Ten cards and a thousand of one content make the same columns."""
    sizes = {len(model_of(a100, cards)._model.upper) for cards in (10, 1000)}
    assert len(sizes) == 1


def test_seven_cards_of_one_slice_become_one(a100: MigGrid) -> None:
    """Six of seven pods move, which is proven."""
    found = model_of(a100, 7).solve(Aim(cards_at_most=1), time_limit_seconds=10)
    assert found is not None
    assert (found.weight, found.weight_bound, found.cards_used) == (6.0, 6.0, 1)


def test_the_fewest_cards_within_a_budget(a100: MigGrid) -> None:
    """Three moves free three cards."""
    found = model_of(a100, 7).fewest_within(3.0, time_limit_seconds=10)
    assert found is not None
    assert (found.weight, found.cards_used) == (3.0, 4)


def test_aims_leave_no_trace_in_the_model(a100: MigGrid) -> None:
    """An aim that nothing meets gives no answer and does not spoil the next."""
    model = model_of(a100, 8)
    assert model.solve(Aim(cards_at_most=1), time_limit_seconds=10) is None
    found = model.solve(Aim(cards_at_most=2), time_limit_seconds=10)
    assert found is not None
    assert found.weight == 6.0
