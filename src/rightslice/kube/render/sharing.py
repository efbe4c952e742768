"""Sharing of whole cards, in turns or by MPS, to configurations of the device plugin.

Format: NVIDIA/k8s-device-plugin README, "With CUDA Time-Slicing" and "With CUDA MPS"; both lists
have the same fields (api/config/v1/replicas.go). A pod may ask for one share only
(``failRequestsGreaterThanOne``, which the plugin enforces for MPS anyway): two turns are not twice
the speed. Under MPS the daemon limits each client to its part of memory and threads. The
``default`` entry shares nothing: without it the plugin's config manager gives a lone configuration
to unlabelled nodes too.
"""

from __future__ import annotations

from collections.abc import Sequence

from rightslice.core.catalog.resource import WHOLE
from rightslice.core.catalog.share import MpsShare, TimeSlice
from rightslice.kube.manifest import Manifest
from rightslice.kube.nodes import NodeSetting, sharing_name, ways_of_sharing


def render(nodes: Sequence[NodeSetting]) -> dict[str, Manifest]:
    """Return the configurations by name; {} when the cards of no node are shared."""
    found = {sharing_name(share): _config(share) for share in ways_of_sharing(nodes)}
    return {"default": {"version": "v1"}, **found} if found else {}


def _config(share: TimeSlice | MpsShare) -> Manifest:
    how = "mps" if isinstance(share, MpsShare) else "timeSlicing"
    return {
        "version": "v1",
        "flags": {"migStrategy": "none"},
        "sharing": {
            how: {
                "renameByDefault": False,
                "failRequestsGreaterThanOne": True,
                "resources": [{"name": WHOLE, "replicas": share.replicas}],
            }
        },
    }
