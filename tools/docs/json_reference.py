"""Tables of what every verb prints with ``--output json``, from the answers' own classes."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import sys
import textwrap
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, cast

from rightslice.entry.cli.schema import Subject, schema_of

Schema = Mapping[str, Any]

ANSWERS = (
    Subject.SIZE,
    Subject.PREDICT,
    Subject.FIT,
    Subject.SHARE,
    Subject.PACK,
    Subject.REPACK,
    Subject.PLAN,
    Subject.KUBECTL_STATUS,
    Subject.KUBECTL_EXPLAIN,
    Subject.KUBECTL_WHATIF,
)


def answer_roots() -> None:
    """Print one row a verb: the kind of object that it answers with."""
    print("| verb | answers with | schema |\n|---|---|---|")
    for subject in ANSWERS:
        schema = cast("Schema", schema_of(subject))
        roots = _type({key: schema[key] for key in ("$ref", "anyOf") if key in schema})
        print(f"| `{subject.value}` | {roots} | `rightslice schema {subject.value}` |")


def answer_kinds() -> None:
    """Print one table for each kind of object that an answer may hold, by name."""
    for name, schema in sorted(_definitions().items()):
        print("\n".join(_table(name, schema)))


def _definitions() -> dict[str, Schema]:
    found: dict[str, Schema] = {}
    for subject in ANSWERS:
        found |= cast("Schema", schema_of(subject))["$defs"]
    return found


def _table(name: str, schema: Schema) -> list[str]:
    meanings = dict(_meanings(_class(name)))
    rows = [
        f"| `{field}` | {_type(described)} | {meanings.get(field, '')} |"
        for field, described in schema["properties"].items()
        if field != "kind"
    ]
    head = [f"### {name}", "", schema["description"], ""]
    return [*head, *(["| field | type | meaning |", "|---|---|---|", *rows, ""] if rows else [])]


def _type(schema: Schema) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_type(part) for part in schema["anyOf"]))
    if "enum" in schema:
        return " or ".join(f"`{choice}`" for choice in schema["enum"])
    kind = schema["type"]
    if kind == "array":
        return f"array of {_type(schema['items'])}"
    if kind == "object":
        return f"object of {_type(schema['additionalProperties'])}"
    return " or ".join(kind) if isinstance(kind, list) else str(kind)


@cache
def _class(name: str) -> type:
    for module in [found for key, found in sys.modules.items() if key.startswith("rightslice.")]:
        found = vars(module).get(name)
        if dataclasses.is_dataclass(found) and isinstance(found, type):
            return found
    raise LookupError(name)


def _meanings(cls: type) -> Iterator[tuple[str, str]]:
    """Yield each field or property with its first sentence of documentation."""
    body = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
    assert isinstance(body, ast.ClassDef)
    for statement, following in zip(body.body, [*body.body[1:], None], strict=True):
        if isinstance(statement, ast.FunctionDef):
            yield statement.name, _line(ast.get_docstring(statement) or "")
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            said = following.value if isinstance(following, ast.Expr) else None
            if isinstance(said, ast.Constant) and isinstance(said.value, str):
                yield statement.target.id, _line(said.value)


def _line(text: str) -> str:
    first = inspect.cleandoc(text).split("\n\n")[0].replace("\n", " ")
    return first.replace("``", "`").replace("|", "\\|")
