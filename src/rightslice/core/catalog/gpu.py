"""GPU boards: what a server process can use of one.

Memory is what CUDA reports, not the marketing figure. Bandwidth and FLOP/s are dense vendor
figures, per board. Unknown stays None; one figure is never derived from another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import NewType

from rightslice.core.catalog.mig import MigGrid
from rightslice.core.catalog.source import Source

GpuName = NewType("GpuName", str)
"""A board as the catalogue names it: ``H100-SXM-80GB``."""


class MatmulDtype(Enum):
    """The number formats in which tensor cores multiply."""

    FP16 = "fp16"
    """FP16 and BF16: the same rate on every board that has both."""
    FP8 = "fp8"
    INT8 = "int8"
    FP4 = "fp4"


class LinkKind(Enum):
    """How GPUs of one node talk to each other."""

    NVLINK = "nvlink"
    PCIE = "pcie"
    NONE = "none"


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """One GPU board."""

    name: GpuName
    aliases: tuple[str, ...]
    architecture: str
    compute_capability: str | None
    memory_label_gb: int
    """The marketing figure, for names only."""
    memory_bytes: int | None
    """Total memory as CUDA reports it."""
    memory_low_bytes: int | None
    memory_high_bytes: int | None
    """Range of the reported totals where drivers or ECC settings differ."""
    bandwidth_bytes_per_second: float | None
    flops: Mapping[MatmulDtype, float]
    """Dense FLOP/s (or integer operations) by format; a missing key is unknown or unsupported."""
    sms: int | None
    link: LinkKind
    link_bytes_per_second: float | None
    """Per direction summed, as vendors state NVLink; PCIe by generation."""
    power_watts: int | None
    mig: MigGrid | None
    """None when the board has no MIG."""
    note: str
    source: Source
