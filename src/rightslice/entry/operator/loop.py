"""Observe, decide, act: one pass over everything, whenever something changed and from time to time.

A pass starts from what is seen and ends with what is done, so that whoever takes over, or starts
again after a crash, goes on where the last pass stopped. Only what changed is decided anew, and
only that is told and done. Only the leader writes. What fails is tried again, later each time, and
holds up nobody else.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import math
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

from rightslice.core.perf.calibration import Calibration
from rightslice.edge.catalog_files import Catalog
from rightslice.edge.cluster.lease import Leadership
from rightslice.edge.cluster.mirror import Mirror
from rightslice.entry.operator.act import Acts, Done
from rightslice.entry.operator.api import CallError, ClusterCalls, MissingDefinitionsError
from rightslice.entry.operator.layouts import Layouts
from rightslice.entry.operator.metrics import Metrics
from rightslice.entry.operator.models import FoundModel, find_model
from rightslice.entry.operator.net import Net
from rightslice.entry.operator.pace import BackOff
from rightslice.entry.operator.repacks import Repacks
from rightslice.entry.operator.sight import CLAIM_TEMPLATE, DEPLOYMENT, Decoded, Sight
from rightslice.kube.admission.decide import Recommend
from rightslice.kube.admission.settings import Mode
from rightslice.kube.cluster.view import ClusterNode
from rightslice.kube.crd.decode import encode
from rightslice.kube.crd.definition import MODEL
from rightslice.kube.operate.again import Memory
from rightslice.kube.operate.ask import Release
from rightslice.kube.operate.choose import timestamp
from rightslice.kube.operate.decide import Decision
from rightslice.kube.operate.view import Key, Served, World
from rightslice.kube.parse.decoded import at
from rightslice.kube.relayout.view import Pass

logger = logging.getLogger(__name__)
POLL_SECONDS: Final = 0.2
LONGEST_REST_SECONDS: Final = 1.0
LONGEST_PAUSE_SECONDS: Final = 30.0
MISSING_SECONDS: Final = 5.0
"""How often it is looked whether the definitions of our resources are there now."""


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What the administrator set."""

    ceiling: Mode = Mode.ENFORCE
    settle_seconds: float = 600.0
    resync_seconds: float = 300.0


def kinds_made(ceiling: Mode) -> tuple[str, ...]:
    """Return the kinds of objects that are followed because we may have made them."""
    if ceiling is not Mode.ENFORCE:
        return (DEPLOYMENT,)
    return (DEPLOYMENT, "Service", "PodDisruptionBudget", CLAIM_TEMPLATE)


@dataclass
class Operator:
    """What one process knows and does."""

    calls: ClusterCalls
    mirror: Mirror
    leadership: Leadership
    metrics: Metrics
    recommend_by: Callable[[tuple[Calibration, ...]], Recommend]
    """What answers questions by the shipped constants and these calibrations."""
    card_price: Callable[[ClusterNode], Fraction | None]
    rules: Rules
    layouts: Layouts
    repacks: Repacks | None = None
    catalog: Catalog = field(default_factory=Catalog)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    is_listed: bool = False
    waits_for: str | None = "the cluster has not been listed yet"
    """Why nothing can be decided yet, in words; None when it can."""
    was_missing: bool = False
    """Whether they were missing once."""
    times_found: int = 0
    """How often the definitions of our resources were found where they had not been."""
    _sight: Sight = field(default_factory=Sight)
    _memory: Memory = field(default_factory=Memory)
    _net: Net = field(default_factory=Net)
    _listed_at: float = 0.0
    _cluster: object = None
    _is_blind: bool = False
    _led: bool = False
    _term: int = 0
    _models: dict[Key, tuple[Decoded, FoundModel]] = field(default_factory=dict)
    _back_off: BackOff[Key] = field(default_factory=BackOff)

    def __post_init__(self) -> None:
        """Put together what carries decisions out."""
        self._acts = Acts(self.calls, self.metrics, self._sight)

    def see(self, kind: str, given: Decoded, *, is_gone: bool) -> None:
        """Take in an object that a watch told of."""
        if self._sight.take(kind, given, is_gone=is_gone):
            self.changed.set()

    async def run(self) -> None:
        """Pass after pass, until cancelled."""
        pause = POLL_SECONDS
        while True:
            await self._something(pause)
            try:
                began = time.monotonic()
                await self._pass()
                # Where much happens, half of the time is left to the watches, and to the Lease.
                pause = min(max(POLL_SECONDS, time.monotonic() - began), LONGEST_REST_SECONDS)
            except MissingDefinitionsError as error:
                pause = self._missing(str(error))
            except CallError as error:
                logger.warning("a pass ended: %s", error)
                self.metrics.failures.labels("pass").inc()
                self.changed.set()
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    def _missing(self, problem: str) -> float:
        if self.waits_for != problem:
            logger.warning("%s; waiting for it", problem)
        self.waits_for = problem
        self.is_listed, self.was_missing = False, True
        self.changed.set()
        return MISSING_SECONDS

    async def _something(self, pause: float) -> None:
        """Wait until something changed, or it is time to look again."""
        await asyncio.sleep(pause)
        listed_again = self._listed_at + self._longest()
        while not self.changed.is_set() and time.monotonic() < listed_again:
            if self.mirror.state.cluster() is not self._cluster:
                return
            if (self.mirror.problem is not None) != self._is_blind:
                return
            if self.leadership.leads != self._led or self._is_due():
                return
            await asyncio.sleep(POLL_SECONDS)

    def _longest(self) -> float:
        """Return after how many seconds everything is listed anew.

        Where there is nothing of ours, the definitions may have gone: then it is looked more often.
        """
        is_empty = not (self._sight.models and self._sight.served)
        return min(MISSING_SECONDS if is_empty else math.inf, self.rules.resync_seconds)

    def _is_due(self) -> bool:
        """Whether time alone gives something to do: what settles, or failed some time ago."""
        if not self._led:
            return False
        due = self._memory.due
        if self._back_off.due() or self.layouts.is_due():
            return True
        if self.repacks is not None and self.repacks.is_due():
            return True
        return due is not None and due <= dt.datetime.now(dt.UTC)

    async def _pass(self) -> None:
        """Look, decide, and carry out what is new."""
        self._led = self.leadership.leads
        self.metrics.leads.set(self._led)
        self.changed.clear()
        if not self.is_listed or time.monotonic() - self._listed_at > self._longest():
            await self._list()
        self._cluster = self.mirror.state.cluster()
        self._is_blind = self.mirror.problem is not None
        if self.leadership.term != self._term:  # who leads next starts from what is seen
            self._term, self._memory = self.leadership.term, Memory()
            self._acts.forget(())
            self._back_off = BackOff()
        if not self._led or not self.mirror.is_ready:
            return
        now = dt.datetime.now(dt.UTC)
        world = self._world(await self._find_models(timestamp(now)))
        seen = self._sight.served
        served = await self.layouts.before(self._acts.marked(seen), world)
        began = time.perf_counter()
        self._memory = await asyncio.to_thread(self._net.decided, served, world, now, self._memory)
        served = {key: one for key, one in served.items() if key not in self._net.left_out}
        self.metrics.left_out.set(len(self._net.left_out))
        self.metrics.seconds.observe(time.perf_counter() - began)
        self.metrics.anew.inc(len(self._memory.anew))
        self._count(self._memory.decisions)
        decisions = {one.key: one for one in self._memory.decisions}
        changed = await self.layouts.after(decisions, served, world, now)
        if self.repacks is not None:
            made = {**decisions, **changed}
            found = Pass(decisions=made, served=served, world=world, now=timestamp(now))
            changed |= await self.repacks.after(found)
        await self._carry_out(served, {**decisions, **changed}, changed.keys())
        now_seen = self._sight.served
        if any(now_seen.get(key) is not one for key, one in seen.items()):
            self.changed.set()  # what was written is looked at: it should change nothing more

    async def _list(self) -> None:
        for kind, objects in (await self.calls.everything(kinds_made(self.rules.ceiling))).items():
            self._sight.replace_all(kind, objects)
        self._acts.forget(self._sight.served.keys())
        self._models.clear()  # ConfigMaps are not watched
        self._net.left_out.clear()
        self.times_found += self.waits_for is not None
        self.is_listed, self._listed_at, self.waits_for = True, time.monotonic(), None

    def _world(self, models: Mapping[Key, FoundModel]) -> World:
        state = self.mirror.state
        return World(
            cluster=state.cluster(),
            hardware=dict(state.hardware),
            models={key: one.model for key, one in models.items()},
            release=Release(find=self.catalog.engine),
            recommend=self.recommend_by(()),
            recommends={
                key: self.recommend_by(one.calibrations)
                for key, one in models.items()
                if one.calibrations
            },
            card_price=self.card_price,
            ceiling=self.rules.ceiling,
            settle_seconds=self.rules.settle_seconds,
            problem=self.mirror.problem,
        )

    async def _find_models(self, now: str) -> dict[Key, FoundModel]:
        """Return every model, or why it cannot be used; read anew only when its object changed."""
        found: dict[Key, FoundModel] = {}
        for key, given in list(self._sight.models.items()):
            last = self._models.get(key)
            if last is not None and at(last[0], "spec") == at(given, "spec"):
                found[key] = last[1]
            else:
                found[key] = await find_model(given, self.catalog, self.calls.config_map, now)
                self._models[key] = given, found[key]
            mark = key[0], f"{MODEL.plural}/{key[1]}"
            is_told = encode(found[key].status) == given.get("status")
            if not is_told and not self._back_off.waits(mark):
                self._note(mark, await self._acts.write(MODEL.kind, key, found[key].status))
        return found

    async def _carry_out(
        self, served: Mapping[Key, Served], decisions: Mapping[Key, Decision], told: Collection[Key]
    ) -> None:
        """Tell and do what was decided anew, and what failed before or was undone since."""
        undone = {key for key in self._acts.undone() if not self._back_off.waits(key)}
        again = {*self._back_off.due(), *undone}
        todo = sorted((self._memory.anew | again | {*told}) & decisions.keys())
        done = await asyncio.gather(*(self._acts.carry_out(served[k], decisions[k]) for k in todo))
        for key in set(self._back_off.due()) - decisions.keys():
            self._back_off.clear(key)  # nothing is decided about it any more
        for key, is_done in zip(todo, done, strict=True):
            self._note(key, is_done)

    def _note(self, key: Key, is_done: Done) -> None:
        """Note whether something has to be tried again, and when."""
        if is_done is True:
            self._back_off.clear(key)
        elif is_done is False:
            self._back_off.put_off(key)
        else:
            self._back_off.hold(key, is_done)

    def _count(self, decisions: tuple[Decision, ...]) -> None:
        self.metrics.decisions.clear()
        counts = Counter((one.mode.value, one.outcome.value) for one in decisions)
        for (mode, outcome), number in counts.items():
            self.metrics.decisions.labels(mode, outcome).set(number)
