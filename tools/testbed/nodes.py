"""GPU nodes for the control plane, as the GPU operator and the device plugin would label them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from tools.testbed.control_plane import ControlPlane

MIB_PER_GIB = 1024


@dataclass(frozen=True, kw_only=True)
class GpuNode:
    """A node and what its device plugin hands out.

    `resources` are extended resources, such as ``{"nvidia.com/mig-2g.10gb": 3}``. `product` and
    `memory_mib` are the labels `nvidia.com/gpu.product` and `nvidia.com/gpu.memory` of NVIDIA's GPU
    feature discovery, which are the board's even where the board is cut.
    """

    name: str
    resources: Mapping[str, int]
    product: str = "NVIDIA-A100-SXM4-40GB"
    memory_mib: int = 40 * MIB_PER_GIB
    count: int = 1
    mig_strategy: str = "mixed"
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Mapping[str, str], ...] = ()
    cpus: int = 96
    memory: str = "1Ti"
    kwok: bool = True
    """Whether kwok plays its kubelet; else nobody does."""

    def manifest(self) -> dict[str, object]:
        """Return the Node object; its status is a subresource, applied after it."""
        return {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {
                "name": self.name,
                "annotations": {"kwok.x-k8s.io/node": "fake"} if self.kwok else {},
                "labels": {
                    "kubernetes.io/hostname": self.name,
                    "kubernetes.io/os": "linux",
                    "nvidia.com/gpu.present": "true",
                    "nvidia.com/gpu.product": self.product,
                    "nvidia.com/gpu.memory": str(self.memory_mib),
                    "nvidia.com/gpu.count": str(self.count),
                    "nvidia.com/mig.strategy": self.mig_strategy,
                    **self.labels,
                },
            },
            "spec": {"taints": [dict(taint) for taint in self.taints]},
        }

    def status(self) -> dict[str, object]:
        """Return the status patch with what the node can give."""
        given = {"cpu": str(self.cpus), "memory": self.memory, "pods": "250"}
        given |= {name: str(count) for name, count in self.resources.items()}
        ready = {"type": "Ready", "status": "True", "reason": "KubeletReady"}
        return {"status": {"capacity": given, "allocatable": given, "conditions": [ready]}}


def create(plane: ControlPlane, node: GpuNode) -> None:
    """Create *node*, Ready at once, or change what it hands out.

    kwok would make it Ready as well, but looks at a new node only some time after it appeared.
    """
    plane.kubectl("apply", "-f", "-", stdin=json.dumps(node.manifest()))
    patch = json.dumps(node.status())
    plane.kubectl("patch", "node", node.name, "--subresource=status", "--type=merge", "-p", patch)


def delete(plane: ControlPlane, *names: str) -> None:
    """Delete nodes, gone or not."""
    plane.kubectl("delete", "node", "--ignore-not-found", "--wait=false", *names)
