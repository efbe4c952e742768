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
    is_sound,
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


@pytest.mark.parametrize(("replicas", "percent", "sound"), [(2, 50, True), (3, 33, False),
                                                           (4, 25, True), (5, 20, False),
                                                           (8, 12, True)])  # fmt: skip
def test_thread_percentages_that_are_reported_unsound(
    replicas: int, percent: int, sound: object
) -> None:
    """On Hopper only: the report clears the other architectures, and turns have no percentage."""
    share = MpsShare(replicas=replicas)
    assert share.thread_percent == percent
    assert is_sound(share, "Hopper") is sound
    assert is_sound(share, "Ampere")
    assert is_sound(TimeSlice(replicas=replicas), "Hopper")


def test_a_server_of_mps_has_48_clients() -> None:
    """More are refused by the device plugin's daemon."""
    with pytest.raises(InputError, match="at most 48"):
        MpsShare(replicas=49)
