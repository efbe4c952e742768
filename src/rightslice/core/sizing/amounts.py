"""Arithmetic on one amount or on an array of them, so that a formula is written once.

A formula of sizing takes whole numbers, or int64 arrays of them with one entry a configuration, and
gives the same values either way, to the byte: both round half to even, and both take square roots
of sums in the order of their terms. numpy is only touched where an array comes in.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, overload

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Wholes = NDArray[np.int64]
    Reals = NDArray[np.floating[Any]]

Whole = TypeVar("Whole", int, "Wholes")
"""Bytes, tokens or a count: of one configuration, or of each of many."""
_Held_co = TypeVar("_Held_co", int, "Wholes", covariant=True)


class Spread(Protocol[_Held_co]):
    """Low, expected and high: a `Band`, or arrays of them."""

    @property
    def low(self) -> _Held_co:
        """Lower end of the 90 % band."""

    @property
    def expected(self) -> _Held_co:
        """The value itself."""

    @property
    def high(self) -> _Held_co:
        """Upper end of the 90 % band."""


def larger(one: Whole, other: Whole | int) -> Whole:
    """Return the larger of two amounts.

    >>> larger(3, 5)
    5
    """
    if isinstance(one, int):
        return max(one, other)
    from numpy import maximum  # noqa: PLC0415 - numpy loads where it is used

    return maximum(one, other)


def smaller(one: Whole, other: Whole | int) -> Whole:
    """Return the smaller of two amounts."""
    if isinstance(one, int):
        return min(one, other)
    from numpy import minimum  # noqa: PLC0415 - numpy loads where it is used

    return minimum(one, other)


@overload
def rounded(value: float) -> int: ...
@overload
def rounded(value: Wholes | Reals) -> Wholes: ...
def rounded(value: float | Wholes | Reals) -> int | Wholes:
    """Return the nearest whole number; halves go to the even one."""
    if isinstance(value, float | int):
        return round(value)
    return value.round().astype("int64")


@overload
def where_equal(one: int, other: int, then: float, otherwise: float) -> float: ...
@overload
def where_equal(one: Wholes, other: Wholes, then: float, otherwise: float) -> Reals: ...
def where_equal(
    one: int | Wholes, other: int | Wholes, then: float, otherwise: float
) -> float | Reals:
    """Return *then* where both amounts are equal, *otherwise* where they are not."""
    if isinstance(one, int):
        return then if one == other else otherwise
    from numpy import where  # noqa: PLC0415 - numpy loads where it is used

    chosen: Reals = where(one == other, then, otherwise)
    return chosen


@overload
def cut(value: float) -> int: ...
@overload
def cut(value: Reals) -> Wholes: ...
def cut(value: float | Reals) -> int | Wholes:
    """Return the whole part of a value that is not negative."""
    if isinstance(value, float | int):
        return int(value)
    return value.astype("int64")


@overload
def raised(value: float) -> int: ...
@overload
def raised(value: Reals) -> Wholes: ...
def raised(value: float | Reals) -> int | Wholes:
    """Return the next whole number at or above a value."""
    if isinstance(value, float | int):
        return math.ceil(value)
    return (-(-value // 1)).astype("int64")


@overload
def quadrature(*parts: int) -> float: ...
@overload
def quadrature(*parts: Wholes) -> Reals: ...
def quadrature(*parts: int | Wholes) -> float | Reals:
    """Return the root of the sum of squares.

    Not `math.hypot`: numpy has none of several terms, and the last bit must agree.

    >>> quadrature(3, 4)
    5.0
    """
    total: Any = 0.0
    for part in parts:
        side = part * 1.0
        total = total + side * side
    if isinstance(total, float):
        return math.sqrt(total)
    from numpy import sqrt  # noqa: PLC0415 - numpy loads where it is used

    root: Reals = sqrt(total)
    return root


@overload
def ratio(part: int, of: float, *, otherwise: float) -> float: ...
@overload
def ratio(part: Wholes, of: Wholes | Reals, *, otherwise: float) -> Reals: ...
def ratio(part: int | Wholes, of: float | Wholes | Reals, *, otherwise: float) -> float | Reals:
    """Return *part* / *of*, or *otherwise* where *of* is 0."""
    if isinstance(of, float | int):
        return part / of if of else otherwise
    from numpy import full, true_divide  # noqa: PLC0415 - numpy loads where it is used

    result: Reals = full(of.shape, otherwise)
    return true_divide(part, of, out=result, where=of != 0)
