"""Where the pods of a node could go, so that it can be emptied before its cards are touched.

A pod goes to a node that its own filter allows and that has everything it asks for left. The
scheduler decides in the end; a node is emptied only where this arithmetic finds a place for each.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rightslice.kube.cluster.view import Cluster, ClusterNode
from rightslice.kube.operate.view import Key
from rightslice.kube.relayout.pods import GpuPod


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
    taken: dict[str, Counter[str]] = {}
    found = []
    for pod in sorted(pods, key=lambda one: (-sum(one.gpus.values()), one.called)):
        if pod.is_going:
            continue
        asked = {name: math.ceil(amount * 1000) for name, amount in pod.requests.items()}
        to = next(
            (
                one for one in cluster.nodes
                if one.name != node and _fits(asked, one, taken.get(one.name)) and
                pod.filter.allows(one)
            ),
            None,
        )  # fmt: skip
        if to is None:
            gpus = ", ".join(f"{count} {name}" for name, count in sorted(pod.gpus.items()))
            return Stuck(
                reason=f"no other node has {gpus} free for pod {pod.called}",
                remedy=f"{gpus} free on another node",
            )
        taken.setdefault(to.name, Counter()).update(asked)
        found.append(Move(pod=pod.called, to=to.name))
    return tuple(found)


def _fits(asked: Mapping[str, int], node: ClusterNode, taken: Mapping[str, int] | None) -> bool:
    free, less = node.free_milli, taken or {}
    return all(
        free.get(name, 0) - less.get(name, 0) >= amount
        for name, amount in asked.items()
        if amount > 0
    )
