"""ResourceSlices, ResourceClaims and DeviceClasses of NVIDIA's driver -> values of `cluster.dra`.

As kubernetes-sigs/dra-driver-nvidia-gpu publishes them (cmd/gpu-kubelet-plugin/deviceinfo.go and
partitions.go): attribute ``type`` is ``gpu`` or ``mig``, ``productName`` the board, ``profile`` and
``parentUUID`` those of a placement; each card has a counter set with a counter a memory slice.
Selectors are CEL, which is not run here: a DeviceClass is known when its one expression says, in
the words of `class_expression`, which devices it takes; any other class offers nothing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

from rightslice.core.catalog.mig import ProfileName
from rightslice.errors import InputError
from rightslice.kube.cluster.dra import Counter, DraDevice, DraStock, claim_name
from rightslice.kube.cluster.quantity import parse_quantity
from rightslice.kube.parse.decoded import at, items, mapping, text

DRIVER: Final = "gpu.nvidia.com"
CARD_CLASS: Final = "gpu.nvidia.com"
MIG_CLASS: Final = "mig.nvidia.com"
"""DeviceClasses that the driver's chart installs, for cards and for MIG placements."""
CLAIMS_NOTE: Final = "rightslice.dev/claims"
"""Annotation of pods that the operator makes: what their claims ask for, ``NAME=COUNT``."""
_KEEPS_OUT: Final = ("NoSchedule", "NoExecute")
_PROFILE: Final = re.compile(r"\.profile\s*==\s*['\"]([0-9a-z.+-]{1,63})['\"]")
Decoded = Mapping[str, object]


def class_expression(profile: str | None) -> str:
    """Return the CEL selector of a DeviceClass for a profile; None is whole cards.

    >>> class_expression(None)
    "device.driver == 'gpu.nvidia.com' && device.attributes['gpu.nvidia.com'].type == 'gpu'"
    """
    what = CARD_CLASS if profile is None else MIG_CLASS
    kind = what.partition(".")[0]
    base = f"device.driver == '{DRIVER}' && device.attributes['{DRIVER}'].type == '{kind}'"
    return base if profile is None else f"{base} && {profile_expression(profile)}"


def profile_expression(profile: str) -> str:
    """Return the CEL selector of one MIG profile.

    >>> profile_expression("2g.10gb")
    "device.attributes['gpu.nvidia.com'].profile == '2g.10gb'"
    """
    return f"device.attributes['{DRIVER}'].profile == '{profile}'"


@dataclass(frozen=True, kw_only=True)
class DeviceClasses:
    """The DeviceClasses of a cluster, as far as they are known."""

    names: frozenset[str] = frozenset()
    extended: Mapping[ProfileName | None, tuple[str, str]] = field(default_factory=dict)
    """By profile (None: cards): the class, and the extended resource that it stands for."""

    def extended_of(self, name: str) -> str:
        """Return the extended resource that the class *name* stands for; "" for none."""
        return next((one for cls, one in self.extended.values() if cls == name), "")


def read_classes(classes: Iterable[Decoded]) -> DeviceClasses:
    """Return the DeviceClasses; of several for one extended resource the newest counts.

    The scheduler takes the newest as well, the first by name where two are of one age
    (k8s.io/dynamic-resource-allocation deviceclass/extendedresourcecache).
    """
    by_resource: dict[str, Decoded] = {}
    names: set[str] = set()
    every = sorted(classes, key=_name)
    for one in sorted(every, key=_created, reverse=True):
        names.add(_name(one))
        resource = text(at(one, "spec", "extendedResourceName"))
        if resource is not None:
            by_resource.setdefault(resource, one)
    found: dict[ProfileName | None, tuple[str, str]] = {}
    for resource, one in sorted(by_resource.items()):
        for profile in _profile_of_class(one):
            found.setdefault(profile, (_name(one), resource))
    return DeviceClasses(names=frozenset(names), extended=found)


def _profile_of_class(given: Decoded) -> Iterator[ProfileName | None]:
    """Yield the one profile that a class takes; nothing where its selectors are not known."""
    selectors = items(at(given, "spec", "selectors"))
    expression = text(at(selectors[0], "cel", "expression")) if len(selectors) == 1 else None
    if expression is None or items(at(given, "spec", "config")):
        return
    said = " ".join(expression.split())
    match = _PROFILE.search(said)
    profile = None if match is None else ProfileName(match[1])
    if said.replace('"', "'") == class_expression(profile):
        yield profile


def _name(given: Decoded) -> str:
    return text(at(given, "metadata", "name")) or ""


def _created(given: Decoded) -> str:
    return text(at(given, "metadata", "creationTimestamp")) or ""


def read_stocks(slices: Iterable[Decoded]) -> dict[str, DraStock]:
    """Return what each node publishes; of a pool only its newest generation, once it is complete.

    The scheduler allocates nothing of a pool whose slices are not all there. A slice that cannot
    be read makes its pool incomplete.
    """
    pools: dict[str, list[Decoded]] = {}
    for one in slices:
        if at(one, "spec", "driver") == DRIVER:
            pools.setdefault(text(at(one, "spec", "pool", "name")) or "", []).append(one)
    found: dict[str, tuple[list[DraDevice], dict[Counter, int]]] = {}
    for pool, every in sorted(pools.items()):
        newest = max(_number(one, "generation") for one in every)
        current = sorted((one for one in every if _number(one, "generation") == newest), key=_name)
        node = text(at(current[0], "spec", "nodeName"))
        if node is None or len(current) != _number(current[0], "resourceSliceCount"):
            continue
        devices, counters = found.setdefault(node, ([], {}))
        try:
            for one in current:
                counters.update(_counters(pool, one))
                devices += _devices(pool, one)
        except InputError:
            found.pop(node)
    return {
        node: DraStock(devices=tuple(devices), counters=counters)
        for node, (devices, counters) in found.items()
        if devices
    }


def _number(given: Decoded, name: str) -> int:
    number = at(given, "spec", "pool", name)
    return number if isinstance(number, int) else 0


def _counters(pool: str, given: Decoded) -> Iterator[tuple[Counter, int]]:
    for one in items(at(given, "spec", "sharedCounters")):
        for name, counter in mapping(at(one, "counters")).items():
            key = f"{pool}/{at(one, 'name')}", name
            yield key, math.floor(_amount(at(counter, "value")))


def _amount(given: object) -> Fraction:
    return parse_quantity(given) * 1000


def _devices(pool: str, given: Decoded) -> Iterator[DraDevice]:
    for one in items(at(given, "spec", "devices")):
        name, what = text(at(one, "name")), device_text(one, "type")
        profile = device_text(one, "profile")
        if name is None or what not in ("gpu", "mig") or (what == "mig") is not bool(profile):
            continue  # a passed-through card, a channel: nothing that a server runs on
        if at(one, "allowMultipleAllocations") is True:
            continue
        takes = {
            (f"{pool}/{at(each, 'counterSet')}", counter): math.ceil(_amount(at(value, "value")))
            for each in items(at(one, "consumesCounters"))
            for counter, value in mapping(at(each, "counters")).items()
        }
        memory = at(one, "capacity", "memory", "value")
        minor = name.split("-mig-", maxsplit=1)[0]
        yield DraDevice(
            name=f"{pool}/{name}",
            product=(device_text(one, "productName") or "").strip(),
            profile=ProfileName(profile) if profile else None,
            card=device_text(one, "parentUUID" if profile else "uuid") or f"{pool}/{minor}",
            takes=takes,
            memory_bytes=None if memory is None else int(parse_quantity(memory)),
            is_tainted=any(at(taint, "effect") in _KEEPS_OUT for taint in items(at(one, "taints"))),
        )


def device_text(device: object, name: str) -> str | None:
    """Return a text attribute of a device, under its short or its full name."""
    attributes = mapping(at(device, "attributes"))
    for key in (name, f"{DRIVER}/{name}"):
        value = text(at(attributes.get(key), "string"))
        if value is not None:
            return value
    return None


def taken_by(claim: Decoded) -> frozenset[str]:
    """Return the devices that *claim* was given, with their pool before them."""
    results = items(at(claim, "status", "allocation", "devices", "results"))
    return frozenset(
        f"{at(one, 'pool')}/{at(one, 'device')}"
        for one in results
        if at(one, "driver") == DRIVER and at(one, "adminAccess") is not True
    )


def holder_of(claim: Decoded) -> tuple[str, str] | None:
    """Return namespace and name of the one pod that has *claim*; None for none, or several."""
    users = items(at(claim, "status", "reservedFor"))
    users = users or [
        {"resource": "pods", "name": at(one, "name")}
        for one in items(at(claim, "metadata", "ownerReferences"))
        if at(one, "kind") == "Pod"
    ]
    if len(users) != 1 or at(users[0], "resource") != "pods":
        return None
    return text(at(claim, "metadata", "namespace")) or "", text(at(users[0], "name")) or ""


def is_allocated(claim: Decoded) -> bool:
    """Whether the scheduler has given *claim* its devices."""
    return bool(mapping(at(claim, "status", "allocation")))


def asked_by(claim: Decoded) -> dict[str, Fraction]:
    """Return what a claim of a pod waits for, as names of claims; {} when it has its devices.

    A selector that says more than a profile is taken by its profile, and a request with a choice
    for a whole card, which costs the most.
    """
    owners = items(at(claim, "metadata", "ownerReferences"))
    if is_allocated(claim) or not any(at(one, "kind") == "Pod" for one in owners):
        return {}
    found: dict[str, Fraction] = {}
    for request in items(at(claim, "spec", "devices", "requests")):
        exactly = at(request, "exactly")
        several = items(at(request, "firstAvailable"))
        classes = [text(at(one, "deviceClassName")) or "" for one in (exactly, *several) if one]
        if not any(one.endswith("nvidia.com") for one in classes):
            continue
        selectors = " ".join(
            str(at(one, "cel", "expression")) for one in items(at(exactly, "selectors"))
        )
        match = _PROFILE.search(selectors)
        count = at(exactly, "count")
        name = claim_name(None if match is None else match[1])
        many = Fraction(count) if isinstance(count, int) and count > 0 else Fraction(1)
        found[name] = found.get(name, Fraction(0)) + many
    return found


def claims_of(pod: Decoded) -> tuple[str, ...]:
    """Return the ResourceClaims of *pod*, by its status: its own, and the scheduler's for it."""
    status = mapping(pod.get("status"))
    named = [at(one, "resourceClaimName") for one in items(status.get("resourceClaimStatuses"))]
    named.append(at(status, "extendedResourceClaimStatus", "resourceClaimName"))
    return tuple(one for one in named if isinstance(one, str))


def claims_note(resource: str, count: int) -> str:
    """Return the annotation of a pod that asks for *count* of the claim *resource*.

    >>> claims_note("resourceclaim:2g.10gb", 1)
    'resourceclaim:2g.10gb=1'
    """
    return f"{resource}={count}"


def noted_claims(pod: Decoded) -> dict[str, Fraction]:
    """Return what the claims of a pod of the operator's ask for; {} for any other pod."""
    note = text(mapping(at(pod, "metadata", "annotations")).get(CLAIMS_NOTE)) or ""
    resource, _, count = note.partition("=")
    return {resource: Fraction(int(count))} if count.isdecimal() and count.isascii() else {}
