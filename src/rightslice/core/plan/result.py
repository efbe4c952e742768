"""What a plan says: for each workload its offer and slots, for the fleet its layout and bill."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import ClassVar

from rightslice.core.catalog.fleet import Fleet, NodeGroup, Workload
from rightslice.core.catalog.instance import Price
from rightslice.core.catalog.mig import Placement
from rightslice.core.fit.result import Candidate, Recommendation


@dataclass(frozen=True, kw_only=True)
class Slot:
    """One replica's (or rank's) place: a slice, a time slice, or a whole card."""

    workload: str
    replica: int
    """From 0; the ranks of one tensor-parallel replica share the number."""
    placement: Placement | None
    """Profile and start slot of a MIG slice; None for whole cards and time slices."""


@dataclass(frozen=True, kw_only=True)
class CardPlan:
    """One card: how it is cut, and what runs where."""

    __record__: ClassVar = ("node", "group_name", "card", "gpu", "layout", "slots", "idle")

    node: str
    """``p4d-0``: group name and index."""
    group: NodeGroup
    card: int
    layout: tuple[Placement, ...]
    """Every MIG instance to create, in use or spare; empty for a card that is not cut."""
    slots: tuple[Slot, ...]
    replicas: int = 1
    """Shares that the card is handed out in when it is not cut."""

    @property
    def group_name(self) -> str:
        """The node group's name."""
        return self.group.name

    @property
    def gpu(self) -> str:
        """The board's name."""
        return str(self.group.gpu.name)

    @property
    def idle(self) -> bool:
        """Whether nothing runs on the card."""
        return not self.slots


@dataclass(frozen=True, kw_only=True)
class WorkloadCost:
    """What a workload costs, by its shares of the cards it runs on."""

    usd_per_hour: Decimal
    usd_per_month: Decimal
    usd_per_million_tokens: Decimal | None
    """Per million output tokens at the stated load; None without traffic to divide by."""


@dataclass(frozen=True, kw_only=True)
class Passed:
    """A cheaper offer that was not taken, and why."""

    offer: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Placed:
    """The workload runs: where, on what, at what price."""

    candidate: Candidate
    replicas: int
    cost: WorkloadCost | None
    """None when a price is not known."""
    passed: tuple[Passed, ...]
    """Cheaper offers, each with the reason why it was refused or not available."""


@dataclass(frozen=True, kw_only=True)
class NotPlaced:
    """The workload gets nothing: why, and the smallest change that would help."""

    reason: str
    remedy: str


@dataclass(frozen=True, kw_only=True)
class WorkloadPlan:
    """One workload's part of the plan."""

    __record__: ClassVar = ("name", "team", "outcome", "recommendation")

    workload: Workload
    recommendation: Recommendation
    """The answer for this workload alone, over every offer of the fleet."""
    outcome: Placed | NotPlaced

    @property
    def name(self) -> str:
        """The workload's name."""
        return self.workload.name

    @property
    def team(self) -> str:
        """The team that it is charged to."""
        return self.workload.team

    @property
    def placed(self) -> Placed | None:
        """The outcome when the workload runs."""
        return self.outcome if isinstance(self.outcome, Placed) else None


@dataclass(frozen=True, kw_only=True)
class BillLine:
    """One line of the bill."""

    name: str
    """A workload, ``idle`` or ``not cut`` ..."""
    team: str | None
    usd_per_hour: Decimal


@dataclass(frozen=True, kw_only=True)
class Bill:
    """The nodes' price, divided: workloads and idle sum to the total, to the cent."""

    lines: tuple[BillLine, ...]
    total_usd_per_hour: Decimal
    in_use_usd_per_hour: Decimal
    """Price of the cards that carry anything."""
    whole_gpu_per_model_usd_per_hour: Decimal | None
    """What one whole GPU (or tensor-parallel group) a model and load would cost."""
    whole_gpu_per_replica_usd_per_hour: Decimal | None
    """What one whole GPU a replica would cost, as is usual today."""


@dataclass(frozen=True, kw_only=True)
class TeamUse:
    """What a team holds against its quota."""

    team: str
    cards: Fraction
    usd_per_hour: Decimal | None
    quota_cards: Fraction | None
    quota_usd_per_hour: Decimal | None
    workloads: int


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The answer for a fleet."""

    __record__: ClassVar = (
        "fleet_name", "workloads", "cards", "teams", "bill", "prices", "cards_in_use",
        "cards_total", "proven_gap_ratio", "notes",
    )  # fmt: skip

    fleet: Fleet
    workloads: tuple[WorkloadPlan, ...]
    cards: tuple[CardPlan, ...]
    """Every card of every node, in order, idle ones too."""
    teams: tuple[TeamUse, ...]
    bill: Bill | None
    """None when a node's price is not known; the notes say which."""
    prices: tuple[Price, ...]
    """Every price used, with its date."""
    proven_gap_ratio: float
    """How far the cost of cards in use may lie above the optimum; 0: proven optimal."""
    notes: tuple[str, ...]

    @property
    def fleet_name(self) -> str:
        """The fleet's name."""
        return self.fleet.name

    @property
    def cards_in_use(self) -> int:
        """Cards that carry at least one workload."""
        return sum(not card.idle for card in self.cards)

    @property
    def cards_total(self) -> int:
        """All cards of the fleet."""
        return len(self.cards)

    @property
    def not_placed(self) -> tuple[WorkloadPlan, ...]:
        """Workloads that got nothing."""
        return tuple(item for item in self.workloads if item.placed is None)
