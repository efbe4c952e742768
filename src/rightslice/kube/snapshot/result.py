"""What a plan of a snapshot says: every server now and as it could be, and what that saves."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar

from rightslice.core.plan.result import Plan
from rightslice.kube.operate.decided import Decided
from rightslice.kube.snapshot.servers import LeftOut


@dataclass(frozen=True, kw_only=True)
class Current:
    """What a server holds now."""

    resources: tuple[str, ...]
    """``2 x nvidia.com/gpu``, over all replicas; empty while all of its pods wait."""
    devices: tuple[str, ...]
    """``2 x A100-SXM4-40GB``, by the nodes they run on."""
    replicas: int
    waiting: int
    """Pods that are bound to no node."""
    usd_per_hour: Decimal | None
    """None when the price of a node is not known."""
    verdict: str
    """``holds``, or why it does not hold the load; ``not judged ...`` where nobody can tell."""


@dataclass(frozen=True, kw_only=True)
class Proposed:
    """What the plan gives it."""

    offer: str
    resource: str
    """What each replica asks for: ``1 x nvidia.com/mig-2g.10gb``, or a device by DRA claim."""
    replicas: int
    usd_per_hour: Decimal | None
    headroom_ratio: float


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One server, now and as the plan has it."""

    name: str
    """As the plan calls it."""
    namespace: str
    object_kind: str
    object_name: str
    current: Current
    proposed: Proposed | None
    """None when nothing in the fleet holds its load."""
    saved_usd_per_hour: Decimal | None
    """Negative where it needs more than it has; None where a price or a side is missing."""
    reason: str
    """Why the proposal, in one line."""
    assumed: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Savings:
    """The servers together."""

    usd_per_hour_now: Decimal | None
    usd_per_hour_proposed: Decimal | None
    saved_usd_per_hour: Decimal | None
    servers_counted: int
    """Servers with a price on both sides; the others are not in the sums."""
    nodes_free: tuple[str, ...]
    """Nodes that the plan leaves empty, and that nobody else uses."""
    nodes_free_usd_per_hour: Decimal | None
    nodes_idle_now: tuple[str, ...]
    """Those of them on which no pod holds a GPU already now."""


@dataclass(frozen=True, kw_only=True)
class ClusterPlan:
    """A cluster as it is, and as it could be."""

    __record__: ClassVar = (
        "taken_at", "savings", "servers", "model_deployments", "left_out", "problems", "assumed",
        "plan",
    )  # fmt: skip

    taken_at: str | None
    """When the snapshot was taken; None when nobody knows."""
    savings: Savings
    servers: tuple[Comparison, ...]
    """Those that the plan places, then ModelDeployments, which the operator places."""
    left_out: tuple[LeftOut, ...]
    """Servers and other holders of GPUs that stay where they are, and why."""
    problems: tuple[str, ...]
    """What could not be read or used."""
    assumed: tuple[str, ...]
    plan: Plan
    model_deployments: tuple[Decided, ...] = ()
    """What the operator decides about each; none is placed by the plan."""
