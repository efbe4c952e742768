"""Settings of pods whose secrets were left out: Deployments still count as made of them.

A Deployment of the operator's carries a digest of the settings that its pods were made with. Where
a snapshot hides a value of a ModelDeployment's own, the digest of what is left takes its place, so
that nobody who reads the file takes the pods for outdated.
"""

from __future__ import annotations

from collections.abc import Mapping

from rightslice.kube.crd.decode import decode
from rightslice.kube.crd.deployment import ModelDeploymentSpec
from rightslice.kube.operate.gather import owner_key
from rightslice.kube.operate.pod import settings_digest
from rightslice.kube.operate.view import SETTINGS_NOTE, Key
from rightslice.kube.parse.decoded import at, mapping

Decoded = Mapping[str, object]
Renamed = Mapping[Key, tuple[str, str]]
"""By ModelDeployment: the digest of its settings, and that of what is shown of them."""


def renamed(
    shown: Mapping[Key, Decoded], given: Mapping[Key, Decoded]
) -> dict[Key, tuple[str, str]]:
    """Return the ModelDeployments of whose settings a part is hidden."""
    found: dict[Key, tuple[str, str]] = {}
    for key, one in shown.items():
        if at(one, "spec", "pod") != at(given.get(key), "spec", "pod"):
            found[key] = _digest(given[key]), _digest(one)
    return found


def _digest(given: Decoded) -> str:
    spec = decode(ModelDeploymentSpec, given.get("spec")).value
    return "" if spec is None else settings_digest(spec.pod)


def with_shown_settings(deployment: Decoded, digests: Renamed) -> Decoded:
    """Return *deployment* with the digest of what is shown of its owner's settings."""
    owner = owner_key(deployment)
    before, after = digests.get(owner, ("", "")) if owner is not None else ("", "")
    metadata = mapping(deployment.get("metadata"))
    notes = mapping(metadata.get("annotations"))
    if not before or notes.get(SETTINGS_NOTE) != before:
        return deployment
    return {**deployment, "metadata": {**metadata, "annotations": {**notes, SETTINGS_NOTE: after}}}
