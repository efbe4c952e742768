"""Lengths of requests: means as given, and percentiles by one definition."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightslice.core.catalog.lengths import Lengths
from rightslice.errors import InputError

samples = st.lists(st.integers(1, 5000), min_size=1, max_size=300)


@given(st.integers(1, 10**6))
def test_fixed_lengths(tokens: int) -> None:
    """Every request is as long as said."""
    lengths = Lengths.fixed(tokens)
    assert (lengths.mean, lengths.variance, lengths.largest) == (tokens, 0, tokens)
    assert lengths.is_fixed
    assert lengths.percentile(0.99) == tokens


@given(st.integers(1, 5000), st.integers(0, 5000))
def test_uniform_lengths(low: int, width: int) -> None:
    """The mean is the middle, and nothing lies outside."""
    lengths = Lengths.uniform(low, low + width)
    assert lengths.mean == pytest.approx(low + width / 2, abs=0.51)
    assert low <= lengths.tokens[0] <= lengths.largest <= low + width


@given(st.integers(100, 5000), st.floats(0, 1))
def test_lognormal_lengths(median: int, sigma: float) -> None:
    """Median as given, mean as the formula says: median times exp(sigma^2 / 2)."""
    lengths = Lengths.lognormal(median, sigma)
    assert lengths.percentile(0.5) == pytest.approx(median, rel=0.02)
    assert lengths.mean == pytest.approx(median * math.exp(sigma**2 / 2), rel=0.02)


@given(samples)
def test_observed_lengths(given_tokens: list[int]) -> None:
    """A short trace is kept whole: its own mean, variance and maximum."""
    lengths = Lengths.observed(given_tokens, "trace.csv")
    mean = sum(given_tokens) / len(given_tokens)
    assert lengths.mean == pytest.approx(mean)
    assert lengths.variance == pytest.approx(
        sum((one - mean) ** 2 for one in given_tokens) / len(given_tokens), abs=1e-6
    )
    assert lengths.largest == max(given_tokens)


def test_a_long_trace_is_thinned_to_its_quantiles() -> None:
    """Thinning keeps both ends and moves mean and percentiles by less than 1 %."""
    tokens = [1 + (i * i) % 9973 for i in range(20_000)]
    lengths = Lengths.observed(tokens, "trace.csv")
    assert len(lengths.tokens) == 1000
    assert (lengths.tokens[0], lengths.largest) == (min(tokens), max(tokens))
    assert lengths.mean == pytest.approx(sum(tokens) / len(tokens), rel=0.01)
    assert lengths.percentile(0.95) == pytest.approx(sorted(tokens)[19_000], rel=0.01)


@given(samples, st.integers(1, 100))
def test_a_percentile_is_the_least_that_covers_its_share(tokens: list[int], percent: int) -> None:
    """At least that share of requests stays within it, and not within any smaller one."""
    reached = Lengths.observed(tokens, "t").percentile(percent / 100)
    covered = [100 * sum(one <= limit for one in tokens) for limit in (reached, reached - 1)]
    assert covered[0] >= percent * len(tokens) > covered[1]


@given(samples, st.floats(0, 1), st.floats(0, 1))
def test_percentiles_rise(tokens: list[int], one: float, other: float) -> None:
    """A larger share never has a smaller percentile."""
    lengths = Lengths.observed(tokens, "t")
    assert lengths.percentile(min(one, other)) <= lengths.percentile(max(one, other))


@pytest.mark.parametrize(
    "build",
    [
        lambda: Lengths.fixed(0),
        lambda: Lengths.uniform(0, 5),
        lambda: Lengths.uniform(5, 4),
        lambda: Lengths.lognormal(0.5, 1),
        lambda: Lengths.lognormal(math.nan, 1),
        lambda: Lengths.lognormal(math.inf, 1),
        lambda: Lengths.lognormal(100, math.nan),
        lambda: Lengths.lognormal(100, 5),
        lambda: Lengths.observed([], "empty.csv"),
        lambda: Lengths.observed([0, 5], "bad.csv"),
    ],
)  # fmt: skip
def test_impossible_lengths_are_refused(build: object) -> None:
    """Each impossible length is an input error."""
    assert callable(build)
    with pytest.raises(InputError):
        build()
