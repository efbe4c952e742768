"""How a server holds a GPU: the whole card, a MIG slice, an MPS share or a time slice.

Thread percentages of MPS: on Hopper, matrix products of cuBLAS 12.6.4 and later are reported to be
silently wrong at 14 to 22, 28 to 46 and 52 to 89 % (one third-party report, 2026-10-02, not
confirmed; Blackwell and MIG are said to be unaffected, and Ampere lacks the thread block clusters
that it blames). Such shares are not offered there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from rightslice.core.catalog.mig import ProfileName
from rightslice.errors import InputError

MOST_MPS_CLIENTS: Final = 48
"""Of one MPS server since Volta (NVIDIA/k8s-device-plugin cmd/mps-control-daemon, device.go)."""

_UNSOUND_ON: Final = "Hopper"
_UNSOUND_PERCENT: Final = (range(14, 23), range(28, 47), range(52, 90))


@dataclass(frozen=True, kw_only=True)
class Exclusive:
    """The whole card (several, when tensor parallel)."""


@dataclass(frozen=True, kw_only=True)
class MigSlice:
    """One MIG instance: own memory, own SMs, own bandwidth."""

    profile: ProfileName


@dataclass(frozen=True, kw_only=True)
class TimeSlice:
    """One of *replicas* turns on a card: no isolation, memory shared by agreement only."""

    replicas: int

    def __post_init__(self) -> None:
        if self.replicas < 2:
            raise InputError(f"time-slicing replicas {self.replicas} must be at least 2")


@dataclass(frozen=True, kw_only=True)
class MpsShare:
    """One of *replicas* equal MPS clients: a limit on threads and memory, no fault isolation."""

    replicas: int
    profile: ProfileName | None = None
    """The MIG profile whose instance is shared; None: the whole card."""

    def __post_init__(self) -> None:
        if not 2 <= self.replicas <= MOST_MPS_CLIENTS:
            raise InputError(
                f"MPS replicas {self.replicas} must be at least 2 and at most {MOST_MPS_CLIENTS}"
            )

    @property
    def thread_percent(self) -> int:
        """The device plugin's limit on a client's threads: 100 / replicas, rounded down."""
        return 100 // self.replicas


Share = Exclusive | MigSlice | TimeSlice | MpsShare


def is_hardware_isolated(share: Share) -> bool:
    """Whether faults, memory and bandwidth of a neighbour cannot reach this share."""
    return isinstance(share, Exclusive | MigSlice)


def sharing_key(share: Share) -> str:
    """Return the way of sharing as people name it; empty for cards and slices held alone.

    >>> sharing_key(MpsShare(replicas=2)), sharing_key(TimeSlice(replicas=4))
    ('mps/2', 'time/4')
    """
    match share:
        case TimeSlice(replicas=replicas):
            return f"time/{replicas}"
        case MpsShare(replicas=replicas, profile=profile):
            return f"{profile}:mps/{replicas}" if profile else f"mps/{replicas}"
        case _:
            return ""


def is_sound(share: Share, architecture: str) -> bool:
    """Whether matrix products are not reported to go wrong at *share*'s thread percentage.

    >>> is_sound(MpsShare(replicas=3), "Hopper"), is_sound(MpsShare(replicas=4), "Hopper")
    (False, True)
    """
    if not isinstance(share, MpsShare) or architecture != _UNSOUND_ON:
        return True
    return not any(share.thread_percent in band for band in _UNSOUND_PERCENT)
