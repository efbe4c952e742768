"""What each back end can do."""

from __future__ import annotations

import pytest

from rightslice.core.catalog.mig import MigGrid
from rightslice.core.packing.backends import (
    TABLE,
    Backend,
    Steering,
    capabilities,
    why_not,
)


def test_every_back_end_has_one_row_with_its_source() -> None:
    """The table covers the choices, once each, and says where it was read."""
    assert [each.backend for each in TABLE] == list(Backend)
    assert all(each.source and each.rule for each in TABLE)


@pytest.mark.parametrize("backend", list(Backend))
def test_what_cannot_be_steered_is_said(backend: Backend) -> None:
    """A note stands wherever the start slot is not ours to choose."""
    row = capabilities(backend)
    assert bool(row.note) == (row.steering is not Steering.START)


def test_das_refuses_what_it_cannot_hand_out(a100: MigGrid, rtx: MigGrid) -> None:
    """Names with an ending and cards of twelve units are no matter for DAS."""
    assert why_not(Backend.DAS, a100, "1g.5gb") is None
    assert "another profile" in (why_not(Backend.DAS, a100, "1g.5gb+me") or "")
    assert "12" in (why_not(Backend.DAS, rtx, "1g.24gb") or "")
    assert why_not(Backend.DRA, rtx, "1g.24gb+me") is None
