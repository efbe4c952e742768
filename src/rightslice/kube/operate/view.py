"""What a decision starts from: a ModelDeployment, its Deployments, and the world around them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from fractions import Fraction
from typing import Final

from rightslice.core.catalog.model import Model
from rightslice.kube import manifest
from rightslice.kube.admission.decide import Recommend
from rightslice.kube.admission.settings import Mode
from rightslice.kube.cluster.hardware import NodeHardware
from rightslice.kube.cluster.view import Cluster, ClusterNode
from rightslice.kube.crd.decode import decode
from rightslice.kube.crd.deployment import (
    ModelDeploymentSpec,
    ModelDeploymentStatus,
    OfferStatus,
)
from rightslice.kube.manifest import GROUP
from rightslice.kube.operate.ask import Release
from rightslice.kube.parse.decoded import at, mapping, text

PART_LABEL: Final = f"{GROUP}/part"
REVISION_LABEL: Final = manifest.REVISION_LABEL
OWNER_LABEL: Final = manifest.OWNER_LABEL
OFFER_NOTE: Final = f"{GROUP}/offer-status"
SETTINGS_NOTE: Final = f"{GROUP}/pod-settings"
Key = tuple[str, str]
"""Namespace and name."""


class Part(Enum):
    """Which of a ModelDeployment's replicas a Deployment holds."""

    GUARANTEED = "guaranteed"
    """``replicas.min``: always there."""
    ELASTIC = "elastic"
    """What the load needs beyond them."""


@dataclass(frozen=True, kw_only=True)
class Running:
    """One Deployment of a ModelDeployment, as it was last seen."""

    name: str
    revision: str
    part: Part
    replicas: int
    """Asked for."""
    pods: int
    ready: int
    offer: OfferStatus | None
    arguments: tuple[str, ...] = ()
    is_drifted: bool = False
    """Whether somebody else changed what we applied of it."""
    leaving: int = 0
    """Pods on a node that is being emptied: so many are wanted beside them, elsewhere."""
    image: str = ""
    settings: str = ""
    """Of its pods, as `settings_digest` tells them apart."""


@dataclass(frozen=True, kw_only=True)
class Served:
    """One ModelDeployment as it was last seen."""

    namespace: str
    name: str
    uid: str
    generation: int
    spec: ModelDeploymentSpec | None
    """None when it cannot be read; `problems` say why."""
    problems: tuple[str, ...] = ()
    before: ModelDeploymentStatus = field(default_factory=ModelDeploymentStatus)
    running: tuple[Running, ...] = ()
    templates: tuple[str, ...] = ()
    """Names of its claim templates."""

    @property
    def key(self) -> Key:
        """Namespace and name."""
        return self.namespace, self.name

    @property
    def ready(self) -> int:
        """Pods that serve."""
        return sum(one.ready for one in self.running)


@dataclass(frozen=True, kw_only=True)
class World:
    """What decisions rest on, beside the ModelDeployments."""

    cluster: Cluster
    hardware: Mapping[str, NodeHardware]
    models: Mapping[Key, Model | str]
    """Models by namespace and name; a text says why one cannot be used."""
    release: Release
    recommend: Recommend
    recommends: Mapping[Key, Recommend] = field(default_factory=dict)
    """By model, where it was calibrated, in place of `recommend`."""
    card_price: Callable[[ClusterNode], Fraction | None] = lambda _node: None
    """Dollars an hour for one whole card of a node; None where it is not known."""
    ceiling: Mode = Mode.ENFORCE
    """The most that a spec can ask for."""
    settle_seconds: float = 600.0
    """How long a cheaper offer has to do before it is taken."""
    problem: str | None = None
    """Why what is known of the cluster cannot be relied on now."""


def read_served(given: Mapping[str, object], running: tuple[Running, ...] = ()) -> Served:
    """Return a ModelDeployment from its decoded object; never raises."""
    metadata = mapping(given.get("metadata"))
    spec = decode(ModelDeploymentSpec, given.get("spec"))
    status = decode(ModelDeploymentStatus, given.get("status") or {})
    generation = metadata.get("generation")
    return Served(
        namespace=text(metadata.get("namespace")) or "",
        name=text(metadata.get("name")) or "",
        uid=text(metadata.get("uid")) or "",
        generation=generation if isinstance(generation, int) else 0,
        spec=spec.value,
        problems=spec.problems,
        before=status.value or ModelDeploymentStatus(),
        running=running,
    )


def read_running(given: Mapping[str, object]) -> Running | None:
    """Return one of our Deployments from its decoded object; None when it is not ours."""
    labels = mapping(at(given, "metadata", "labels"))
    revision, part = text(labels.get(REVISION_LABEL)), text(labels.get(PART_LABEL))
    name = text(at(given, "metadata", "name"))
    if revision is None or name is None or part not in [one.value for one in Part]:
        return None
    return Running(
        name=name,
        revision=revision,
        part=Part(part),
        replicas=_count(at(given, "spec", "replicas")),
        pods=_count(at(given, "status", "replicas")),
        ready=_count(at(given, "status", "readyReplicas")),
        offer=_offer(mapping(at(given, "metadata", "annotations")).get(OFFER_NOTE)),
        arguments=_arguments(given),
        image=text(_container(given).get("image")) or "",
        settings=text(mapping(at(given, "metadata", "annotations")).get(SETTINGS_NOTE)) or "",
    )


def _count(given: object) -> int:
    return given if isinstance(given, int) and not isinstance(given, bool) else 0


def _offer(note: object) -> OfferStatus | None:
    try:
        return decode(OfferStatus, json.loads(note)).value if isinstance(note, str) else None
    except ValueError:
        return None


def _container(given: Mapping[str, object]) -> Mapping[str, object]:
    containers = at(given, "spec", "template", "spec", "containers")
    return mapping(containers[0]) if isinstance(containers, list) and containers else {}


def _arguments(given: Mapping[str, object]) -> tuple[str, ...]:
    found = _container(given).get("args")
    return tuple(str(one) for one in found) if isinstance(found, list) else ()
