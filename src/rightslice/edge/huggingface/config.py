"""Checked reading of a ``config.json``: a wrong key is an error that names it, never a zero.

A key that is absent and a key that is null mean the same, as in transformers. Sizes have upper
limits far above any published model, so that a slipped digit is caught where it stands.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Final

from rightslice.errors import FieldError

LARGEST_SIZE: Final = 2**24
"""No width, count or vocabulary of a published model comes near 16.8 million."""
LARGEST_LAYERS: Final = 4096
LARGEST_CONTEXT: Final = 2**32

Limits = tuple[int, int]
SIZE: Final[Limits] = (1, LARGEST_SIZE)
COUNT: Final[Limits] = (0, LARGEST_SIZE)
LAYERS: Final[Limits] = (1, LARGEST_LAYERS)
CONTEXT: Final[Limits] = (1, LARGEST_CONTEXT)


class Fields:
    """One JSON object of a config, read key by key with its type checked."""

    def __init__(self, values: Mapping[str, object], *, where: str, path: str = "") -> None:
        self.where = where
        self.path = path
        self._values = values

    def error(self, key: str, problem: str) -> FieldError:
        """Return the error that says what is wrong with *key*."""
        return FieldError(self.where, f"{self.path}.{key}" if self.path else key, problem)

    def spelled(self, *keys: str) -> str:
        """Return the first of *keys* that has a value, as this config spells it."""
        return self._find(keys)[0]

    def keys(self) -> tuple[str, ...]:
        """Return the keys that have a value."""
        return tuple(key for key, value in self._values.items() if value is not None)

    def has(self, *keys: str) -> bool:
        """Whether one of *keys* has a value."""
        return any(self._values.get(key) is not None for key in keys)

    def states(self, *keys: str) -> bool:
        """Whether one of *keys* is written, be it as null."""
        return any(key in self._values for key in keys)

    def _find(self, keys: tuple[str, ...]) -> tuple[str, object]:
        for key in keys:
            value = self._values.get(key)
            if value is not None:
                return key, value
        return keys[0], None

    def integer_or_none(self, *keys: str, limits: Limits = SIZE) -> int | None:
        """Return the whole number under the first of *keys* that has a value."""
        key, value = self._find(keys)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.error(key, f"must be a whole number, not {shown(value)}")
        low, high = limits
        if not low <= value <= high:
            raise self.error(key, f"must be from {low} to {high:,}, not {shown(value)}")
        return value

    def integer(self, *keys: str, limits: Limits = SIZE, default: int | None = None) -> int:
        """Return the whole number under *keys*, else *default*; without one the key must be there.

        Raises:
            FieldError: when it is missing, of another type or out of *limits*.
        """
        value = self.integer_or_none(*keys, limits=limits)
        if value is not None:
            return value
        if default is None:
            names = " or ".join(keys)
            raise self.error(
                keys[0], f"is missing; write {names} as a whole number of at least {limits[0]}"
            )
        return default

    def is_automatic(self, key: str) -> bool:
        """Whether *key* leaves its number to a rule: it holds the word ``auto``."""
        return self._values.get(key) == "auto"

    def number_or_none(self, *keys: str) -> float | None:
        """Return the finite number under *keys*."""
        key, value = self._find(keys)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.error(key, f"must be a number, not {shown(value)}")
        if not abs(value) < LARGEST_CONTEXT:
            raise self.error(key, f"must be a number below {LARGEST_CONTEXT:,}, not {shown(value)}")
        return float(value)

    def ratio(self, *keys: str, default: float) -> float:
        """Return the share under *keys*: above 0, at most 1."""
        value = self.number_or_none(*keys)
        if value is None:
            return default
        if not 0 < value <= 1:
            raise self.error(self._find(keys)[0], f"must be above 0 and at most 1, not {value:g}")
        return value

    def flag(self, *keys: str, default: bool) -> bool:
        """Return the truth value under *keys*, else *default*."""
        key, value = self._find(keys)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self.error(key, f"must be true or false, not {shown(value)}")
        return value

    def text_or_none(self, *keys: str) -> str | None:
        """Return the string under *keys*."""
        key, value = self._find(keys)
        if value is None:
            return None
        if not isinstance(value, str):
            raise self.error(key, f"must be a string, not {shown(value)}")
        return value

    def text(self, *keys: str, default: str) -> str:
        """Return the string under *keys*, else *default*."""
        value = self.text_or_none(*keys)
        return default if value is None else value

    def is_list(self, key: str) -> bool:
        """Whether *key* holds a list."""
        return isinstance(self._values.get(key), list)

    def items(self, key: str) -> tuple[object, ...]:
        """Return the list under *key*; absent is empty."""
        value = self._values.get(key)
        if value is None:
            return ()
        if not isinstance(value, list):
            raise self.error(key, f"must be a list, not {shown(value)}")
        return tuple(value)

    def texts(self, *keys: str) -> tuple[str, ...]:
        """Return the list of strings under *keys*; absent is empty."""
        key = self._find(keys)[0]
        values = self.items(key)
        for index, value in enumerate(values):
            if not isinstance(value, str):
                raise self.error(f"{key}[{index}]", f"must be a string, not {shown(value)}")
        return tuple(str(value) for value in values)

    def integers(self, key: str, *, limits: Limits = COUNT) -> tuple[int, ...]:
        """Return the list of whole numbers under *key*; absent is empty."""
        values = {str(index): value for index, value in enumerate(self.items(key))}
        for index, value in values.items():
            if value is None:
                raise self.error(f"{key}[{index}]", "must be a whole number, not null")
        fields = Fields(values, where=self.where, path=f"{self.path}.{key}".lstrip("."))
        return tuple(fields.integer(index, limits=limits) for index in values)

    def section_or_none(self, *keys: str) -> Fields | None:
        """Return the object under *keys*."""
        key, value = self._find(keys)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise self.error(key, f"must be an object, not {shown(value)}")
        return Fields(value, where=self.where, path=f"{self.path}.{key}".lstrip("."))

    def section(self, *keys: str) -> Fields:
        """Return the object under *keys*.

        Raises:
            FieldError: when it is missing or not an object.
        """
        found = self.section_or_none(*keys)
        if found is None:
            raise self.error(keys[0], "is missing; it must be an object")
        return found

    def largest(self) -> tuple[str, int]:
        """Return the path of the largest whole number, here or in an object below, with it."""
        found = ("", 0)
        for key, value in self._values.items():
            inner = (key, value)
            if isinstance(value, dict):
                path, number = Fields(value, where=self.where).largest()
                inner = (f"{key}.{path}", number)
            if isinstance(inner[1], int) and not isinstance(inner[1], bool) and inner[1] > found[1]:
                found = (inner[0], inner[1])
        return found

    def sections(self, key: str) -> tuple[Fields, ...]:
        """Return the list of objects under *key*; absent is empty."""
        path = f"{self.path}.{key}".lstrip(".")
        found = []
        for index, value in enumerate(self.items(key)):
            if not isinstance(value, dict):
                raise self.error(f"{key}[{index}]", f"must be an object, not {shown(value)}")
            found.append(Fields(value, where=self.where, path=f"{path}[{index}]"))
        return tuple(found)


def shown(value: object) -> str:
    """Return *value* for a message, cut to a line's length."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and value.bit_length() > 128:
        return f"a number of about {value.bit_length() * math.log10(2):.0f} digits"
    text = repr(value) if not isinstance(value, dict) else "an object"
    return text if len(text) <= 40 else f"{text[:37]}..."


def parse_object(text: str, *, where: str) -> Fields:
    """Return the JSON object in *text*.

    transformers writes ``Infinity`` and ``NaN`` into configs, so they are let in here and refused
    where a number is read.

    Raises:
        FieldError: when it is not JSON, or not an object.
    """
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise FieldError(
            where, "", f"is not JSON: {error.msg} (line {error.lineno}, column {error.colno})"
        ) from error
    except (ValueError, RecursionError) as error:
        raise FieldError(where, "", f"is not JSON that can be read: {error}") from error
    if not isinstance(value, dict):
        raise FieldError(where, "", f"must hold a JSON object, not {shown(value)}")
    return Fields(value, where=where)
