"""What a server sees of a card: all of it, or its share."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rightslice.core.catalog.device import SWITCHING_RATIO, device_of
from rightslice.core.catalog.gpu import Gpu
from rightslice.core.catalog.mig import ProfileName
from rightslice.core.catalog.share import Exclusive, MigSlice, MpsShare, Share, TimeSlice
from rightslice.edge.catalog_files import Catalog
from rightslice.errors import InputError

GIB = 1024**3
BOARDS = [gpu for gpu in Catalog().gpus() if gpu.memory_bytes is not None]
SLICED = [
    (gpu, profile)
    for gpu in Catalog().gpus()
    if gpu.mig is not None
    for profile in gpu.mig.profiles
    if profile.memory_bytes is not None
]


def _h100() -> Gpu:
    return Catalog().gpu("H100-SXM-80GB")


@pytest.mark.parametrize("gpu", BOARDS, ids=lambda gpu: gpu.name)
def test_the_whole_card_is_the_catalogues(gpu: Gpu) -> None:
    """An exclusive card gives everything that the catalogue knows."""
    device = device_of(gpu, Exclusive())
    assert device.memory_bytes == gpu.memory_bytes
    assert device.bandwidth_bytes_per_second == gpu.bandwidth_bytes_per_second
    assert (dict(device.flops), device.sms) == (dict(gpu.flops), gpu.sms)
    assert (device.label, device.gpu_name) == (gpu.name, gpu.name)


def test_no_slice_has_more_than_its_card() -> None:
    """Every profile of every board: no more bandwidth, compute or SMs than the whole."""
    for gpu, profile in SLICED:
        device = device_of(gpu, MigSlice(profile=profile.name))
        assert device.memory_bytes == profile.memory_bytes
        assert (device.sms or 0) <= (gpu.sms or 10**6)
        assert (device.bandwidth_bytes_per_second or 0) <= (gpu.bandwidth_bytes_per_second or 1e18)
        assert all(flops <= gpu.flops[dtype] for dtype, flops in device.flops.items())


@pytest.mark.parametrize(
    ("share", "label", "sms", "switching"),
    [
        (TimeSlice(replicas=4), "H100-SXM-80GB time-sliced 1/4", 132, SWITCHING_RATIO),
        (MpsShare(replicas=4), "H100-SXM-80GB MPS 1/4", 33, 1.0),
    ],
)
def test_shared_cards_are_taken_at_their_worst(
    share: Share, label: str, sms: int, switching: float
) -> None:
    """A quarter of memory, bandwidth and compute; turns run on every SM, and pay for switching."""
    gpu = _h100()
    device = device_of(gpu, share)
    assert gpu.memory_bytes is not None
    assert device.memory_bytes == gpu.memory_bytes // 4
    bandwidth = gpu.bandwidth_bytes_per_second or 0
    assert device.bandwidth_bytes_per_second == bandwidth / (4 * switching)
    assert (device.label, device.sms) == (label, sms)


def test_a_client_of_a_slice_has_its_part_of_the_slice() -> None:
    """MPS inside MIG halves the instance, not the card."""
    profile = ProfileName("3g.40gb")
    whole = device_of(_h100(), MigSlice(profile=profile))
    half = device_of(_h100(), MpsShare(replicas=2, profile=profile))
    assert half.label == "H100-SXM-80GB 3g.40gb MPS 1/2"
    assert half.memory_bytes == whole.memory_bytes // 2
    assert (half.sms, half.profile) == (30, whole.profile)


@pytest.mark.parametrize("share", [Exclusive(), MigSlice(profile=ProfileName("1g.10gb"))])
def test_memory_that_the_cluster_told_goes_first(share: Share) -> None:
    """A given size replaces the catalogue's, and says so."""
    device = device_of(_h100(), share, memory_bytes=9 * GIB)
    assert (device.memory_bytes, device.memory_origin) == (9 * GIB, "given")


def test_unknown_figures_stay_unknown() -> None:
    """Nothing is derived from what is not known."""
    gpu = replace(_h100(), bandwidth_bytes_per_second=None, sms=None)
    device = device_of(gpu, MigSlice(profile=ProfileName("1g.10gb")))
    assert device.bandwidth_bytes_per_second is None
    assert dict(device.flops) == {}
    assert device_of(gpu, MpsShare(replicas=2)).sms is None


def test_what_cannot_be_had_is_refused() -> None:
    """No MIG, no memory size, no such profile: each says what would help."""
    with pytest.raises(InputError, match="has no MIG"):
        device_of(Catalog().gpu("A10G-24GB"), MigSlice(profile=ProfileName("1g.5gb")))
    with pytest.raises(InputError, match="give it, as in"):
        device_of(replace(_h100(), memory_bytes=None), Exclusive())
    grid = _h100().mig
    assert grid is not None
    blank = tuple(replace(profile, memory_bytes=None) for profile in grid.profiles)
    gpu = replace(_h100(), mig=replace(grid, profiles=blank))
    with pytest.raises(InputError, match="nvidia-smi mig -lgip"):
        device_of(gpu, MigSlice(profile=ProfileName("1g.10gb")))
