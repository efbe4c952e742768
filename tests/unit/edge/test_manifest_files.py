"""Tests of reading the documents of manifest files."""

from __future__ import annotations

from pathlib import Path

import pytest

from rightslice.edge.manifest_files import decode_yaml, manifests_of, read_manifests
from rightslice.errors import InputError


def test_every_document_is_read_and_empty_ones_are_not(tmp_path: Path) -> None:
    """Several documents a file, as kubectl reads them."""
    path = tmp_path / "all.yaml"
    path.write_text("---\na: 1\n---\n---\nb: [2]\n", encoding="utf-8")
    assert read_manifests(path) == [{"a": 1}, {"b": [2]}]


def test_json_is_read_as_it_is() -> None:
    """Tabs and all, which YAML would refuse."""
    assert manifests_of('{\n\t"a": 1}', where="x") == [{"a": 1}]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: [1", "x: line 2: is not YAML"),
        ("{{- if .Values.a }}\na: 1\n{{- end }}", "is a template"),
        ("a: " + "[" * 100, "nested too deeply"),
        ("a: !unknown b", "x: line 1"),
        ("a: 2024-99-99", "is not YAML"),
    ],
)
def test_what_is_no_yaml_is_said_with_its_place(text: str, problem: str) -> None:
    """File, line, and what it looks like instead."""
    with pytest.raises(InputError, match="x: ") as caught:
        manifests_of(text, where="x")
    assert problem in str(caught.value)


def test_yaml_inside_yaml_is_data_or_nothing() -> None:
    """A nested text that is no single document is left alone."""
    assert decode_yaml("a: 1") == {"a": 1}
    assert [decode_yaml(text) for text in ("a: [", "a: 1\n---\nb: 2", "")] == [None, None, None]
