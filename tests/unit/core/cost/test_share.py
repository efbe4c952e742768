"""What part of its card each share pays, over every profile of every grid."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from rightslice.core.catalog.device import Device, device_of
from rightslice.core.catalog.gpu import Gpu
from rightslice.core.catalog.mig import ProfileName, slice_share
from rightslice.core.catalog.share import Exclusive, MigSlice, MpsShare, Share, TimeSlice
from rightslice.core.cost.bill import CardUse, divide
from rightslice.core.cost.share import card_share
from rightslice.core.packing.geometry import maximal_layouts
from rightslice.edge.catalog_files import Catalog

SLICED = [gpu for gpu in Catalog().gpus() if gpu.mig is not None]
PLACEABLE = [
    gpu
    for gpu in SLICED
    if gpu.mig is not None
    and gpu.mig.slots is not None
    and all(p.starts is not None and p.memory_slots is not None for p in gpu.mig.profiles)
]


def _slice(gpu: Gpu, name: str) -> Device:
    return device_of(gpu, MigSlice(profile=ProfileName(name)), memory_bytes=1024**3)


@pytest.mark.parametrize("gpu", SLICED, ids=lambda gpu: gpu.name)
def test_every_slice_pays_a_part_of_its_card(gpu: Gpu) -> None:
    """More than nothing and at most all; nothing is made up for an unknown grid."""
    assert gpu.mig is not None
    for profile in gpu.mig.profiles:
        share = card_share(_slice(gpu, profile.name))
        assert (share is None) == (slice_share(gpu.mig, profile) is None)
        assert share is None or 0 < share <= 1


@pytest.mark.parametrize("gpu", PLACEABLE, ids=lambda gpu: gpu.name)
def test_no_layout_idles_below_nothing(gpu: Gpu) -> None:
    """However a card is filled, its users pay no more than its price."""
    assert gpu.mig is not None
    shares = {p.name: card_share(_slice(gpu, p.name)) or Fraction(0) for p in gpu.mig.profiles}
    claims = {
        tuple(sorted(shares[placement.profile] for placement in layout))
        for layout in maximal_layouts(gpu.mig)
    }
    for claim in claims:
        use = CardUse(card="", usd_per_hour=Fraction(1), shares=tuple(("w", s) for s in claim))
        assert divide(use).idle_usd_per_hour == max(1 - sum(claim), Fraction(0))


@pytest.mark.parametrize(
    ("share", "part"),
    [
        (Exclusive(), Fraction(1)),
        (TimeSlice(replicas=4), Fraction(1, 4)),
        (MpsShare(replicas=3), Fraction(1, 3)),
        (MigSlice(profile=ProfileName("1g.10gb")), Fraction(1, 7)),
        (MigSlice(profile=ProfileName("1g.20gb")), Fraction(1, 4)),
        (MigSlice(profile=ProfileName("3g.40gb")), Fraction(1, 2)),
        (MigSlice(profile=ProfileName("4g.40gb")), Fraction(4, 7)),
        (MigSlice(profile=ProfileName("7g.80gb")), Fraction(1)),
    ],
)
def test_the_scarcer_of_memory_and_compute_is_paid(share: Share, part: Fraction) -> None:
    """The rule on an H100, in figures."""
    assert card_share(device_of(Catalog().gpu("H100-SXM-80GB"), share)) == part


def test_a_card_without_mig_has_no_slice_price() -> None:
    """A slice of nothing has no share."""
    device = _slice(Catalog().gpu("H100-SXM-80GB"), "1g.10gb")
    assert card_share(replace(device, gpu=Catalog().gpu("A10G-24GB"))) is None
