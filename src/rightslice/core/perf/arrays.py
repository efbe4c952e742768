"""Formulas over arrays: the `Arithmetic` of numpy, and columns out of rows of values.

Formulas are typed as if they took floats; here arrays go in and come out instead, one number a
server and load. `column` and `array_of` mark the two places where that happens. Imported only where
many are predicted at once: numpy loads with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from typing import Any, Final, TypeVar, cast

import numpy as np

from rightslice.core.perf.arithmetic import Arithmetic

Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
Index = np.ndarray[tuple[int, ...], np.dtype[np.intp]]
Mask = np.ndarray[tuple[int, ...], np.dtype[np.bool_]]
Record = TypeVar("Record")


def column(values: Array) -> float:
    """Return an array as what a formula takes."""
    return cast("float", values)


def array_of(value: float) -> Array:
    """Return what a formula gave as the array that it is."""
    return cast("Array", value)


def _hypot(a: float, b: float) -> float:
    return column(np.sqrt(array_of(a * a + b * b)))


ARRAYS: Final = Arithmetic(
    sqrt=cast("Any", np.sqrt),
    exp=cast("Any", np.exp),
    log=cast("Any", np.log),
    hypot=_hypot,
    ceil=cast("Any", np.ceil),
    larger=cast("Any", np.maximum),
    smaller=cast("Any", np.minimum),
    where=cast("Any", np.where),
)


def stacked(rows: Sequence[Record]) -> Record:
    """Return one record whose every number is the array of the rows' numbers."""
    return cast("Record", _stack(list(rows)))


def _stack(values: list[Any]) -> object:
    first = values[0]
    if first is None:
        return None
    if isinstance(first, tuple):
        columns = [_stack(list(each)) for each in zip(*values, strict=True)]
        return _like(first, columns)
    if is_dataclass(first) and not isinstance(first, type):
        return type(first)(
            **{f.name: _stack([getattr(v, f.name) for v in values]) for f in fields(first)}
        )
    return np.array(values, dtype=np.float64)


def _like(given: tuple[Any, ...], values: list[object]) -> object:
    """Return *values* as a tuple of *given*'s own type."""
    return cast("Any", type(given))(*values) if hasattr(given, "_fields") else tuple(values)


def filled(record: Record, rows: int) -> Record:
    """Return *record* with every single number as an array of so many *rows*."""
    return cast("Record", _fill(record, rows))


def _fill(value: object, rows: int) -> object:
    if isinstance(value, np.ndarray) or value is None:
        return value
    if isinstance(value, tuple):
        return _like(value, [_fill(each, rows) for each in value])
    if is_dataclass(value) and not isinstance(value, type):
        return type(value)(**{f.name: _fill(getattr(value, f.name), rows) for f in fields(value)})
    return np.full(rows, value, dtype=np.float64)


def rows_of(record: Record, index: Index) -> Record:
    """Return the record of the rows at *index*; single numbers stay."""
    return cast("Record", _take(record, index))


def _take(value: object, index: Index) -> object:
    if isinstance(value, np.ndarray):
        return value[index] if value.ndim else value
    if isinstance(value, tuple):
        taken = [_take(each, index) for each in value]
        return _like(value, taken)
    if isinstance(value, Arithmetic):
        return value
    if is_dataclass(value) and not isinstance(value, type):
        return type(value)(**{f.name: _take(getattr(value, f.name), index) for f in fields(value)})
    return value


def joined(parts: Sequence[Record]) -> Record:
    """Return the records of arrays one after the other, as one."""
    return cast("Record", _join(list(parts)))


def _join(parts: list[Any]) -> object:
    first = parts[0]
    if first is None:
        return None
    if isinstance(first, tuple):
        columns = [_join(list(each)) for each in zip(*parts, strict=True)]
        return _like(first, columns)
    if is_dataclass(first) and not isinstance(first, type):
        return type(first)(
            **{f.name: _join([getattr(v, f.name) for v in parts]) for f in fields(first)}
        )
    return np.concatenate(cast("list[Array]", parts))
