"""Resource names are those of the NVIDIA device plugin."""

from __future__ import annotations

import pytest

from rightslice.core.catalog.fleet import MigStrategy
from rightslice.core.catalog.mig import ProfileName
from rightslice.core.catalog.resource import extended_resource
from rightslice.core.catalog.share import Exclusive, MigSlice, Share, TimeSlice

SLICE = MigSlice(profile=ProfileName("1g.10gb+me"))


@pytest.mark.parametrize(
    ("strategy", "share", "name"),
    [
        (MigStrategy.MIXED, SLICE, "nvidia.com/mig-1g.10gb.me"),
        (MigStrategy.SINGLE, SLICE, "nvidia.com/gpu"),
        (MigStrategy.MIXED, Exclusive(), "nvidia.com/gpu"),
        (MigStrategy.NONE, TimeSlice(replicas=2), "nvidia.com/gpu"),
    ],
)
def test_names_by_strategy(strategy: MigStrategy, share: Share, name: str) -> None:
    """Slices have a resource of their own under mixed only; a plus is written as a dot."""
    assert extended_resource(strategy, share) == name
