"""What is packed onto nodes, and the answer: nodes with walls, workloads with acceptable slices.

A slice brings its pod along: CPU and memory of the node bind as well as its cards. Replicas may
have to lie on different nodes or cards. A workload names every profile that serves it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, isfinite

from rightslice.core.catalog.mig import MigGrid, ProfileName
from rightslice.core.catalog.together import Apart, Preference
from rightslice.core.packing.backends import Backend
from rightslice.core.packing.certificate import Claim
from rightslice.core.packing.geometry import Layout, check_known
from rightslice.errors import InputError, UnknownNameError


@dataclass(frozen=True, kw_only=True)
class NodeKind:
    """Nodes that are alike."""

    name: str
    grid: MigGrid
    count: int
    cards: int
    """GPUs of one node."""
    cpu_cores: float = inf
    """What pods may ask for on one node; infinite: it does not bind."""
    memory_bytes: float = inf
    card_usd_per_hour: float = 0.0

    def __post_init__(self) -> None:
        check_known(self.grid)
        if self.count < 1 or self.cards < 1:
            raise InputError(f"nodes {self.name}: give a count of nodes and of GPUs of 1 or more")
        if min(self.cpu_cores, self.memory_bytes) < 0 or not 0 <= self.card_usd_per_hour < inf:
            raise InputError(f"nodes {self.name}: CPU, memory and price must be 0 or more")


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """One profile that serves a workload."""

    gpu: str
    """The grid's name."""
    profile: ProfileName
    usd_per_hour: float = 0.0
    """Its price: the last tie-break."""


@dataclass(frozen=True, kw_only=True)
class Replicas:
    """A workload: so many pods, each with one slice."""

    name: str
    count: int
    accepts: tuple[Accepted, ...]
    cpu_cores: float = 0.0
    """What one pod asks for."""
    memory_bytes: float = 0.0
    apart: Apart = Apart.NOTHING
    is_reserve: bool = False
    """Cut and kept free."""

    def __post_init__(self) -> None:
        asks = (self.cpu_cores, self.memory_bytes, *(each.usd_per_hour for each in self.accepts))
        if self.count < 1 or not all(isfinite(value) and value >= 0 for value in asks):
            raise InputError(
                f"workload {self.name}: replicas are 1 or more; CPU, memory and prices 0 or more"
            )
        if not self.accepts:
            raise InputError(f"workload {self.name} accepts no profile; name one")


@dataclass(frozen=True, kw_only=True)
class NodeAsk:
    """Everything that one packing onto nodes is asked."""

    kinds: tuple[NodeKind, ...]
    workloads: tuple[Replicas, ...]
    preference: Preference = Preference.SPREAD
    backend: Backend | None = None
    """For the device plugin only layouts are used that counts alone give."""

    def __post_init__(self) -> None:
        for what, names in (
            ("nodes", [kind.name for kind in self.kinds]),
            ("workload", [each.name for each in self.workloads]),
        ):
            twice = [name for name, count in Counter(names).items() if count > 1]
            if twice:
                raise InputError(f"{what} {twice[0]!r} is given twice; names must differ")
        if not self.kinds or not self.workloads:
            raise InputError("give at least one kind of node and one workload")
        grids = {kind.grid.name: kind.grid for kind in self.kinds}
        for each in self.workloads:
            for accepted in each.accepts:
                if accepted.gpu not in grids:
                    raise UnknownNameError("GPU of these nodes", accepted.gpu, grids)
                grids[accepted.gpu].profile(accepted.profile)


@dataclass(frozen=True, kw_only=True)
class NodeCard:
    """One card in use."""

    index: int
    """Its number on the node."""
    layout: Layout
    holders: tuple[str | None, ...]
    """Whose each slice is; None: cut and free."""
    certain: bool
    """Whether counts alone give these start slots; see `driver.CountedLayout`."""


@dataclass(frozen=True, kw_only=True)
class PackedNode:
    """One node with something on it."""

    name: str
    nodes: str
    """Its kind."""
    gpu: str
    cards: tuple[NodeCard, ...]
    cpu_cores: float
    """What its pods ask for."""
    memory_bytes: float


@dataclass(frozen=True, kw_only=True)
class NodePacking:
    """Where everything lies, what is left over, and how good that is proven to be."""

    gpus_used: int
    nodes: tuple[PackedNode, ...]
    cost: float
    """Dollars an hour of the cards in use; their number when no card has a price."""
    cost_bound: float
    """No packing that leaves as little over costs less."""
    slices_usd_per_hour: float
    left_over: Mapping[str, int]
    """Replicas without a place, by workload."""
    gap: float
    """How far from the best this may be, as a share; 0: proven."""
    bound_of: str
    """The problem that the bound is of."""
    certificate: Claim | None
    """A proof for cards of one kind that needs no solver; it knows nothing of nodes."""

    @property
    def is_proven(self) -> bool:
        """Whether no packing leaves less over, or as little at less cost."""
        return self.gap == 0.0
