"""Shares of a card, and which of them are isolated."""

from __future__ import annotations

import pytest

from rightslice.core.catalog.mig import ProfileName
from rightslice.core.catalog.share import (
    Exclusive,
    MigSlice,
    MpsShare,
    Share,
    TimeSlice,
    is_hardware_isolated,
)
from rightslice.errors import InputError


@pytest.mark.parametrize("kind", [TimeSlice, MpsShare])
def test_sharing_needs_two(kind: type[TimeSlice | MpsShare]) -> None:
    """One turn is the whole card, which has a name of its own."""
    with pytest.raises(InputError, match="must be at least 2"):
        kind(replicas=1)


@pytest.mark.parametrize(
    ("share", "isolated"),
    [
        (Exclusive(), True),
        (MigSlice(profile=ProfileName("1g.5gb")), True),
        (TimeSlice(replicas=2), False),
        (MpsShare(replicas=2), False),
    ],
)
def test_isolation_by_hardware(share: Share, isolated: object) -> None:
    """Whole cards and MIG slices keep neighbours out; time slices and MPS do not."""
    assert is_hardware_isolated(share) is isolated
