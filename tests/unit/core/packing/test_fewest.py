"""Counting the fewest cards for a changing list."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rightslice.core.catalog.mig import MigGrid, ProfileName
from rightslice.core.packing.fewest import fewest_cards
from rightslice.core.packing.offline import Packing, pack
from rightslice.errors import InputError

SIX = tuple(
    ProfileName(name) for name in ("1g.5gb", "1g.10gb", "2g.10gb", "3g.20gb", "4g.20gb", "7g.40gb")
)
lists = st.dictionaries(st.sampled_from(SIX), st.integers(0, 60), min_size=1)


def optimum(grid: MigGrid, demand: dict[ProfileName, int]) -> int:
    """Return what the offline packer uses."""
    packed = pack(grid, demand)
    assert isinstance(packed, Packing)
    return packed.gpus_used


@given(demand=lists.filter(lambda counts: any(counts.values())))
@settings(max_examples=60, deadline=None)
def test_counts_what_the_offline_optimum_uses(
    demand: dict[ProfileName, int], a100: MigGrid
) -> None:
    """The remembered bases and residues give the same optimum as a fresh solve."""
    assert fewest_cards(a100, frozenset(SIX)).count(demand) == optimum(a100, demand)


def test_counts_along_a_walk_on_another_grid(a30: MigGrid) -> None:
    """One slice more or less changes the optimum by one card at most."""
    names = tuple(p.name for p in a30.profiles if "+" not in p.name)
    counter = fewest_cards(a30, frozenset(names))
    counts = [counter.count({names[0]: n, names[1]: 7, names[2]: 3}) for n in range(30)]
    assert counts[0] == optimum(a30, {names[1]: 7, names[2]: 3})
    assert all(0 <= after - before <= 1 for before, after in pairwise(counts))


def test_nothing_needs_no_card(a100: MigGrid) -> None:
    """An empty list takes no card."""
    assert fewest_cards(a100, frozenset(SIX)).count({}) == 0


def test_unknown_profiles_are_refused(a100: MigGrid) -> None:
    """A profile outside the counter's list is named."""
    with pytest.raises(InputError, match=r"2g\.20gb is none of"):
        fewest_cards(a100, frozenset(SIX)).count({ProfileName("2g.20gb"): 1})
