"""Axes: round numbers, and places in order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rightslice.entry.report.scale import Doubling, Linear

positive = st.floats(1e-3, 1e6)


@given(largest=positive)
def test_linear_ticks_lie_on_the_axis(largest: float) -> None:
    """Ticks start at zero, rise, stay on the axis, and are few."""
    ticks = Linear(largest=largest, start=0, end=100).ticks(4)
    assert ticks[0] == 0
    assert ticks == sorted(ticks)
    assert ticks[-1] <= largest * 1.000001
    assert 2 <= len(ticks) <= 6


@given(largest=st.integers(2, 70_000))
def test_doubling_ticks_lie_on_the_axis(largest: int) -> None:
    """Ticks are powers of two within the axis."""
    ticks = Doubling(smallest=1, largest=largest, start=0, end=100).ticks()
    assert ticks[0] == 1
    assert ticks[-1] <= largest
    assert len(ticks) <= 10


@given(first=st.floats(1, 1e4), second=st.floats(1, 1e4))
def test_doubling_keeps_order(first: float, second: float) -> None:
    """A larger batch never lies further left."""
    axis = Doubling(smallest=1, largest=1024, start=0, end=100)
    assert (axis.at(first) <= axis.at(second)) or first > second
