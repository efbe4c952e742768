"""Bills that sum to the cent.

Prices are exact decimals and shares exact fractions; only the last step rounds, by largest
remainder, so that the lines of a bill always add up to its total.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Final

CENT: Final = Decimal("0.01")


@dataclass(frozen=True, kw_only=True)
class CardUse:
    """One card, what it costs, and the list shares of those that use it."""

    card: str
    usd_per_hour: Fraction
    shares: tuple[tuple[str, Fraction], ...]
    """Workload and list share of the card, one entry a slice."""


@dataclass(frozen=True, kw_only=True)
class CardCost:
    """The same card, its price divided: what each user pays, and what idles."""

    card: str
    users: tuple[tuple[str, Fraction], ...]
    idle_usd_per_hour: Fraction


def divide(card: CardUse) -> CardCost:
    """Return *card*'s price divided among its users by their shares; the rest is idle.

    Shares that add up to more than the card are scaled down together.
    """
    claimed = sum((share for _, share in card.shares), Fraction(0))
    scale = 1 / claimed if claimed > 1 else Fraction(1)
    users = tuple((user, card.usd_per_hour * share * scale) for user, share in card.shares)
    return CardCost(
        card=card.card,
        users=users,
        idle_usd_per_hour=card.usd_per_hour - sum((cost for _, cost in users), Fraction(0)),
    )


def cents(amount_usd: Fraction) -> Decimal:
    """Return *amount_usd* rounded half up to the cent."""
    exact = Decimal(amount_usd.numerator) / Decimal(amount_usd.denominator)
    return exact.quantize(CENT, rounding=ROUND_HALF_UP)


def to_cents(amounts_usd: Sequence[Fraction], total_usd: Decimal) -> tuple[Decimal, ...]:
    """Round *amounts_usd* to cents so that they sum to *total_usd* exactly.

    Largest remainder: every line is cut to the cent, and the cents that remain go to the lines
    that lost most. Ties go to the earlier line.

    Raises:
        AssertionError: when the amounts do not belong to that total (our own mistake).

    >>> to_cents([Fraction(1, 3)] * 3, Decimal("1.00"))
    (Decimal('0.34'), Decimal('0.33'), Decimal('0.33'))
    """
    whole = [amount * 100 // 1 for amount in amounts_usd]
    missing = int(total_usd * 100) - sum(whole)
    assert 0 <= missing <= len(whole), (amounts_usd, total_usd)
    by_remainder = sorted(range(len(whole)), key=lambda i: (whole[i] - amounts_usd[i] * 100, i))
    for i in by_remainder[:missing]:
        whole[i] += 1
    return tuple((Decimal(count) / 100).quantize(CENT) for count in whole)
