"""Quantities are read as people write them, shown as they read best, and refused when in doubt."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightslice import units
from rightslice.errors import InputError

PARSERS = (units.parse_duration, units.parse_bytes, units.parse_rate, units.parse_tokens)
Parser = Callable[[str], float]
seconds = st.floats(1e-6, 1e7)
rates = st.floats(1e-3, 1e6)
sizes = st.integers(1, 2**60)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("250us", 250e-6), ("250µs", 250e-6), ("30ms", 0.03), (" 1.5 s ", 1.5), ("2m", 120.0),
        ("2min", 120.0), ("1h", 3600.0), ("1e3ms", 1.0), ("1,500 ms", 1.5),
    ],
)  # fmt: skip
def test_every_unit_of_time(text: str, value: float) -> None:
    """A duration is seconds, whatever its unit."""
    assert units.parse_duration(text) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("7B", 7), ("1kB", 10**3), ("1MB", 10**6), ("16GB", 16 * 10**9), ("1TB", 10**12),
        ("1Ki", 2**10), ("1Mi", 2**20), ("80Gi", 80 * 2**30), ("1Ti", 2**40),
        ("1KiB", 2**10), ("1MiB", 2**20), ("80GiB", 80 * 2**30), ("1.5 TiB", 3 * 2**39),
    ],
)  # fmt: skip
def test_every_unit_of_memory(text: str, value: int) -> None:
    """Binary units are powers of two, decimal ones powers of ten."""
    assert units.parse_bytes(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [("5/s", 5), ("5rps", 5), ("300/min", 5), ("300/m", 5), ("18000/h", 5), ("0.5/S", 0.5)],
)
def test_every_unit_of_rate(text: str, value: float) -> None:
    """A rate is requests per second."""
    assert units.parse_rate(text) == pytest.approx(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [("4096", 4096), ("8k", 8000), ("8Ki", 8192), ("1M", 10**6), ("1Mi", 2**20), ("1.5k", 1500)],
)
def test_every_unit_of_tokens(text: str, value: int) -> None:
    """Tokens are a whole number, k is a thousand and Ki is 1,024."""
    assert units.parse_tokens(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [("0.9", 0.9), ("90%", 0.9), ("90", 0.9), ("1%", 0.01), ("1", 1.0), ("0", 0.0), ("100", 1.0)],
)
def test_shares_of_one(text: str, value: float) -> None:
    """What is more than one is a percentage."""
    assert units.parse_ratio(text) == pytest.approx(value)


@pytest.mark.parametrize("parse", PARSERS[:3])
@pytest.mark.parametrize("text", ["30", "1.5", "1e3"])
def test_a_bare_number_is_refused(parse: Parser, text: str) -> None:
    """Where the unit would be a guess, it is asked for."""
    with pytest.raises(InputError, match="needs a unit; write it like"):
        parse(text)


@pytest.mark.parametrize("parse", [*PARSERS, units.parse_ratio])
@pytest.mark.parametrize(
    "text", ["", " ", "ms", "-3ms", "-3", "nan", "inf", "NaNs", "1,5s", "1 2s", "0x10", "٣s", "1.s"]
)
def test_what_is_no_quantity_is_refused(parse: Parser, text: str) -> None:
    """Negative, not a number, half a number: refused with an example of what is right."""
    with pytest.raises(InputError, match="write"):
        parse(text)


@pytest.mark.parametrize(
    ("parse", "text"),
    list(zip(PARSERS, ("1e308h", "1e308TiB", "1e400/s", "1e308Mi"), strict=True)),
)
def test_the_huge_is_refused(parse: Parser, text: str) -> None:
    """A number beyond anything is a typing mistake, not an overflow."""
    with pytest.raises(InputError, match="too large"):
        parse(text)


@pytest.mark.parametrize("text", ["0s", "0.0ms", "1e-323us"])
def test_no_time_at_all_is_refused(text: str) -> None:
    """A target of nothing cannot be met."""
    with pytest.raises(InputError, match="more than zero"):
        units.parse_duration(text)


@pytest.mark.parametrize(
    ("parse", "text", "said"),
    [
        (units.parse_duration, "3 days", "unknown unit 'days'"),
        (units.parse_bytes, "3 Gbit", "unknown unit 'Gbit'"),
        (units.parse_rate, "3/day", "unknown unit '/day'"),
        (units.parse_tokens, "3 words", "unknown unit 'words'"),
        (units.parse_ratio, "3 parts", "unknown unit 'parts'"),
        (units.parse_rate, "0/s", "more than zero"),
        (units.parse_tokens, "1.5", "whole number"),
        (units.parse_tokens, "0", "at least 1"),
        (units.parse_ratio, "101", "more than 100%"),
    ],
)
def test_each_refusal_says_what_is_wrong(parse: Parser, text: str, said: str) -> None:
    """The message names the unit or the limit."""
    with pytest.raises(InputError, match=said):
        parse(text)


@given(seconds)
def test_a_duration_reads_back(value: float) -> None:
    """Parsing what was formatted gives the same to three digits, and formats alike."""
    text = units.format_duration(value)
    assert units.parse_duration(text) == pytest.approx(value, rel=0.0051)
    assert units.format_duration(units.parse_duration(text)) == text


@given(rates)
def test_a_rate_reads_back(value: float) -> None:
    """The same for rates."""
    text = units.format_rate(value)
    assert units.parse_rate(text) == pytest.approx(value, rel=0.0051)
    assert units.format_rate(units.parse_rate(text)) == text


@given(sizes)
def test_a_size_reads_back(value: int) -> None:
    """The same for bytes, exactly below a KiB."""
    text = units.format_bytes(value)
    assert units.parse_bytes(text) == pytest.approx(value, rel=0.051 if value < 2**30 else 0.0051)
    assert units.format_bytes(units.parse_bytes(text)) == text
    assert value >= 1000 or units.parse_bytes(text) == value


@given(st.floats(0, 1))
def test_a_share_reads_back(value: float) -> None:
    """A whole percentage is read as what it says."""
    assert units.parse_ratio(units.format_ratio(value)) == pytest.approx(value, abs=0.0051)


@given(seconds)
def test_a_target_rounded_up_is_met(value: float) -> None:
    """What is shown as a sufficient target suffices, and is no more than 1 % above."""
    assert value <= units.parse_duration(units.format_duration_up(value)) * (1 + 1e-12)
    assert units.parse_duration(units.format_duration_up(value)) <= value * 1.0102


@given(rates)
def test_a_rate_rounded_down_is_kept(value: float) -> None:
    """What is shown as a rate that holds is no more than the rate."""
    assert value * 0.9899 <= units.parse_rate(units.format_rate_down(value)) <= value


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        (units.format_bytes(0), "0 B"),
        (units.format_bytes(-3 * units.GIB), "-3.00 GiB"),
        (units.format_bytes(units.GIB - 1), "1.00 GiB"),
        (units.format_bytes(1536), "1.5 KiB"),
        (units.format_gib(-units.GIB / 2), "-0.50 GiB"),
        (units.format_gib(2000 * units.GIB), "2,000.00 GiB"),
        (units.format_duration(math.inf), "never"),
        (units.format_duration_up(math.inf), "never"),
        (units.format_duration(0.9996), "1 s"),
        (units.format_duration(90), "90 s"),
        (units.format_duration(150), "2.5 min"),
        (units.format_duration(0), "0 µs"),
        (units.format_duration_up(0), "0 µs"),
        (units.format_rate(math.inf), "any rate"),
        (units.format_rate_down(0), "0/s"),
        (units.format_usd(Decimal("1234.5")), "$1,234.50"),
        (units.format_usd(-2.0, digits=0), "-$2"),
        (units.format_ratio(0.424), "42%"),
    ],
)
def test_how_quantities_read(shown: str, text: str) -> None:
    """Each form as a person would write it."""
    assert shown == text
