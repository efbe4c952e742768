"""Kubernetes quantities, exactly: ``500m``, ``9Gi``, ``1e3``.

The grammar is that of k8s.io/apimachinery pkg/api/resource (quantity.go).
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache
from typing import Final

from rightslice.errors import InputError

_GRAMMAR: Final = re.compile(
    r"(?P<number>[+-]?(?:\d+(?:\.\d*)?|\.\d+))"
    r"(?:[eE](?P<exponent>[+-]?\d{1,3})|(?P<suffix>[KMGTPE]i|[numkMGTPE])?)"
)
_TENS: Final = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_SUFFIXES: Final[dict[str, Fraction]] = {
    **{suffix: Fraction(10) ** power for suffix, power in _TENS.items()},
    **{f"{letter}i": Fraction(1024) ** power for power, letter in enumerate("KMGTPE", 1)},
}
_LONGEST: Final = 40
_GREATEST_EXPONENT: Final = 18


def parse_quantity(written: object) -> Fraction:
    """Return the number that *written* stands for; a bare number may be no text.

    >>> parse_quantity("500m"), parse_quantity("2Gi"), parse_quantity(3)
    (Fraction(1, 2), Fraction(2147483648, 1), Fraction(3, 1))

    Raises:
        InputError: when it is no quantity.
    """
    if isinstance(written, bool) or not isinstance(written, str | int | float):
        raise InputError(f"{written!r} is no Kubernetes quantity, such as 500m, 2 or 9Gi")
    return _parse(str(written).strip())


@lru_cache(maxsize=4096)
def _parse(written: str) -> Fraction:
    match = _GRAMMAR.fullmatch(written) if len(written) <= _LONGEST else None
    if match is None:
        raise InputError(
            f"{written[:_LONGEST]!r} is no Kubernetes quantity, such as 500m, 2 or 9Gi"
        )
    number = Fraction(match["number"])
    if match["exponent"] is not None:
        exponent = int(match["exponent"])
        if abs(exponent) > _GREATEST_EXPONENT:
            raise InputError(f"{written!r} is larger or smaller than any quantity")
        return number * Fraction(10) ** exponent
    suffix = match["suffix"]
    if suffix is None:
        return number
    return number * _SUFFIXES[suffix]
