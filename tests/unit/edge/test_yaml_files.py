"""YAML is read once, with the line of every value, and refused where it would be read wrongly."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightslice.edge.yaml_files import read_document, read_text
from rightslice.errors import InputError, UnavailableError

LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{b}: &{b} [{', '.join([f'*{a}'] * 10)}]\n" for a, b in zip("abcdef", "bcdefg", strict=True)
)


def test_values_and_their_lines() -> None:
    """Every value is plain data, and its line is known by its path."""
    document = read_document("a: 1\nb:\n  - x: yes\n  - 2.5\n", where="f.yaml")
    assert document.data == {"a": 1, "b": [{"x": True}, 2.5]}
    assert document.lines == {"$": 1, "$.a": 1, "$.b": 3, "$.b[0]": 3, "$.b[0].x": 3, "$.b[1]": 4}


def test_an_error_is_placed_at_the_nearest_parent() -> None:
    """What is missing is reported where it should be."""
    document = read_document("a:\n  b: {c: 1}\n", where="f.yaml")
    assert str(document.field_error("$.a.b.d.e", "is missing")) == "f.yaml:2: a.b.d.e: is missing"
    assert str(document.field_error("nowhere", "is odd")) == "f.yaml: nowhere: is odd"


def test_a_date_stays_the_text_that_it_was() -> None:
    """YAML 1.1 would make a date of it; fields say themselves what they are."""
    assert read_document("asOf: 2026-11-01", where="f").data == {"asOf": "2026-11-01"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "f: is empty"),
        ("# only a comment\n", "f: is empty"),
        ("a: 1\n---\nb: 2\n", "f: holds 2 documents"),
        ("a: 1\nb: 2\na: 3\n", "f:3: key 'a' is given twice"),
        ("a:\n\t- 1\n", "f:2: is not YAML: found character"),
        ("a: b: c\n", "f:1: is not YAML: mapping values"),
        ("a: 1\nb: \x07\n", "f:2: is not YAML: control characters"),
        ("a: [1, 2\n", "is not YAML"),
        ("a: 1\n? [b]\n: c\n", "f:2: a key must be a plain word"),
        ("a: &a [*a]\n", "f:1: is nested too deeply, or refers to itself"),
        ("a: &a {b: *a}\n", "f:1: is nested too deeply, or refers to itself"),
        ("a: *missing\n", "f:1: is not YAML"),
        ("a: 1\nb: !!python/object:os.system x\n", "f:2: 'x' is not a valid value"),
        ("a: !mine x\n", "f:1: tag !mine is not understood"),
        ("a: !!int x\n", "f:1: 'x' is not a valid value"),
        ("a: !!bool x\n", "f:1: 'x' is not a valid value"),
        ("a: !!int ''\n", "f:1: '' is not a valid value"),
        ("a: 0x\n", None),
        ("a: 9" + "9" * 5000, "is not a valid value"),
        (LAUGHS, "nested too deeply"),
    ],
)  # fmt: skip
def test_what_is_refused_says_the_line(text: str, said: str | None) -> None:
    """Each refusal names file, line, and what is wrong; nothing else is raised."""
    if said is None:
        assert read_document(text, where="f").data
        return
    with pytest.raises(InputError) as caught:
        read_document(text, where="f")
    assert said in str(caught.value)


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? "])
def test_deep_nesting_is_refused_before_it_can_do_harm(opening: str) -> None:
    """A hundred thousand levels are one message, not the end of the process."""
    with pytest.raises(InputError, match=r"f:[0-9]+: is n"):
        read_document(opening * 100_000, where="f")


@given(st.text(max_size=60))
def test_any_text_is_data_or_an_input_error(text: str) -> None:
    """Whatever is written, nothing but an InputError is raised."""
    lines = {"$": 0}
    with suppress(InputError):
        lines = dict(read_document(text, where="f").lines)
    assert "$" in lines


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    """A missing file, a folder, and bytes that are no text are each named."""
    (tmp_path / "binary").write_bytes(b"a\xff\xfe")
    for name, said in (("none", "no such file"), ("", "is a folder"), ("binary", "UTF-8")):
        with pytest.raises(InputError, match=said):
            read_text(tmp_path / name)


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    """Eight MiB is more than any fleet file."""
    with (tmp_path / "huge").open("wb") as stream:
        stream.truncate(8 * 1024**2 + 1)
    with pytest.raises(InputError, match="larger than 8 MiB"):
        read_text(tmp_path / "huge")


def test_what_the_system_will_not_give_is_unavailable(tmp_path: Path) -> None:
    """A path through a file is no mistake in the text."""
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(UnavailableError):
        read_text(tmp_path / "file" / "below")
    assert read_text(tmp_path / "file") == "x"
