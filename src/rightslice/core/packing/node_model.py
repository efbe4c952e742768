"""The integer model of slices on nodes: once with walls, once with the nodes of a kind merged.

A site is a set of like nodes whose walls the model does not see: all nodes of a kind (the
relaxation, small) or a single node (exact). Columns: how many cards of a site take each pattern,
how many replicas of a workload take each profile there, and how many are left over. Rows: slots
suffice; cards, CPU and memory of the site; replicas that lie apart are at most one a node, or one
a card that has their slot.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from rightslice.core.catalog.mig import ProfileName
from rightslice.core.catalog.together import Apart, Preference
from rightslice.core.packing.backends import Backend
from rightslice.core.packing.driver import certain_multisets
from rightslice.core.packing.geometry import Multiset, largest_multisets
from rightslice.core.packing.node_ask import NodeAsk, NodeKind, Replicas
from rightslice.core.packing.solver import IntegerModel


@dataclass(frozen=True, kw_only=True)
class Site:
    """So many nodes of one kind, taken together."""

    kind: NodeKind
    first: int
    """The number of its first node within the kind."""
    nodes: int


def merged_sites(ask: NodeAsk) -> tuple[Site, ...]:
    """Return one site a kind."""
    return tuple(Site(kind=kind, first=0, nodes=kind.count) for kind in ask.kinds)


def single_sites(ask: NodeAsk) -> tuple[Site, ...]:
    """Return one site a node."""
    return tuple(
        Site(kind=kind, first=index, nodes=1) for kind in ask.kinds for index in range(kind.count)
    )


def patterns(ask: NodeAsk, kind: NodeKind) -> tuple[Multiset, ...]:
    """Return what one card of *kind* can offer at most, over the profiles that are accepted."""
    names = frozenset(
        str(accepted.profile)
        for each in ask.workloads
        for accepted in each.accepts
        if accepted.gpu == kind.grid.name
    )
    if not names:
        return ()
    known = certain_multisets if ask.backend is Backend.DEVICE_PLUGIN else largest_multisets
    return known(kind.grid, names)


@dataclass
class NodeModel:
    """The columns of one question."""

    ask: NodeAsk
    sites: tuple[Site, ...]
    model: IntegerModel = field(default_factory=IntegerModel)
    cards: dict[tuple[int, Multiset], int] = field(default_factory=dict)
    """(site, pattern) to column."""
    taken: dict[tuple[int, int, ProfileName], int] = field(default_factory=dict)
    """(workload, site, profile) to column."""
    left: list[int] = field(default_factory=list)
    """A column for each workload."""
    untidy: dict[int, float] = field(default_factory=dict)
    """What the preference would rather not have."""

    def __post_init__(self) -> None:
        for each in self.ask.workloads:
            self.left.append(self.model.column(each.count))
        for number, site in enumerate(self.sites):
            self._add_site(number, site)
        for w, each in enumerate(self.ask.workloads):
            terms = {x: 1.0 for (v, _, _), x in self.taken.items() if v == w}
            self.model.exactly({**terms, self.left[w]: 1.0}, each.count)
        if all(site.nodes == 1 for site in self.sites):
            self._break_symmetry()

    def _add_site(self, number: int, site: Site) -> None:
        kind, most = site.kind, site.nodes * site.kind.cards
        for pattern in patterns(self.ask, kind):
            self.cards[number, pattern] = self.model.column(most)
        for w, each in enumerate(self.ask.workloads):
            for accepted in each.accepts:
                if accepted.gpu == kind.grid.name:
                    key = (w, number, accepted.profile)
                    self.taken.setdefault(key, self.model.column(each.count))
        own = list(self._of_site(number))
        used = {x: 1.0 for (n, _), x in self.cards.items() if n == number}
        if not used:
            return
        self.model.at_most(used, most)
        for profile in {profile for _, profile, _ in own}:
            offers = self._offers(number, profile)
            self.model.at_least(offers | {x: -1.0 for _, name, x in own if name == profile}, 0.0)
        for amount, limit in (("cpu_cores", kind.cpu_cores), ("memory_bytes", kind.memory_bytes)):
            # In shares of one node, so that the solver's tolerance is the same for bytes and cores.
            asked = {x: getattr(each, amount) / (limit or 1.0) for each, _, x in own}
            if limit < float("inf") and any(asked.values()):
                self.model.at_most(asked, site.nodes if limit else 0.0)
        self._keep_apart(number, site, own)
        self._add_untidy(number, site, used)

    def _of_site(self, number: int) -> Iterator[tuple[Replicas, ProfileName, int]]:
        for (w, n, profile), column in self.taken.items():
            if n == number:
                yield self.ask.workloads[w], profile, column

    def _offers(self, number: int, profile: ProfileName) -> dict[int, float]:
        offered = {x: dict(p).get(profile, 0) for (n, p), x in self.cards.items() if n == number}
        return {x: float(count) for x, count in offered.items() if count}

    def _keep_apart(
        self, number: int, site: Site, own: list[tuple[Replicas, ProfileName, int]]
    ) -> None:
        for each in self.ask.workloads:
            terms = {x: 1.0 for other, _, x in own if other is each}
            if not terms or each.apart is Apart.NOTHING:
                continue
            if each.apart is Apart.NODE:
                self.model.at_most(terms, site.nodes)
                continue
            for profile in {name for other, name, _ in own if other is each}:
                here = {x: 1.0 for o, name, x in own if o is each and name == profile}
                having = dict.fromkeys(self._offers(number, profile), -1.0)
                self.model.at_most(here | having, 0.0)
            every = {x: -1.0 for (n, _), x in self.cards.items() if n == number}
            self.model.at_most(terms | every, 0.0)

    def _add_untidy(self, number: int, site: Site, used: dict[int, float]) -> None:
        if self.ask.preference is Preference.PACK:
            opened = self.model.column(site.nodes)
            self.model.at_most({**used, opened: -float(site.kind.cards)}, 0.0)
            self.untidy[opened] = 1.0
        elif site.nodes == 1:
            for w, each in enumerate(self.ask.workloads):
                terms = {x: 1.0 for (v, n, _), x in self.taken.items() if (v, n) == (w, number)}
                if terms and each.count > 1 and not each.is_reserve:
                    beside = self.model.column(each.count)
                    self.model.at_most({**terms, beside: -1.0}, 1.0)
                    self.untidy[beside] = 1.0

    def _break_symmetry(self) -> None:
        """Let nodes of a kind be numbered by the cards that they use."""
        used: dict[int, dict[int, float]] = {}
        for (number, _), column in self.cards.items():
            used.setdefault(number, {})[column] = 1.0
        for one, two in pairwise(range(len(self.sites))):
            if self.sites[one].kind is self.sites[two].kind and one in used:
                self.model.at_least(used[one] | dict.fromkeys(used[two], -1.0), 0.0)

    @property
    def worth(self) -> dict[int, float]:
        """What leaving a replica over costs: its least memory slots, then one of many."""
        grids = {kind.grid.name: kind.grid for kind in self.ask.kinds}
        few = 1 / (1 + sum(each.count for each in self.ask.workloads))
        return {
            column: few
            + min(
                (grids[a.gpu].profile(a.profile).memory_slots or 0) / (grids[a.gpu].slots or 1)
                for a in each.accepts
            )
            for column, each in zip(self.left, self.ask.workloads, strict=True)
        }

    @property
    def costs(self) -> dict[int, float]:
        """What each card costs; one where no card has a price."""
        is_priced = any(kind.card_usd_per_hour for kind in self.ask.kinds)
        return {
            x: self.sites[number].kind.card_usd_per_hour if is_priced else 1.0
            for (number, _), x in self.cards.items()
        }

    @property
    def last(self) -> dict[int, float]:
        """What decides among equal costs: the price of the slices, then the preference."""
        prices = {
            x: next(
                a.usd_per_hour
                for a in self.ask.workloads[w].accepts
                if (a.gpu, a.profile) == (self.sites[n].kind.grid.name, profile)
            )
            for (w, n, profile), x in self.taken.items()
        }
        least = min((price for price in prices.values() if price), default=1.0)
        small = least / (1000 * (1 + sum(each.count for each in self.ask.workloads)))
        return prices | {x: small * weight for x, weight in self.untidy.items()}
