"""Lengths are read in every form that people write them, and mistakes say what is right."""

from __future__ import annotations

from pathlib import Path

import pytest

from rightslice.edge.trace_files import read_lengths
from rightslice.errors import InputError


@pytest.mark.parametrize(
    ("text", "mean"),
    [("512", 512), ("2k", 2000), ("uniform(100,300)", 200), ("lognormal( 400 , 0 )", 400)],
)
def test_numbers_and_distributions(text: str, mean: float) -> None:
    """A number and each distribution are understood."""
    assert read_lengths(text).mean == mean


def test_a_column_of_a_trace(tmp_path: Path) -> None:
    """A trace's column gives its own lengths, found relative to the folder."""
    (tmp_path / "trace.csv").write_text("at,ContextTokens\n0,10\n1,30\n", encoding="utf-8")
    assert read_lengths("trace.csv:ContextTokens", folder=tmp_path).tokens == (10, 30)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("abc", "write it like 512"),
        ("0", "not a token length"),
        ("uniform(9,3)", "low <= high"),
        ("lognormal(512,x)", "sigma"),
        ("lognormal(512,nan)", "sigma"),
        ("trace.csv", "names no column"),
        ("missing.csv:a", "no trace file"),
        ("bad.csv:tokens", "bad.csv:3: tokens: 'many' is not a token count"),
        ("bad.csv:token", "did you mean tokens"),
    ],
)
def test_mistakes_say_what_is_right(tmp_path: Path, text: str, message: str) -> None:
    """Each mistake is named with what would be right."""
    (tmp_path / "bad.csv").write_text("tokens\n5\nmany\n", encoding="utf-8")
    with pytest.raises(InputError, match=message.replace("(", r"\(")):
        read_lengths(text, folder=tmp_path)
