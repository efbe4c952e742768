"""Price files: exact amounts, dates as people write them, and every mistake with its line."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightslice.core.catalog.instance import Price, PriceKind
from rightslice.edge.prices_file import parse_dollars, read_prices
from rightslice.errors import FieldError, InputError

HEAD = "apiVersion: rightslice.dev/v1alpha1\nkind: Prices\nprices:\n"


def _read(folder: Path, *lines: str) -> dict[str, Price]:
    path = folder / "prices.yaml"
    path.write_text(HEAD + "".join(f"  - {line}\n" for line in lines), encoding="utf-8")
    return read_prices(path)


@pytest.mark.parametrize("date", ["2026-11-01", "'2026-11-01'"])
def test_a_price_is_kept_as_written(tmp_path: Path, date: str) -> None:
    """Dollars exactly, the date with or without quotes, the source when there is one."""
    prices = _read(tmp_path, f"{{item: a, usdPerHour: 12.10, asOf: {date}, source: contract}}")
    assert prices["a"] == Price(
        item="a", kind=PriceKind.OWN, region="", usd_per_hour=Decimal("12.1"),
        as_of=dt.date(2026, 11, 1), source="contract",
    )  # fmt: skip


def test_a_price_without_a_date_has_none(tmp_path: Path) -> None:
    """The date stays unknown, and a dollar sign is understood."""
    price = _read(tmp_path, "{item: a, usdPerHour: $3}")["a"]
    assert (price.as_of, price.usd_per_hour) == (None, Decimal(3))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{usdPerHour: 1}", r"prices.yaml:4: prices\[0\]: Object missing required field `item`"),
        ("{item: a}", "missing required field `usdPerHour`"),
        ("{item: a, usdPerHour: soon}", r"prices\[0\].usdPerHour: 'soon' is no amount of dollars"),
        ("{item: a, usdPerHour: -1}", r"prices\[0\].usdPerHour: Expected `float` >= 0.0"),
        ("{item: a, usdPerHour: '-1'}", "between 0 and 1,000,000"),
        ("{item: a, usdPerHour: .nan}", r"prices\[0\].usdPerHour"),
        ("{item: a, usdPerHour: 'nan'}", "between 0 and 1,000,000"),
        ("{item: a, usdPerHour: .inf}", r"prices\[0\].usdPerHour"),
        ("{item: a, usdPerHour: 1e99999999}", "between 0 and 1,000,000"),
        ("{item: a, usdPerHour: 1e-99999999}", "more than 30 digits"),
        ("{item: a, usdPerHour: 1, asOf: soon}", r"prices\[0\].asOf: 'soon' is no date; write"),
        ("{item: a, usdPerHour: 1, asOf: 2026-13-01}", "is no date; write 2026-11-01"),
        ("{item: a, usdPerHour: 1, as_of: 2026-11-01}", "unknown field; did you mean asOf"),
        ("{item: a, usdPerHours: 1}", "unknown field; did you mean usdPerHour"),
    ],
)
def test_each_mistake_is_named(tmp_path: Path, line: str, said: str) -> None:
    """File, line, field, what is wrong and what would be right."""
    with pytest.raises(FieldError, match=said) as caught:
        _read(tmp_path, line)
    assert caught.value.where.endswith("prices.yaml:4")


def test_an_item_is_priced_once(tmp_path: Path) -> None:
    """Which of two prices holds would be a guess."""
    line = "{item: a, usdPerHour: 1}"
    with pytest.raises(FieldError, match=r"yaml:5: prices\[1\].item: 'a' is priced twice"):
        _read(tmp_path, line, line)


@given(st.decimals(0, 1_000_000, places=6))
def test_dollars_are_exact(amount: Decimal) -> None:
    """What is written is what is charged."""
    assert parse_dollars(str(amount)) == parse_dollars(f" ${amount} ") == amount


@pytest.mark.parametrize("given_text", ["", "$", "1,000", "12 USD", "one", "--1", "1000001"])
def test_what_is_no_amount_is_refused(given_text: str) -> None:
    """Each with an example or the limits."""
    with pytest.raises(InputError, match=r"write 12\.50|between 0 and"):
        parse_dollars(given_text)
