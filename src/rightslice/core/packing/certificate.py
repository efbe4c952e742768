"""A proof that a list of slices needs so many cards, which anyone can check without a solver.

One price a profile such that no legal layout of one card costs more than 1: then the slices
need at least as many cards as they cost together. The prices are the dual of the pattern model's
linear relaxation; the check below needs only the card's layouts and exact fractions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from rightslice.core.catalog.mig import MigGrid, ProfileName
from rightslice.core.packing.geometry import Multiset, largest_multisets
from rightslice.errors import InputError

_LARGEST_DENOMINATOR: Final = 5040
"""Dual vertices have small denominators; this one is divisible by 1 to 10."""


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """Prices that prove a lower bound."""

    gpu: str
    prices: Mapping[ProfileName, Fraction]
    """What one slice of each profile costs, in cards."""


def check_certificate(
    grid: MigGrid, demand: Mapping[ProfileName, int], certificate: Certificate
) -> int:
    """Return the number of cards that *certificate* proves *demand* to need at least.

    Raises:
        InputError: when a price is negative or a layout costs more than 1, naming it.
    """
    for name, price in certificate.prices.items():
        if price < 0:
            raise InputError(f"the certificate prices {name} at {price}; prices are 0 or more")
    for layout in largest_multisets(grid, frozenset(certificate.prices)):
        cost = _cost(layout, certificate.prices)
        if cost > 1:
            slices = " + ".join(f"{count} x {name}" for name, count in layout)
            raise InputError(f"no proof: {slices} fits one {grid.name} but is priced {cost}")
    return math.ceil(_cost(tuple(demand.items()), certificate.prices))


def rounded_certificate(grid: MigGrid, duals: Mapping[ProfileName, float]) -> Certificate:
    """Return exact prices near the solver's *duals*, scaled down where a layout would cost more."""
    prices = {
        name: Fraction(max(dual, 0.0)).limit_denominator(_LARGEST_DENOMINATOR)
        for name, dual in duals.items()
    }
    layouts = largest_multisets(grid, frozenset(prices))
    dearest = max((_cost(layout, prices) for layout in layouts), default=Fraction(0))
    scale = max(dearest, Fraction(1))
    return Certificate(
        gpu=grid.name, prices={name: price / scale for name, price in prices.items()}
    )


def _cost(counts: Multiset, prices: Mapping[ProfileName, Fraction]) -> Fraction:
    return sum((prices.get(name, Fraction(0)) * count for name, count in counts), Fraction(0))
