"""Kubernetes quantities."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightslice.errors import InputError
from rightslice.kube.cluster.quantity import parse_quantity


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("500m", Fraction(1, 2)), ("9Gi", Fraction(9 * 1024**3)), ("1e3", Fraction(1000)),
        ("12E", Fraction(12 * 10**18)), ("1E2", Fraction(100)), (".5", Fraction(1, 2)),
        (3, Fraction(3)), (1.5, Fraction(3, 2)), ("100n", Fraction(1, 10**7)), ("2.", Fraction(2)),
    ],
)  # fmt: skip
def test_every_form_is_read(written: object, number: Fraction) -> None:
    """Suffixes of two and of ten, exponents, bare numbers."""
    assert parse_quantity(written) == number


@pytest.mark.parametrize("written", ["", "Gi", "1 Gi", "1gi", True, None, [], "1e999", "9" * 60])
def test_what_is_no_quantity_is_refused(written: object) -> None:
    """With an example of one."""
    with pytest.raises(InputError, match="quantity"):
        parse_quantity(written)


@given(st.integers(0, 10**15), st.sampled_from(["", "k", "Mi", "m"]))
def test_a_thousandth_of_a_thousand_is_one(number: int, suffix: str) -> None:
    """Suffixes scale exactly: no digit is lost."""
    assert parse_quantity(f"{number}000{suffix}") == 1000 * parse_quantity(f"{number}{suffix}")
