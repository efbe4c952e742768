"""Deployments that the operator made, and the ModelDeployments that they belong to."""

from __future__ import annotations

from rightslice.kube.crd.definition import MODEL_DEPLOYMENT
from rightslice.kube.operate.gather import object_key, owner_key
from rightslice.kube.snapshot.holders import Key
from rightslice.kube.snapshot.value import Snapshot

OwnerKey = tuple[str, str]
"""Namespace and name of a ModelDeployment."""


def owners_of(snapshot: Snapshot) -> dict[Key, OwnerKey]:
    """Return the ModelDeployment of each Deployment that belongs to one of *snapshot*."""
    known = {object_key(one) for one in snapshot.of(MODEL_DEPLOYMENT.kind)}
    found: dict[Key, OwnerKey] = {}
    for one in snapshot.of("Deployment"):
        owner = owner_key(one)
        if owner is not None and owner in known:
            found["Deployment", *object_key(one)] = owner
    return found
