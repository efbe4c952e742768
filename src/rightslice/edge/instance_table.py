"""Instance types and prices (`data/instances.csv`, `data/prices.csv`): dated facts, USD per hour.

An AWS spot price belongs to an availability zone; its region is written ``region/zone-id``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Final

from rightslice.core.catalog.gpu import GpuName
from rightslice.core.catalog.instance import InstanceType, Price, PriceKind
from rightslice.edge.data_files import read_csv, sources
from rightslice.errors import UnknownNameError
from rightslice.units import MIB

DEFAULT_REGIONS: Final = {"aws": "us-east-1", "gcp": "us-central1", "azure": "eastus"}
"""Where a price is looked up when no region is given: the clouds' own first regions."""

_INSTANCES: Final = (
    "name", "cloud", "gpu", "gpu_label", "gpu_count", "vcpus", "memory_mib", "efa_interfaces",
    "source",
)  # fmt: skip
_PRICES: Final = ("item", "kind", "region", "usd_per_hour", "as_of", "source")


@lru_cache(maxsize=1)
def instances() -> tuple[InstanceType, ...]:
    """Return every instance type of the catalogue."""
    return tuple(_instance(row) for row in read_csv("instances.csv", _INSTANCES))


def find_instance(name: str) -> InstanceType:
    """Return the instance type called *name*, whatever its case.

    Raises:
        UnknownNameError: when there is none; near matches are named.
    """
    found = _instances_by_name().get(name.strip().lower())
    if found is None:
        raise UnknownNameError("instance type", name, [known.name for known in instances()])
    return found


@lru_cache(maxsize=1)
def prices() -> tuple[Price, ...]:
    """Return every price of the catalogue."""
    kinds = {kind.value: kind for kind in PriceKind}
    names = {key: source.text for key, source in sources().items()}
    days: dict[str, dt.date | None] = {"": None}
    table = []
    for item, kind, region, usd, as_of, source in read_csv("prices.csv", _PRICES):
        if as_of not in days:
            days[as_of] = dt.date.fromisoformat(as_of)
        price = Price(
            item=item,
            kind=kinds[kind],
            region=region,
            usd_per_hour=Decimal(usd),
            as_of=days[as_of],
            source=names[source],
        )
        table.append(price)
    return tuple(table)


def find_price(item: str, *, region: str | None, kind: PriceKind) -> Price | None:
    """Return the price of an instance type, or None when the catalogue has none.

    Without a region: in its cloud's default one. Where a region's zones differ (AWS spot), the
    median zone, the dearer of the middle two; its region says which.

    Raises:
        UnknownNameError: when there is no such instance type.
    """
    instance = find_instance(item)
    place = DEFAULT_REGIONS[instance.cloud] if region is None else region
    held = _prices_by_item().get((instance.name, kind), ())
    for price in held:
        if price.region == place:
            return price
    zones = [price for price in held if price.region.startswith(f"{place}/")]
    zones.sort(key=lambda price: (price.usd_per_hour, price.region))
    return zones[len(zones) // 2] if zones else None


@lru_cache(maxsize=1)
def _instances_by_name() -> dict[str, InstanceType]:
    return {instance.name.lower(): instance for instance in instances()}


@lru_cache(maxsize=1)
def _prices_by_item() -> dict[tuple[str, PriceKind], list[Price]]:
    table: dict[tuple[str, PriceKind], list[Price]] = {}
    for price in prices():
        table.setdefault((price.item, price.kind), []).append(price)
    return table


def _instance(row: Sequence[str]) -> InstanceType:
    name, cloud, gpu, label, count, vcpus, memory_mib, efa, source = row
    if cloud not in DEFAULT_REGIONS:
        raise ValueError(f"instances.csv: {name} is of an unknown cloud {cloud!r}")
    return InstanceType(
        name=name,
        cloud=cloud,
        gpu=GpuName(gpu) if gpu else None,
        gpu_label=label,
        gpu_count=int(count),
        vcpus=int(vcpus) if vcpus else None,
        memory_bytes=int(memory_mib) * MIB if memory_mib else None,
        efa_interfaces=int(efa) if efa else None,
        source=sources()[source],
    )
