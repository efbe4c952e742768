"""The search finds the largest rate that is held, of one server and of many alike."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightslice.core.perf.arithmetic import SCALAR
from rightslice.core.perf.arrays import ARRAYS, array_of, column
from rightslice.core.perf.held import MET, Bracket


def excess(rate: float, most: float) -> float:
    """Return how far the latency 1 / (10 - rate) is from that at the rate *most*, in logs."""
    return float(np.log((10 - most) / (10 - rate)))


@given(most=st.floats(0.1, 8.0))
def test_the_bracket_closes_on_the_largest_rate(most: float) -> None:
    """The lower end is held and within a step of the largest rate, or a hair below its target."""
    bracket = Bracket.under(8.5, excess(8.5, most))
    while bracket.high - bracket.low > bracket.enough:
        rate = bracket.aim(SCALAR)
        found = excess(rate, most)
        bracket = bracket.narrowed(rate, found, SCALAR)
        if -MET < found <= 0:
            break
    assert bracket.low <= most
    assert most - bracket.low <= max(bracket.enough, 0.02)


@given(most=st.floats(0.1, 8.0))
def test_many_brackets_narrow_like_one(most: float) -> None:
    """Arrays of brackets aim and narrow as each of them alone."""
    one = Bracket.under(8.5, excess(8.5, most))
    many = Bracket.under(column(np.full(3, 8.5)), column(np.full(3, excess(8.5, most))))
    for _ in range(4):
        rate, rates = one.aim(SCALAR), many.aim(ARRAYS)
        assert array_of(rates) == pytest.approx(rate)
        found = excess(rate, most)
        one = one.narrowed(rate, found, SCALAR)
        many = many.narrowed(rates, column(np.full(3, found)), ARRAYS)
