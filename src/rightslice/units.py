"""Text that people type or read, to and from base units (bytes, seconds, tokens, USD).

Inside, every quantity is in its base unit and says so in its name. Only this module knows of
milliseconds, GiB and Kubernetes quantities; edges call it, the core never does.

A bare number is refused where its unit would be a guess: ``30`` is neither 30 ms nor 30 s.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Final

from rightslice.errors import InputError

KIB: Final = 1024
MIB: Final = 1024**2
GIB: Final = 1024**3

HOURS_PER_MONTH: Final = 730
"""Hours of an average month (8,760 / 12), as the clouds' own calculators count."""

_NUMBER = r"(?P<number>(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)"
_QUANTITY = re.compile(rf"\s*{_NUMBER}\s*(?P<unit>[a-zA-Zµ/%]*)\s*")

_LARGEST: Final = 1e18
"""No quantity is larger in any unit (2^60 bytes are an EiB); more is a typing mistake."""

_SECONDS: Final = {
    "us": 1e-6,
    "µs": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "min": 60.0,
    "h": 3600.0,
}
_BYTES: Final = {
    "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12,
    "ki": KIB, "mi": MIB, "gi": GIB, "ti": 1024**4,
    "kib": KIB, "mib": MIB, "gib": GIB, "tib": 1024**4,
}  # fmt: skip
_PER_SECOND: Final = {"/s": 1.0, "rps": 1.0, "/min": 1 / 60, "/m": 1 / 60, "/h": 1 / 3600}
_TOKENS: Final = {"": 1, "k": 1000, "m": 1_000_000, "ki": 1024, "mi": 1024**2}


def _split(text: str, what: str, example: str) -> tuple[float, str]:
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise InputError(f"{text!r} is not {what}; write it like {example}")
    number = float(match["number"].replace(",", ""))
    if number > _LARGEST:
        raise InputError(f"{text!r} is too large for {what}")
    return number, match["unit"]


def parse_duration(text: str) -> float:
    """Return the seconds that *text* names.

    >>> parse_duration("30ms")
    0.03

    Raises:
        InputError: when it is not a positive duration with a unit.
    """
    number, unit = _split(text, "a duration", "30ms or 1.5s")
    if unit not in _SECONDS:
        known = "needs a unit" if not unit else f"has the unknown unit {unit!r}"
        raise InputError(f"duration {text!r} {known}; write it like 30ms, 1.5s or 2m")
    seconds = number * _SECONDS[unit]
    if seconds == 0:
        raise InputError(f"duration {text!r} must be more than zero")
    return seconds


def parse_bytes(text: str) -> int:
    """Return the bytes that *text* names.

    >>> parse_bytes("79.19GiB")
    85029615043

    Raises:
        InputError: when it is not a size with a unit.
    """
    number, unit = _split(text, "a memory size", "80GiB or 16GB")
    if unit.lower() not in _BYTES:
        known = "needs a unit" if not unit else f"has the unknown unit {unit!r}"
        raise InputError(f"memory size {text!r} {known}; write it like 80GiB (2^30) or 16GB (10^9)")
    return round(number * _BYTES[unit.lower()])


def parse_cores(text: str) -> float:
    """Return an amount of CPU in cores, as in Kubernetes files.

    >>> parse_cores("500m"), parse_cores("4")
    (0.5, 4.0)

    Raises:
        InputError: when *text* is none, or negative.
    """
    given = text.strip()
    try:
        cores = float(given[:-1]) / 1000 if given.endswith("m") else float(given)
    except ValueError:
        cores = -1.0
    if not 0 <= cores < float("inf"):
        raise InputError(f"{given!r} is no amount of CPU; write it like 4 or 500m")
    return cores


def parse_rate(text: str) -> float:
    """Return the requests per second that *text* names.

    >>> parse_rate("300/min")
    5.0

    Raises:
        InputError: when it is not a positive rate with a unit.
    """
    number, unit = _split(text, "a request rate", "5/s or 300/min")
    if unit.lower() not in _PER_SECOND:
        known = "needs a unit" if not unit else f"has the unknown unit {unit!r}"
        raise InputError(f"rate {text!r} {known}; write it like 5/s, 300/min or 1000/h")
    rate = number * _PER_SECOND[unit.lower()]
    if rate == 0:
        raise InputError(f"rate {text!r} must be more than zero")
    return rate


def parse_tokens(text: str) -> int:
    """Return the tokens that *text* names: a whole number, ``8k`` (8,000) or ``8Ki`` (8,192).

    Raises:
        InputError: when it is not a positive whole number of tokens.
    """
    number, unit = _split(text, "a number of tokens", "4096 or 8k")
    if unit.lower() not in _TOKENS:
        raise InputError(f"tokens {text!r} has the unknown unit {unit!r}; write 4096, 8k or 8Ki")
    tokens = number * _TOKENS[unit.lower()]
    if tokens != int(tokens) or tokens < 1:
        raise InputError(f"tokens {text!r} must be a whole number of at least 1")
    return int(tokens)


def parse_ratio(text: str) -> float:
    """Return the share of one that *text* names: ``0.9``, ``90%`` or ``90`` (more than 1: percent).

    Raises:
        InputError: when it is not between 0 and 1 (0 % and 100 %).
    """
    number, unit = _split(text, "a share", "0.9 or 90%")
    if unit not in ("", "%"):
        raise InputError(f"share {text!r} has the unknown unit {unit!r}; write 0.9 or 90%")
    ratio = number / 100 if unit == "%" or number > 1 else number
    if ratio > 1:
        raise InputError(f"share {text!r} is more than 100%")
    return ratio


def format_bytes(size_bytes: float) -> str:
    """Return *size_bytes* in the largest binary unit that leaves at least one whole part.

    >>> format_bytes(2 * 1024**3)
    '2.00 GiB'
    """
    sign = "-" if size_bytes < 0 else ""
    size = abs(size_bytes)
    for unit, scale in (("TiB", 1024**4), ("GiB", GIB), ("MiB", MIB), ("KiB", KIB)):
        if round(size * 1024 / scale, 1) >= 1024:
            digits = 2 if scale >= GIB else 1
            return f"{sign}{size / scale:,.{digits}f} {unit}"
    return f"{sign}{size:.0f} B"


def format_gib(size_bytes: float) -> str:
    """Return *size_bytes* in GiB with two decimals, for columns that must align."""
    return f"{size_bytes / GIB:,.2f} GiB"


def format_duration(seconds: float) -> str:
    """Return *seconds* with three significant digits in the unit that reads best.

    >>> format_duration(0.0187)
    '18.7 ms'
    """
    if not math.isfinite(seconds):
        return "never"
    unit, scale = _duration_unit(float(f"{seconds:.3g}"))
    return f"{_significant(seconds / scale)} {unit}"


def format_duration_up(seconds: float) -> str:
    """Return *seconds* as `format_duration` does, rounded up: a target that is surely met.

    >>> format_duration_up(0.01871)
    '18.8 ms'
    """
    if not math.isfinite(seconds) or seconds <= 0:
        return format_duration(seconds)
    unit, scale = _duration_unit(_outward(seconds, math.ceil))
    return f"{_significant(_outward(seconds / scale, math.ceil))} {unit}"


def _duration_unit(seconds: float) -> tuple[str, float]:
    for unit, scale in (("h", 3600.0), ("min", 60.0), ("s", 1.0), ("ms", 1e-3)):
        if abs(seconds) >= scale * (2 if scale > 1 else 1):
            return unit, scale
    return "µs", 1e-6


def format_rate(per_second: float) -> str:
    """Return a rate per second with three significant digits: ``5/s``."""
    if not math.isfinite(per_second):
        return "any rate"
    return f"{_significant(per_second)}/s"


def format_rate_down(per_second: float) -> str:
    """Return a rate as `format_rate` does, rounded down: a rate that is surely held.

    >>> format_rate_down(4.99999)
    '4.99/s'
    """
    if not math.isfinite(per_second) or per_second <= 0:
        return format_rate(per_second)
    return format_rate(_outward(per_second, math.floor))


def _outward(number: float, rounded: Callable[[Decimal], int]) -> float:
    """Return positive *number* with three significant digits, rounded the way of *rounded*."""
    exact = Decimal(number)
    step = Decimal(1).scaleb(exact.adjusted() - 2)
    return float(rounded(exact / step) * step)


def format_usd(amount_usd: Decimal | float, *, digits: int = 2) -> str:
    """Return dollars with cents: ``$1,234.50``."""
    return f"-${-amount_usd:,.{digits}f}" if amount_usd < 0 else f"${amount_usd:,.{digits}f}"


def format_ratio(ratio: float) -> str:
    """Return a share as a whole percentage: ``42%``."""
    return f"{ratio * 100:.0f}%"


def _significant(number: float) -> str:
    if number == 0:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(abs(number))))
    text = f"{number:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
