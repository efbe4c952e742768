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


TOLERANCE: Final = Fraction(1, 10**6)
"""What a layout may cost beyond 1 where prices were written as decimals."""


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """Prices that prove a lower bound."""

    gpu: str
    prices: Mapping[ProfileName, Fraction]
    """What one slice of each profile costs, in cards."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A certificate with what it is said to prove."""

    slices: Mapping[ProfileName, int]
    certificate: Certificate
    at_least: int
    """Cards that the slices need, so it is said."""


@dataclass(frozen=True, kw_only=True)
class Holds:
    """The prices prove the claim."""

    bound: int
    """Cards that they prove to be needed: as many as claimed, or more."""
    cost: Fraction
    """What the slices cost together, in cards."""
    dearest: Fraction
    """The dearest layout of one card; at most 1."""


@dataclass(frozen=True, kw_only=True)
class Fails:
    """The prices prove less than was claimed, or nothing."""

    reason: str


def verify(grid: MigGrid, claim: Claim, *, tolerance: Fraction = TOLERANCE) -> Holds | Fails:
    """Return whether the prices of *claim* prove it; no solver takes part.

    Prices that were rounded may make a layout cost up to 1 + *tolerance*: then all are divided
    by that layout's cost, so the bound is exact whatever the rounding was.

    Raises:
        InputError: when the grid is unknown or has no such profile.
    """
    prices = claim.certificate.prices
    for name, price in prices.items():
        if price < 0:
            return Fails(reason=f"the price of {name} is {price}; prices are 0 or more")
    layouts = largest_multisets(grid, frozenset({*prices, *claim.slices}))
    layout = max(layouts, key=lambda layout: _cost(layout, prices), default=())
    dearest = _cost(layout, prices)
    if dearest > 1 + tolerance:
        slices = " + ".join(f"{count} x {name}" for name, count in layout)
        return Fails(reason=f"{slices} fits one {grid.name} but is priced {_told(dearest)}, over 1")
    cost = _cost(tuple(claim.slices.items()), prices) / max(dearest, Fraction(1))
    bound = math.ceil(cost)
    if bound < claim.at_least:
        return Fails(
            reason=f"the slices cost {_told(cost)} cards, which proves {bound} and not"
            f" {claim.at_least} as claimed"
        )
    return Holds(bound=bound, cost=cost, dearest=min(dearest, Fraction(1)))


def _told(amount: Fraction) -> str:
    short = amount.limit_denominator(10_000)
    return str(amount) if short == amount else f"{float(amount):.9g}"


def check_certificate(
    grid: MigGrid, demand: Mapping[ProfileName, int], certificate: Certificate
) -> int:
    """Return the number of cards that *certificate* proves *demand* to need at least.

    Raises:
        InputError: when a price is negative or a layout costs more than 1, naming it.
    """
    claim = Claim(slices=demand, certificate=certificate, at_least=0)
    answer = verify(grid, claim, tolerance=Fraction(0))
    if isinstance(answer, Fails):
        raise InputError(f"no proof: {answer.reason}")
    return answer.bound


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
