"""How the report writes numbers: dollars, latencies with their bands, loads, shares."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from typing import Final

from rightslice.core.catalog.estimate import Estimate
from rightslice.core.catalog.traffic import ClosedLoop, Traffic
from rightslice.core.plan.result import CardPlan
from rightslice.units import HOURS_PER_MONTH, format_duration, format_rate, format_usd

UNKNOWN: Final = "not known"


def plural(count: int, noun: str) -> str:
    """Return a count with its noun.

    >>> plural(1, "card"), plural(3, "card")
    ('1 card', '3 cards')
    """
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def dollars(amount_usd: Decimal | Fraction | None, *, digits: int = 2) -> str:
    """Return dollars, or ``not known``."""
    if amount_usd is None:
        return UNKNOWN
    amount = float(amount_usd) if isinstance(amount_usd, Fraction) else amount_usd
    return format_usd(amount, digits=digits)


def per_month(usd_per_hour: Decimal) -> Decimal:
    """Return the dollars of an average month of 730 hours."""
    return usd_per_hour * HOURS_PER_MONTH


def cards(count: Fraction) -> str:
    """Return whole-card equivalents, as a mixed number where that is exact and short.

    >>> cards(Fraction(15, 7))
    '2 1/7'
    """
    whole, rest = divmod(count, 1)
    if rest.denominator > 99:
        return f"{float(count):.2f}"
    if not rest:
        return str(whole)
    return f"{rest}" if not whole else f"{whole} {rest}"


def band(estimate: Estimate) -> str:
    """Return the 90 % band of a latency: ``17.1-20.4 ms``."""
    if not math.isfinite(estimate.expected):
        return "does not settle"
    low, high = format_duration(estimate.low), format_duration(estimate.high)
    if low.split()[-1] == high.split()[-1]:
        low = low.split()[0]
    return f"{low}–{high}"  # noqa: RUF001 - an en dash joins the ends of a range


def statistic(percentile: float | None) -> str:
    """Return which statistic of a latency a target speaks of.

    >>> statistic(None), statistic(0.95)
    ('mean', 'p95')
    """
    return "mean" if percentile is None else f"p{percentile * 100:g}"


def load(traffic: Traffic) -> str:
    """Return the load and the lengths in a line."""
    return f"{load_size(traffic)}, {traffic.input.text} in / {traffic.output.text} out"


def load_size(traffic: Traffic) -> str:
    """Return the load alone: ``64 concurrent`` or ``5/s``."""
    if isinstance(traffic.load, ClosedLoop):
        return f"{traffic.load.concurrency:,} concurrent"
    return format_rate(traffic.load.requests_per_second)


def share(ratio: float) -> str:
    """Return a share in percent, with a decimal where a whole number would hide it.

    >>> share(0.42), share(0.004)
    ('42 %', '0.4 %')
    """
    percent = ratio * 100
    digits = 1 if 0 < abs(percent) < 9.95 and abs(percent - round(percent)) >= 0.05 else 0
    return f"{percent:,.{digits}f} %"


def card_slots(card: CardPlan) -> int | None:
    """Return the memory slots of a card that is cut or may be; None for one handed out whole."""
    grid = card.group.gpu.mig
    return None if grid is None else grid.slots
