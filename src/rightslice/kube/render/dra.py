"""A plan under Dynamic Resource Allocation: claim templates, and taints that steer placements.

Kubernetes 1.36: ``resource.k8s.io/v1`` ResourceClaimTemplate, with ``firstAvailable`` where
several profiles will do (KEP-4816); ``resource.k8s.io/v1beta2`` DeviceTaintRule, behind the gate
DRADeviceTaintRules (KEP-5055). Devices are called as NVIDIA's driver does
(kubernetes-sigs/dra-driver-nvidia-gpu cmd/gpu-kubelet-plugin/mig.go, toRFC1123Compliant). CEL sees
neither a device's name nor its start. Slices that were cut before publish their slots as capacities
(``memorySlice4``), so there a selector names the planned starts. Slices made on demand publish
none: every placement of a planned card but the planned ones is tainted, and the scheduler's first
fit has one choice left.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from rightslice.core.catalog.mig import MigProfile, Placement, ProfileName
from rightslice.core.catalog.share import MigSlice
from rightslice.core.plan.result import CardPlan
from rightslice.kube.assignments import Assignment
from rightslice.kube.gpu_ask import CLAIM, ranks, template_name
from rightslice.kube.manifest import GROUP, Manifest, recommended_labels, short_name
from rightslice.kube.uuids import uuid_reference
from rightslice.records import Json

DRIVER: Final = "gpu.nvidia.com"
_MIG_CLASS: Final = "mig.nvidia.com"
_MOST_ALTERNATIVES: Final = 8
"""Subrequests of one request (k8s.io/api resource/v1, FirstAvailableDeviceRequestMaxSize)."""
_LONGEST_EXPRESSION: Final = 10 * 1024
"""Bytes of one CEL selector (k8s.io/api resource/v1, CELSelectorExpressionMaxLength)."""


def render_template(assignment: Assignment, *, with_alternatives: bool) -> Manifest:
    """Return the claim template of a workload, limited to the GPUs that the plan gives it.

    With alternatives, a replica also takes other profiles that hold its load, in order of price.
    """
    request: Manifest = {"name": CLAIM}
    share = assignment.device.share
    others = assignment.alternatives if with_alternatives else ()
    if not isinstance(share, MigSlice):
        request["exactly"] = _asked(DRIVER, assignment, [])
    elif others:
        profiles = (share.profile, *others)[:_MOST_ALTERNATIVES]
        request["firstAvailable"] = [
            {"name": _device_part(profile), **_slice(assignment, profile)} for profile in profiles
        ]
    else:
        request["exactly"] = _slice(assignment, share.profile)
    labels = recommended_labels(
        assignment.name,
        version=assignment.sizing.engine.version,
        team=short_name(assignment.workload.team),
    )
    return {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceClaimTemplate",
        "metadata": {"name": template_name(assignment), "labels": labels},
        "spec": {"spec": {"devices": {"requests": [request]}}},
    }


def _slice(assignment: Assignment, profile: ProfileName) -> Manifest:
    where = [f"device.attributes['{DRIVER}'].profile == '{profile}'"]
    if assignment.cards:
        where.append(_on_cards(assignment.cards))
    share = assignment.device.share
    if isinstance(share, MigSlice) and profile == share.profile and assignment.starts:
        steered = _at_starts(assignment)
        where += [steered] if len(steered.encode()) <= _LONGEST_EXPRESSION else []
    return _asked(_MIG_CLASS, assignment, where)


def _on_cards(cards: Iterable[tuple[str, int]]) -> str:
    named = ", ".join(f"'{uuid_reference(node, card)}'" for node, card in cards)
    return f"device.attributes['{DRIVER}'].parentUUID in [{named}]"


def _at_starts(assignment: Assignment) -> str:
    """Return that a slice which publishes its slots lies where the plan wants it.

    No two placements of one profile share a slot, so the first one tells the start.
    """
    starts: dict[tuple[str, int], list[int]] = {}
    for node, card, start in assignment.starts:
        starts.setdefault((node, card), []).append(start)
    alike: dict[tuple[int, ...], list[tuple[str, int]]] = {}
    for at, found in starts.items():
        alike.setdefault(tuple(sorted(set(found))), []).append(at)
    capacity = f"device.capacity['{DRIVER}']"
    ways = [f"!{capacity}.exists(name, name.startsWith('memorySlice'))"]
    for slots, cards in alike.items():
        has = " || ".join(f"'memorySlice{slot}' in {capacity}" for slot in slots)
        ways.append(f"({_on_cards(cards)} && ({has}))" if len(alike) > 1 else has)
    return " || ".join(ways)


def _asked(device_class: str, assignment: Assignment, where: Sequence[str]) -> Manifest:
    asked: Manifest = {
        "deviceClassName": device_class,
        "allocationMode": "ExactCount",
        "count": ranks(assignment),
    }
    if where:
        asked["selectors"] = [{"cel": {"expression": each}} for each in where]
    return asked


def render_taints(cards: Sequence[CardPlan]) -> list[Manifest]:
    """Return a rule for every device of the planned cards that the plan does not use."""
    return [
        _rule(card.node, device)
        for card in cards
        if card.layout and card.group.gpu.mig is not None
        for device in _unplanned(card)
    ]


def _unplanned(card: CardPlan) -> Iterator[str]:
    """Yield the card as a whole, and each of its placements that is not in the layout."""
    yield f"gpu-{card.card}"
    grid = card.group.gpu.mig
    assert grid is not None, "only cards with MIG have a layout"
    for profile in grid.profiles:
        for start in profile.starts or ():
            if Placement(profile=profile.name, start=start) not in card.layout:
                yield device_name(card.card, profile, start)


def device_name(card: int, profile: MigProfile, start: int) -> str:
    """Return what NVIDIA's driver calls a MIG placement: ``gpu-0-mig-1g10gb-19-4``."""
    return f"gpu-{card}-mig-{_device_part(profile.name)}-{profile.profile_id}-{start}"


def _device_part(profile: str) -> str:
    return re.sub(r"[^a-z0-9-]", "-", profile.replace(".", "").lower()).strip("-")


def _rule(node: str, device: str) -> Manifest:
    taint: dict[str, Json] = {"key": f"{GROUP}/not-planned", "effect": "NoSchedule"}
    return {
        "apiVersion": "resource.k8s.io/v1beta2",
        "kind": "DeviceTaintRule",
        "metadata": {
            "name": f"rightslice-{node}-{device}",
            "labels": {"app.kubernetes.io/managed-by": "rightslice"},
        },
        "spec": {
            "deviceSelector": {"driver": DRIVER, "pool": node, "device": device},
            "taint": taint,
        },
    }
