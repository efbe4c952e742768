"""How a server holds a GPU: the whole card, a MIG slice, an MPS share or a time slice."""

from __future__ import annotations

from dataclasses import dataclass

from rightslice.core.catalog.mig import ProfileName
from rightslice.errors import InputError


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

    def __post_init__(self) -> None:
        if self.replicas < 2:
            raise InputError(f"MPS replicas {self.replicas} must be at least 2")


Share = Exclusive | MigSlice | TimeSlice | MpsShare


def is_hardware_isolated(share: Share) -> bool:
    """Whether faults, memory and bandwidth of a neighbour cannot reach this share."""
    return isinstance(share, Exclusive | MigSlice)
