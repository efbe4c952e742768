"""Where containers stand in an object, found by structure: any object that holds a pod template.

A place is one container that stays (no init container, no probe), with its pod, the resources
that hold for it and the annotations above it. Objects that are no pods but hold a container
without a list (``mainContainer`` of Dynamo, ``runner`` of OME, ``container`` of Argo) are places,
too; such a one has a name only where it says one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from rightslice.errors import InputError
from rightslice.kube.parse.decoded import DEEPEST, items, mapping, text

_PASSED_OVER: Final = frozenset(
    {"metadata", "status", "initContainers", "ephemeralContainers", "env", "envFrom", "volumes",
     "volumeMounts", "livenessProbe", "readinessProbe", "startupProbe", "lifecycle", "ports",
     "affinity", "resources", "tolerations", "nodeSelector", "data", "volumeClaimTemplates",
     "securityContext", "managedFields"}
)  # fmt: skip
_WORKERS: Final = frozenset(
    {
        "worker",
        "workerTemplate",
        "workerSpec",
        "workerGroupSpecs",
        "workerGroup",
        "prefill",
        "router",
    }
)
_NAMED: Final = frozenset({"container", "runner", "mainContainer", "leader"})
_MOST_NODES: Final = 20_000
"""Objects and lists of one document; a pod has about 50, a large Helm release some thousands."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """One container, and what holds for it from above."""

    container: Mapping[str, object]
    name: str | None
    pod: Mapping[str, object] = field(default_factory=dict)
    resources: object = None
    annotations: Mapping[str, object] = field(default_factory=dict)
    follows: bool = False
    """A worker's or a prefill pod's: the leader or decoder beside it speaks for the server."""


def find_places(document: object) -> list[Place]:
    """Return every container of *document*, those that follow others last.

    Raises:
        InputError: when the document has more parts than any manifest.
    """
    search = _Search()
    search.visit(document, _Above(), "")
    return sorted(search.found, key=lambda place: place.follows)


@dataclass(frozen=True, kw_only=True)
class _Above:
    annotations: Mapping[str, object] = field(default_factory=dict)
    resources: object = None
    follows: bool = False
    depth: int = 0


class _Search:
    def __init__(self) -> None:
        self.found: list[Place] = []
        self.nodes = 0

    def visit(self, value: object, above: _Above, key: str) -> None:
        self.nodes += 1
        if self.nodes > _MOST_NODES:
            raise InputError(f"more than {_MOST_NODES} parts: is this one Kubernetes object?")
        if above.depth > DEEPEST:
            return
        if isinstance(value, list):
            for item in value:
                if isinstance(item, dict | list):
                    self.visit(item, _below(above, {}, key), key)
            return
        inside = mapping(value)
        here = _below(above, inside, key)
        if isinstance(inside.get("containers"), list):
            self._pod(inside, here)
        elif _is_container(inside, key):
            self._add(inside, text(inside.get("name")) if key in _NAMED else None, {}, here)
        for name, item in inside.items():
            if name not in _PASSED_OVER and name != "containers" and isinstance(item, dict | list):
                self.visit(item, here, name)

    def _pod(self, pod: Mapping[str, object], here: _Above) -> None:
        for one in items(pod["containers"]):
            container = mapping(one)
            if container:
                self._add(container, text(container.get("name")), pod, here)

    def _add(
        self,
        container: Mapping[str, object],
        name: str | None,
        pod: Mapping[str, object],
        here: _Above,
    ) -> None:
        own = container.get("resources")
        self.found.append(
            Place(
                container=container,
                name=name,
                pod=pod,
                resources=own if mapping(own) else here.resources,
                annotations=here.annotations,
                follows=here.follows,
            )
        )


def _below(above: _Above, inside: Mapping[str, object], key: str) -> _Above:
    metadata = mapping(inside.get("metadata")) or mapping(inside.get("extraPodMetadata"))
    own = mapping(metadata.get("annotations"))
    resources = inside.get("resources")
    return _Above(
        annotations={**above.annotations, **own} if own else above.annotations,
        resources=resources if mapping(resources) else above.resources,
        follows=above.follows or key in _WORKERS,
        depth=above.depth + 1,
    )


def _is_container(inside: Mapping[str, object], key: str) -> bool:
    if "modelFormat" in inside and key == "model":
        return False  # KServe's predictor, which its own reader knows
    has_command = any(isinstance(inside.get(one), list | str) for one in ("command", "args"))
    return (has_command and key != "exec") or (key in _NAMED and "image" in inside)
