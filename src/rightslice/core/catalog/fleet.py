"""A fleet: nodes with GPUs and how they are shared, teams with quotas, workloads to place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from typing import ClassVar, Final

from rightslice.core.catalog.device import check_memory
from rightslice.core.catalog.gpu import Gpu, GpuName
from rightslice.core.catalog.instance import InstanceType, Price
from rightslice.core.catalog.mig import ProfileName
from rightslice.core.catalog.question import Question
from rightslice.core.catalog.share import Exclusive, MpsShare, TimeSlice, is_sound
from rightslice.core.catalog.together import Apart, Preference
from rightslice.errors import InputError

POD_PART_OF_NODE: Final = Fraction(4, 5)
"""Of a node's CPU and memory the pods get four fifths: the rest is for the system and daemons.

Our own allowance. GKE keeps back up to a quarter of the first GiB and less of the rest
(cloud.google.com "Plan node sizes"); GPU daemons (plugin, DCGM exporter, log agents) add to it.
"""

MOST_RESERVED: Final = 100
"""Slices of one kind that are kept free."""


class MigStrategy(Enum):
    """The device plugin's ``mig.strategy`` of a node."""

    NONE = "none"
    """Cards are handed out whole."""
    SINGLE = "single"
    """Every card of a node is cut into slices of one profile, handed out as ``nvidia.com/gpu``."""
    MIXED = "mixed"
    """Any layout a card, slices handed out as ``nvidia.com/mig-<profile>``."""


@dataclass(frozen=True, kw_only=True)
class NodeGroup:
    """Nodes of one kind."""

    name: str
    count: int
    instance: InstanceType | None
    gpu: Gpu
    gpus_per_node: int
    gpu_memory_bytes: int | None
    """Total memory of a card as the cluster reported it; None: the catalogue's."""
    vcpus: int | None
    memory_bytes: int | None
    mig: MigStrategy
    time_slicing_replicas: int | None
    price: Price | None
    """Per node and hour; None when it is not known."""
    mps_replicas: int | None = None
    """Clients that each card is handed out to under MPS; None: without."""

    def __post_init__(self) -> None:
        if self.count < 1 or self.gpus_per_node < 1:
            raise InputError(f"node group {self.name} needs at least one node and one GPU a node")
        check_memory(self.gpu_memory_bytes)
        if self.mig is not MigStrategy.NONE and self.gpu.mig is None:
            raise InputError(f"node group {self.name}: {self.gpu.name} has no MIG; use mig: none")
        if self.mig is not MigStrategy.NONE and self.time_slicing_replicas is not None:
            raise InputError(
                f"node group {self.name}: time-slicing of MIG slices is not planned;"
                " give either mig or timeSlicing"
            )
        if self.mps_replicas is not None:
            self._check_mps(MpsShare(replicas=self.mps_replicas))

    def _check_mps(self, share: MpsShare) -> None:
        if self.mig is not MigStrategy.NONE:
            raise InputError(
                f"node group {self.name}: the device plugin has no MPS on cards in MIG mode;"
                " give either mig or mps"
            )
        if self.time_slicing_replicas is not None:
            raise InputError(
                f"node group {self.name}: the device plugin shares a node's cards in one way; give"
                " either timeSlicing or mps"
            )
        if not is_sound(share, self.gpu.architecture):
            raise InputError(
                f"node group {self.name}: {share.replicas} MPS clients have"
                f" {share.thread_percent} % of the threads each, at which matrix products on"
                f" {self.gpu.architecture} are reported to be wrong; give 2, 4 or 8"
            )

    @property
    def whole_share(self) -> Exclusive | TimeSlice | MpsShare:
        """How a card that is not cut is handed out."""
        if self.time_slicing_replicas is not None:
            return TimeSlice(replicas=self.time_slicing_replicas)
        if self.mps_replicas is not None:
            return MpsShare(replicas=self.mps_replicas)
        return Exclusive()

    @property
    def shares_per_card(self) -> int:
        """How many pods a card that is not cut is handed out to."""
        return self.time_slicing_replicas or self.mps_replicas or 1

    @property
    def pods_cpu_cores(self) -> Fraction | None:
        """What the pods of one node may ask for together; None: not known."""
        return None if self.vcpus is None else self.vcpus * POD_PART_OF_NODE

    @property
    def pods_memory_bytes(self) -> Fraction | None:
        """What the pods of one node may ask for together; None: not known."""
        return None if self.memory_bytes is None else self.memory_bytes * POD_PART_OF_NODE

    @property
    def card_usd_per_hour(self) -> Fraction | None:
        """One card's part of its node's price."""
        if self.price is None:
            return None
        return Fraction(self.price.usd_per_hour) / self.gpus_per_node


@dataclass(frozen=True, kw_only=True)
class Quota:
    """What a team may hold at once; None or a missing resource: no limit."""

    cards: Fraction | None = None
    """Whole-card equivalents, by the share that slice prices go by."""
    usd_per_hour: Decimal | None = None
    resources: Mapping[str, int]
    """By extended resource name: ``nvidia.com/gpu``, ``nvidia.com/mig-1g.10gb``."""


@dataclass(frozen=True, kw_only=True)
class Team:
    """A team that shares the fleet."""

    name: str
    quota: Quota


@dataclass(frozen=True, kw_only=True)
class Workload(Question):
    """A question with an owner: whose it is, and who goes first."""

    __record__: ClassVar[tuple[str, ...]] = ("name", "team", *Question.__record__, "priority")

    name: str
    team: str
    priority: int = 0
    """Larger is served first when the fleet or a quota is too small."""
    pod_cpu_cores: float | None = None
    """What the pod of one replica asks for; None: its part of the node."""
    pod_memory_bytes: int | None = None
    """The same of the node's memory."""
    apart: Apart = Apart.NOTHING
    preference: Preference | None = None
    """None: spread over cards that are in use anyway."""
    groups: frozenset[str] | None = None
    """Node groups that it may use; None: every one."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= (self.pod_cpu_cores or 0.0) < float("inf") or (self.pod_memory_bytes or 0) < 0:
            raise InputError("the CPU and memory of a replica are 0 or more")
        if self.apart is Apart.NODE and self.preference is Preference.PACK:
            raise InputError(
                "prefer: pack asks for few nodes and apart: node for one each; give either"
            )

    @property
    def question(self) -> Question:
        """What is asked, without the owner: equal for all who ask the same."""
        return Question(**{item.name: getattr(self, item.name) for item in fields(Question)})


@dataclass(frozen=True, kw_only=True)
class Reserve:
    """Slices to cut and keep free: head-room for large profiles."""

    profile: ProfileName
    count: int = 1
    gpu: GpuName | None = None
    """On this board only; None: on any that has the profile."""

    def __post_init__(self) -> None:
        if not 1 <= self.count <= MOST_RESERVED:
            raise InputError(f"{self.count} x {self.profile}; give 1 to {MOST_RESERVED}")


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """Everything a plan starts from."""

    name: str
    nodes: tuple[NodeGroup, ...]
    teams: tuple[Team, ...]
    workloads: tuple[Workload, ...]
    reserve: tuple[Reserve, ...] = ()

    def team(self, name: str) -> Team:
        """Return the team called *name*."""
        return next(team for team in self.teams if team.name == name)
