"""The CustomResourceDefinitions of the chart."""

from __future__ import annotations

import pytest

from rightslice.kube.crd.definition import MODEL_DEPLOYMENT, manifest
from rightslice.records import Json
from tools.crds import FOLDER, files


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.name))
def test_the_charts_definitions_are_current(path: object) -> None:
    """`python -m tools.crds` writes what the chart holds."""
    found = {one: one.read_text(encoding="utf-8") for one in FOLDER.glob("*.yaml")}
    assert found == files()


def _described(schema: Json, path: str) -> list[str]:
    assert isinstance(schema, dict)
    missing = [] if "description" in schema or "." not in path else [path]
    properties = schema.get("properties") or {}
    assert isinstance(properties, dict)
    for name, inner in properties.items():
        missing += _described(inner, f"{path}.{name}")
    return missing


def test_every_field_says_what_it_means() -> None:
    """`kubectl explain` has a sentence for each."""
    version = manifest(MODEL_DEPLOYMENT)["spec"]["versions"][0]  # type: ignore[index,call-overload]  # plain JSON
    properties = version["schema"]["openAPIV3Schema"]["properties"]  # type: ignore[index,call-overload]  # plain JSON
    for part in ("spec", "status"):
        inner = properties[part]["properties"]  # type: ignore[index,call-overload]  # plain JSON
        missing = [one for name, schema in inner.items() for one in _described(schema, f".{name}")]  # type: ignore[union-attr]  # plain JSON
        assert missing == []
