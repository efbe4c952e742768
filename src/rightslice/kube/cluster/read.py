"""Decoded API objects -> `Cluster`. An object that cannot be read is left out and named."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final, TypeVar

from rightslice.errors import InputError
from rightslice.kube.cluster.demand import pod_requests
from rightslice.kube.cluster.dra import DraPool, DraStock, is_claim
from rightslice.kube.cluster.dra_read import (
    asked_by,
    holder_of,
    noted_claims,
    read_stocks,
    taken_by,
)
from rightslice.kube.cluster.quantity import parse_quantity
from rightslice.kube.cluster.view import (
    Cluster,
    ClusterNode,
    LimitRange,
    OwnKey,
    OwnPods,
    ResourceQuota,
    Taint,
)
from rightslice.kube.cluster.volumes import read_claim, read_volume
from rightslice.kube.manifest import GROUP, OWNER_LABEL, REVISION_LABEL
from rightslice.kube.parse.decoded import at, items, mapping, text

Decoded = Mapping[str, object]
_Value = TypeVar("_Value")
UNBOUND: Final = ""
_INSTANCE: Final = "app.kubernetes.io/instance"
_ENDED: Final = ("Succeeded", "Failed")
_RULES: Final = ("min", "max", "default", "defaultRequest", "maxLimitRequestRatio")


@dataclass(frozen=True, kw_only=True)
class Read:
    """A cluster, and what could not be read of it."""

    cluster: Cluster
    problems: tuple[str, ...] = ()


def read_cluster(objects: Mapping[str, Iterable[Decoded]]) -> Read:
    """Return the cluster that *objects* (by kind) describe: Node, Pod, Namespace and the limits.

    Kinds that are absent are empty. A Pod that ended holds nothing; one that is bound to no node
    yet is counted as pending, and so is a claim of a pod that has no device yet.
    """
    problems: list[str] = []
    used: dict[str, dict[str, Fraction]] = {}
    own: dict[OwnKey, OwnPods] = {}
    for key, one in (found for pod in objects.get("Pod", ()) if (found := own_pod(pod))):
        own[key] = own.get(key, OwnPods()) + one
    for node, asked in _each(objects.get("Pod", ()), bound_requests, problems):
        held = used.setdefault(node, {})
        for resource, amount in asked.items():
            held[resource] = held.get(resource, Fraction(0)) + amount
    nodes = _each(objects.get("Node", ()), read_node, problems)
    ranges = _each(objects.get("LimitRange", ()), read_limit_ranges, problems)
    pending = used.pop(UNBOUND, {})
    stocks = read_stocks(objects.get("ResourceSlice", ()))
    claimed = _read_claims(objects, pending)
    cluster = Cluster(
        nodes=tuple(
            replace(node, used=used.get(node.name, {}), dra=pool_of(stocks.get(node.name), claimed))
            for node in nodes
        ),
        pending=pending,
        quotas=tuple(_each(objects.get("ResourceQuota", ()), read_quota, problems)),
        limit_ranges=tuple(one for some in ranges for one in some),
        namespaces={
            text(at(one, "metadata", "name")) or "": labels_of(one)
            for one in objects.get("Namespace", ())
        },
        volume_claims={
            (text(at(one, "metadata", "namespace")) or "", _name(one)): read_claim(one)
            for one in objects.get("PersistentVolumeClaim", ())
        },
        volumes={_name(one): read_volume(one) for one in objects.get("PersistentVolume", ())},
        own_pods=own,
    )
    return Read(cluster=cluster, problems=tuple(problems))


Holders = Mapping[str, tuple[str, str] | None]
"""Devices that claims hold, and the pods that have them."""


def pool_of(stock: DraStock | None, held: Holders) -> DraPool | None:
    """Return *stock* with what of *held* is its own."""
    if stock is None:
        return None
    taken = stock.names & held.keys()
    holders = {name: pod for name in sorted(taken) if (pod := held[name]) is not None}
    return DraPool(stock=stock, taken=taken, holders=holders)


def _read_claims(objects: Mapping[str, Iterable[Decoded]], pending: dict[str, Fraction]) -> Holders:
    """Return the devices that claims hold, and add what other claims wait for to *pending*.

    Pods of the operator's say themselves what they claim, and were counted.
    """
    noted = {
        (at(pod, "metadata", "namespace"), at(pod, "metadata", "name"))
        for pod in objects.get("Pod", ())
        if noted_claims(pod)
    }
    held: dict[str, tuple[str, str] | None] = {}
    for claim in objects.get("ResourceClaim", ()):
        held |= dict.fromkeys(taken_by(claim), holder_of(claim))
        namespace = at(claim, "metadata", "namespace")
        owners = items(at(claim, "metadata", "ownerReferences"))
        if not any((namespace, at(one, "name")) in noted for one in owners):
            for name, amount in asked_by(claim).items():
                pending[name] = pending.get(name, Fraction(0)) + amount
    _leave_out_served(objects, held, pending)
    return held


def _leave_out_served(
    objects: Mapping[str, Iterable[Decoded]], held: Holders, pending: dict[str, Fraction]
) -> None:
    """Take off *pending* what pods ask for that have their devices and are about to be bound."""
    holders = set(held.values())
    for pod in objects.get("Pod", ()):
        key = text(at(pod, "metadata", "namespace")) or "", text(at(pod, "metadata", "name")) or ""
        if key not in holders or at(pod, "spec", "nodeName") is not None:
            continue
        for name, amount in bound_requests(pod)[1].items():
            if name in pending and (is_claim(name) or name.startswith("nvidia.com/")):
                pending[name] -= amount


def bound_requests(pod: Decoded) -> tuple[str, dict[str, Fraction]]:
    """Return the node that *pod* is bound to (or `UNBOUND`) and what it holds: {} when it ended.

    Raises:
        InputError: when an amount is no quantity.
    """
    node = text(at(pod, "spec", "nodeName")) or UNBOUND
    if at(pod, "status", "phase") in _ENDED:
        return node, {}
    return node, {**pod_requests(pod), **noted_claims(pod)}


def own_pod(pod: Decoded) -> tuple[OwnKey, OwnPods] | None:
    """Return what *pod* serves, and itself as a count; None when that is no ModelDeployment."""
    labels = labels_of(pod)
    owner = labels.get(OWNER_LABEL) or labels.get(_INSTANCE)  # all that the first release wrote
    revision = labels.get(REVISION_LABEL)
    if owner is None or revision is None or at(pod, "status", "phase") in _ENDED:
        return None
    key = text(at(pod, "metadata", "namespace")) or "", owner, revision
    is_bound = at(pod, "spec", "nodeName") is not None
    return key, OwnPods(bound=1) if is_bound else OwnPods(waiting=1)


def read_node(node: Decoded) -> ClusterNode:
    """Return a node; what its pods hold is not in the object.

    Raises:
        InputError: when it has no name, or an amount is no quantity.
    """
    conditions = [mapping(one) for one in items(at(node, "status", "conditions"))]
    ready = any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions)
    is_cordoned = at(node, "spec", "unschedulable") is True
    notes = mapping(at(node, "metadata", "annotations"))
    return ClusterNode(
        name=_name(node),
        labels=labels_of(node),
        taints=tuple(_taint(mapping(one)) for one in items(at(node, "spec", "taints"))),
        is_ready=ready and not is_cordoned,
        is_cordoned=is_cordoned,
        notes={
            name: value
            for name, value in notes.items()
            if name.startswith(f"{GROUP}/") and isinstance(value, str)
        },
        allocatable=_amounts(at(node, "status", "allocatable")),
    )


def read_quota(quota: Decoded) -> ResourceQuota:
    """Return a ResourceQuota.

    Raises:
        InputError: when it has no name, or an amount is no quantity.
    """
    spec = mapping(quota.get("spec"))
    return ResourceQuota(
        namespace=text(at(quota, "metadata", "namespace")) or "",
        name=_name(quota),
        hard=_amounts(spec.get("hard")),
        used=_amounts(at(quota, "status", "used")),
        is_scoped=bool(spec.get("scopes") or spec.get("scopeSelector")),
    )


def read_limit_ranges(given: Decoded) -> list[LimitRange]:
    """Return the bounds of a LimitRange on containers and pods.

    Raises:
        InputError: when it has no name, or an amount is no quantity.
    """
    limits = [mapping(one) for one in items(at(given, "spec", "limits"))]
    return [
        LimitRange(
            namespace=text(at(given, "metadata", "namespace")) or "",
            name=_name(given),
            counts=str(one["type"]),
            minimum=_amounts(one.get("min")),
            maximum=_amounts(one.get("max")),
            names=frozenset(name for part in _RULES for name in mapping(one.get(part))),
        )
        for one in limits
        if one.get("type") in ("Container", "Pod")
    ]


def labels_of(given: object) -> dict[str, str]:
    """Return the labels of a decoded object."""
    labels = mapping(at(given, "metadata", "labels"))
    return {key: value for key, value in labels.items() if isinstance(value, str)}


def _each(
    given: Iterable[Decoded], read: Callable[[Decoded], _Value], problems: list[str]
) -> Iterator[_Value]:
    for one in given:
        try:
            yield read(one)
        except InputError as error:
            problems.append(f"{one.get('kind') or 'object'} {_called(one)}: {error}")


def _called(given: Decoded) -> str:
    namespace = text(at(given, "metadata", "namespace"))
    name = text(at(given, "metadata", "name")) or "?"
    return name if namespace is None else f"{namespace}/{name}"


def _name(given: Decoded) -> str:
    name = text(at(given, "metadata", "name"))
    if name is None:
        raise InputError("metadata.name is missing")
    return name


def _taint(taint: Mapping[str, object]) -> Taint:
    key, value = text(taint.get("key")) or "", text(taint.get("value")) or ""
    return Taint(key=key, value=value, effect=text(taint.get("effect")) or "")


def _amounts(given: object) -> dict[str, Fraction]:
    return {name: parse_quantity(amount) for name, amount in mapping(given).items()}
