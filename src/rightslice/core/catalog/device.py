"""What one server process sees of a GPU: the card, or its share of it.

Scaling rule of a MIG slice: bandwidth by memory slots (confirmed on A100-80 by bus width and L2:
NVIDIA MIG user guide; arcs-njit documentation), compute by the SMs of the profile (not sevenths:
an H100 3g has 60 of 132 SMs). Time slices and MPS shares are taken at their worst, with every
neighbour busy. Known gap: clocks, which rise when neighbours idle.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

from rightslice.core.catalog.gpu import Gpu, MatmulDtype
from rightslice.core.catalog.mig import MigProfile, slice_share
from rightslice.core.catalog.share import Exclusive, MigSlice, MpsShare, Share, TimeSlice
from rightslice.errors import InputError

_LEAST_MEMORY: Final = 1024**3
"""The smallest slice of any GPU in the catalogue has more than four times as much."""


@dataclass(frozen=True, kw_only=True)
class Device:
    """A GPU, or a share of one, as its server sees it."""

    __record__: ClassVar = (
        "label", "gpu_name", "share", "memory_bytes", "memory_origin",
        "bandwidth_bytes_per_second", "flops", "sms",
    )  # fmt: skip

    gpu: Gpu
    share: Share
    memory_bytes: int
    """Total memory that CUDA reports to the process (a share's part for time slices and MPS)."""
    memory_origin: str
    """Where the figure comes from: ``catalogue`` or ``given``."""
    bandwidth_bytes_per_second: float | None
    flops: Mapping[MatmulDtype, float]
    sms: int | None
    profile: MigProfile | None = None

    @property
    def gpu_name(self) -> str:
        """The board's catalogue name."""
        return str(self.gpu.name)

    @property
    def label(self) -> str:
        """A short name: ``H100-SXM-80GB 3g.40gb``."""
        match self.share:
            case Exclusive():
                return str(self.gpu.name)
            case MigSlice(profile=profile):
                return f"{self.gpu.name} {profile}"
            case TimeSlice(replicas=replicas):
                return f"{self.gpu.name} time-sliced 1/{replicas}"
            case MpsShare(replicas=replicas):
                return f"{self.gpu.name} MPS 1/{replicas}"


def check_memory(memory_bytes: int | None) -> None:
    """Refuse a device's memory that can only be a slip.

    Raises:
        InputError: when it is less than a GiB.
    """
    if memory_bytes is not None and memory_bytes < _LEAST_MEMORY:
        raise InputError(
            f"{memory_bytes:,} bytes of GPU memory are no GPU's; write it like 79.19GiB"
        )


def device_of(gpu: Gpu, share: Share, *, memory_bytes: int | None = None) -> Device:
    """Return what a server sees that holds *share* of *gpu*.

    Args:
        gpu: the board.
        share: how the server holds it.
        memory_bytes: total memory of the device when the cluster has told it; else the catalogue's.

    Raises:
        InputError: when the GPU has no MIG, no such profile, or no known memory size.
    """
    check_memory(memory_bytes)
    if isinstance(share, MigSlice):
        return _slice_device(gpu, share, memory_bytes)
    parts = share.replicas if isinstance(share, TimeSlice | MpsShare) else 1
    memory = memory_bytes if memory_bytes is not None else gpu.memory_bytes
    if memory is None:
        raise InputError(
            f"the memory that CUDA reports on {gpu.name} is not known; give it, as in 79.19GiB"
        )
    bandwidth = gpu.bandwidth_bytes_per_second
    return Device(
        gpu=gpu,
        share=share,
        memory_bytes=memory // parts,
        memory_origin="catalogue" if memory_bytes is None else "given",
        bandwidth_bytes_per_second=None if bandwidth is None else bandwidth / parts,
        flops={dtype: flops / parts for dtype, flops in gpu.flops.items()},
        sms=gpu.sms
        if isinstance(share, Exclusive | TimeSlice) or gpu.sms is None
        else gpu.sms // parts,
    )


def _slice_device(gpu: Gpu, share: MigSlice, memory_bytes: int | None) -> Device:
    if gpu.mig is None:
        raise InputError(f"{gpu.name} has no MIG: it can be used whole, time-sliced or under MPS")
    profile = gpu.mig.profile(share.profile)
    memory = memory_bytes if memory_bytes is not None else profile.memory_bytes
    if memory is None:
        raise InputError(
            f"the memory of {profile.name} on {gpu.name} is not known; read it with"
            " `nvidia-smi mig -lgip` and give it, as in 19.62GiB"
        )
    slots = slice_share(gpu.mig, profile)
    bandwidth = gpu.bandwidth_bytes_per_second
    compute = profile.sms / gpu.sms if profile.sms is not None and gpu.sms is not None else None
    return Device(
        gpu=gpu,
        share=share,
        memory_bytes=memory,
        memory_origin="catalogue" if memory_bytes is None else "given",
        bandwidth_bytes_per_second=(
            None if bandwidth is None or slots is None else bandwidth * float(slots.memory)
        ),
        flops=(
            {}
            if compute is None
            else {dtype: flops * compute for dtype, flops in gpu.flops.items()}
        ),
        sms=profile.sms,
        profile=profile,
    )
