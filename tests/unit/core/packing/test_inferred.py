"""Layouts inferred from counts."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from rightslice.core.catalog.mig import MigGrid, ProfileName
from rightslice.core.packing.geometry import states, why_illegal
from rightslice.core.packing.inferred import inferred_layouts


@given(data=st.data())
@settings(deadline=None)
def test_the_counts_of_real_cards_are_always_explained(data: st.DataObject, a100: MigGrid) -> None:
    """Whatever cards there are, some legal cutting with their counts is found."""
    pool = states(a100, frozenset(("1g.5gb", "2g.10gb", "3g.20gb", "4g.20gb", "7g.40gb")))
    real = data.draw(st.lists(st.sampled_from(pool), min_size=1, max_size=4))
    counts = Counter(placement.profile for layout in real for placement in layout)
    found = inferred_layouts(a100, counts, len(real))
    assert found is not None
    assert len(found) == len(real)
    assert Counter(placement.profile for layout in found for placement in layout) == counts
    assert all(why_illegal(a100, layout) is None for layout in found)


def test_counts_that_no_cutting_gives_are_none(a100: MigGrid) -> None:
    """Three 3g do not come from one card."""
    assert inferred_layouts(a100, {ProfileName("3g.20gb"): 3}, 1) is None
