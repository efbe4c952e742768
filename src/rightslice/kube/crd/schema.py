"""Frozen dataclasses -> the structural schema of a CustomResourceDefinition (OpenAPI v3).

Field names become camelCase, what a field's docstring says its description; a field without a
default is required, and plain defaults are written out so that the API server fills them in.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any

from rightslice.kube.crd.shape import Rule, Shape
from rightslice.records import Json, field_notes

Schema = dict[str, Json]
_SCALARS: Mapping[type, str] = {bool: "boolean", int: "integer", str: "string"}
NO_SHAPE = Shape()
LONGEST_TEXT = 1024
"""Characters of a text in a list or a map that says no other number."""


def camel(name: str) -> str:
    """Return a field's name as the API has it.

    >>> camel("usd_per_hour")
    'usdPerHour'
    """
    first, *rest = name.split("_")
    return first + "".join(one.capitalize() for one in rest)


@cache
def hints_of(cls: type) -> Mapping[str, Any]:
    """Return the types of *cls*'s fields, with their shapes."""
    return typing.get_type_hints(cls, include_extras=True)


def without_none(hint: Any) -> Any:  # noqa: ANN401 - a type hint has no type of its own
    """Return what *hint* is where it is given."""
    if typing.get_origin(hint) not in (typing.Union, types.UnionType):
        return hint
    members = [one for one in typing.get_args(hint) if one is not type(None)]
    return members[0] if len(members) == 1 else hint


def unwrapped(hint: Any) -> tuple[Any, Shape]:  # noqa: ANN401 - a type hint has no type of its own
    """Return the plain type of *hint*, where it is given, and its shape."""
    inner = without_none(hint)
    if typing.get_origin(inner) is not typing.Annotated:
        return inner, NO_SHAPE
    plain, *notes = typing.get_args(inner)
    shape = next((one for one in notes if isinstance(one, Shape)), NO_SHAPE)
    return plain, shape


def object_schema(cls: type) -> Schema:
    """Return the schema of an object with *cls*'s fields."""
    notes = field_notes(cls)
    properties: Schema = {}
    required: list[Json] = []
    for one in fields(cls):
        name = camel(one.name)
        described: Schema = (
            {"description": notes[one.name].replace("``", "`")} if one.name in notes else {}
        )
        default = default_of(one)
        filled: Schema = {} if default is None else {"default": default}
        properties[name] = {**described, **field_schema(hints_of(cls)[one.name]), **filled}
        if one.default is MISSING and one.default_factory is MISSING:
            required.append(name)
    found: Schema = {"type": "object", "properties": properties}
    if required:
        found["required"] = required
    rules: tuple[Rule, ...] = getattr(cls, "__rules__", ())
    return {**found, **_validations(rules)}


def default_of(one: Field[Any]) -> Json:
    """Return what the API server fills in where a field is absent; None: nothing."""
    if one.default_factory is not MISSING:
        made = one.default_factory()
        if not is_dataclass(made):
            return None
        # Whole: the API server checks the rules before it fills in what is inside.
        inner = {camel(part.name): default_of(part) for part in fields(made)}
        return {name: value for name, value in inner.items() if value is not None}
    if isinstance(one.default, Enum):
        return str(one.default.value)
    is_plain = isinstance(one.default, str | int) and one.default != "" and one.default is not False
    return one.default if is_plain else None


def field_schema(hint: Any) -> Schema:  # noqa: ANN401 - a type hint has no type of its own
    """Return the schema of one field."""
    plain, shape = unwrapped(hint)
    if shape.is_free_form:
        return {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    if shape.is_number_or_text:
        return {"x-kubernetes-int-or-string": True, **_bounds(shape, "maxLength"),
                **_validations(shape.rules)}  # fmt: skip
    if typing.get_origin(plain) is tuple:
        return _list_schema(plain, shape)
    if isinstance(plain, type) and issubclass(plain, Enum):
        return {"type": "string", "enum": [str(one.value) for one in plain]}
    if is_dataclass(plain):
        return object_schema(typing.cast("type", plain))
    if typing.get_origin(plain) is Mapping:
        texts: Schema = {"type": "string", "maxLength": LONGEST_TEXT}
        found: Schema = {"type": "object", "additionalProperties": texts}
        found |= _bounds(shape, "maxProperties")
    else:
        found = {"type": _SCALARS[plain], **_bounds(shape, "maxLength")}
    return {**found, **_validations(shape.rules)}


def _list_schema(plain: Any, shape: Shape) -> Schema:  # noqa: ANN401 - a type hint has no type of its own
    item = field_schema(typing.get_args(plain)[0])
    if item == {"type": "string"}:
        item["maxLength"] = LONGEST_TEXT
    item |= _validations(shape.each)
    found: Schema = {"type": "array", "items": item, **_bounds(shape, "maxItems")}
    if shape.key is not None:
        found |= {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [shape.key]}
    return found


def _bounds(shape: Shape, longest: str) -> Schema:
    given = {"minimum": shape.least, "maximum": shape.most, longest: shape.longest}
    return {name: value for name, value in given.items() if value is not None}


def _validations(rules: tuple[Rule, ...]) -> Schema:
    if not rules:
        return {}
    return {"x-kubernetes-validations": [{"rule": r.holds, "message": r.message} for r in rules]}
