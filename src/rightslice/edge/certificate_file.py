"""The certificate file: slices, prices and the number of cards that the prices prove.

One JSON or YAML document, as `rightslice pack --certificate` writes it::

    gpu: A100-40GB
    slices: {3g.20gb: 3}
    prices: {3g.20gb: 1/2}
    atLeast: 2

Prices are exact fractions (``1/2``) or decimals, which are read digit by digit.
"""

from __future__ import annotations

import json
import re
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Final

from msgspec import Meta, Struct

from rightslice.core.catalog.mig import ProfileName
from rightslice.core.packing.certificate import Certificate, Claim
from rightslice.edge.shapes import check_shape
from rightslice.edge.text_files import write_text
from rightslice.edge.yaml_files import read_document, read_text

_PRICE: Final = re.compile(r"-?\d{1,12}(/[1-9]\d{0,11}|\.\d{1,30})?(e-?\d{1,2})?")

_Count = Annotated[int, Meta(ge=0, le=10_000_000)]


class _Certificate(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    gpu: Annotated[str, Meta(min_length=1, max_length=253)]
    slices: dict[str, _Count]
    prices: dict[str, str | float]
    at_least: _Count


def read_certificate(path: Path) -> Claim:
    """Return the claim that *path* holds.

    Raises:
        FieldError: for a bad field, with its line.
        InputError: when the file is no such document.
        UnavailableError: when the operating system will not read it.
    """
    document = read_document(read_text(path), where=str(path))
    shape = check_shape(document, _Certificate)
    prices = dict[ProfileName, Fraction]()
    for name, price in shape.prices.items():
        written = str(price)
        if not _PRICE.fullmatch(written):
            raise document.field_error(
                f"$.prices.{name}", f"{written!r} is no price; write it like 1/7 or 0.25"
            )
        prices[ProfileName(name)] = Fraction(written)
    return Claim(
        slices={ProfileName(name): count for name, count in shape.slices.items()},
        certificate=Certificate(gpu=shape.gpu, prices=prices),
        at_least=shape.at_least,
    )


def write_certificate(path: Path, claim: Claim) -> None:
    """Write *claim* to *path*, prices as exact fractions.

    Raises:
        InputError: when *path* is a folder.
        UnavailableError: when the file system will not have it.
    """
    document = {
        "gpu": claim.certificate.gpu,
        "slices": dict(claim.slices),
        "prices": {name: str(price) for name, price in claim.certificate.prices.items()},
        "atLeast": claim.at_least,
    }
    write_text(path, json.dumps(document, indent=2) + "\n")
