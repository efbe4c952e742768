"""Decoded YAML or JSON of unknown shape, read without trusting it.

Whatever is not what a manifest should hold there reads as absent.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Final

DEEPEST: Final = 40
"""Levels of nesting that are followed; Kubernetes' own objects need about 15."""

_MOST_PARTS: Final = 20_000

_TEXT: Final = frozenset({str})
_LONGEST_INTEGER_BITS: Final = 256
"""Longer whole numbers are no text of a manifest, and slow to write out."""


def mapping(value: object) -> Mapping[str, object]:
    """Return *value* when it is an object whose keys are text, else an empty one."""
    if not isinstance(value, dict):
        return {}
    if _TEXT.issuperset(map(type, value)):
        return value
    return {key: item for key, item in value.items() if isinstance(key, str)}


def items(value: object) -> list[object]:
    """Return *value* when it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def word(value: object) -> str | None:
    """Return a scalar as the text that a command line would show; None for anything else.

    >>> word(8), word(0.9), word(True), word([1])
    ('8', '0.9', 'true', None)
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value) if value.bit_length() <= _LONGEST_INTEGER_BITS else None
    if isinstance(value, float):
        whole = math.isfinite(value) and value == int(value) and abs(value) < 2**53
        return str(int(value)) if whole else repr(value)
    return None


def text(value: object) -> str | None:
    """Return *value* when it is text that says something, else None."""
    return value if isinstance(value, str) and value.strip() else None


def words(value: object) -> list[str]:
    """Return the scalars of a list as text; a single text is a list of one."""
    if isinstance(value, str):
        return [value]
    return [one for one in (word(item) for item in items(value)) if one is not None]


def at(value: object, *path: str) -> object:
    """Return what lies at *path* of nested objects, or None.

    >>> at({"spec": {"size": 2}}, "spec", "size")
    2
    """
    for key in path:
        value = mapping(value).get(key)
    return value


def walk(value: object) -> Iterator[Mapping[str, object]]:
    """Yield the objects inside *value*, itself first, in reading order.

    Ends after so many parts: YAML aliases can make a few lines into endless objects.
    """
    ahead: list[tuple[object, int]] = [(value, 0)]
    for _ in range(_MOST_PARTS):
        if not ahead:
            return
        part, depth = ahead.pop()
        inside: list[object] = []
        if isinstance(part, dict):
            found = mapping(part)
            yield found
            inside = list(found.values())
        elif isinstance(part, list):
            inside = part
        if depth < DEEPEST:
            below = [(one, depth + 1) for one in inside if isinstance(one, dict | list)]
            ahead += reversed(below)
