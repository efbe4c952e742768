"""Numbers with bands: more confidence never promises more, and a band is the central 90 %."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightslice.core.catalog.estimate import Band, Estimate, check_confidence, normal_quantile
from rightslice.errors import InputError

confidences = st.floats(0.5, 0.999)
estimates = st.builds(Estimate, st.floats(1e-6, 1e6), st.floats(0, 2))
bands = st.lists(st.integers(-(2**40), 2**40), min_size=3, max_size=3).map(
    lambda three: Band(*sorted(three))
)


@given(estimates, confidences, confidences)
def test_more_confidence_never_narrows(estimate: Estimate, one: float, other: float) -> None:
    """The upper end rises with confidence and the lower one falls."""
    low, high = sorted((one, other))
    assert estimate.upper(low) <= estimate.upper(high)
    assert estimate.lower(low) >= estimate.lower(high)


@given(estimates)
def test_even_odds_are_the_estimate(estimate: Estimate) -> None:
    """At 50 % both ends are the median."""
    assert estimate.upper(0.5) == estimate.lower(0.5) == estimate.expected


@given(estimates)
def test_the_band_is_symmetric_in_factors(estimate: Estimate) -> None:
    """Low times high is the square of the median."""
    assert estimate.low <= estimate.expected <= estimate.high
    assert estimate.low * estimate.high == pytest.approx(estimate.expected**2)


@given(estimates, st.floats(1e-3, 1e3), confidences)
def test_scaling_keeps_the_spread(estimate: Estimate, factor: float, confidence: float) -> None:
    """A known factor moves the band with the estimate."""
    scaled = estimate.scaled(factor)
    assert scaled.upper(confidence) == pytest.approx(estimate.upper(confidence) * factor)


@given(bands, confidences, confidences)
def test_bytes_are_monotone_in_confidence(band: Band, one: float, other: float) -> None:
    """The same for additive bands."""
    low, high = sorted((one, other))
    assert band.at_most(low) <= band.at_most(high)
    assert band.at_least(low) >= band.at_least(high)


@given(bands)
def test_bytes_at_even_odds_and_at_the_ends(band: Band) -> None:
    """50 % is the expected value, 95 % the end of the band."""
    assert band.at_most(0.5) == band.at_least(0.5) == band.expected
    assert (band.at_least(0.95), band.at_most(0.95)) == (band.low, band.high)


def test_an_exact_band_has_no_width() -> None:
    """What is known exactly stays so at any confidence."""
    band = Band.exact(7)
    assert band.is_exact
    assert band.at_most(0.999) == band.at_least(0.999) == 7
    assert not Band(1, 2, 3).is_exact


@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.999])
def test_a_confidence_within_range_is_kept(confidence: float) -> None:
    """From the point estimate to 99.9 %."""
    assert check_confidence(confidence) == confidence


@pytest.mark.parametrize("confidence", [0.499, 0.9991, -1.0, 90.0, math.nan, math.inf])
def test_a_confidence_out_of_range_is_refused(confidence: float) -> None:
    """Anything else is an input error that says the range."""
    with pytest.raises(InputError, match=r"between 0\.5 .* and 0\.999"):
        check_confidence(confidence)


def test_quantiles_of_the_normal_distribution() -> None:
    """Known values: the median, and 95 %."""
    assert normal_quantile(0.5) == 0
    assert normal_quantile(0.95) == pytest.approx(1.644854, abs=1e-6)
