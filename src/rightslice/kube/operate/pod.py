"""The owner's settings of the pods, put into a Deployment that was rendered without them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from rightslice.kube.crd.decode import encode
from rightslice.kube.crd.pod import PodSettings, Toleration, Variable
from rightslice.kube.manifest import Manifest, digest
from rightslice.records import Json

CACHE_VOLUME = "models"
"""The volume that is mounted where downloads are kept."""


TOLERATIONS: Final[tuple[Mapping[str, Json], ...]] = (
    {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"},
)
"""Of every pod: the taint by which clusters keep other pods off their GPU nodes."""


@dataclass(frozen=True, kw_only=True)
class Where:
    """Which nodes the pods of a ModelDeployment may run on."""

    selector: tuple[tuple[str, str], ...] = ()
    tolerations: tuple[Toleration, ...] = ()
    """Beside those of every pod."""

    @classmethod
    def of(cls, settings: PodSettings) -> Where:
        """Return what *settings* say."""
        selector = tuple(sorted((settings.node_selector or {}).items()))
        return cls(selector=selector, tolerations=settings.tolerations)

    @property
    def spec(self) -> dict[str, Json]:
        """The same as a part of a pod's spec."""
        given = [encode(one) for one in self.tolerations]
        found: dict[str, Json] = {"tolerations": [*map(dict, TOLERATIONS), *given]}
        return {**found, "nodeSelector": dict(self.selector)} if self.selector else found


def settings_digest(settings: PodSettings) -> str:
    """Return what tells settings apart; empty where nothing is set."""
    said = encode(settings)
    return digest(json.dumps(said, sort_keys=True)) if said else ""


def put_settings(deployment: Manifest, settings: PodSettings) -> None:
    """Change *deployment* in place to what *settings* say; what they do not say stays."""
    template: Any = deployment["spec"]
    metadata, pod = template["template"]["metadata"], template["template"]["spec"]
    metadata["labels"] |= dict(settings.labels or {})
    metadata["annotations"] |= dict(settings.annotations or {})
    container = pod["containers"][0]
    named = {one.name: _variable(one) for one in settings.env}
    kept = [one for one in container["env"] if one["name"] not in named]
    container["env"] = [*kept, *named.values()]
    if settings.model_cache is not None:
        claim = {"claimName": settings.model_cache}
        pod["volumes"] = [
            {"name": CACHE_VOLUME, "persistentVolumeClaim": claim}
            if one["name"] == CACHE_VOLUME
            else one
            for one in pod["volumes"]
        ]
    if settings.service_account is not None:
        pod["serviceAccountName"] = settings.service_account
    if settings.priority_class is not None:
        pod["priorityClassName"] = settings.priority_class
    if settings.pull_secrets:
        pod["imagePullSecrets"] = [{"name": name} for name in settings.pull_secrets]


def _variable(one: Variable) -> Mapping[str, Json]:
    if one.secret is None:
        return {"name": one.name, "value": one.value}
    secret: dict[str, Json] = {"name": one.secret.name, "key": one.secret.key}
    return {"name": one.name, "valueFrom": {"secretKeyRef": secret}}
