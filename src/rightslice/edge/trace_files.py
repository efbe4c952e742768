"""Request lengths as people give them: a number, a distribution, or a column of a trace.

A trace is a CSV file with a header; ``trace.csv:ContextTokens`` names file and column.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, TextIO

from rightslice.core.catalog.lengths import Lengths
from rightslice.errors import FieldError, InputError, UnknownNameError
from rightslice.units import parse_tokens

_CALL: Final = re.compile(r"\s*(uniform|lognormal)\s*\(\s*([^,()]+?)\s*,\s*([^,()]+?)\s*\)\s*")
_EXAMPLES: Final = "512, uniform(100,900), lognormal(512,1.0) or trace.csv:ContextTokens"
_LONGEST: Final = 100_000_000
"""No context is longer; more is a typing mistake."""


def read_lengths(text: str, *, folder: Path | None = None) -> Lengths:
    """Return the lengths that *text* names; a trace's path is relative to *folder*.

    >>> read_lengths("uniform(100, 300)").mean
    200.0

    Raises:
        InputError: when it is none of the forms, or the trace's file, column or a row is bad.
    """
    call = _CALL.fullmatch(text)
    if call is not None:
        return _distribution(call[1], call[2], call[3])
    name, colon, column = text.rpartition(":")
    if colon and name:
        return _trace((folder or Path()) / name.strip(), column.strip(), text)
    if text.strip().lower().endswith(".csv"):
        raise InputError(f"{text!r} names no column; write it like trace.csv:ContextTokens")
    try:
        return Lengths.fixed(_tokens(text))
    except InputError:
        raise InputError(f"{text!r} is not a token length; write it like {_EXAMPLES}") from None


def _distribution(kind: str, first: str, second: str) -> Lengths:
    if kind == "uniform":
        return Lengths.uniform(_tokens(first), _tokens(second))
    try:
        sigma = float(second)
    except ValueError:
        raise InputError(f"{second!r} is not a log-scale sigma; write lognormal(512,1.0)") from None
    return Lengths.lognormal(_tokens(first), sigma)


def _tokens(text: str) -> int:
    tokens = parse_tokens(text)
    if tokens > _LONGEST:
        raise InputError(f"{text!r} tokens are more than any context holds")
    return tokens


def _trace(path: Path, column: str, text: str) -> Lengths:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            samples = list(_column(file, str(path), column))
    except FileNotFoundError:
        raise InputError(
            f"there is no trace file {str(path)!r}; write it like {_EXAMPLES}"
        ) from None
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(f"trace file {str(path)!r} cannot be read as CSV: {error}") from None
    if not samples:
        raise InputError(f"trace file {str(path)!r} holds no request")
    return Lengths.observed(samples, text)


def _column(file: TextIO, where: str, column: str) -> Iterator[int]:
    rows = csv.DictReader(file)
    names = [name for name in rows.fieldnames or () if name]
    if column not in names:
        raise UnknownNameError(f"column of {where}", column, names)
    for row in rows:
        cell = (row[column] or "").strip()
        if not cell.isdecimal() or not 1 <= len(cell) <= 9 or int(cell) < 1:
            raise FieldError(
                f"{where}:{rows.line_num}",
                column,
                f"{cell[:40]!r} is not a token count; it must be a whole number of at least 1",
            )
        yield int(cell)
