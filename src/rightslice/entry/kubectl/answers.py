"""What the plugin's verbs answer, as they print it for machines."""

from __future__ import annotations

from dataclasses import dataclass

from rightslice.edge.cluster.occupancy import NodeUse
from rightslice.kube.operate.decided import Decided
from rightslice.kube.operate.what_if import WhatIf


@dataclass(frozen=True, kw_only=True)
class ClusterStatus:
    """What runs where, and what the operator says of it."""

    taken_at: str | None
    """When the cluster was looked at; None when nobody knows."""
    nodes: tuple[NodeUse, ...]
    """Every node with GPUs."""
    model_deployments: tuple[Decided, ...]
    """As their statuses say: what the operator decided last."""
    undecided: tuple[str, ...]
    """ModelDeployments of whose present spec their status does not speak."""


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """Why a ModelDeployment has the offer that it has, or should have."""

    decided: Decided
    """What was decided about it, with its numbers and the refused offers."""
    is_stored: bool
    """Whether its status says so; else it was worked out now."""
    events: tuple[str, ...]
    """What was told of it, the latest first."""


@dataclass(frozen=True, kw_only=True)
class WhatIfAnswer:
    """What a change would do, and what the API server says to it."""

    what_if: WhatIf
    """Before and after, by the operator's own decision."""
    told: tuple[str, ...]
    """Of each object: that the API server accepts it, or that it could not be asked."""
    rules: str
    """By which ceiling and settling time was decided, and where they were read."""
