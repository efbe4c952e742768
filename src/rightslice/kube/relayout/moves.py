"""Where the pods of a node could go, so that it can be emptied before its cards are touched.

A pod goes to a node that its own filter allows and that has everything it asks for left. The
scheduler decides in the end; a node is emptied only where this arithmetic finds a place for each.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from rightslice.kube.cluster.view import Cluster, ClusterNode
from rightslice.kube.operate.view import Key
from rightslice.kube.relayout.pods import GpuPod

_ZERO = Fraction(0)


@dataclass(frozen=True, kw_only=True)
class Move:
    """One pod, and a node that has room for its successor."""

    pod: str
    to: str


@dataclass(frozen=True, kw_only=True)
class Stuck:
    """A pod that keeps the node."""

    reason: str
    remedy: str


def who_stays(pods: Iterable[GpuPod], stays: Mapping[Key, str]) -> Stuck | None:
    """Return the first pod that may not be moved; *stays*: ModelDeployments whose pods may not."""
    for pod in pods:
        if pod.is_going:
            continue
        if pod.stays is not None:
            return Stuck(
                reason=f"pod {pod.called} {pod.stays}", remedy=f"{pod.called} gone or movable"
            )
        if pod.owner is not None and pod.owner in stays:
            why = stays[pod.owner]
            return Stuck(
                reason=f"pod {pod.called} is of {'/'.join(pod.owner)}, which {why}",
                remedy=f"{'/'.join(pod.owner)} enforced and settled",
            )
    return None


def moves(pods: Sequence[GpuPod], node: str, cluster: Cluster) -> tuple[Move, ...] | Stuck:
    """Return a place for each of *pods* on other nodes than *node*, the largest first."""
    left = {one.name: {name: one.free(name) for name in one.allocatable} for one in cluster.nodes}
    others = [one for one in cluster.nodes if one.name != node]
    found = []
    for pod in sorted(pods, key=lambda one: (-sum(one.gpus.values()), one.called)):
        if pod.is_going:
            continue
        to = next((one for one in others if _fits(pod, one, left[one.name])), None)
        if to is None:
            asked = ", ".join(f"{count} {name}" for name, count in sorted(pod.gpus.items()))
            return Stuck(
                reason=f"no other node has {asked} free for pod {pod.called}",
                remedy=f"{asked} free on another node",
            )
        for name, amount in pod.requests.items():
            left[to.name][name] = left[to.name].get(name, _ZERO) - amount
        found.append(Move(pod=pod.called, to=to.name))
    return tuple(found)


def _fits(pod: GpuPod, node: ClusterNode, left: Mapping[str, Fraction]) -> bool:
    return pod.filter.allows(node) and all(
        left.get(name, _ZERO) >= amount for name, amount in pod.requests.items() if amount > 0
    )
