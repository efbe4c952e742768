"""Where the volumes of a pod let it run, by the scheduler's plugins VolumeBinding and VolumeZone.

A claim that is bound ties its pod to the nodes of its volume: by the volume's node affinity, and by
its zone labels (kubernetes pkg/scheduler/framework/plugins/volumebinding and volumezone). Claims
that one node at a time may use are not decided here: where the volume is attached now, the API does
not tell.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from rightslice.kube.parse.decoded import at, items, mapping, text

Decoded = Mapping[str, object]
Key = tuple[str, str]
"""Namespace and name."""
_CLAIM: Final = "persistentVolumeClaim"
_SHARED_MODES: Final = ("ReadWriteMany", "ReadOnlyMany")
_ZONES: Final = (
    "topology.kubernetes.io/zone", "topology.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/region",
)  # fmt: skip
_SEPARATOR: Final = "__"
"""Between the zones of a volume that spans several (component-helpers, LabelZonesToSet)."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A PersistentVolumeClaim: the volume that it is bound to, and whether nodes may share it."""

    volume: str | None
    is_shared: bool


@dataclass(frozen=True, kw_only=True)
class Volume:
    """Which nodes a PersistentVolume can be used on."""

    terms: tuple[Decoded, ...] | None = None
    """Of its node affinity: one has to match; None without it."""
    zones: Mapping[str, frozenset[str]] | None = None
    """Labels that a node must have, and one of the values of each."""


def read_claim(given: Decoded) -> Claim:
    """Return a PersistentVolumeClaim."""
    modes = items(at(given, "spec", "accessModes"))
    bound = at(given, "status", "phase") == "Bound"
    return Claim(
        volume=text(at(given, "spec", "volumeName")) if bound else None,
        is_shared=bool(modes) and all(one in _SHARED_MODES for one in modes),
    )


def read_volume(given: Decoded) -> Volume:
    """Return a PersistentVolume."""
    required = at(given, "spec", "nodeAffinity", "required")
    terms = tuple(mapping(one) for one in items(at(required, "nodeSelectorTerms")))
    labels = mapping(at(given, "metadata", "labels"))
    zones = {
        name: frozenset(value.split(_SEPARATOR))
        for name in _ZONES
        if (value := text(labels.get(name))) is not None
    }
    return Volume(terms=None if required is None else terms, zones=zones or None)


def claim_names(spec: Decoded) -> tuple[str, ...]:
    """Return the claims that a pod of *spec* mounts."""
    named = (at(one, _CLAIM, "claimName") for one in items(spec.get("volumes")))
    return tuple(name for name in map(text, named) if name is not None)


def without_claims(spec: Decoded) -> Decoded:
    """Return *spec* without the volumes of claims."""
    volumes = [one for one in items(spec.get("volumes")) if _CLAIM not in mapping(one)]
    return {**spec, "volumes": volumes}


def volumes_of(
    names: tuple[str, ...],
    namespace: str,
    claims: Mapping[Key, Claim],
    volumes: Mapping[str, Volume],
) -> tuple[Volume, ...] | str:
    """Return the volumes behind the claims *names* of *namespace*, or why they are not known."""
    found = []
    for name in names:
        claim = claims.get((namespace, name))
        if claim is None:
            return f"PersistentVolumeClaim {name}: it is not there, or has not been seen yet"
        if claim.volume is None:
            return f"PersistentVolumeClaim {name}: it is not bound; a node may be chosen with it"
        if not claim.is_shared:
            return (
                f"PersistentVolumeClaim {name}: one node at a time may use it; ReadWriteMany or"
                " ReadOnlyMany would let the pod run elsewhere"
            )
        volume = volumes.get(claim.volume)
        if volume is None:
            return f"PersistentVolume {claim.volume} of claim {name} has not been seen"
        found.append(volume)
    return tuple(found)
