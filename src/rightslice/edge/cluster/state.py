"""What a live cluster holds, object by object, and the value that decisions start from.

Objects are read as they come; the value is put together only when something changed since the last
one. What was admitted but has not been seen in the cluster yet is held back for a few seconds, so
that two pods created together are not promised the same slice.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, Final, TypeVar

from rightslice.core.catalog.gpu import Gpu
from rightslice.edge.cluster import devices
from rightslice.edge.cluster.devices import DeviceState, is_device
from rightslice.errors import InputError
from rightslice.kube.admission.review import DECISION
from rightslice.kube.cluster.dra_hardware import node_hardware
from rightslice.kube.cluster.hardware import NodeHardware
from rightslice.kube.cluster.read import (
    UNBOUND,
    bound_requests,
    labels_of,
    own_pod,
    read_limit_ranges,
    read_node,
    read_quota,
)
from rightslice.kube.cluster.view import (
    Cluster,
    ClusterNode,
    OwnKey,
    OwnPods,
    ResourceQuota,
)
from rightslice.kube.cluster.volumes import read_claim, read_volume
from rightslice.kube.parse.decoded import at, mapping, text

logger = logging.getLogger(__name__)
PROMISE_SECONDS: Final = 15.0
"""How long a promise holds for a pod that never appears: its creation was refused after us."""
_ZERO: Final = Fraction(0)
_COUNTED: Final = "requests."
"""How a quota spells the count of an extended resource."""
Decoded = Mapping[str, object]
Key = tuple[str, str]


_Value = TypeVar("_Value")
Amounts = Mapping[str, Fraction]
_READ: Final[Mapping[str, Callable[[Decoded], object]]] = {
    "Namespace": labels_of,
    "ResourceQuota": read_quota,
    "LimitRange": read_limit_ranges,
    "PersistentVolumeClaim": read_claim,
    "PersistentVolume": read_volume,
}


@dataclass(frozen=True, slots=True)
class _Promise:
    namespace: str
    amounts: Amounts
    until: float


@dataclass
class _Sums:
    """Amounts by node or namespace, added and taken off as pods come and go."""

    totals: dict[str, dict[str, Fraction]] = field(default_factory=dict)

    def add(self, where: str, amounts: Amounts) -> None:
        held = self.totals.setdefault(where, {})
        for resource, amount in amounts.items():
            held[resource] = held.get(resource, _ZERO) + amount

    def take(self, where: str, amounts: Amounts) -> None:
        held = self.totals.get(where, {})
        for resource, amount in amounts.items():
            left = held.get(resource, _ZERO) - amount
            if left > 0:
                held[resource] = left
            else:
                held.pop(resource, None)
        if not held:
            self.totals.pop(where, None)

    def of(self, where: str) -> dict[str, Fraction]:
        return dict(self.totals.get(where, {}))


@dataclass
class ClusterState:
    """The objects of a cluster as they were last seen.

    `find_gpu` is the catalogue's board of a product label, `now` a monotonic clock in seconds.
    """

    find_gpu: Callable[[str], Gpu]
    now: Callable[[], float]
    _nodes: dict[str, ClusterNode] = field(default_factory=dict)
    _hardware: dict[str, NodeHardware] = field(default_factory=dict)
    _built: dict[str, ClusterNode] = field(default_factory=dict)
    _pods: dict[Key, tuple[str, Amounts]] = field(default_factory=dict)
    _own: dict[Key, tuple[OwnKey, OwnPods]] = field(default_factory=dict)
    _used: _Sums = field(default_factory=_Sums)
    _asked: _Sums = field(default_factory=_Sums)
    _held: dict[str, dict[Key, Any]] = field(default_factory=lambda: {kind: {} for kind in _READ})
    """What was read of the kinds of which nothing is summed up, by kind."""
    _devices: DeviceState = field(default_factory=DeviceState)
    _promises: dict[str, _Promise] = field(default_factory=dict)
    _value: Cluster | None = None

    def replace_all(self, kind: str, objects: Iterable[Decoded]) -> None:
        """Take *objects* for all there is of *kind*."""
        fresh = list(objects)
        if kind in devices.KINDS:
            self._devices.is_served(kind)
            self._value = None
        gone = set(self._keys(kind)) - {_key(one) for one in fresh}
        for namespace, name in gone:
            self.remove(kind, {"metadata": {"namespace": namespace, "name": name}})
        for one in fresh:
            self.put(kind, one)

    def put(self, kind: str, given: Decoded) -> None:
        """Take in an object that was added or changed; one that cannot be read is as if absent.

        The value stays the same object while nothing that decisions rest on has changed: kubelets
        and probes write statuses all the time.
        """
        try:
            changed = self._put(kind, given)
        except InputError as error:
            logger.warning("%s %s is left out: %s", kind, "/".join(_key(given)), error)
            self.remove(kind, given)
            return
        if changed:
            self._value = None

    def miss(self, kind: str) -> None:
        """Go on without a kind of DRA that is not served, or may not be read: without DRA, then."""
        self._devices.is_missed(kind)
        self._value = None

    def remove(self, kind: str, given: Decoded) -> None:
        """Forget an object."""
        key = _key(given)
        match kind:
            case "Node":
                self._nodes.pop(key[1], None)
                self._built.pop(key[1], None)
                self._hardware.pop(key[1], None)
            case "Pod":
                self._forget_pod(key)
                self._devices.remove_pod(key)
            case _ if kind in devices.KINDS:
                self._devices.remove(kind, key)
            case _:
                self._held[kind].pop(key, None)
        self._value = None

    def promise(self, decision: str, namespace: str, amounts: Amounts) -> None:
        """Hold *amounts* back until the pod of *decision* is seen, or the promise is too old."""
        self._promises[decision] = _Promise(namespace, amounts, self.now() + PROMISE_SECONDS)
        self._value = None

    def has_promised(self, decision: str) -> bool:
        """Whether the promise of *decision* still holds."""
        self._drop_old_promises()
        return decision in self._promises

    def release(self, decision: str) -> None:
        """Take a promise back."""
        if self._promises.pop(decision, None) is not None:
            self._value = None

    @property
    def hardware(self) -> Mapping[str, NodeHardware]:
        """What each node's GPU resources stand for, by node name."""
        self._renew()
        return self._hardware

    def cluster(self, without: str | None = None) -> Cluster:
        """Return the cluster as it is now, the promise of decision *without* left out."""
        self._drop_old_promises()
        own = self._promises.pop(without, None) if without is not None else None
        if own is None or without is None:
            if self._value is None:
                self._value = self._build()
            return self._value
        value = self._build()
        self._promises[without] = own
        return value

    def _build(self) -> Cluster:
        self._renew()
        for name, node in self._nodes.items():
            if name not in self._built:
                dra = self._devices.pool(name)
                self._built[name] = replace(node, used=self._used.of(name), dra=dra)
        return Cluster(
            nodes=tuple(self._built[name] for name in self._nodes),
            pending=self._pending(),
            quotas=tuple(self._counted(one) for one in self._held["ResourceQuota"].values()),
            limit_ranges=tuple(one for some in self._held["LimitRange"].values() for one in some),
            namespaces=_by_name(self._held["Namespace"]),
            volume_claims=dict(self._held["PersistentVolumeClaim"]),
            volumes=_by_name(self._held["PersistentVolume"]),
            own_pods=self._own_pods(),
        )

    def _own_pods(self) -> dict[OwnKey, OwnPods]:
        found: dict[OwnKey, OwnPods] = {}
        for key, one in self._own.values():
            found[key] = found.get(key, OwnPods()) + one
        return found

    def _counted(self, quota: ResourceQuota) -> ResourceQuota:
        """Return *quota* with at least what the pods in sight, and the promised ones, hold.

        The API server writes ``status.used`` before it makes the pod, and the two are watched
        apart: a pod too many would be refused, not left waiting.
        """
        asked = self._asked.of(quota.namespace)
        for one in self._promises.values():
            if one.namespace == quota.namespace:
                for resource, amount in one.amounts.items():
                    asked[resource] = asked.get(resource, _ZERO) + amount
        used = dict(quota.used)
        for key in quota.hard:
            held = asked.get(key.removeprefix(_COUNTED)) if key.startswith(_COUNTED) else None
            if held is not None:
                used[key] = max(held, used.get(key, _ZERO))
        return replace(quota, used=used)

    def _put(self, kind: str, given: Decoded) -> bool:
        """Return whether anything that decisions rest on changed."""
        key = _key(given)
        match kind:
            case "Node":
                return self._take_node(read_node(given))
            case "Pod":
                return self._take_pod(key, given)
            case _ if kind in devices.KINDS:
                return self._devices.put(kind, key, given)
            case _:
                value, held = _READ[kind](given), self._held[kind]
                is_same = key in held and held[key] == value
                held[key] = value
                return not is_same

    def _take_node(self, node: ClusterNode) -> bool:
        known = self._nodes.get(node.name)
        if known == node:
            return False
        self._nodes[node.name] = node
        self._built.pop(node.name, None)
        if known is None or (known.labels, known.allocatable) != (node.labels, node.allocatable):
            self._hardware[node.name] = self._hardware_of(node)
        return True

    def _hardware_of(self, node: ClusterNode) -> NodeHardware:
        stock = self._devices.stock(node.name)
        return node_hardware(node, stock, self._devices.classes, self.find_gpu)

    def _renew(self) -> None:
        """Have nodes whose devices changed put together anew, and what the devices stand for."""
        for name, is_other in self._devices.news().items():
            self._built.pop(name, None)
            node = self._nodes.get(name)
            if is_other and node is not None:
                self._hardware[name] = self._hardware_of(node)

    def _take_pod(self, key: Key, given: Decoded) -> bool:
        decision = text(mapping(at(given, "metadata", "annotations")).get(DECISION))
        kept_promise = decision is not None and self._promises.pop(decision, None) is not None
        node, amounts = bound_requests(given)
        claims_changed = self._devices.put_pod(key, given, amounts)
        if self._pods.get(key, (UNBOUND, {})) == (node if amounts else UNBOUND, amounts):
            return kept_promise or claims_changed
        self._forget_pod(key)
        if amounts:
            self._pods[key] = node, amounts
            self._used.add(node, amounts)
            self._asked.add(key[0], amounts)
            self._built.pop(node, None)
            own = own_pod(given)
            if own is not None:
                self._own[key] = own
        return True

    def _forget_pod(self, key: Key) -> None:
        self._own.pop(key, None)
        node, amounts = self._pods.pop(key, (UNBOUND, {}))
        self._used.take(node, amounts)
        self._asked.take(key[0], amounts)
        self._built.pop(node, None)

    def _pending(self) -> dict[str, Fraction]:
        waiting = self._used.of(UNBOUND)
        for key in self._devices.holders:  # allocated, and about to be bound: counted by its claim
            node, held = self._pods.get(key, ("?", {}))
            if node == UNBOUND:
                for resource in filter(is_device, held):
                    waiting[resource] = waiting.get(resource, _ZERO) - held[resource]
        promised = [one.amounts for one in self._promises.values()]
        for amounts in (self._devices.waiting(), *promised):
            for resource, amount in amounts.items():
                waiting[resource] = waiting.get(resource, _ZERO) + amount
        return waiting

    def _drop_old_promises(self) -> None:
        now = self.now()
        old = [decision for decision, one in self._promises.items() if one.until < now]
        for decision in old:
            del self._promises[decision]
            self._value = None

    def _keys(self, kind: str) -> Iterable[Key]:
        match kind:
            case "Node":
                return [("", name) for name in self._nodes]
            case "Pod":
                return list(self._pods)
            case _ if kind in devices.KINDS:
                return list(self._devices.keys(kind))
            case _:
                return list(self._held[kind])


def _by_name(held: Mapping[Key, _Value]) -> dict[str, _Value]:
    return {name: value for (_, name), value in held.items()}


def _key(given: Decoded) -> Key:
    metadata = mapping(given.get("metadata"))
    return text(metadata.get("namespace")) or "", text(metadata.get("name")) or ""
