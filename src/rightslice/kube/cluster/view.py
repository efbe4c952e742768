"""The values: nodes and what they hand out, quotas, limit ranges, namespaces.

Everything is what the API server said at one moment. What a kubelet or a device plugin knows
beside it (health of one device, which device a pod got) is not in here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Final

from rightslice.kube.cluster.dra import DraPool
from rightslice.kube.cluster.volumes import Claim, Volume

PODS: Final = "pods"
_ZERO: Final = Fraction(0)


@dataclass(frozen=True, kw_only=True)
class Taint:
    """A taint of a node."""

    key: str
    value: str
    effect: str


@dataclass(frozen=True, kw_only=True)
class ClusterNode:
    """A node: its labels, what it hands out and what of that is taken by pods bound to it."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Taint, ...] = ()
    is_ready: bool = True
    """Ready, and not cordoned."""
    is_cordoned: bool = False
    notes: Mapping[str, str] = field(default_factory=dict)
    """Annotations of ours."""
    allocatable: Mapping[str, Fraction] = field(default_factory=dict)
    used: Mapping[str, Fraction] = field(default_factory=dict)
    dra: DraPool | None = None
    """What its ResourceSlices publish and what claims hold of it; None without any."""

    def free(self, resource: str) -> Fraction:
        """Return what is left of *resource*; never below zero."""
        left = self.allocatable.get(resource, _ZERO) - self.used.get(resource, _ZERO)
        return max(left, _ZERO)

    @cached_property
    def free_milli(self) -> Mapping[str, int]:
        """What is left of each resource, in thousandths rounded down: whole numbers divide fast."""
        return {name: math.floor(self.free(name) * 1000) for name in self.allocatable}


@dataclass(frozen=True, kw_only=True)
class ResourceQuota:
    """What a namespace may hold of a resource at once, and holds: keys as the object spells them.

    `is_scoped` says that it counts only some of the pods (by priority class, or best effort):
    which ones, this value does not tell.
    """

    namespace: str
    name: str
    hard: Mapping[str, Fraction]
    used: Mapping[str, Fraction]
    is_scoped: bool = False

    def left(self, key: str) -> Fraction | None:
        """Return what is left under *key*, or None when the quota does not count it."""
        if key not in self.hard:
            return None
        return max(self.hard[key] - self.used.get(key, _ZERO), _ZERO)


@dataclass(frozen=True, kw_only=True)
class LimitRange:
    """Bounds on one container, or on one pod, of a namespace."""

    namespace: str
    name: str
    counts: str
    """``Container`` or ``Pod``."""
    minimum: Mapping[str, Fraction]
    maximum: Mapping[str, Fraction]
    names: frozenset[str] = frozenset()
    """Every resource that it rules, defaults and ratios included: a container without one of them
    gets the default, or is refused (kubernetes plugin/pkg/admission/limitranger)."""


OwnKey = tuple[str, str, str]
"""Namespace, ModelDeployment, revision."""


@dataclass(frozen=True, kw_only=True)
class OwnPods:
    """Pods of one revision of a ModelDeployment."""

    bound: int = 0
    """Those that have their place, ready or not."""
    waiting: int = 0
    """Those that are bound to no node: what they ask for is pending."""

    def __add__(self, other: OwnPods) -> OwnPods:
        """Return the two together."""
        return OwnPods(bound=self.bound + other.bound, waiting=self.waiting + other.waiting)


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """One moment of a cluster."""

    nodes: tuple[ClusterNode, ...] = ()
    pending: Mapping[str, Fraction] = field(default_factory=dict)
    """What pods ask for that are bound to no node yet, by extended resource or name of a claim."""
    quotas: tuple[ResourceQuota, ...] = ()
    limit_ranges: tuple[LimitRange, ...] = ()
    namespaces: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Labels of each namespace."""
    volume_claims: Mapping[tuple[str, str], Claim] = field(default_factory=dict)
    """PersistentVolumeClaims by namespace and name."""
    volumes: Mapping[str, Volume] = field(default_factory=dict)
    """PersistentVolumes by name."""
    own_pods: Mapping[OwnKey, OwnPods] = field(default_factory=dict)
    """Pods of ModelDeployments, counted with their requests where those are."""

    def quotas_of(self, namespace: str) -> tuple[ResourceQuota, ...]:
        """Return the quotas of *namespace*."""
        return tuple(one for one in self.quotas if one.namespace == namespace)

    def limit_ranges_of(self, namespace: str) -> tuple[LimitRange, ...]:
        """Return the limit ranges of *namespace*."""
        return tuple(one for one in self.limit_ranges if one.namespace == namespace)
