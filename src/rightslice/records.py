"""The JSON form of frozen values, and its JSON Schema: one rule for every verb.

A dataclass becomes an object of its fields, whose names carry their units; a class whose whole
content would drown the reader lists what it shows in ``__record__`` (fields or properties). Each
object says its class in ``kind``. An enum becomes its value, a fraction or decimal a number, a
date ISO text; what is infinite or unknown becomes null.
"""

from __future__ import annotations

import ast
import dataclasses
import datetime as dt
import inspect
import math
import textwrap
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from functools import cache, cached_property
from itertools import pairwise
from typing import Any

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]

_SCALARS: dict[type, str] = {
    bool: "boolean", int: "integer", float: "number", str: "string",
    Decimal: "number", Fraction: "number",
}  # fmt: skip


def to_json(value: object) -> Json:  # noqa: PLR0911 - one return a kind of value
    """Return *value* as plain JSON data.

    Raises:
        TypeError: for a class that has no JSON form, which is our own mistake.
    """
    if isinstance(value, Enum):
        return to_json(value.value)
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float | Decimal | Fraction):
        number = float(value)
        return number if math.isfinite(number) else None
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(to_json(key)): to_json(item) for key, item in value.items()}
    if isinstance(value, Sequence | frozenset):
        return [to_json(item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        shown = {name: to_json(getattr(value, name)) for name in _shown(type(value))}
        return {"kind": type(value).__name__, **shown}
    raise TypeError(f"{type(value).__name__} has no JSON form")


def json_schema(root: type | types.UnionType, *, title: str) -> dict[str, Json]:
    """Return the JSON Schema (draft 2020-12) of what `to_json` makes of a *root* value."""
    definitions: dict[str, Json] = {}
    reference = _schema(root, definitions)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        **reference,
        "$defs": dict(sorted(definitions.items())),
    }


@cache
def _shown(cls: type) -> tuple[str, ...]:
    listed = getattr(cls, "__record__", None)
    fields = dataclasses.fields(cls)
    shown = tuple(listed) if listed is not None else tuple(field.name for field in fields)
    assert "kind" not in shown, f"a field of {cls.__name__} would hide the name of its class"
    return shown


def _schema(hint: Any, definitions: dict[str, Json]) -> dict[str, Json]:  # noqa: ANN401, PLR0911 - a type hint has no type of its own; one return a kind of hint
    if hint in _SCALARS:
        return {"type": _SCALARS[hint]}
    if hint is type(None):
        return {"type": "null"}
    if isinstance(hint, typing.NewType):
        return _schema(hint.__supertype__, definitions)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": [_schema(member, definitions) for member in arguments]}
    if isinstance(origin, type) and issubclass(origin, Mapping):
        each = _nullable_number(_schema(arguments[1], definitions))
        return {"type": "object", "additionalProperties": each}
    if isinstance(origin, type) and issubclass(origin, Sequence | frozenset):
        return {"type": "array", "items": _nullable_number(_schema(arguments[0], definitions))}
    if isinstance(hint, type) and issubclass(hint, Enum):
        return {"enum": [to_json(member.value) for member in hint]}
    if isinstance(hint, type) and issubclass(hint, dt.date):
        return {"type": "string", "format": "date"}
    if dataclasses.is_dataclass(hint):
        return _object(typing.cast("type", hint), definitions)
    raise TypeError(f"{hint!r} has no JSON schema")


def _object(cls: type, definitions: dict[str, Json]) -> dict[str, Json]:
    name = cls.__name__
    reference: dict[str, Json] = {"$ref": f"#/$defs/{name}"}
    if name in definitions:
        return reference
    definitions[name] = None  # holds the place while members that refer back are described
    properties: dict[str, Json] = {"kind": {"const": name}}
    hints = typing.get_type_hints(cls)
    notes = field_notes(cls)
    for shown in _shown(cls):
        described = _nullable_number(_schema(_hint(cls, shown, hints), definitions))
        note: dict[str, Json] = {"description": notes[shown]} if shown in notes else {}
        properties[shown] = {**described, **note}
    definitions[name] = {
        "type": "object",
        "description": (inspect.getdoc(cls) or "").split("\n\n")[0].replace("\n", " "),
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
    return reference


def field_notes(cls: type) -> dict[str, str]:
    """Return what the source says of each field (the string after it) and of each property."""
    notes: dict[str, str] = {}
    for owner in reversed(cls.__mro__[:-1]):
        body = ast.parse(textwrap.dedent(inspect.getsource(owner))).body[0]
        assert isinstance(body, ast.ClassDef)
        for node, after in pairwise(body.body):
            if isinstance(node, ast.AnnAssign) and isinstance(after, ast.Expr):
                notes[ast.unparse(node.target)] = _one_line(ast.literal_eval(after.value))
        for name, member in vars(owner).items():
            if isinstance(member, property | cached_property) and member.__doc__:
                notes[name] = _one_line(member.__doc__)
    return notes


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _nullable_number(schema: dict[str, Json]) -> dict[str, Json]:
    """Numbers may be null: infinite waits have no JSON number."""
    return {"type": ["number", "null"]} if schema == {"type": "number"} else schema


def _hint(cls: type, name: str, hints: dict[str, Any]) -> Any:  # noqa: ANN401 - a type hint has no type of its own
    if name in hints:
        return hints[name]
    member = inspect.getattr_static(cls, name)
    function: Callable[..., object] = getattr(member, "fget", None) or member.func
    return typing.get_type_hints(function)["return"]
