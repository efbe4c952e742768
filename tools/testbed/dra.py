"""ResourceSlices of GPU nodes as NVIDIA's DRA driver publishes them with DynamicMIG.

kubernetes-sigs/dra-driver-nvidia-gpu cmd/gpu-kubelet-plugin/{partitions,deviceinfo,mig}.go: a
counter set a card (what its largest profile has, and a counter a memory slice), the card itself and
every placement as devices that consume from it; counters in a slice of their own (Kubernetes 1.36
wants them apart), devices in one slice a card.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from rightslice.core.catalog.mig import MigGrid, MigProfile
from rightslice.kube.cluster.dra_read import DRIVER, class_expression
from rightslice.kube.render.dra import device_name
from tools.testbed.control_plane import ControlPlane

Manifest = dict[str, Any]
API: Final = "resource.k8s.io/v1"
_CLASSES: Final = {"gpu.nvidia.com": "nvidia.com/gpu", "mig.nvidia.com": None}
"""DeviceClasses of the driver's chart, and what they stand for (gpu-driver-config.yaml)."""


@dataclass(frozen=True, kw_only=True)
class DraNode:
    """A node's cards, and what they are."""

    node: str
    grid: MigGrid
    product: str
    cards: int = 1

    def uuid(self, card: int) -> str:
        """Return the UUID of a card."""
        return f"GPU-{self.node}-{card}"

    def slices(self, generation: int = 1) -> list[Manifest]:
        """Return the ResourceSlices of the node."""
        sets = [
            {"name": _set(card), "counters": _values(self._whole())} for card in range(self.cards)
        ]
        parts: list[Manifest] = [{"sharedCounters": sets}]
        parts += [{"devices": self.devices(card)} for card in range(self.cards)]
        pool = {"name": self.node, "generation": generation, "resourceSliceCount": len(parts)}
        return [
            {
                "apiVersion": API,
                "kind": "ResourceSlice",
                "metadata": {"name": f"{self.node}-{number}"},
                "spec": {"driver": DRIVER, "nodeName": self.node, "pool": pool, **part},
            }
            for number, part in enumerate(parts)
        ]

    def devices(self, card: int) -> list[Manifest]:
        """Return a card and its placements, by name as the driver sorts them."""
        spots = [(one, start) for one in self.grid.profiles for start in one.starts or ()]
        found = [self._device(f"gpu-{card}", "gpu", card, self._whole())]
        for profile, start in spots:
            one = self._device(
                device_name(card, profile, start), "mig", card, _takes(profile, start)
            )
            one["attributes"] |= {
                "profile": {"string": profile.name},
                "parentUUID": {"string": self.uuid(card)},
            }
            found.append(one)
        return sorted(found, key=lambda one: str(one["name"]))

    def _device(self, name: str, what: str, card: int, takes: Mapping[str, int]) -> Manifest:
        texts = {"type": what, "productName": self.product, "architecture": "Ampere"}
        if what == "gpu":
            texts["uuid"] = self.uuid(card)
        capacity = {"memory": {"value": str(takes["memory"])}}
        return {
            "name": name,
            "attributes": {key: {"string": value} for key, value in texts.items()},
            "capacity": capacity,
            "consumesCounters": [{"counterSet": _set(card), "counters": _values(takes)}],
        }

    def _whole(self) -> dict[str, int]:
        largest = max(self.grid.profiles, key=lambda one: one.memory_slots or 0)
        return _takes(largest, 0)


def _takes(profile: MigProfile, start: int) -> dict[str, int]:
    engines = profile.engines
    counts = {
        "multiprocessors": profile.sms,
        "copy-engines": engines.copy,
        "decoders": engines.decoder,
        "jpeg-engines": engines.jpeg,
        "ofa-engines": engines.optical_flow,
        "memory": profile.memory_bytes,
    }
    slots = range(start, start + (profile.memory_slots or 0))
    return {
        **{name: count or 0 for name, count in counts.items()},
        **{f"memory-slice-{slot}": 1 for slot in slots},
    }


def _values(counts: Mapping[str, int]) -> Manifest:
    return {name: {"value": str(count)} for name, count in counts.items()}


def _set(card: int) -> str:
    return f"gpu-{card}-counter-set"


def device_class(name: str, profile: str | None, extended: str | None) -> Manifest:
    """Return a DeviceClass of one profile (None: cards), for an extended resource or none."""
    return _class(name, class_expression(profile), extended)


def _class(name: str, expression: str, extended: str | None) -> Manifest:
    spec: Manifest = {"selectors": [{"cel": {"expression": expression}}]}
    if extended is not None:
        spec["extendedResourceName"] = extended
    metadata = {"name": name}
    return {"apiVersion": API, "kind": "DeviceClass", "metadata": metadata, "spec": spec}


def driver_classes() -> list[Manifest]:
    """Return the DeviceClasses that the driver's chart installs."""
    found = []
    for name, extended in _CLASSES.items():
        kind = name.partition(".")[0]
        expression = re.sub(r"'gpu'$", f"'{kind}'", class_expression(None))
        found.append(_class(name, expression, extended))
    return found


def publish(plane: ControlPlane, manifests: Iterable[Manifest]) -> None:
    """Apply *manifests*."""
    items = {"apiVersion": "v1", "kind": "List", "items": list(manifests)}
    plane.kubectl("apply", "-f", "-", stdin=json.dumps(items))


def withdraw(plane: ControlPlane, manifests: Iterable[Manifest]) -> None:
    """Delete *manifests*, whatever of them is there."""
    names = [f"{str(one['kind']).lower()}/{one['metadata']['name']}" for one in manifests]
    plane.kubectl("delete", "--ignore-not-found", *names)
