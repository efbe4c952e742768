"""Pods with a GPU: those of nodes that could be cut, and those that leave one that is."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Final

from rightslice.entry.operator.node_calls import Decoded, NodeCalls
from rightslice.errors import InputError
from rightslice.kube.parse.decoded import at
from rightslice.kube.relayout.nodes import CuttableNode
from rightslice.kube.relayout.pods import GpuPod, read_gpu_pod
from rightslice.kube.relayout.view import Pass

logger = logging.getLogger(__name__)
MOST_LISTED: Final = 32
"""Nodes whose pods are looked at in one plan: those with the fewest GPUs in use."""


@dataclass
class NodePods:
    """Pods, as the API server has them at this moment."""

    calls: NodeCalls

    async def on(self, node: str) -> tuple[GpuPod, ...]:
        """Return the pods with a GPU on *node*."""
        return _gpu_pods(await self.calls.pods_on(node))

    async def of(self, nodes: tuple[CuttableNode, ...]) -> dict[str, tuple[GpuPod, ...]]:
        """Return the pods of as many nodes as are looked at, those with the fewest first."""
        used = {one.node.name: one.in_use for one in nodes}
        busy = sorted((name for name in used if used[name]), key=lambda name: (used[name], name))
        found: dict[str, tuple[GpuPod, ...]] = {name: () for name in used if not used[name]}
        return found | {name: await self.on(name) for name in busy[:MOST_LISTED]}

    async def leave(self, node: str, found: Pass) -> list[str]:
        """Evict what may go now; return what holds the others up."""
        held_up: list[str] = []
        for pod in await self.on(node):
            if pod.is_going:
                continue
            if pod.owner is not None and pod.is_ready and not await self._is_spare(pod, found):
                continue
            refused = await self.calls.evict(pod.namespace, pod.name)
            if refused is not None:
                held_up.append(f"{pod.called}: {refused}")
        return held_up

    async def _is_spare(self, pod: GpuPod, found: Pass) -> bool:
        """Whether enough pods of its ModelDeployment serve without it."""
        assert pod.owner is not None
        decision = found.decisions.get(pod.owner)
        recommended = None if decision is None else decision.status.recommendation
        if recommended is None:
            return False
        pods = _gpu_pods(await self.calls.pods_of(pod.owner))
        serving = sum(one.is_ready and not one.is_going for one in pods)
        return serving > recommended.offer.replicas


def _gpu_pods(given: list[Decoded]) -> tuple[GpuPod, ...]:
    found = []
    for one in given:
        try:
            pod = read_gpu_pod(one)
        except InputError as error:
            logger.warning("pod %s is left out: %s", at(one, "metadata", "name"), error)
            continue
        if pod is not None:
            found.append(pod)
    return tuple(found)
