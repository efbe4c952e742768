"""Pass after pass: what was decided stays decided until something that it rests on changes.

A decision is a function of its own object and model, of what the nodes have, and of which of the
offers that hold its load can be had after those that were served before it. So a pass looks only
whether these are what they were, and the result is that of `decide_all` (a test holds it to that).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Final

from rightslice.kube.admission.offers import Item
from rightslice.kube.operate.choose import room_for
from rightslice.kube.operate.decide import (
    Decision,
    WorkedOut,
    in_order,
    model_of,
    own_pods,
    recommend_for,
    stand_of,
    work_out,
)
from rightslice.kube.operate.offers import Stock, Wants
from rightslice.kube.operate.view import Key, Served, World

_SEEN_APART: Final = ("cluster", "hardware", "models", "recommends", "problem")
"""What of a world each decision looks at by itself."""


@dataclass(frozen=True, kw_only=True)
class Memory:
    """What the last pass decided."""

    world: World | None = None
    items: Mapping[Wants, tuple[Item, ...]] = field(default_factory=dict)
    """What the nodes had."""
    decided: Mapping[Key, WorkedOut] = field(default_factory=dict)
    """In the order in which they were served."""
    anew: frozenset[Key] = frozenset()
    """Those that were decided anew, since what they rest on had changed."""

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """What was decided."""
        return tuple(one.decision for one in self.decided.values())

    @property
    def due(self) -> dt.datetime | None:
        """When time alone changes a decision; None: it does not."""
        found = [one.decision.due for one in self.decided.values() if one.decision.due is not None]
        return min(found, default=None)


def decide_again(served: Iterable[Served], world: World, now: dt.datetime, last: Memory) -> Memory:
    """Return what `decide_all` returns, deciding anew only where something changed since *last*."""
    known = last.decided if _same_rules(last.world, world) else {}
    stock = Stock(world, dict(last.items))
    found: dict[Key, WorkedOut] = {}
    anew = set()
    for one in in_order(served, world):
        kept = known.get(one.key)
        if kept is None or not _holds_still(kept, one, now, stock):
            kept = work_out(one, world, now, stock, kept)
            anew.add(one.key)
        stock.speak_for(kept.decision.held)
        found[one.key] = kept
    return Memory(world=world, items=stock.looked_at, decided=found, anew=frozenset(anew))


def _same_rules(last: World | None, world: World) -> bool:
    """Whether decisions of *last* may stand: all but what each of them looks at is the same."""
    return last is not None and all(
        getattr(last, one.name) == getattr(world, one.name)
        for one in fields(World)
        if one.name not in _SEEN_APART
    )


def _holds_still(kept: WorkedOut, served: Served, now: dt.datetime, stock: Stock) -> bool:
    """Whether *kept* is what would be decided now."""
    same = kept.served == served and kept.problem == stock.world.problem
    if not same or not _outlasts(kept, now) or model_of(served, stock.world) != kept.model:
        return False
    if recommend_for(served, stock.world) != kept.recommend:
        return False
    if kept.wants is not None and stock.items(kept.wants) != kept.items:
        return False
    if kept.room is None or kept.wants is None:
        return True
    if kept.own != own_pods(served, stock.world.cluster, kept.decision):
        return False
    shelves, stand = stock.shelves(kept.wants), stand_of(served, stock.world.cluster)
    wanted = [
        (stock.offer(shelves[index], served.namespace, stand.waiting), replicas)
        for index, replicas in kept.wanted
    ]
    return room_for(wanted, stand) == kept.room


def _outlasts(kept: WorkedOut, now: dt.datetime) -> bool:
    """Whether time alone does not change *kept* until *now*.

    One that is not written down yet carries the moment of its making.
    """
    if kept.at == now:
        return True
    due = kept.decision.due
    return kept.is_told and kept.at < now and (due is None or now < due)
