"""Which source a file is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rightslice.edge.catalog_files import Catalog
from rightslice.edge.live.read import read_live
from rightslice.errors import InputError

Reader = Callable[..., Any]


def test_our_own_state_file_is_still_one(read: Reader) -> None:
    """A file with a GPU and cards is read as ever."""
    state = read("gpu: A100-40GB\ncards:\n- name: g0\n", "state.yaml")
    assert (state.grid.name, [card.name for card in state.cards]) == ("A100-40GB", ["g0"])


def test_a_folder_without_texts_says_what_it_should_hold(tmp_path: Path) -> None:
    """An empty folder tells of nothing."""
    with pytest.raises(InputError, match=r"holds no NODE\.txt"):
        read_live(tmp_path, Catalog())


def test_several_kinds_ask_for_one(read: Reader, tmp_path: Path) -> None:
    """A slice cannot move between kinds of card, so one kind is chosen."""
    row = "|   0  MIG 1g.{0}gb   19  7  0:1 |\nGPU 0: NVIDIA {1} (UUID: GPU-{0})\n"
    (tmp_path / "a.txt").write_text(row.format(5, "A100-SXM4-40GB"))
    (tmp_path / "b.txt").write_text(row.format(10, "H100 80GB HBM3"))
    with pytest.raises(InputError, match="several kinds"):
        read_live(tmp_path, Catalog())
    assert [card.node for card in read_live(tmp_path, Catalog(), gpu="H100-80GB").cards] == ["b"]
