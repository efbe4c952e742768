"""What one server process sees of a GPU: the card, or its share of it.

Scaling rule of a MIG slice: bandwidth by memory slots (confirmed on A100-80 by bus width and L2:
NVIDIA MIG user guide; arcs-njit documentation), compute by the SMs of the profile (not sevenths:
an H100 3g has 60 of 132 SMs). Time slices and MPS shares are taken at their worst, with every
neighbour busy; turns also pay for the switch between them. Known gap: clocks, which rise when
neighbours idle.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Final

from rightslice.core.catalog.gpu import Gpu, MatmulDtype
from rightslice.core.catalog.mig import MigProfile, slice_share
from rightslice.core.catalog.share import Exclusive, MigSlice, MpsShare, Share, TimeSlice
from rightslice.errors import InputError

_LEAST_MEMORY: Final = 1024**3
"""The smallest slice of any GPU in the catalogue has more than four times as much."""

SWITCHING_RATIO: Final = 1.15
"""Time of a step in turns over the time of all turns back to back. Two Qwen3-4B servers in turns on
an A100-SXM-40GB took 19.3 and 25.2 ms a token where one alone took 8.61 and 11.00: 1.12 and 1.15
times two turns (ai-dynamo/dynamo documentation, "Interpreting GPU Sharing Results")."""


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
            case MpsShare(replicas=replicas, profile=profile):
                where = f"{self.gpu.name} {profile}" if profile else str(self.gpu.name)
                return f"{where} MPS 1/{replicas}"


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
    if isinstance(share, Exclusive):
        return _card(gpu, memory_bytes)
    if isinstance(share, MpsShare) and share.profile is not None:
        return _part(_slice_device(gpu, MigSlice(profile=share.profile), memory_bytes), share)
    return _part(_card(gpu, memory_bytes), share)


def _card(gpu: Gpu, memory_bytes: int | None) -> Device:
    memory = memory_bytes if memory_bytes is not None else gpu.memory_bytes
    if memory is None:
        raise InputError(
            f"the memory that CUDA reports on {gpu.name} is not known; give it, as in 79.19GiB"
        )
    return Device(
        gpu=gpu,
        share=Exclusive(),
        memory_bytes=memory,
        memory_origin="catalogue" if memory_bytes is None else "given",
        bandwidth_bytes_per_second=gpu.bandwidth_bytes_per_second,
        flops=gpu.flops,
        sms=gpu.sms,
    )


def _part(whole: Device, share: TimeSlice | MpsShare) -> Device:
    """Return what one of *share*'s equal parts of *whole* is at its worst."""
    parts = share.replicas * (SWITCHING_RATIO if isinstance(share, TimeSlice) else 1.0)
    bandwidth, sms = whole.bandwidth_bytes_per_second, whole.sms
    return replace(
        whole,
        share=share,
        memory_bytes=whole.memory_bytes // share.replicas,
        bandwidth_bytes_per_second=None if bandwidth is None else bandwidth / parts,
        flops={dtype: flops / parts for dtype, flops in whole.flops.items()},
        sms=sms if isinstance(share, TimeSlice) or sms is None else sms // share.replicas,
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
