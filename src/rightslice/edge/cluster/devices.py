"""What a live cluster says under DRA: ResourceSlices, ResourceClaims, DeviceClasses, pods' claims.

A pod that waits for its claim is counted by its own note or by its claim, and one that was
bound before its claim was seen, as if it still waited: pods and claims are watched apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

from rightslice.kube.admission.offers import is_gpu
from rightslice.kube.cluster.dra import DraPool, DraStock, is_claim
from rightslice.kube.cluster.dra_read import (
    DeviceClasses,
    asked_by,
    claims_of,
    holder_of,
    is_allocated,
    noted_claims,
    read_classes,
    read_stocks,
    taken_by,
)
from rightslice.kube.cluster.read import pool_of
from rightslice.kube.parse.decoded import at, items, text

KINDS: Final = ("ResourceSlice", "ResourceClaim", "DeviceClass")
Decoded = Mapping[str, object]
Key = tuple[str, str]
_ZERO: Final = Fraction(0)


@dataclass(frozen=True, slots=True)
class _Claim:
    is_allocated: bool
    taken: frozenset[str]
    holder: Key | None
    """The pod that has it."""
    asked: tuple[tuple[str, Fraction], ...]
    pods: tuple[Key, ...]
    """Namespace and name of the pods that own it."""


@dataclass(frozen=True, slots=True)
class _Pod:
    """A pod that has claims, or will."""

    node: str
    claims: tuple[Key, ...]
    asked: tuple[tuple[str, Fraction], ...]
    """By extended resource or name of a claim."""
    is_noted: bool
    """Whether it says itself what its claims ask for."""


@dataclass
class DeviceState:
    """The DRA objects of a cluster as they were last seen."""

    _slices: dict[str, Decoded] = field(default_factory=dict)
    _of_node: dict[str, dict[str, Decoded]] = field(default_factory=dict)
    """Slices by the node that publishes them."""
    _nodes: dict[str, str] = field(default_factory=dict)
    """The node of each pool."""
    _stocks: dict[str, DraStock | None] = field(default_factory=dict)
    """What was read of nodes; those that changed since are absent."""
    _classes: dict[str, Decoded] = field(default_factory=dict)
    _claims: dict[Key, _Claim] = field(default_factory=dict)
    _held: dict[str, Key | None] = field(default_factory=dict)
    _pods: dict[Key, _Pod] = field(default_factory=dict)
    _missed: set[str] = field(default_factory=lambda: set(KINDS))
    _news: dict[str, bool] = field(default_factory=dict)
    classes: DeviceClasses = field(default_factory=DeviceClasses)

    def is_served(self, kind: str) -> None:
        """Take *kind* for one that can be read."""
        if kind in self._missed:
            self._missed.discard(kind)
            self._tell(self._of_node, hardware=True)

    def is_missed(self, kind: str) -> None:
        """Take *kind* for one that cannot be read: nothing is known of devices without it."""
        if kind not in self._missed:
            self._missed.add(kind)
            self._tell(self._of_node, hardware=True)

    def news(self) -> dict[str, bool]:
        """Return the nodes that changed since this was last asked, and whether what they are did.

        Else only what claims hold of them.
        """
        found, self._news = self._news, {}
        return found

    def stock(self, node: str) -> DraStock | None:
        """Return what *node* publishes; None for nothing, or while a kind cannot be read."""
        slices = self._of_node.get(node)
        if self._missed or not slices:
            return None
        if node not in self._stocks:
            self._stocks[node] = read_stocks(slices.values()).get(node)
        return self._stocks[node]

    def pool(self, node: str) -> DraPool | None:
        """Return what *node* publishes with what claims hold of it; None for nothing."""
        return pool_of(self.stock(node), self._held)

    @property
    def holders(self) -> frozenset[Key]:
        """The pods that devices are allocated to."""
        return frozenset(one for one in self._held.values() if one is not None)

    def put(self, kind: str, key: Key, given: Decoded) -> bool:
        """Take in an object; return whether anything that decisions rest on changed."""
        match kind:
            case "ResourceSlice":
                return self._put_slice(key[1], given)
            case "DeviceClass":
                self._classes[key[1]] = given
                return self._read_classes()
            case _:
                return self._put_claim(key, _claim(key[0], given))

    def remove(self, kind: str, key: Key) -> bool:
        """Forget an object; return whether anything changed."""
        match kind:
            case "ResourceSlice":
                return self._put_slice(key[1], None)
            case "DeviceClass":
                self._classes.pop(key[1], None)
                return self._read_classes()
            case _:
                return self._put_claim(key, None)

    def _put_slice(self, name: str, given: Decoded | None) -> bool:
        last = self._slices.get(name)
        if last is not None and given is not None and last.get("spec") == given.get("spec"):
            return False
        for one in (last, given):
            node = text(at(one, "spec", "nodeName"))
            if node is not None:
                self._of_node.setdefault(node, {}).pop(name, None)
                self._stocks.pop(node, None)
                self._tell([node], hardware=True)
        self._slices.pop(name, None)
        if given is not None:
            self._slices[name] = given
            node = text(at(given, "spec", "nodeName"))
            if node is not None:
                self._of_node[node][name] = given
                self._nodes[text(at(given, "spec", "pool", "name")) or ""] = node
        return True

    def _put_claim(self, key: Key, claim: _Claim | None) -> bool:
        last = self._claims.pop(key, None)
        if claim is not None:
            self._claims[key] = claim
        if last == claim:
            return False
        for name in () if last is None else last.taken:
            self._held.pop(name, None)
        for name in () if claim is None else claim.taken:
            self._held[name] = None if claim is None else claim.holder
        taken = {name for one in (last, claim) if one is not None for name in one.taken}
        pools = {name.partition("/")[0] for name in taken}
        self._tell((self._nodes[one] for one in pools & self._nodes.keys()), hardware=False)
        return True

    def _tell(self, nodes: Iterable[str], *, hardware: bool) -> None:
        for node in nodes:
            self._news[node] = hardware or self._news.get(node, False)

    def put_pod(self, key: Key, given: Decoded, asked: Mapping[str, Fraction]) -> bool:
        """Take in a pod with what it asks for (nothing: it ended); return whether that matters."""
        claims = tuple((key[0], name) for name in claims_of(given))
        noted = noted_claims(given)
        if not asked or not (claims or noted):
            return self._pods.pop(key, None) is not None
        node = text(at(given, "spec", "nodeName")) or ""
        counted = tuple((name, many) for name, many in asked.items() if is_device(name))
        pod = _Pod(node, claims, counted, bool(noted))
        known = self._pods.get(key)
        self._pods[key] = pod
        return known != pod

    def remove_pod(self, key: Key) -> None:
        """Forget a pod."""
        self._pods.pop(key, None)

    def waiting(self) -> dict[str, Fraction]:
        """Return what claims wait for beside the requests of pods that are bound to no node."""
        found: dict[str, Fraction] = {}
        for pod in self._pods.values():
            if pod.node and not self._are_seen(pod.claims):
                _add(found, pod.asked)
        for claim in self._claims.values():
            if claim.asked and not any(self._is_noted(pod) for pod in claim.pods):
                _add(found, claim.asked)
        return found

    def keys(self, kind: str) -> Iterable[Key]:
        """Return namespace and name of every object of *kind*."""
        match kind:
            case "ResourceSlice":
                return [("", name) for name in self._slices]
            case "DeviceClass":
                return [("", name) for name in self._classes]
            case _:
                return list(self._claims)

    def _are_seen(self, claims: tuple[Key, ...]) -> bool:
        return all(key in self._claims and self._claims[key].is_allocated for key in claims)

    def _is_noted(self, pod: Key) -> bool:
        known = self._pods.get(pod)
        return known is not None and known.is_noted

    def _read_classes(self) -> bool:
        classes = read_classes(self._classes.values())
        if classes == self.classes:
            return False
        self.classes = classes
        self._tell(self._of_node, hardware=True)
        return True


def _claim(namespace: str, given: Decoded) -> _Claim:
    owners = items(at(given, "metadata", "ownerReferences"))
    pods = tuple(
        (namespace, text(at(one, "name")) or "") for one in owners if at(one, "kind") == "Pod"
    )
    asked = tuple(asked_by(given).items())
    return _Claim(is_allocated(given), taken_by(given), holder_of(given), asked, pods)


def is_device(name: str) -> bool:
    """Whether *name* is a GPU, or a claim of one."""
    return is_claim(name) or is_gpu(name)


def _add(into: dict[str, Fraction], more: Iterable[tuple[str, Fraction]]) -> None:
    for name, amount in more:
        into[name] = into.get(name, _ZERO) + amount
