"""Kubernetes objects as ``kubectl get ... -o json`` (or yaml) prints them, by their kind.

Only the fields that are read are described; a cluster's objects have many more.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import msgspec

from rightslice.edge.yaml_files import read_document
from rightslice.errors import FieldError, InputError

_T = TypeVar("_T")
Objects = Mapping[str, list[dict[str, Any]]]
"""Objects by kind, as plain data."""


class Shape(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An object's fields that we read; others are passed over."""


class Owner(Shape, frozen=True, kw_only=True):
    """What made an object."""

    kind: str = ""
    name: str = ""
    controller: bool = False


class Metadata(Shape, frozen=True, kw_only=True):
    """Names, labels and annotations."""

    name: str
    namespace: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    owner_references: tuple[Owner, ...] = ()


def read_objects(text: str, *, where: str) -> Objects:
    """Return the objects in *text* by kind: lists are opened, JSON and YAML are both read.

    Raises:
        InputError: when it is neither, or holds something that is no object.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for each in _flat(_parse(text, where), where):
        found.setdefault(each["kind"], []).append(each)
    return found


def shaped(objects: Objects, name: str, shape: type[_T], *, where: str) -> Iterator[_T]:
    """Yield every object of kind *name* as *shape*.

    Raises:
        FieldError: naming the object and the field that is wrong.
    """
    for each in objects.get(name, ()):
        try:
            yield msgspec.convert(each, shape)
        except msgspec.ValidationError as error:
            metadata = each.get("metadata")
            called = metadata.get("name", "?") if isinstance(metadata, dict) else "?"
            problem, _, path = str(error).partition(" - at ")
            field = path.strip("`").removeprefix("$.")
            raise FieldError(f"{where}: {name} {called}", field, problem) from None


def whole(amount: str | int) -> int:
    """Return a count as Kubernetes writes it; 0 for a quantity that is none, or beyond reason."""
    text = str(amount)
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 6 else 0


def _parse(text: str, where: str) -> Any:  # noqa: ANN401 - plain data is of any type
    if text.lstrip().startswith("{"):
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{where}: is not JSON: {error}") from None
    return read_document(text, where=where).data


def _flat(data: object, where: str) -> Iterator[dict[str, Any]]:
    if not isinstance(data, dict) or not isinstance(data.get("kind"), str):
        raise InputError(
            f"{where}: holds no Kubernetes objects; write what kubectl get ... -o json prints"
        )
    items = data.get("items")
    if not str(data["kind"]).endswith("List") or not isinstance(items, list):
        yield data
        return
    of = str(data["kind"]).removesuffix("List")
    for item in items:
        named = {"kind": of, **item} if isinstance(item, dict) else item
        yield from _flat(named, where)
