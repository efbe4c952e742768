"""The frontier holds the offers that none beats in both price and latency."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightslice.core.catalog.estimate import Estimate
from rightslice.core.catalog.traffic import Slo
from rightslice.core.fit.frontier import FrontierPoint, staircase, target_of, unbeaten


def _point(price: int, seconds: float, offer: str = "a") -> FrontierPoint:
    return FrontierPoint(
        offer=offer, replicas=1, usd_per_hour=Fraction(price), latency=Estimate(seconds),
        upper_seconds=seconds, holds=True,
    )  # fmt: skip


points = st.lists(st.builds(_point, st.integers(1, 9), st.floats(0.001, 1)), max_size=12)


@given(points)
def test_no_point_of_a_frontier_is_beaten(given: list[FrontierPoint]) -> None:
    """Whatever is left out is as dear and as slow as one that is kept."""
    kept = unbeaten(given)
    for point in given:
        as_good = [
            other
            for other in kept
            if other.usd_per_hour <= point.usd_per_hour
            and other.upper_seconds <= point.upper_seconds
        ]
        assert as_good
        assert point not in kept or all(other == point for other in as_good)


@given(points)
def test_a_frontier_falls(given: list[FrontierPoint]) -> None:
    """Each point costs more than the one before and is faster."""
    kept = unbeaten(given)
    for one, next_one in pairwise(kept):
        assert one.usd_per_hour < next_one.usd_per_hour
        assert one.upper_seconds > next_one.upper_seconds


def test_the_line_goes_down_in_steps() -> None:
    """Between two offers nothing better than the cheaper one can be had."""
    assert staircase((_point(1, 0.3), _point(2, 0.1))) == ((1.0, 0.3), (2.0, 0.3), (2.0, 0.1))


@pytest.mark.parametrize(
    ("slo", "expected"),
    [
        (Slo(tpot_seconds=0.03, ttft_seconds=1), ("TPOT", None, 0.03)),
        (Slo(ttft_seconds=1, ttft_percentile=0.9), ("TTFT", 0.9, 1)),
    ],
)
def test_which_latency_is_drawn(slo: Slo, expected: tuple[str, float | None, float]) -> None:
    """TPOT when it has a target, else TTFT."""
    assert target_of(slo) == expected
