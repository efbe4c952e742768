"""Which replicas of a workload may lie together, and where they go among equal places."""

from __future__ import annotations

from enum import Enum


class Apart(Enum):
    """What two replicas of one workload may not share."""

    NOTHING = "nothing"
    GPU = "gpu"
    NODE = "node"


class Preference(Enum):
    """Where slices go among placements that cost the same."""

    SPREAD = "spread"
    """Replicas on as many nodes as the open cards allow."""
    PACK = "pack"
    """On few nodes, so that whole nodes stay empty."""
