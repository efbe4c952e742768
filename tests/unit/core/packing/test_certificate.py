"""A lower bound that is checked without a solver."""

from __future__ import annotations

from fractions import Fraction

import pytest

from rightslice.core.catalog.mig import MigGrid, ProfileName
from rightslice.core.packing.certificate import (
    Certificate,
    Claim,
    Fails,
    Holds,
    check_certificate,
    rounded_certificate,
    verify,
)
from rightslice.errors import InputError

THREE, FOUR = ProfileName("3g.20gb"), ProfileName("4g.20gb")


def certificate(three: Fraction, four: Fraction) -> Certificate:
    """Return prices of a 3g and a 4g."""
    return Certificate(gpu="A100-40GB", prices={THREE: three, FOUR: four})


def test_prices_prove_a_bound(a100: MigGrid) -> None:
    """Three 4g at one card each need three cards, whatever else is free."""
    proof = certificate(Fraction(0), Fraction(1))
    assert check_certificate(a100, {FOUR: 3, THREE: 3}, proof) == 3


def test_prices_that_prove_nothing_are_refused(a100: MigGrid) -> None:
    """A price list under which a legal layout costs more than a card names that layout."""
    with pytest.raises(InputError, match=r"1 x 3g.20gb \+ 1 x 4g.20gb fits one A100-40GB"):
        check_certificate(a100, {FOUR: 3}, certificate(Fraction(1, 2), Fraction(2, 3)))


def test_negative_prices_are_refused(a100: MigGrid) -> None:
    """A negative price could hide a layout that costs too much."""
    with pytest.raises(InputError, match="prices are 0 or more"):
        check_certificate(a100, {FOUR: 3}, certificate(Fraction(-1), Fraction(1)))


def test_rounding_never_breaks_a_proof(a100: MigGrid) -> None:
    """Duals with solver noise become exact prices that pass the check."""
    proof = rounded_certificate(a100, {THREE: 0.5000000001, FOUR: 0.51})
    assert check_certificate(a100, {FOUR: 100}, proof) == 51


def test_rounded_prices_prove_what_they_exactly_prove(a100: MigGrid) -> None:
    """Decimals a little too large are divided by the dearest layout, not believed."""
    price = Fraction("0.1428572")
    claim = Claim(
        slices={ProfileName("1g.5gb"): 14},
        certificate=Certificate(gpu="A100-40GB", prices={ProfileName("1g.5gb"): price}),
        at_least=2,
    )
    answer = verify(a100, claim)
    assert isinstance(answer, Holds)
    assert answer.bound == 2
    assert isinstance(verify(a100, claim, tolerance=Fraction(0)), Fails)
