"""Time-slicing of whole cards to configurations of the device plugin.

Format: NVIDIA/k8s-device-plugin README, "With CUDA Time-Slicing". A pod may ask for one turn only
(``failRequestsGreaterThanOne``): two turns are not twice the speed. The ``default`` entry shares
nothing: without it the plugin's config manager gives a lone configuration to unlabelled nodes too.
"""

from __future__ import annotations

from collections.abc import Sequence

from rightslice.core.catalog.resource import WHOLE
from rightslice.kube.manifest import Manifest
from rightslice.kube.nodes import NodeSetting, time_slicing_name


def render(nodes: Sequence[NodeSetting]) -> dict[str, Manifest]:
    """Return the configurations by name; {} when no node is time-sliced."""
    turns = sorted(
        {
            node.group.time_slicing_replicas
            for node in nodes
            if node.group.time_slicing_replicas is not None
        }
    )
    if not turns:
        return {}
    shared = {time_slicing_name(replicas): _config(replicas) for replicas in turns}
    return {"default": {"version": "v1"}, **shared}


def _config(replicas: int) -> Manifest:
    return {
        "version": "v1",
        "flags": {"migStrategy": "none"},
        "sharing": {
            "timeSlicing": {
                "renameByDefault": False,
                "failRequestsGreaterThanOne": True,
                "resources": [{"name": WHOLE, "replicas": replicas}],
            }
        },
    }
