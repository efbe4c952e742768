"""Files appear whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from rightslice.edge.text_files import write_text
from rightslice.errors import InputError, UnavailableError


def test_a_file_is_written_with_its_folders(tmp_path: Path) -> None:
    """Folders are made, and nothing but the file is left."""
    path = tmp_path / "a" / "b" / "report.html"
    write_text(path, "größer")
    assert path.read_text(encoding="utf-8") == "größer"
    assert [p.name for p in path.parent.iterdir()] == ["report.html"]
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_file_is_replaced(tmp_path: Path) -> None:
    """A second run writes over the first."""
    for text in ("one", "two"):
        write_text(tmp_path / "f", text)
    assert (tmp_path / "f").read_text(encoding="utf-8") == "two"


def test_a_folder_is_not_written_over(tmp_path: Path) -> None:
    """A folder's name is a mistake that the caller can mend."""
    with pytest.raises(InputError, match="is a folder"):
        write_text(tmp_path, "x")


def test_a_place_that_is_none_is_unavailable(tmp_path: Path) -> None:
    """A file in the way of a folder leaves everything as it was."""
    (tmp_path / "f").write_text("x", encoding="utf-8")
    with pytest.raises(UnavailableError):
        write_text(tmp_path / "f" / "g", "y")
    assert [p.name for p in tmp_path.iterdir()] == ["f"]


def test_text_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    """Half a character has no UTF-8 form: the old file stays, no temporary one."""
    write_text(tmp_path / "f", "old")
    with pytest.raises(InputError, match="cannot be written as UTF-8"):
        write_text(tmp_path / "f", "new \ud800")
    assert (tmp_path / "f").read_text(encoding="utf-8") == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["f"]
