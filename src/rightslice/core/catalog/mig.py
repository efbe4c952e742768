"""MIG: which slices a GPU can be cut into, and where each may start.

A GPU's memory is a row of slots; a profile occupies some of them from one of its legal starts.
Never derive bytes from a profile's name: usable memory differs by board and driver.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import NewType

from rightslice.core.catalog.source import Source
from rightslice.errors import UnknownNameError

ProfileName = NewType("ProfileName", str)
"""A MIG profile as the driver names it: ``3g.40gb``, ``1g.10gb+me``."""


@dataclass(frozen=True, kw_only=True)
class MediaEngines:
    """Engines of one instance; None where no source states the count."""

    copy: int | None
    decoder: int | None
    encoder: int | None
    jpeg: int | None
    optical_flow: int | None


@dataclass(frozen=True, kw_only=True)
class MigProfile:
    """One profile of one GPU."""

    name: ProfileName
    shape: str
    """Geometry class shared between boards: ``1g``, ``1gd`` (double memory), ``3g``, ``1g+me``."""
    profile_id: int | None
    """GPU instance profile id, as ``nvidia-smi mig -cgi`` takes it."""
    compute_slices: int
    memory_slots: int | None
    starts: tuple[int, ...] | None
    """Legal start slots; None when no placement transcript is known (never guessed)."""
    max_instances: int | None
    sms: int | None
    """Streaming multiprocessors that the instance sees."""
    memory_bytes: int | None
    """Usable memory as the driver reports it."""
    engines: MediaEngines


@dataclass(frozen=True, kw_only=True)
class MigGrid:
    """The placement grid of one GPU: its slots, and every profile with its legal starts."""

    name: str
    slots: int | None
    compute_slices: int
    profiles: tuple[MigProfile, ...]
    placement_evidence: str
    """``observed``, ``documented`` or ``inferred ...``: how sure the starts are."""
    note: str
    source: Source

    def profile(self, name: str) -> MigProfile:
        """Return the profile called *name*.

        Raises:
            UnknownNameError: when this GPU has no such profile; near matches are named.
        """
        for profile in self.profiles:
            if profile.name == name:
                return profile
        raise UnknownNameError(
            f"MIG profile of {self.name}", name, [profile.name for profile in self.profiles]
        )


@dataclass(frozen=True, kw_only=True, order=True)
class Placement:
    """A profile at a start slot of one GPU."""

    start: int
    profile: ProfileName


@dataclass(frozen=True, kw_only=True)
class SliceShare:
    """What part of its card a profile takes, in slots."""

    memory: Fraction
    compute: Fraction


def slice_share(grid: MigGrid, profile: MigProfile) -> SliceShare | None:
    """Return the shares of memory slots and compute slices, or None when the grid is unknown."""
    if grid.slots is None or profile.memory_slots is None:
        return None
    return SliceShare(
        memory=Fraction(profile.memory_slots, grid.slots),
        compute=Fraction(profile.compute_slices, grid.compute_slices),
    )
