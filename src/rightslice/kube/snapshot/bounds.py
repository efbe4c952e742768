"""Which nodes a server may go to, by what its pods say of nodes: selector, affinity, tolerations.

What says how cards are cut or shared (NVIDIA's labels of MIG, sharing and counts) is not followed,
since a plan changes that; nor is what rests on other pods, volumes or another scheduler. Both are
told. The taint nvidia.com/gpu keeps out who asks for no GPU (Kubernetes' ExtendedResourceToleration
adds the toleration), so it keeps out no server. Where its pods run now a server may go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from rightslice.core.catalog.resource import WHOLE
from rightslice.core.catalog.together import Apart
from rightslice.kube.cluster.filters import NodeFilter, beyond_these
from rightslice.kube.cluster.view import ClusterNode
from rightslice.kube.parse.decoded import at, items, mapping, text

Decoded = Mapping[str, object]
Keeps = Callable[[str, Iterable[object]], bool]

_OF_THE_CUT: Final = (
    "nvidia.com/mig", "nvidia.com/gpu.count", "nvidia.com/gpu.memory", "nvidia.com/gpu.slices",
    "nvidia.com/gpu.engines", "nvidia.com/gpu.multiprocessors", "nvidia.com/gpu.replicas",
    "nvidia.com/gpu.sharing-strategy", "nvidia.com/device-plugin.config",
)  # fmt: skip
"""How the labels begin that follow the cut (NVIDIA/k8s-device-plugin, gpu-feature-discovery)."""
_PRODUCT: Final = "nvidia.com/gpu.product"
_CUT_PRODUCTS: Final = ("-MIG-", "-SHARED")
"""Parts of the product's label under strategy single, and on shared cards."""
_HOST: Final = "kubernetes.io/hostname"
_REQUIRED: Final = "requiredDuringSchedulingIgnoredDuringExecution"


@dataclass(frozen=True, kw_only=True)
class NodeBounds:
    """The nodes of one server."""

    filter: NodeFilter
    runs_on: frozenset[str] = frozenset()
    """Nodes where its pods are now."""
    not_followed: tuple[str, ...] = ()
    """What it says beside, and is not followed."""
    apart: Apart = Apart.NOTHING
    """By a required anti-affinity to its own pods."""

    def allows(self, node: ClusterNode) -> bool:
        """Whether its pods may go to *node*, resources apart."""
        return node.name in self.runs_on or self.filter.allows(_plain(node))


def likeness_by(bounds: Iterable[NodeBounds]) -> Callable[[ClusterNode], object]:
    """Return what tells nodes apart for servers of *bounds*: equal nodes are allowed alike."""
    filters: dict[str, NodeFilter] = {}
    guests: dict[str, set[str]] = {}
    for one in bounds:
        key = repr(one.filter)
        filters[key] = one.filter
        for name in one.runs_on:
            guests.setdefault(name, set()).add(key)

    def likeness(node: ClusterNode) -> object:
        plain, here = _plain(node), guests.get(node.name, ())
        return tuple(
            "" if one.allows(plain) else node.name if key in here else "not"
            for key, one in filters.items()
        )

    return likeness


def _plain(node: ClusterNode) -> ClusterNode:
    """Return *node* without the taint that says only that it has GPUs."""
    taints = tuple(one for one in node.taints if one.key != WHOLE)
    return node if len(taints) == len(node.taints) else replace(node, taints=taints)


def bounds_of(spec: Decoded, labels: Decoded, runs_on: Iterable[str]) -> NodeBounds:
    """Return the bounds of a server whose pods have *spec* and *labels*, and run there now."""
    found, dropped = _without_cut(NodeFilter.of({**spec, "nodeName": None}))
    apart = Apart.NODE if _keeps_apart(spec, labels) else Apart.NOTHING
    beside = beyond_these({**_without_own(spec, labels), "nodeName": None})
    not_followed = [f"nodes: {key} says how cards are cut, and is not followed" for key in dropped]
    if beside is not None:
        not_followed.append(f"nodes: {beside}; that is not followed")
    return NodeBounds(
        filter=found, runs_on=frozenset(runs_on), not_followed=tuple(not_followed), apart=apart
    )


def _without_cut(found: NodeFilter) -> tuple[NodeFilter, list[str]]:
    """Return the filter without what says how cards are cut, and the labels that were dropped."""
    dropped: dict[str, None] = {}

    def keeps(key: str, values: Iterable[object]) -> bool:
        is_cut = key.startswith(_OF_THE_CUT) or (
            key == _PRODUCT and any(part in str(one) for one in values for part in _CUT_PRODUCTS)
        )
        if is_cut:
            dropped[key] = None
        return not is_cut

    selector = {key: one for key, one in found.selector.items() if keeps(key, [one])}
    terms = None if found.terms is None else tuple(_term(term, keeps) for term in found.terms)
    if terms is not None and any(not mapping(term) for term in terms):
        terms = None  # a term of nothing else allows every node
    return replace(found, selector=selector, terms=terms), list(dropped)


def _term(term: Decoded, keeps: Keeps) -> Decoded:
    given = items(term.get("matchExpressions"))
    kept = [one for one in given if keeps(_key(one), items(mapping(one).get("values")))]
    if len(kept) == len(given):
        return term
    rest = {key: value for key, value in term.items() if value and key != "matchExpressions"}
    return {**rest, "matchExpressions": kept} if kept else rest


def _key(expression: object) -> str:
    return text(mapping(expression).get("key")) or ""


def _is_own(term: object, labels: Decoded) -> bool:
    """Whether an anti-affinity's term is one to the server's own pods, node by node."""
    wanted = mapping(at(mapping(term), "labelSelector"))
    own = mapping(wanted.get("matchLabels"))
    return (
        mapping(term).get("topologyKey") == _HOST
        and bool(own)
        and set(wanted) == {"matchLabels"}
        and all(labels.get(key) == value for key, value in own.items())
        and not set(mapping(term)) - {"topologyKey", "labelSelector"}
    )


def _keeps_apart(spec: Decoded, labels: Decoded) -> bool:
    terms = items(at(mapping(spec.get("affinity")), "podAntiAffinity", _REQUIRED))
    return any(_is_own(one, labels) for one in terms)


def _without_own(spec: Decoded, labels: Decoded) -> Decoded:
    """Return *spec* without the anti-affinity to its own pods, which a plan follows."""
    affinity = mapping(spec.get("affinity"))
    against = mapping(affinity.get("podAntiAffinity"))
    rest = [one for one in items(against.get(_REQUIRED)) if not _is_own(one, labels)]
    return {**spec, "affinity": {**affinity, "podAntiAffinity": {**against, _REQUIRED: rest}}}
