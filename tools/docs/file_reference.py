"""Field tables of the files that people write, from their msgspec schema."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from rightslice.edge.fleet_schema import FleetFile, PricesFile
from rightslice.edge.pack_file import PackFile

_WORDS = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
}

Schema = Mapping[str, Any]


def fleet_fields() -> None:
    """Print the tables of a file of kind ``Fleet``."""
    _tables(FleetFile, first="FleetFile")


def prices_fields() -> None:
    """Print the tables of a file of kind ``Prices``."""
    _tables(PricesFile, first="PricesFile")


def pack_fields() -> None:
    """Print the tables of a pack file."""
    _tables(PackFile, first="PackFile")


def _tables(shape: type, *, first: str) -> None:
    definitions: dict[str, Schema] = msgspec.json.schema(shape)["$defs"]
    names = [first, *_reached(definitions, first)]
    for name in dict.fromkeys(names):
        print("\n".join(_table(name, definitions[name])))


def _reached(definitions: Mapping[str, Schema], name: str) -> list[str]:
    """Return the shapes that *name*'s fields refer to, depth first."""
    found: list[str] = []
    for field in definitions[name]["properties"].values():
        for target in _references(field):
            found += [target, *_reached(definitions, target)]
    return found


def _references(schema: Schema) -> list[str]:
    if "$ref" in schema:
        return [schema["$ref"].rsplit("/", 1)[1]]
    inner = [*schema.get("anyOf", ()), *([schema["items"]] if "items" in schema else [])]
    return [name for part in inner for name in _references(part)]


def _table(name: str, schema: Schema) -> list[str]:
    required = schema.get("required", ())
    rows = [
        f"| `{field}` | {_type(described)} | {_default(described, required=field in required)}"
        f" | {_meaning(described)} |"
        for field, described in schema["properties"].items()
    ]
    head = [f"### {name}", "", schema.get("description", ""), ""]
    return [*head, "| field | type | default | meaning |", "|---|---|---|---|", *rows, ""]


def _type(schema: Schema) -> str:
    if "$ref" in schema:
        name = _references(schema)[0]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        kinds = [_type(part) for part in schema["anyOf"] if part.get("type") != "null"]
        return " or ".join(dict.fromkeys(kinds))
    if "enum" in schema:
        return " or ".join(f"`{choice}`" for choice in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}"
    if schema.get("type") == "object":
        return f"map of name to {_type(schema['additionalProperties'])}"
    return _WORDS[schema["type"]] + _limits(schema)


def _limits(schema: Schema) -> str:
    lowest, highest = schema.get("minimum"), schema.get("maximum")
    above = schema.get("exclusiveMinimum")
    start = f"above {above:g}" if above is not None else None if lowest is None else f"{lowest:,}"
    if start is None or highest is None:
        return ""
    return f", {start} to {highest:,}" if above is None else f", {start}, up to {highest:,}"


def _default(schema: Schema, *, required: bool) -> str:
    if required:
        return "required"
    if schema.get("default") in (None, []) or isinstance(schema["default"], dict):
        return ""
    return f"`{json.dumps(schema['default'])}`"


def _meaning(schema: Schema) -> str:
    found = schema.get("description", "")
    examples = schema.get("examples", [])
    for part in schema.get("anyOf", ()):
        found = found or part.get("description", "")
        examples = examples or part.get("examples", [])
    shown = ", ".join(
        f"`{example if isinstance(example, str) else json.dumps(example)}`" for example in examples
    )
    return f"{found} For example {shown}.".strip() if shown else found
