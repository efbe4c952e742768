"""Which nodes a pod may use, by the filters of kube-scheduler that depend on the node alone.

Taints and tolerations, ``nodeName``, ``nodeSelector`` and required node affinity, as in
k8s.io/component-helpers scheduling/corev1 (helpers.go, nodeaffinity). What depends on other pods or
volumes (`beyond_these`) is not decided here: a pod that has it is left to the scheduler.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from rightslice.kube.cluster.view import ClusterNode, Taint
from rightslice.kube.cluster.volumes import Volume
from rightslice.kube.parse.decoded import at, items, mapping, text

_REQUIRED: Final = "requiredDuringSchedulingIgnoredDuringExecution"
_KEEPS_OUT: Final = ("NoSchedule", "NoExecute")
_PLAIN_RUNTIMES: Final = ("nvidia", "runc", "crun")
"""Runtime classes that share the host's kernel: NVIDIA's (container-toolkit), runc, crun."""
_NODE_BOUND_VOLUMES: Final = ("persistentVolumeClaim", "ephemeral")


Decoded = Mapping[str, object]


@dataclass(frozen=True, kw_only=True)
class NodeFilter:
    """What a pod's spec says of nodes, taken apart once for all of them."""

    named: str | None
    tolerations: tuple[Decoded, ...]
    selector: Decoded
    terms: tuple[Decoded, ...] | None
    """Of the required node affinity: one has to match; None without it."""
    volumes: tuple[Volume, ...] = ()
    """Those that it mounts by claims: each has to be usable there."""

    @classmethod
    def of(cls, spec: Decoded) -> NodeFilter:
        """Return the filter of a pod of *spec*."""
        required = at(spec, "affinity", "nodeAffinity", _REQUIRED)
        terms = tuple(mapping(one) for one in items(at(required, "nodeSelectorTerms")))
        return cls(
            named=text(spec.get("nodeName")),
            tolerations=tuple(mapping(one) for one in items(spec.get("tolerations"))),
            selector=mapping(spec.get("nodeSelector")),
            terms=None if required is None else terms,
        )

    def allows(self, node: ClusterNode) -> bool:
        """Whether the pod may be put on *node*, resources apart."""
        if self.named is not None:
            return self.named == node.name
        return node.is_ready and self._tolerates(node) and self._selects(node)

    def _tolerates(self, node: ClusterNode) -> bool:
        return all(
            any(_matches(toleration, taint) for toleration in self.tolerations)
            for taint in node.taints
            if taint.effect in _KEEPS_OUT
        )

    def _selects(self, node: ClusterNode) -> bool:
        if any(node.labels.get(key) != value for key, value in self.selector.items()):
            return False
        wanted = self.terms is None or any(_term_matches(term, node) for term in self.terms)
        return wanted and all(_reaches(volume, node) for volume in self.volumes)


def may_use(spec: Decoded, node: ClusterNode) -> bool:
    """Whether a pod of *spec* may be put on *node*, resources apart."""
    return NodeFilter.of(spec).allows(node)


def beyond_these(spec: Mapping[str, object]) -> str | None:
    """Return what else decides about the pod's node, or None: other pods, volumes, a scheduler."""
    return _placed_otherwise(spec) or _near_other_pods(spec) or _near_volumes(spec)


def _placed_otherwise(spec: Mapping[str, object]) -> str | None:
    if text(spec.get("nodeName")) is not None:
        return "nodeName: no scheduler looks at it, and a node without room ends it at once"
    runtime = text(spec.get("runtimeClassName"))
    if runtime is not None and not runtime.startswith(_PLAIN_RUNTIMES):
        return f"runtimeClassName {runtime}: a sandbox may pass whole cards only"
    scheduler = text(spec.get("schedulerName"))
    if scheduler not in (None, "default-scheduler"):
        return f"schedulerName {scheduler}: what it does is not known here"
    if items(spec.get("schedulingGates")):
        return "schedulingGates: another controller decides when it starts"
    return None


def _near_other_pods(spec: Mapping[str, object]) -> str | None:
    affinity = mapping(spec.get("affinity"))
    for name in ("podAffinity", "podAntiAffinity"):
        if items(at(affinity, name, _REQUIRED)):
            return f"required {name}: where it may run depends on other pods"
    for constraint in items(spec.get("topologySpreadConstraints")):
        if mapping(constraint).get("whenUnsatisfiable") != "ScheduleAnyway":
            return "topologySpreadConstraints: where it may run depends on other pods"
    return None


def _near_volumes(spec: Mapping[str, object]) -> str | None:
    for volume in items(spec.get("volumes")):
        bound = next((one for one in _NODE_BOUND_VOLUMES if one in mapping(volume)), None)
        if bound is not None:
            return f"volume {mapping(volume).get('name')}: a {bound} may be bound to some nodes"
    return None


def _reaches(volume: Volume, node: ClusterNode) -> bool:
    zones = volume.zones or {}
    if any(node.labels.get(name) not in values for name, values in zones.items()):
        return False
    return volume.terms is None or any(_term_matches(term, node) for term in volume.terms)


def _matches(toleration: Mapping[str, object], taint: Taint) -> bool:
    effect, key = text(toleration.get("effect")), text(toleration.get("key"))
    if effect is not None and effect != taint.effect:
        return False
    if key is not None and key != taint.key:
        return False
    operator = text(toleration.get("operator"))
    if operator == "Exists":
        return True
    if operator not in (None, "Equal"):
        return False  # Gt and Lt compare numbers: alpha, and not counted on
    return key is not None and (text(toleration.get("value")) or "") == taint.value


def _term_matches(term: Mapping[str, object], node: ClusterNode) -> bool:
    expressions, fields = items(term.get("matchExpressions")), items(term.get("matchFields"))
    if not expressions and not fields:
        return False
    names = {"metadata.name": node.name}
    return all(_holds(mapping(one), node.labels) for one in expressions) and all(
        _holds(mapping(one), names) for one in fields
    )


def _holds(requirement: Mapping[str, object], labels: Mapping[str, str]) -> bool:
    key = text(requirement.get("key")) or ""
    value = labels.get(key)
    values = [str(one) for one in items(requirement.get("values"))]
    match requirement.get("operator"):
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt" | "Lt" as operator:
            return _compares(operator, value, values)
        case _:
            return False


def _compares(operator: str, value: str | None, bounds: list[str]) -> bool:
    try:
        number, bound = int(value or ""), int(bounds[0])
    except (ValueError, IndexError):
        return False
    return number > bound if operator == "Gt" else number < bound
