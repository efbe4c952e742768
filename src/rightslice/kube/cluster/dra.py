"""What a node publishes under DRA: devices, the counters that they share, and what is allocated.

A device (a whole card, or a MIG placement) takes a part of its card's counters (KEP-4815); it can
be allocated while they have so much left. So how many more claims of one profile a node can serve
is a packing question, answered exactly here: the most devices of the profile that the counters
hold at once. Known gaps: devices that several claims share (KEP-5075) are not offered.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, Final

from rightslice.core.catalog.mig import ProfileName

CLAIM_PREFIX: Final = "resourceclaim:"
"""Of what is asked for by a claim, where a name of it is needed: ``resourceclaim:2g.10gb``."""
_SLOT: Final = "memory-slice"
"""Counters of NVIDIA's driver that a placement takes whole (partitions.go, memsliceCounterName)."""
CARD: Final = "gpu"
"""What a claim of a whole card is called behind the prefix."""
Counter = tuple[str, str]
"""Counter set and counter; sets carry their pool's name."""


def claim_name(profile: str | None) -> str:
    """Return what a claim of *profile* is called; None is a whole card.

    >>> claim_name("2g.10gb"), claim_name(None)
    ('resourceclaim:2g.10gb', 'resourceclaim:gpu')
    """
    return f"{CLAIM_PREFIX}{profile or CARD}"


def is_claim(resource: str) -> bool:
    """Whether *resource* is asked for by a claim, and no extended resource."""
    return resource.startswith(CLAIM_PREFIX)


@dataclass(frozen=True, kw_only=True)
class DraDevice:
    """One device of a node."""

    name: str
    """With its pool before it: names differ inside a pool only."""
    product: str
    profile: ProfileName | None
    """None: the whole card."""
    card: str
    """UUID of its card; what tells it from the node's others where the driver gives none."""
    takes: Mapping[Counter, int] = field(default_factory=dict)
    """Thousandths of each counter, rounded up."""
    memory_bytes: int | None = None
    is_tainted: bool = False
    """A taint keeps claims off that do not tolerate it; ours tolerate none."""

    @property
    def start(self) -> int | None:
        """The memory slice of its card at which it begins; None where the driver tells none."""
        slots = [name.rpartition("-")[2] for _, name in self.takes if name.startswith(_SLOT)]
        return min((int(one) for one in slots if one.isdecimal()), default=None)

    @cached_property
    def sets(self) -> frozenset[str]:
        """The counter sets that it takes from: its card's."""
        return frozenset(counters for counters, _ in self.takes)


@dataclass(frozen=True, kw_only=True)
class DraUnit:
    """What one unit of an offer is: a device of this product and profile, and how it is asked for.

    `device_class` is the DeviceClass that a request names, or that the scheduler takes for the
    extended resource; `extended` the extended resource that the class stands for, "" without one.
    """

    product: str
    profile: ProfileName | None
    device_class: str
    extended: str = ""


@dataclass(frozen=True, kw_only=True)
class DraStock:
    """What a node publishes, whatever of it is allocated."""

    devices: tuple[DraDevice, ...]
    """In the order of the ResourceSlices: the scheduler takes the first that fits."""
    counters: Mapping[Counter, int] = field(default_factory=dict)
    """Thousandths, rounded down."""

    @cached_property
    def names(self) -> frozenset[str]:
        """Names of all devices."""
        return frozenset(one.name for one in self.devices)

    @cached_property
    def by_unit(self) -> Mapping[tuple[str, ProfileName | None], tuple[DraDevice, ...]]:
        """Devices that claims can have, by product and profile."""
        found: dict[tuple[str, ProfileName | None], list[DraDevice]] = {}
        for one in self.devices:
            if not one.is_tainted:
                found.setdefault((one.product, one.profile), []).append(one)
        return {key: tuple(some) for key, some in found.items()}

    def of(self, unit: DraUnit) -> tuple[DraDevice, ...]:
        """Return the devices of *unit* that claims can have."""
        return self.by_unit.get((unit.product, unit.profile), ())

    @cached_property
    def groups(self) -> tuple[DraGroup, ...]:
        """Devices that share counters, mostly those of a card; who has none is alone."""
        found: dict[object, list[DraDevice]] = {}
        is_apart = all(len(one.sets) <= 1 for one in self.devices)
        for one in self.devices:
            key: object = one.sets if is_apart else ""
            found.setdefault(key if one.sets else one.name, []).append(one)
        return tuple(_group(tuple(some), self.counters) for some in found.values())

    def total(self, unit: DraUnit) -> int:
        """Return how many devices of *unit* an empty node can serve at once."""
        return sum(one.like.most(unit) for one in self.groups)

    @cached_property
    def _most(self) -> dict[tuple[str, ProfileName | None], int]:
        return {}

    def most(self, unit: DraUnit) -> int:
        """Return the same of one group, worked out once for all that are alike."""
        key = unit.product, unit.profile
        if key not in self._most:
            self._most[key] = most_at_once(self.of(unit), self.counters)
        return self._most[key]

    @cached_property
    def _breaks(self) -> dict[tuple[str, ProfileName | None, ProfileName | None], int]:
        return {}

    def breaks(self, unit: DraUnit, other: ProfileName | None) -> int:
        """Return how many devices of *unit* one more device of *other* can cost, wherever it goes.

        At most as many as it shares a counter with that holds only one of the two; of a counter
        that is divided, as many as its part would do for. Never too few; at times one or two
        too many.
        """
        alike = {id(one.like): one.like for one in self.groups}
        return max((one.breaks_alone(unit, other) for one in alike.values()), default=0)

    def breaks_alone(self, unit: DraUnit, other: ProfileName | None) -> int:
        """Return the same of one group, worked out once for all that are alike."""
        key = unit.product, unit.profile, other
        if key not in self._breaks:
            ours = self.of(unit)
            theirs = [one for one in self.devices if one.profile == other]
            self._breaks[key] = max((self._cost(ours, one) for one in theirs), default=0)
        return self._breaks[key]

    def _cost(self, ours: Sequence[DraDevice], other: DraDevice) -> int:
        near = [one for one in ours if one.name == other.name or one.sets & other.sets]
        clashes = sum(self._clash(one, other) for one in near)
        parts = (
            math.ceil(other.takes[counter] / amount)
            for one in near
            for counter, amount in one.takes.items()
            if amount and counter in self._short and other.takes.get(counter)
        )
        return min(max(clashes, *parts, 0), most_at_once(near, self.counters))

    @cached_property
    def _short(self) -> frozenset[Counter]:
        """Counters that can run out before the memory slices of their card.

        The others (memory: a placement has no more than the part of its slices) decide nothing.
        """
        found = set()
        for counter, total in self.counters.items():
            slots = sum(
                name.startswith(_SLOT) and sets == counter[0] for sets, name in self.counters
            )
            for one in self.devices:
                part = sum(name.startswith(_SLOT) for _, name in one.takes)
                if one.takes.get(counter, 0) * slots > total * part:
                    found.add(counter)
        return frozenset(found)

    def _clash(self, one: DraDevice, other: DraDevice) -> bool:
        return one.name == other.name or any(
            amount + other.takes.get(counter, 0) > self.counters.get(counter, 0)
            for counter, amount in one.takes.items()
            if counter in other.takes
        )


@dataclass(frozen=True, kw_only=True)
class DraGroup:
    """Devices that share counters with each other and with no others."""

    devices: tuple[DraDevice, ...]
    names: frozenset[str]
    like: DraStock
    """The same under names of no node: equal cards have one, and what was worked out of it."""


_Shape = tuple[tuple[object, ...], ...]


def _group(devices: tuple[DraDevice, ...], counters: Mapping[Counter, int]) -> DraGroup:
    sets = {
        name: str(index) for index, name in enumerate(sorted({s for d in devices for s in d.sets}))
    }
    taken = tuple(
        (one.product, one.profile, one.is_tainted,
         tuple(sorted((sets[where], name, many) for (where, name), many in one.takes.items())))
        for one in devices
    )  # fmt: skip
    there = tuple(
        sorted((sets[one[0]], one[1], many) for one, many in counters.items() if one[0] in sets)
    )
    names = frozenset(one.name for one in devices)
    return DraGroup(devices=devices, names=names, like=_like(taken, there))


@lru_cache(maxsize=256)
def _like(taken: _Shape, there: _Shape) -> DraStock:
    """Return the stock of devices that take so much of such counters."""
    devices = tuple(
        DraDevice(
            name=str(index), product=product, profile=profile, card="", is_tainted=is_tainted,
            takes={(where, name): many for where, name, many in takes},
        )
        for index, (product, profile, is_tainted, takes) in enumerate(_decoded(taken))
    )  # fmt: skip
    return DraStock(devices=devices, counters={(one[0], one[1]): one[2] for one in _decoded(there)})


def _decoded(shape: _Shape) -> Any:  # noqa: ANN401 - tuples of what `_group` put in
    return shape


@dataclass(frozen=True, kw_only=True)
class DraPool:
    """A node's devices with what claims hold of them."""

    stock: DraStock
    taken: frozenset[str] = frozenset()
    """Names of devices that are allocated."""
    holders: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Namespace and name of the pod that a device is allocated to, where that is known."""

    @cached_property
    def left(self) -> Mapping[Counter, int]:
        """What is left of each counter, in thousandths."""
        left = dict(self.stock.counters)
        for one in self.stock.devices:
            if one.name in self.taken:
                for counter, amount in one.takes.items():
                    left[counter] = left.get(counter, 0) - amount
        return left

    @cached_property
    def _free(self) -> dict[tuple[str, ProfileName | None], int]:
        return {}

    def free(self, unit: DraUnit) -> int:
        """Return how many more devices of *unit* can be allocated at once: exact, not a bound."""
        key = unit.product, unit.profile
        if key not in self._free:
            self._free[key] = sum(self._free_of(one, unit) for one in self.stock.groups)
        return self._free[key]

    def _free_of(self, group: DraGroup, unit: DraUnit) -> int:
        if self.taken.isdisjoint(group.names):
            return group.like.most(unit)
        ours = [
            one for one in group.devices
            if (one.product, one.profile) == (unit.product, unit.profile)
            and one.name not in self.taken and not one.is_tainted
        ]  # fmt: skip
        return most_at_once(ours, self.left)

    def fits(self, device: DraDevice) -> bool:
        """Whether the counters have enough left for *device*."""
        return _fits(device, self.left)

    def total(self, unit: DraUnit) -> int:
        """Return how many devices of *unit* an empty node can serve at once."""
        return self.stock.total(unit)

    def first_fit(self, unit: DraUnit) -> DraDevice | None:
        """Return the device that the scheduler would allocate next: the first that fits."""
        for one in self.stock.of(unit):
            if one.name not in self.taken and _fits(one, self.left):
                return one
        return None


def most_at_once(devices: Iterable[DraDevice], left: Mapping[Counter, int]) -> int:
    """Return the size of the largest set of *devices* that the counters hold together.

    Cards share no counters, so each is searched alone; a card has a handful of placements of one
    profile, which mostly do not overlap.
    """
    groups: dict[frozenset[str], list[DraDevice]] = {}
    for one in devices:
        if _fits(one, left):
            groups.setdefault(one.sets, []).append(one)
    loose = groups.pop(frozenset(), [])
    if any(
        len(sets) > 1 for sets in groups
    ):  # a device that spans counter sets: search all at once
        groups = {frozenset({""}): [one for some in groups.values() for one in some]}
    return len(loose) + sum(_search(some, dict(left), 0, 0) for some in groups.values())


def _fits(device: DraDevice, left: Mapping[Counter, int]) -> bool:
    return all(left.get(counter, 0) >= amount for counter, amount in device.takes.items())


def _search(devices: Sequence[DraDevice], left: dict[Counter, int], held: int, best: int) -> int:
    """Return the most that can be held: take the next device or leave it, while more can be won."""
    for index, one in enumerate(devices):
        if held + len(devices) - index <= best:
            break
        if _fits(one, left):
            for counter, amount in one.takes.items():
                left[counter] -= amount
            best = max(best, _search(devices[index + 1 :], left, held + 1, best))
            for counter, amount in one.takes.items():
                left[counter] += amount
    return max(best, held)
