"""The catalogue's own files: where they lie, and how a row is read strictly.

Errors here are mistakes in our data, not in anybody's input: they surface as `ValueError` and the
tests read every file. Unknown is a missing key (TOML), ``"?"`` (rows of arrays) or an empty cell
(CSV); it always becomes None.
"""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Final

from rightslice.core.catalog.source import Source
from rightslice.units import GIB

DATA: Final = Path(__file__).parent.parent / "data"
UNKNOWN: Final = "?"
"""The mark of an unknown figure in rows of arrays, where TOML has no null."""


def read_toml(name: str) -> dict[str, object]:
    """Return the content of a TOML file of the catalogue."""
    with (DATA / name).open("rb") as file:
        return tomllib.load(file)


def read_csv(name: str, columns: tuple[str, ...]) -> Iterator[list[str]]:
    """Yield the rows of a CSV file of the catalogue.

    Raises:
        ValueError: when the header or the width of a row is not as said.
    """
    with (DATA / name).open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        if tuple(next(rows)) != columns:
            raise ValueError(f"{name}: the columns are not {', '.join(columns)}")
        for row in rows:
            if len(row) != len(columns):
                raise ValueError(f"{name}:{rows.line_num}: {len(row)} cells, not {len(columns)}")
            yield row


@lru_cache(maxsize=1)
def sources() -> dict[str, Source]:
    """Return the sources that the CSV files name by key (`data/sources.csv`)."""
    columns = ("key", "text", "date", "licence")
    return {
        key: Source(text=text, date=date)
        for key, text, date, _licence in read_csv("sources.csv", columns)
    }


def bytes_of_gib(gib: float | None) -> int | None:
    """Return whole bytes, or None for unknown."""
    return None if gib is None else round(gib * GIB)


def known(value: int | str) -> int | None:
    """Return a number of an array row, or None for the mark of the unknown.

    Raises:
        ValueError: for any other text.
    """
    if isinstance(value, int):
        return value
    if value != UNKNOWN:
        raise ValueError(f"{value!r} is neither a number nor {UNKNOWN!r}")
    return None
