"""Card layouts to a mig-parted configuration, one named entry for each way a node is cut.

mig-parted takes counts, no start positions, and reaches only what its own order of creation gives
(NVIDIA/mig-parted pkg/types/mig_config.go); the plan's layouts come from that very order
(`core.packing.driver`), so that counts are enough. Where several results are possible, the README
says which cards they are; the instances are the same, only their starts differ.
"""

from __future__ import annotations

from collections.abc import Sequence

from rightslice.kube.manifest import Manifest
from rightslice.kube.nodes import Cut, NodeSetting
from rightslice.records import Json


def render(nodes: Sequence[NodeSetting]) -> list[Manifest]:
    """Return the content of mig-manager's ``config.yaml``; nothing when no node uses MIG."""
    named = {node.mig_config: node.cuts for node in nodes if node.mig_config is not None}
    if not named:
        return []
    configs: Manifest = {
        # The GPU operator's default for nodes without a label (migManager.config.default).
        "all-disabled": [{"devices": "all", "mig-enabled": False}]
    }
    for name, cuts in named.items():
        configs[name] = [_entry(cut) for cut in cuts]
    return [{"version": "v1", "mig-configs": configs}]


def _entry(cut: Cut) -> Json:
    devices: list[Json] = list(cut.devices)
    entry: Manifest = {"devices": devices, "mig-enabled": bool(cut.counts)}
    if cut.counts:
        entry["mig-devices"] = {str(name): count for name, count in cut.counts.items()}
    return entry
