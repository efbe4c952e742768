"""The operations that formulas need beyond + - * /: of one number, or of arrays of them.

Latency formulas are written once. They use operators and an `Arithmetic`, and take no branch on a
value; `where` evaluates both sides, so both must be computable. With `SCALAR` they answer for one
server under one load, without numpy; with the arrays of `sweep` for thousands at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """What a formula may call; every argument is a number, or every one an array or a number."""

    sqrt: Callable[[float], float]
    exp: Callable[[float], float]
    log: Callable[[float], float]
    hypot: Callable[[float, float], float]
    ceil: Callable[[float], float]
    larger: Callable[[float, float], float]
    smaller: Callable[[float, float], float]
    where: Callable[[bool, float, float], float]


def _where(condition: bool, then: float, other: float) -> float:  # noqa: FBT001 - as numpy.where
    return then if condition else other


SCALAR: Final = Arithmetic(
    sqrt=math.sqrt,
    exp=math.exp,
    log=math.log,
    hypot=math.hypot,
    ceil=math.ceil,
    larger=max,
    smaller=min,
    where=_where,
)
