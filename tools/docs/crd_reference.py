"""Tables of the fields of Model and ModelDeployment, and of what the operator counts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from rightslice.entry.operator.metrics import Metrics
from rightslice.kube.crd.definition import DEFINITIONS, manifest
from tools.docs.webhook_reference import rows_of


def resource_fields(kind: str, part: str) -> None:
    """Print one row for each field of the spec or the status (*part*) of *kind*."""
    definition = next(one for one in DEFINITIONS if one.kind == kind)
    found: Any = manifest(definition)
    schema = found["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"][part]
    print("| field | type | default | meaning |\n|---|---|---|---|")
    for name, one, required in field_rows(schema, ""):
        default = "required" if required else _default(one)
        print(f"| `{name}` | {_type(one)} | {default} | {one.get('description', '')} |")


def resource_rules(kind: str) -> None:
    """Print one row for each rule of *kind*'s spec, with the message of its refusal."""
    definition = next(one for one in DEFINITIONS if one.kind == kind)
    found: Any = manifest(definition)
    root = found["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    print("| field | what is refused says |\n|---|---|")
    for rule in root["x-kubernetes-validations"]:
        print(f"| `metadata.name` | {rule['message']} |")
    for name, message in _rules(root["properties"]["spec"], "spec"):
        print(f"| `{name}` | {message} |")


def operator_metrics() -> None:
    """Print one row for each metric that the operator exposes."""
    print("| metric | type | labels | meaning |\n|---|---|---|---|")
    for name, kind, labels, meaning in rows_of(Metrics()):
        print(f"| `{name}` | {kind} | {', '.join(f'`{one}`' for one in labels)} | {meaning} |")


def field_rows(schema: Any, path: str) -> Iterator[tuple[str, Any, bool]]:  # noqa: ANN401 - plain JSON
    """Yield each field below *schema*: its path, its schema, and whether it has to be given."""
    for name, one in schema.get("properties", {}).items():
        where = f"{path}.{name}".lstrip(".")
        inner = one.get("items", {})
        shown = f"{where}[]" if inner.get("properties") else where
        yield shown, one, name in schema.get("required", ())
        yield from field_rows(inner or one, shown)


def _rules(schema: Any, path: str) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - plain JSON
    for rule in schema.get("x-kubernetes-validations", ()):
        yield path, rule["message"]
    for name, one in schema.get("properties", {}).items():
        yield from _rules(one, f"{path}.{name}")
    if "items" in schema:
        yield from _rules(schema["items"], f"{path}[]")


def _type(one: Any) -> str:  # noqa: ANN401 - plain JSON
    if "enum" in one:
        return " or ".join(f"`{choice}`" for choice in one["enum"])
    if one.get("x-kubernetes-int-or-string"):
        return "whole number or text"
    if "minimum" in one:
        return f"whole number, {one['minimum']:,} to {one['maximum']:,}"
    names = {"integer": "whole number", "string": "text", "array": "list", "object": "object"}
    return names[one["type"]]


def _default(one: Any) -> str:  # noqa: ANN401 - plain JSON
    given = one.get("default")
    text = given if isinstance(given, str) else json.dumps(given)
    return "" if given in (None, {}) else f"`{text}`"
