"""Decoded objects <-> the dataclasses of their specs and statuses.

The API server has checked an object before anybody reads it, but a definition may be older than the
object, or newer. So whatever does not have its shape is a problem with the field's path and what
would be right, never a crash; fields that are not known are let pass.
"""

from __future__ import annotations

import math
import typing
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from enum import Enum
from typing import Any, Generic, TypeVar

from rightslice.kube.crd.schema import camel, hints_of, unwrapped
from rightslice.kube.crd.shape import Shape
from rightslice.kube.parse.decoded import items, mapping
from rightslice.records import Json

_Value = TypeVar("_Value")
_LARGEST = 2**53


@dataclass(frozen=True, kw_only=True)
class Decoded(Generic[_Value]):
    """What an object says, or every problem with it; `value` is None when there is one."""

    value: _Value | None
    problems: tuple[str, ...] = ()


class _NoValueError(Exception):
    """A part that has no value; its problem has been told."""


@dataclass
class _Reader:
    problems: list[str] = field(default_factory=list)

    def read(self, cls: type, given: object, path: str) -> object:
        if not isinstance(given, dict):
            raise self._refused(path, "must be an object")
        known = mapping(given)
        values: dict[str, object] = {}
        wrong = False
        for one in fields(cls):
            name = camel(one.name)
            where = f"{path}.{name}" if path else name
            try:
                if known.get(name) is not None:
                    values[one.name] = self._field(hints_of(cls)[one.name], known[name], where)
                elif one.default is MISSING and one.default_factory is MISSING:
                    raise self._refused(where, "is missing")
            except _NoValueError:
                wrong = True
        if wrong:
            raise _NoValueError
        return cls(**values)

    def _field(self, hint: Any, given: object, path: str) -> object:  # noqa: ANN401 - a type hint has no type of its own
        plain, shape = unwrapped(hint)
        if shape.is_free_form:
            if not isinstance(given, dict):
                raise self._refused(path, "must be an object")
            return given
        if typing.get_origin(plain) is tuple:
            if not isinstance(given, list):
                raise self._refused(path, "must be a list")
            inner = typing.get_args(plain)[0]
            found = [
                self._field(inner, one, f"{path}[{index}]")
                for index, one in enumerate(items(given))
            ]
            return tuple(found)
        if typing.get_origin(plain) is Mapping:
            known = given.items() if isinstance(given, dict) else [("", None)]
            if not all(isinstance(part, str) for pair in known for part in pair):
                raise self._refused(path, "must be an object of texts")
            return given
        if isinstance(plain, type) and issubclass(plain, Enum):
            return self._choice(plain, given, path)
        if is_dataclass(plain):
            return self.read(typing.cast("type", plain), given, path)
        return self._scalar(plain, shape, given, path)

    def _choice(self, enum: type[Enum], given: object, path: str) -> Enum:
        found = [one for one in enum if one.value == given]
        if not found:
            allowed = ", ".join(str(one.value) for one in enum)
            raise self._refused(path, f"must be one of {allowed}")
        return found[0]

    def _scalar(self, plain: Any, shape: Shape, given: object, path: str) -> int | str:  # noqa: ANN401 - a type hint has no type of its own
        if isinstance(given, float) and math.isfinite(given) and given == int(given):
            given = int(given)
        is_number = isinstance(given, int) and not isinstance(given, bool)
        if isinstance(given, str) and (plain is str or shape.is_number_or_text):
            return given
        if is_number and (plain is int or shape.is_number_or_text):
            assert isinstance(given, int)
            least = -_LARGEST if shape.least is None else shape.least
            most = _LARGEST if shape.most is None else shape.most
            if not least <= given <= most:
                raise self._refused(path, f"must be from {least} to {most}")
            return given
        raise self._refused(path, "must be text" if plain is str else "must be a whole number")

    def _refused(self, path: str, problem: str) -> _NoValueError:
        self.problems.append(f"{path or 'spec'}: {problem}")
        return _NoValueError()


def decode(cls: type[_Value], given: object, path: str = "") -> Decoded[_Value]:
    """Return *given* as a *cls*, or what is wrong with it; paths in messages start at *path*."""
    reader = _Reader()
    try:
        value = reader.read(cls, given, path)
    except _NoValueError:
        return Decoded(value=None, problems=tuple(reader.problems))
    assert isinstance(value, cls)
    return Decoded(value=value)


def encode(value: object) -> Json:
    """Return a spec or status as the API has it; what is None or empty is left out."""
    if isinstance(value, Enum):
        return str(value.value)
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, Mapping):
        return {str(key): encode(one) for key, one in value.items()}
    if isinstance(value, tuple):
        return [encode(one) for one in value]
    assert is_dataclass(value), f"{type(value).__name__} is no part of an object"
    found = {camel(one.name): encode(getattr(value, one.name)) for one in fields(value)}
    return {name: one for name, one in found.items() if one not in (None, [], "")}
