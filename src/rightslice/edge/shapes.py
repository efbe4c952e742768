"""Plain data to typed shapes (msgspec), with errors that a person can act on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, TypeVar

import msgspec

from rightslice.edge.yaml_files import Document
from rightslice.errors import FieldError

_T = TypeVar("_T")
_UNKNOWN = re.compile(
    r"Object contains unknown field `(?P<field>.*?)`(?: - at `(?P<path>.*)`)?", re.DOTALL
)
_AT = re.compile(r"(?P<problem>.*?)(?: - at `(?P<path>.*)`)?", re.DOTALL)


def check_shape(document: Document, shape: type[_T]) -> _T:
    """Return *document* as *shape*.

    Raises:
        FieldError: for a missing, unknown or ill-typed field, with its line.
    """
    try:
        return msgspec.convert(document.data, shape)
    except msgspec.ValidationError as error:
        raise _shape_error(document, shape, str(error)) from None


def _shape_error(document: Document, shape: type, message: str) -> FieldError:
    unknown = _UNKNOWN.fullmatch(message)
    if unknown is not None:
        path, field = unknown["path"] or "$", unknown["field"]
        near = get_close_matches(field, _known_fields(shape), n=2)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        return document.field_error(f"{path}.{field}", f"unknown field{hint}")
    match = _AT.fullmatch(message)
    assert match is not None, message
    problem, path = match["problem"], match["path"] or "$"
    if "matching regex" in problem:
        problem = "must be lower-case letters, digits and dashes, at most 63, as in granite-7b"
    if problem.startswith("Invalid enum value"):
        problem = f"{problem}; allowed: {', '.join(_allowed(shape, path))}"
    elif problem.startswith("Expected") and (example := _example(shape, path)) is not None:
        problem = f"{problem}; write it like {example}"
    return document.field_error(path, problem)


def _structs(shape: Any) -> dict[str, Any]:  # noqa: ANN401 - a JSON Schema's component map
    return msgspec.json.schema_components([shape])[1]


def _known_fields(shape: type) -> list[str]:
    return sorted({name for struct in _structs(shape).values() for name in _properties(struct)})


def _properties(struct: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = struct.get("properties", {})
    return found


def _example(shape: type, path: str) -> object | None:
    """Return what the field at *path* looks like when it is right, if its schema says."""
    field = path.rsplit(".", 1)[-1]
    for struct in _structs(shape).values():
        examples = _properties(struct).get(field, {}).get("examples")
        if examples:
            return str(examples[0])
    return None


def _allowed(shape: type, path: str) -> list[str]:
    field = path.rsplit(".", 1)[-1]
    values: set[str] = set()
    for struct in _structs(shape).values():
        prop = _properties(struct).get(field, {})
        for option in (prop, *prop.get("anyOf", [])):
            values.update(str(value) for value in option.get("enum", []))
    return sorted(values)
