"""What the planner of a fleet is asked, and what it answers, as values.

A pool is one kind of card in the fleet and the way its cards are handed out. A demand is one
workload with the slots that would serve it. Prices are floats here: they steer a solver; bills
are made elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from math import inf
from typing import Final

from rightslice.core.catalog.mig import MigGrid, Placement
from rightslice.core.catalog.together import Apart, Preference
from rightslice.core.packing.geometry import check_known
from rightslice.errors import InputError

WHOLE: Final = "whole"
"""The slot of a whole card."""

SHARED: Final = "shared"
"""The slot of one replica of a shared card (time-slicing, MPS)."""


class PoolMode(Enum):
    """How the cards of a pool are handed out."""

    WHOLE = "whole"
    """Whole cards only."""
    SLICED = "sliced"
    """Any layout a card, or the card whole (device plugin strategy ``mixed``)."""
    UNIFORM = "uniform"
    """Every card of a node has the same one profile, or none (strategy ``single``)."""
    SHARED = "shared"
    """Every card offers the same number of equal shares."""


@dataclass(frozen=True, kw_only=True)
class PoolNode:
    """A node of a pool and how many cards it has."""

    name: str
    cards: int

    def __post_init__(self) -> None:
        if self.cards < 1:
            raise InputError(f"node {self.name} has {self.cards} cards; it needs at least one")


@dataclass(frozen=True, kw_only=True)
class Pool:
    """One kind of card in the fleet."""

    name: str
    mode: PoolMode
    nodes: tuple[PoolNode, ...]
    card_usd_per_hour: float = 0.0
    grid: MigGrid | None = None
    """Needed by the modes that slice."""
    replicas: int = 1
    """Shares a card offers in mode SHARED."""
    node_cpu_cores: float = inf
    """What the pods of one node may ask for together; infinite: it does not bind."""
    node_memory_bytes: float = inf

    def __post_init__(self) -> None:
        if self.mode in (PoolMode.SLICED, PoolMode.UNIFORM):
            if self.grid is None:
                raise InputError(f"pool {self.name} cuts its cards, so it needs their MIG grid")
            check_known(self.grid)
        if self.replicas < 1:
            raise InputError(f"pool {self.name} offers {self.replicas} shares a card; give 1 or up")
        if not 0 <= self.card_usd_per_hour < float("inf"):
            raise InputError(f"pool {self.name}: a card's price must be 0 or more and finite")
        if min(self.node_cpu_cores, self.node_memory_bytes) < 0:
            raise InputError(f"pool {self.name}: CPU and memory of a node must be 0 or more")

    @property
    def gpu_count(self) -> int:
        """Cards of all its nodes."""
        return sum(node.cards for node in self.nodes)


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One way to serve a demand: so many slots of one kind from one pool."""

    pool: str
    slot: str
    """A profile name, `WHOLE` or `SHARED`."""
    slots_needed: int
    """Cards or slices in all: replicas times tensor parallelism."""
    usd_per_hour: float = 0.0
    """Price of those slots together: the last tie-break."""
    same_node: int = 1
    """Whole cards that must lie on one node: the tensor parallelism."""
    uses: tuple[tuple[str, float], ...] = ()
    """What it takes of each named limit, such as a team's quota."""
    cpu_cores: float = 0.0
    """What the pod of one replica asks for."""
    memory_bytes: float = 0.0
    apart: Apart = Apart.NOTHING
    preference: Preference | None = None
    """None: spread over the cards that are open, which are on as few nodes as hold them."""

    def __post_init__(self) -> None:
        if not (0 <= self.cpu_cores < inf and 0 <= self.memory_bytes < inf):
            raise InputError("CPU and memory of a replica must be 0 or more, and finite")
        if self.slots_needed < 1 or self.same_node < 1 or self.slots_needed % self.same_node:
            raise InputError(
                f"{self.slots_needed} slots in groups of {self.same_node}: the slots must be a"
                " positive multiple of the group"
            )
        if self.same_node > 1 and self.slot != WHOLE:
            raise InputError(
                f"tensor parallelism {self.same_node} needs whole cards: {self.slot} slices cannot"
                " talk to each other"
            )

    @property
    def pods(self) -> int:
        """Replicas, each one pod on one node."""
        return self.slots_needed // self.same_node

    @property
    def minds_nodes(self) -> bool:
        """Whether it says on which nodes its replicas may lie together, or would rather."""
        return self.apart is not Apart.NOTHING or self.preference is not None


@dataclass(frozen=True, kw_only=True)
class Demand:
    """A workload: exactly one of its choices is taken, or none."""

    key: str
    weight: float
    """Value of serving it; the plan serves the largest total."""
    choices: tuple[Choice, ...]

    def __post_init__(self) -> None:
        if not 0 < self.weight < float("inf"):
            raise InputError(f"the weight {self.weight:g} of {self.key} must be more than zero")


@dataclass(frozen=True, kw_only=True)
class Refused:
    """A demand that the plan leaves out, and what ran out for each of its choices."""

    demand: str
    reasons: tuple[str, ...]
    smallest_change: str
    """The least addition that would make room beside this plan; empty when there is none."""


@dataclass(frozen=True, kw_only=True)
class NodeCut:
    """Nodes of one size whose cards all get the same cut (mode UNIFORM)."""

    slot: str
    cards_per_node: int
    nodes: int


@dataclass(frozen=True, kw_only=True)
class NodeGroups:
    """Nodes of one size with the groups of whole cards that lie on each."""

    cards_per_node: int
    groups: tuple[tuple[int, int], ...]
    """(cards that stay together, how many such groups), larger first."""
    nodes: int


@dataclass(frozen=True, kw_only=True)
class PoolPlan:
    """What one pool's cards offer to the plan."""

    pool: str
    cards: tuple[tuple[tuple[str, int], ...], ...]
    """For each card in use, its taken slots: ((slot, count), ...)."""
    cuts: tuple[NodeCut, ...] = ()
    groups: tuple[NodeGroups, ...] = ()


@dataclass(frozen=True, kw_only=True)
class SlotPlan:
    """Which choice every demand gets, and the cards that hold them."""

    chosen: Mapping[str, Choice | None]
    refused: Mapping[str, Refused]
    pools: Mapping[str, PoolPlan]
    served_weight: float
    served_bound: float
    """No plan serves more."""
    usd_per_hour: float
    """Cost of the cards in use."""
    usd_bound: float
    """No plan that serves as much costs less."""
    gap: float
    """The larger of both relative distances to those bounds; 0: proven optimal."""

    @property
    def cards_in_use(self) -> int:
        """Cards that hold at least one slot of a demand."""
        return sum(len(pool.cards) for pool in self.pools.values())


@dataclass(frozen=True, kw_only=True)
class Seat:
    """One slot of a card: what it is, where, and who holds it."""

    slot: str
    demand: str | None
    """None: created but free."""
    placement: Placement | None = None
    """For MIG slices."""


@dataclass(frozen=True, kw_only=True)
class CardLayout:
    """One card of one node."""

    pool: str
    node: str
    index: int
    """The card's number on its node."""
    seats: tuple[Seat, ...]
    """Empty: the card is not used."""
    certain: bool = True
    """Whether counts alone give these start slots; see `driver.CountedLayout`."""
