"""Certificates are written and read back exactly."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from rightslice.core.catalog.mig import ProfileName
from rightslice.core.packing.certificate import Certificate, Claim
from rightslice.edge.certificate_file import read_certificate, write_certificate
from rightslice.errors import FieldError

CLAIM = Claim(
    slices={ProfileName("3g.20gb"): 3},
    certificate=Certificate(gpu="A100-40GB", prices={ProfileName("3g.20gb"): Fraction(3, 7)}),
    at_least=2,
)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    """Prices stay exact fractions."""
    write_certificate(tmp_path / "c.json", CLAIM)
    assert read_certificate(tmp_path / "c.json") == CLAIM


def test_decimals_are_read_digit_by_digit(tmp_path: Path) -> None:
    """0.1 is a tenth, not the nearest binary number."""
    path = tmp_path / "c.yaml"
    path.write_text("{gpu: G, slices: {a: 1}, prices: {a: 0.1}, atLeast: 1}", encoding="utf-8")
    assert read_certificate(path).certificate.prices == {"a": Fraction(1, 10)}


@pytest.mark.parametrize("price", ["1/0", "one", ".nan", ".inf", "1/2/3"])
def test_other_prices_are_refused(price: str, tmp_path: Path) -> None:
    """What is no number is named with what would be right."""
    path = tmp_path / "c.yaml"
    path.write_text(f"{{gpu: G, slices: {{a: 1}}, prices: {{a: {price}}}, atLeast: 1}}")
    with pytest.raises(FieldError, match="is no price; write it like 1/7"):
        read_certificate(path)
