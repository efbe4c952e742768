"""Instance types of the clouds, and their prices, each with its date."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import ClassVar

from rightslice.core.catalog.gpu import GpuName
from rightslice.core.catalog.source import Source


@dataclass(frozen=True, kw_only=True)
class InstanceType:
    """A machine that can be rented."""

    name: str
    cloud: str
    """``aws``, ``gcp`` or ``azure``."""
    gpu: GpuName | None
    """None when its board is not in the catalogue."""
    gpu_label: str
    """What the cloud calls the GPU."""
    gpu_count: int
    """Whole GPUs; 0 for types that hold a fraction of one."""
    vcpus: int | None
    memory_bytes: int | None
    efa_interfaces: int | None
    source: Source


class PriceKind(Enum):
    """How capacity is bought."""

    ON_DEMAND = "on-demand"
    SPOT = "spot"
    OWN = "own"
    """From the user's own price file."""


@dataclass(frozen=True, kw_only=True)
class Price:
    """Dollars per hour of one instance type (or node, or GPU) in one place on one day."""

    __record__: ClassVar = ("item", "price_kind", "region", "usd_per_hour", "as_of", "source")

    item: str
    """Instance type, or GPU name for prices of bare cards."""
    kind: PriceKind
    region: str
    usd_per_hour: Decimal
    as_of: dt.date | None
    """None when the source does not say."""
    source: str

    @property
    def price_kind(self) -> PriceKind:
        """How the capacity is bought."""
        return self.kind
