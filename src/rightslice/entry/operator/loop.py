"""Observe, decide, act: one pass over everything, whenever something changed and from time to time.

A pass starts from what is seen and ends with what is done, so that whoever takes over, or starts
again after a crash, goes on where the last pass stopped. Only the leader writes. What fails is left
to the next pass, which comes later the more often it fails.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, Final

from lightkube import ApiError

from rightslice.edge.catalog_files import Catalog
from rightslice.edge.cluster.lease import Leadership
from rightslice.edge.cluster.mirror import Mirror
from rightslice.entry.operator.api import CallError, ClusterCalls, ForeignObjectError, applied
from rightslice.entry.operator.metrics import Metrics
from rightslice.entry.operator.models import find_model
from rightslice.kube.admission.decide import Recommend
from rightslice.kube.admission.settings import Mode
from rightslice.kube.cluster.view import ClusterNode
from rightslice.kube.crd.decode import encode
from rightslice.kube.crd.definition import MODEL, MODEL_DEPLOYMENT
from rightslice.kube.operate.ask import Release
from rightslice.kube.operate.choose import timestamp
from rightslice.kube.operate.decide import Decision, decide_all
from rightslice.kube.operate.transition import Apply
from rightslice.kube.operate.view import OWNER_LABEL, Key, Served, World, read_running, read_served
from rightslice.kube.parse.decoded import at, mapping, text

logger = logging.getLogger(__name__)
POLL_SECONDS: Final = 0.2
LONGEST_BACK_OFF_SECONDS: Final = 60.0
_GONE: Final = 404
Decoded = dict[str, Any]
Store = dict[str, dict[Key, Decoded]]


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What the administrator set."""

    ceiling: Mode = Mode.ENFORCE
    settle_seconds: float = 600.0
    resync_seconds: float = 300.0
    pass_seconds: float = 10.0
    """A pass at least so often: time itself lets a cheaper offer become due."""


@dataclass
class Operator:
    """What one process knows and does."""

    calls: ClusterCalls
    mirror: Mirror
    leadership: Leadership
    metrics: Metrics
    recommend: Recommend
    card_price: Callable[[ClusterNode], Fraction | None]
    rules: Rules
    catalog: Catalog = field(default_factory=Catalog)
    store: Store = field(default_factory=dict)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    is_listed: bool = False
    _listed_at: float = 0.0
    _cluster: object = None
    _is_blind: bool = False
    _is_settled: bool = False
    """Whether no cheaper offer becomes due by time alone."""
    _told: dict[Key, tuple[str, str]] = field(default_factory=dict)
    _models: dict[tuple[Key, str], Any] = field(default_factory=dict)
    _applied: dict[str, str] = field(default_factory=dict)

    def see(self, kind: str, given: Decoded, *, is_gone: bool) -> None:
        """Take in an object that a watch told of."""
        kept = self.store.setdefault(kind, {})
        key = _key(given)
        last = kept.pop(key, None)
        if not is_gone:
            kept[key] = given
        if is_gone or last is None or _says(given) != _says(last):  # not our own status again
            self.changed.set()

    async def run(self) -> None:
        """Pass after pass, until cancelled."""
        back_off = POLL_SECONDS
        while True:
            await self._something(back_off)
            try:
                failures = await self._pass()
            except CallError as error:
                logger.warning("a pass ended: %s", error)
                self.metrics.failures.labels("pass").inc()
                failures = 1
            if failures:
                self.changed.set()
            back_off = min(2 * back_off, LONGEST_BACK_OFF_SECONDS) if failures else POLL_SECONDS

    async def _something(self, pause: float) -> None:
        """Wait until something changed, or it is time to look again."""
        idle = self.rules.resync_seconds if self._is_settled else self.rules.pass_seconds
        until = time.monotonic() + idle
        await asyncio.sleep(pause)
        while time.monotonic() < until and not self.changed.is_set():
            if self.mirror.state.cluster() != self._cluster:
                return
            if (self.mirror.problem is not None) != self._is_blind:
                return
            await asyncio.sleep(POLL_SECONDS)

    async def _pass(self) -> int:
        """Decide everything once; return how many calls failed."""
        self.metrics.leads.set(self.leadership.leads)
        self.changed.clear()
        if not self.is_listed or time.monotonic() - self._listed_at > self.rules.resync_seconds:
            await self._list()
        self._cluster = self.mirror.state.cluster()
        self._is_blind = self.mirror.problem is not None
        if not self.leadership.leads or not self.mirror.is_ready:
            self._is_settled = False
            return 0
        now = dt.datetime.now(dt.UTC)
        models, failures = await self._find_models(timestamp(now))
        world = replace(self._world(), models=models)
        served = self._served()
        began = time.perf_counter()
        decisions = await asyncio.to_thread(decide_all, served.values(), world, now)
        self.metrics.seconds.observe(time.perf_counter() - began)
        self._is_settled = all(one.status.lowering is None for one in decisions)
        for decision in decisions:
            failures += await self._carry_out(served[decision.key], decision)
        self._count(decisions)
        return failures

    async def _list(self) -> None:
        for kind, objects in (await self.calls.everything()).items():
            self.store[kind] = {_key(one): one for one in objects}
        self._applied.clear()
        self._models.clear()
        self.is_listed, self._listed_at = True, time.monotonic()

    def _world(self) -> World:
        state = self.mirror.state
        return World(
            cluster=state.cluster(),
            hardware=dict(state.hardware),
            models={},
            release=Release(find=self.catalog.engine),
            recommend=self.recommend,
            card_price=self.card_price,
            ceiling=self.rules.ceiling,
            settle_seconds=self.rules.settle_seconds,
            problem=self.mirror.problem,
        )

    def _served(self) -> dict[Key, Served]:
        running: dict[Key, list[Decoded]] = {}
        for one in self.store.get("Deployment", {}).values():
            owner = text(mapping(at(one, "metadata", "labels")).get(OWNER_LABEL))
            if owner is not None:
                running.setdefault((_key(one)[0], owner), []).append(one)
        found = {}
        for key, one in self.store.get(MODEL_DEPLOYMENT.kind, {}).items():
            if at(one, "metadata", "deletionTimestamp") is None:
                parts = [read_running(each) for each in running.get(key, []) if _owns(one, each)]
                found[key] = read_served(one, tuple(each for each in parts if each is not None))
        return found

    async def _find_models(self, now: str) -> tuple[dict[Key, Any], int]:
        """Return every model, or why it cannot be used; read anew only when its object changed."""
        found: dict[Key, Any] = {}
        failures = 0
        for key, given in list(self.store.get(MODEL.kind, {}).items()):
            version = repr(at(given, "spec"))
            one = self._models.get((key, version))
            if one is None:
                one = await find_model(given, self.catalog, self.calls.config_map, now)
                self._models[key, version] = one
            found[key] = one.model
            if encode(one.status) != given.get("status"):
                failures += await self._write(MODEL.kind, key, one.status)
        return found, failures

    async def _carry_out(self, served: Served, decision: Decision) -> int:
        failures = 0
        if encode(decision.status) != encode(served.before):
            failures += await self._write(MODEL_DEPLOYMENT.kind, decision.key, decision.status)
        failures += await self._tell(served, decision)
        for action in decision.actions:
            if not self.leadership.leads:
                return failures + 1
            if isinstance(action, Apply):
                name, made = applied(action)
                if self._applied.get(name) == made and "/Deployment/" not in name:
                    continue
            try:
                await self.calls.act(decision.key[0], action)
            except ForeignObjectError as error:
                return failures + await self._foreign(served, str(error))
            except CallError as error:
                logger.warning("%s %s: %s", "/".join(decision.key), type(action).__name__, error)
                self.metrics.failures.labels(type(action).__name__).inc()
                return failures + 1
            self.metrics.actions.labels(type(action).__name__).inc()
            if isinstance(action, Apply):
                self._applied[name] = made
        return failures

    async def _write(self, kind: str, key: Key, status: object) -> int:
        try:
            await self.calls.write_status(kind, key, status)
        except ApiError as error:
            if error.status.code == _GONE:
                return 0
            return self._failed("status", key, error)
        except CallError as error:
            return self._failed("status", key, error)
        kept = self.store.get(kind, {}).get(key)
        if kept is not None:  # the watch tells the same a moment later
            self.store[kind][key] = {**kept, "status": encode(status)}
        return 0

    async def _tell(self, served: Served, decision: Decision) -> int:
        """Write an event when what is decided is not what was told last."""
        found = decision.status.recommendation
        offer = "" if found is None else f"{found.offer.replicas} x {found.offer.offer}"
        said = decision.outcome.value, offer
        first = decision.key not in self._told
        told = self._told.get(decision.key)
        if told == said or (told is not None and told[0] == "NotOurs"):
            return 0
        self._told[decision.key] = said
        if first and _was_told(served, said):
            return 0
        message = "; ".join(one.message for one in decision.status.conditions[:2] if one.message)
        try:
            await self.calls.tell(decision.key, served.uid, decision.outcome.value, message)
        except CallError as error:
            return self._failed("event", decision.key, error)
        return 0

    async def _foreign(self, served: Served, problem: str) -> int:
        """Tell once that a name is taken; nothing else of this ModelDeployment is changed."""
        if self._told.get(served.key) != ("NotOurs", problem):
            self._told[served.key] = ("NotOurs", problem)
            logger.warning("%s: %s", "/".join(served.key), problem)
            try:
                await self.calls.tell(served.key, served.uid, "NotOurs", problem)
            except CallError as error:
                return self._failed("event", served.key, error)
        return 0

    def _failed(self, what: str, key: Key, error: Exception) -> int:
        logger.warning("%s of %s was not written: %s", what, "/".join(key), error)
        self.metrics.failures.labels(what).inc()
        return 1

    def _count(self, decisions: tuple[Decision, ...]) -> None:
        self.metrics.decisions.clear()
        counts = Counter((one.mode.value, one.outcome.value) for one in decisions)
        for (mode, outcome), number in counts.items():
            self.metrics.decisions.labels(mode, outcome).set(number)


def _says(given: Decoded) -> tuple[object, ...]:
    """Return what of an object decisions rest on."""
    metadata = mapping(given.get("metadata"))
    marks = (metadata.get(name) for name in ("uid", "labels", "annotations", "deletionTimestamp"))
    return given.get("spec"), given.get("status"), *marks


def _was_told(served: Served, said: tuple[str, str]) -> bool:
    """Whether the status already says it: a restarted operator does not repeat itself."""
    reasons = [one.reason for one in served.before.conditions]
    last = served.before.recommendation
    offer = "" if last is None else f"{last.offer.replicas} x {last.offer.offer}"
    return said[0] in reasons and said[1] == offer


def _owns(owner: Decoded, one: Decoded) -> bool:
    references = at(one, "metadata", "ownerReferences")
    uid = at(owner, "metadata", "uid")
    found = references if isinstance(references, list) else []
    return any(mapping(each).get("uid") == uid for each in found)


def _key(given: Decoded) -> Key:
    metadata = mapping(given.get("metadata"))
    return text(metadata.get("namespace")) or "", text(metadata.get("name")) or ""
