"""Prices of your own (YAML, kind ``Prices``): on-prem, reserved, negotiated."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Final

from rightslice.core.catalog.gpu import Gpu
from rightslice.core.catalog.instance import Price, PriceKind
from rightslice.edge import fleet_schema as schema
from rightslice.edge.shapes import check_shape
from rightslice.edge.yaml_files import Document, read_document, read_text
from rightslice.errors import InputError

_MOST_USD: Final = 1_000_000
_MOST_DIGITS: Final = 30
"""More than any price is known to; exact fractions of longer ones would grow without end."""


def read_prices(path: Path) -> dict[str, Price]:
    """Return the prices of a file of kind ``Prices``, by item.

    Raises:
        InputError: when anything in it is wrong.
        UnavailableError: when the file cannot be read.
    """
    document = read_document(read_text(path), where=str(path))
    file = check_shape(document, schema.PricesFile)
    prices: dict[str, Price] = {}
    for index, own in enumerate(file.prices):
        at = f"$.prices[{index}]"
        if own.item in prices:
            raise document.field_error(f"{at}.item", f"{own.item!r} is priced twice")
        prices[own.item] = _own_price(document, own, at)
    return prices


def card_price(own_prices: Mapping[str, Price], gpu: Gpu) -> Price | None:
    """Return one's own price of a card of *gpu*, under its name or one of its aliases."""
    names = (str(gpu.name), *gpu.aliases)
    return next((own_prices[name] for name in names if name in own_prices), None)


def _own_price(document: Document, own: schema.OwnPrice, at: str) -> Price:
    as_of = None
    if own.as_of is not None:
        try:
            as_of = dt.date.fromisoformat(own.as_of)
        except ValueError:
            raise document.field_error(
                f"{at}.asOf", f"{own.as_of!r} is no date; write 2026-11-01"
            ) from None
    try:
        usd = parse_dollars(own.usd_per_hour)
    except InputError as error:
        raise document.field_error(f"{at}.usdPerHour", str(error)) from None
    return Price(
        item=own.item,
        kind=PriceKind.OWN,
        region="",
        usd_per_hour=usd,
        as_of=as_of,
        source=own.source,
    )


def parse_dollars(given: object) -> Decimal:
    """Return an amount of dollars per hour, exactly as written.

    Raises:
        InputError: when it is no amount between 0 and 1,000,000.
    """
    try:
        value = Decimal(str(given).strip().removeprefix("$"))
    except InvalidOperation:
        raise InputError(f"{given!r} is no amount of dollars; write 12.50") from None
    if not value.is_finite() or not 0 <= value <= _MOST_USD:
        raise InputError(f"{given!r} dollars per hour must be between 0 and 1,000,000")
    if len(value.as_tuple().digits) > _MOST_DIGITS or value.adjusted() < -_MOST_DIGITS:
        raise InputError(f"{given!r} dollars have more than {_MOST_DIGITS} digits; write 12.50")
    return value
