"""Bills sum to the cent, whatever the prices and shares."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightslice.core.cost.bill import CENT, CardUse, cents, divide, to_cents

prices = st.fractions(0, 1000, max_denominator=10**6)
shares = st.lists(st.fractions(0, 1, max_denominator=56), max_size=8)


def _use(price: Fraction, parts: list[Fraction]) -> CardUse:
    named = tuple((f"w{index}", part) for index, part in enumerate(parts))
    return CardUse(card="n/0", usd_per_hour=price, shares=named)


@given(prices, shares)
def test_a_cards_price_is_divided_exactly(price: Fraction, parts: list[Fraction]) -> None:
    """Users and idle sum to the price, and nobody pays less than nothing."""
    cost = divide(_use(price, parts))
    amounts = [amount for _, amount in cost.users]
    assert sum(amounts, Fraction(0)) + cost.idle_usd_per_hour == price
    assert min([*amounts, cost.idle_usd_per_hour]) >= 0


@given(prices, shares)
def test_nobody_pays_more_than_the_list_share(price: Fraction, parts: list[Fraction]) -> None:
    """Shares are scaled down together when they claim more than the card, else not at all."""
    cost = divide(_use(price, parts))
    scale = max(sum(parts, Fraction(0)), Fraction(1))
    assert [amount for _, amount in cost.users] == [price * part / scale for part in parts]


def test_pro_rata_on_four_and_three() -> None:
    """4g and 3g claim 4/7 + 1/2 = 15/14 of a card: they pay 8/15 and 7/15, and nothing idles."""
    cost = divide(_use(Fraction(15), [Fraction(4, 7), Fraction(1, 2)]))
    assert [amount for _, amount in cost.users] == [8, 7]
    assert cost.idle_usd_per_hour == 0


@given(st.lists(prices, min_size=1, max_size=30))
def test_lines_sum_to_the_cent(amounts: list[Fraction]) -> None:
    """The rounded lines are the rounded total, each within a cent of the exact amount."""
    total = cents(sum(amounts, Fraction(0)))
    lines = to_cents(amounts, total)
    assert sum(lines, Decimal(0)) == total
    assert all(line >= 0 and line == line.quantize(CENT) for line in lines)
    assert all(abs(Fraction(line) - amount) < Fraction(1, 100)
               for line, amount in zip(lines, amounts, strict=True))  # fmt: skip


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=20), prices)
def test_whole_cents_are_never_moved(whole: list[int], odd: Fraction) -> None:
    """Lines that need no rounding keep their amount."""
    amounts = [*(Fraction(count, 100) for count in whole), odd]
    lines = to_cents(amounts, cents(sum(amounts, Fraction(0))))
    assert [Fraction(line) for line in lines[:-1]] == amounts[:-1]


@pytest.mark.parametrize(
    ("amount", "rounded"),
    [("1/200", "0.01"), ("1/201", "0.00"), ("1.005", "1.01"), ("2/3", "0.67"), ("0", "0.00")],
)
def test_cents_round_half_up(amount: str, rounded: str) -> None:
    """As people round money."""
    assert cents(Fraction(amount)) == Decimal(rounded)


def test_a_foreign_total_is_our_own_mistake() -> None:
    """Lines cannot be bent to a total that is not theirs."""
    with pytest.raises(AssertionError):
        to_cents([Fraction(1)], Decimal(5))
