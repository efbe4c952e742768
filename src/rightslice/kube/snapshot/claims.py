"""What DRA says: the cards and slices of each node, and who holds which device.

Devices are those of NVIDIA's driver (kubernetes-sigs/dra-driver-nvidia-gpu): attribute ``type`` is
``gpu`` or ``mig``, ``productName`` the board, ``profile`` and ``parentUUID`` those of a slice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from rightslice.kube.parse.decoded import at, items, mapping, text

DRIVER: Final = "gpu.nvidia.com"
CARD_CLASS: Final = "gpu.nvidia.com"
MIG_CLASS: Final = "mig.nvidia.com"
"""DeviceClasses that the driver's chart installs (kubernetes-sigs/dra-driver-nvidia-gpu)."""


@dataclass(frozen=True, kw_only=True)
class DraDevice:
    """One device of a node."""

    node: str
    product: str
    profile: str | None
    """None: the whole card."""
    card: str
    """What tells its card from the node's others."""
    exists: bool = True
    """False for a slice that is made when a claim asks for it (DynamicMIG)."""


@dataclass(frozen=True, kw_only=True)
class DraCards:
    """The cards of one node."""

    product: str
    cards: int
    has_slices: bool


@dataclass(frozen=True, kw_only=True)
class ClaimedDevice:
    """A device that pods hold by a claim."""

    namespace: str
    pods: tuple[str, ...]
    device: DraDevice


@dataclass
class DraView:
    """Every device that the ResourceSlices list, and the claims on them."""

    devices: Mapping[tuple[str, str], DraDevice] = field(default_factory=dict)
    """By pool and name."""
    claimed: tuple[ClaimedDevice, ...] = ()

    def cards(self) -> dict[str, DraCards]:
        """Return the cards of each node."""
        found: dict[str, list[DraDevice]] = {}
        for device in self.devices.values():
            found.setdefault(device.node, []).append(device)
        return {
            node: DraCards(
                product=next((one.product for one in every if one.product), ""),
                cards=len({one.card for one in every}),
                has_slices=any(one.profile is not None for one in every),
            )
            for node, every in found.items()
        }


def read_dra(
    slices: Iterable[Mapping[str, object]], claims: Iterable[Mapping[str, object]]
) -> DraView:
    """Return what ResourceSlices and ResourceClaims of NVIDIA's driver say."""
    devices = dict(_devices(list(slices)))
    claimed = []
    for claim in claims:
        results = items(at(claim, "status", "allocation", "devices", "results"))
        pods = tuple(
            name
            for one in items(at(claim, "status", "reservedFor"))
            if (name := text(at(one, "name"))) and at(one, "resource") == "pods"
        )
        for result in results:
            key = text(at(result, "pool")) or "", text(at(result, "device")) or ""
            if at(result, "driver") == DRIVER and key in devices:
                claimed.append(
                    ClaimedDevice(
                        namespace=text(at(claim, "metadata", "namespace")) or "",
                        pods=pods,
                        device=devices[key],
                    )
                )
    return DraView(devices=devices, claimed=tuple(claimed))


def _devices(
    slices: list[Mapping[str, object]],
) -> Iterator[tuple[tuple[str, str], DraDevice]]:
    newest: dict[str, int] = {}
    for one in slices:
        pool = text(at(one, "spec", "pool", "name")) or ""
        newest[pool] = max(_generation(one), newest.get(pool, 0))
    for one in slices:
        pool = text(at(one, "spec", "pool", "name")) or ""
        if at(one, "spec", "driver") != DRIVER or _generation(one) != newest[pool]:
            continue
        node = text(at(one, "spec", "nodeName")) or pool
        for given in items(at(one, "spec", "devices")):
            name = text(at(given, "name"))
            if name is not None:
                yield (pool, name), _device(node, name, given)


def _generation(given: Mapping[str, object]) -> int:
    number = at(given, "spec", "pool", "generation")
    return number if isinstance(number, int) else 0


def _device(node: str, name: str, given: object) -> DraDevice:
    profile = _attribute(given, "profile")
    uuid = _attribute(given, "parentUUID" if profile else "uuid")
    minor = name.split("-mig-", maxsplit=1)[0]
    return DraDevice(
        node=node,
        product=(_attribute(given, "productName") or "").strip(),
        profile=profile,
        card=minor if minor.startswith("gpu-") and minor[4:].isdecimal() else uuid or minor,
        exists=profile is None or _attribute(given, "uuid") is not None,
    )


def _attribute(device: object, name: str) -> str | None:
    attributes = mapping(at(device, "attributes"))
    for key in (name, f"{DRIVER}/{name}"):
        value = text(at(attributes.get(key), "string"))
        if value is not None:
            return value
    return None
