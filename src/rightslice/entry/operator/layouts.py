"""Slices on demand: before a pass decides, what leaves a node; after it, one step of a change.

All that is remembered is a node's record, so that any operator goes on from it. One node is cut at
a time. Each step is an event of the ModelDeployment that it is for, counted, and in its status.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from rightslice.edge.mig_configs import read_configs, with_config
from rightslice.entry.operator.api import CallError, ClusterCalls
from rightslice.entry.operator.metrics import Metrics
from rightslice.entry.operator.node_calls import Decoded, NodeCalls
from rightslice.entry.operator.node_pods import NodePods
from rightslice.entry.operator.pace import NotLeadingError
from rightslice.errors import InputError
from rightslice.kube.admission.settings import Mode
from rightslice.kube.cluster.read import read_node
from rightslice.kube.cluster.view import ClusterNode
from rightslice.kube.crd.deployment import LayoutChange
from rightslice.kube.nodes import MIG_CONFIG_LABEL
from rightslice.kube.operate.choose import timestamp
from rightslice.kube.operate.decide import Decision
from rightslice.kube.operate.view import Key, Served, World
from rightslice.kube.parse.decoded import at, text
from rightslice.kube.relayout.demands import Demand, demands, is_early, spoken_for, waiting
from rightslice.kube.relayout.limits import Limits
from rightslice.kube.relayout.machine import (
    MovePods,
    Next,
    Patch,
    Seen,
    Wait,
    WriteConfig,
    next_step,
)
from rightslice.kube.relayout.moves import who_stays
from rightslice.kube.relayout.nodes import (
    STATE_LABEL,
    cuttable,
    handed_out,
    is_candidate,
    sort_nodes,
)
from rightslice.kube.relayout.plan import Around, NoRelayout, Relayout, plan
from rightslice.kube.relayout.pods import GpuPod
from rightslice.kube.relayout.record import Record, entries, read_record
from rightslice.kube.relayout.step import ENDED, LayoutStep
from rightslice.kube.relayout.tell import ended_changes, is_same, proposed, with_changes, with_ended
from rightslice.kube.relayout.view import Pass, demand_key, under_way, unwanted, with_leaving
from rightslice.records import Json

logger = logging.getLogger(__name__)
NOT_BEGUN: Final = (LayoutStep.ADVISED, LayoutStep.REFUSED, LayoutStep.PLANNED)
_SAID: Final = (LayoutStep.ADVISED, LayoutStep.REFUSED)
BEFORE_LABEL: Final = (LayoutStep.CORDONED, LayoutStep.CONFIGURED, LayoutStep.DRAINED)
WAKE_SECONDS: Final = 5.0
"""A pass at least so often while a change is under way or somebody waits: some steps end by time
alone. Plans are made no more often: each lists pods."""
IDLE_SECONDS: Final = 30.0
"""How long a plan stands while nothing of the cluster changes."""


@dataclass(frozen=True, kw_only=True)
class LayoutRules:
    """What the administrator set."""

    is_on: bool = False
    to_save: bool = False
    """Whether empty nodes are cut to lower the bill of who runs already."""
    config_map: Key = ("gpu-operator", "custom-mig-parted-config")
    """Namespace and name of the ConfigMap that mig-manager reads (``migManager.config.name``)."""
    limits: Limits = field(default_factory=Limits)


def layout_rules(
    config_map: str, limits: Limits, *, is_on: bool, to_save: bool = False
) -> LayoutRules:
    """Return the rules of the command line.

    Raises:
        InputError: when *config_map* is no namespace/name, or a time is less than nothing.
    """
    namespace, _, name = config_map.partition("/")
    if not namespace or not name or "/" in name:
        raise InputError(f"--mig-config-map {config_map}: give namespace/name")
    if min(limits.patience_seconds, limits.config_seconds, limits.change_seconds) < 0:
        raise InputError("the times of --relayout must be at least 0 seconds")
    return LayoutRules(is_on=is_on, to_save=to_save, config_map=(namespace, name), limits=limits)


@dataclass
class Layouts:
    """Carries changes of layouts out, a step a pass."""

    rules: LayoutRules
    calls: NodeCalls
    events: ClusterCalls
    metrics: Metrics
    _due_at: float | None = None
    _planned_at: float = -WAKE_SECONDS
    _planned_on: tuple[object, set[Key]] = field(default_factory=lambda: (None, set()))
    _planned: dict[Key, LayoutChange] = field(default_factory=dict)
    """What was planned last: not anew each time that anything changes somewhere."""
    _was_busy: bool = False
    _wrote_config: bool = False
    """A written ConfigMap is not watched: the next pass comes at once."""
    _pods: dict[str, tuple[GpuPod, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Look at pods by the same calls."""
        self.pods = NodePods(self.calls)

    async def before(self, served: Mapping[Key, Served], world: World) -> dict[Key, Served]:
        """Return *served* with the pods that leave a node which is being emptied."""
        self._pods = {}
        if not self.rules.is_on:
            return dict(served)
        try:
            for node, record in under_way(world):
                if record.step in BEFORE_LABEL:
                    self._pods[node.name] = await self.pods.on(node.name)
        except CallError as error:  # no more is wanted elsewhere for now, and nothing leaves
            logger.warning("pods of a node that is emptied are not known: %s", error)
        return with_leaving(served, [pod for pods in self._pods.values() for pod in pods])

    async def after(
        self, decisions: Mapping[Key, Decision], served: Mapping[Key, Served], world: World,
        now: dt.datetime,
    ) -> dict[Key, Decision]:  # fmt: skip
        """Take one step; return the decisions whose status has to say something else of it."""
        found = Pass(decisions=decisions, served=served, world=world, now=timestamp(now))
        self._due_at = None
        if not self.rules.is_on:
            return with_changes({}, found)
        if world.problem is not None:
            return {}
        try:
            return with_changes(await self._step(found), found)
        except (*CallError, NotLeadingError) as error:  # statuses stay as they are
            logger.warning("a change of layout waits: %s", error)
            self.metrics.failures.labels("layout").inc()
            self._due_at = time.monotonic() + WAKE_SECONDS
            return {}

    def is_due(self) -> bool:
        """Whether a pass has to come though nothing is seen to have changed."""
        return self._due_at is not None and time.monotonic() >= self._due_at

    async def _step(self, found: Pass) -> dict[Key, LayoutChange]:
        going: dict[Key, LayoutChange] = {}
        self._wrote_config = False
        busy = under_way(found.world)
        for node, _ in busy:
            going |= await self._go_on(node.name, found)
        ended = ended_changes(found, self.rules.limits)
        late = {one.key for one in waiting(found.decisions.values())}
        begun: dict[Key, LayoutChange] = {}
        if (late or self.rules.to_save) and self._is_plan_due(found, late, is_busy=bool(busy)):
            made = await self._plan(found, is_busy=bool(busy))
            self._planned_at, self._planned_on = time.monotonic(), (found.world.cluster, late)
            told = with_ended(ended, made)
            await self._tell_plans({key: told[key] for key in made.keys() - going.keys()}, found)
            self._planned = {key: one for key, one in made.items() if one.step in NOT_BEGUN}
            begun = {key: one for key, one in made.items() if one.step not in NOT_BEGUN}
        self._was_busy = bool(busy)
        if busy or late or self._planned:
            self._due_at = 0.0 if self._wrote_config else time.monotonic() + WAKE_SECONDS
        planned = {
            key: one for key, one in self._planned.items()
            if key in late or (self.rules.to_save and key in found.decisions)
        }  # fmt: skip
        return {**with_ended(ended, planned), **begun, **going}

    def _is_plan_due(self, found: Pass, late: set[Key], *, is_busy: bool) -> bool:
        """Whether a plan could come out otherwise than the last one."""
        if self._was_busy and not is_busy:  # what was planned meanwhile is over
            return True
        passed = time.monotonic() - self._planned_at
        cluster, waited = self._planned_on
        if cluster is not found.world.cluster or waited != late:
            return passed >= WAKE_SECONDS
        is_soon = any(one.step is LayoutStep.PLANNED for one in self._planned.values())
        return passed >= (WAKE_SECONDS if is_soon else IDLE_SECONDS)

    async def _go_on(self, name: str, found: Pass) -> dict[Key, LayoutChange]:
        """Take the next step on one node, from what it is at this moment."""
        given = await self.calls.node(name)
        if given is None:
            return {}
        node = read_node(given)
        record = read_record(node.notes)
        if record is None:
            return {}
        seen = await self._seen(node, record, found)
        step = next_step(record, seen, self.rules.limits, found.now)
        waits = await self._take(step, node, record, found, _version(given))
        if isinstance(step, Patch):
            record = step.record
        change = record.as_change(name)
        if waits:
            change = replace(change, message=f"{record.message}; waits for {waits}"[:2048])
        return {demand_key(record): change}

    async def _seen(self, node: ClusterNode, record: Record, found: Pass) -> Seen:
        pods: tuple[GpuPod, ...] = ()
        stays, is_configured, why_not = None, False, None
        if record.step in BEFORE_LABEL:
            pods = await self.pods.on(node.name)
            stuck = who_stays(pods, found.stays(settled=False))
            stays = None if stuck is None else stuck.reason
            configs = await self._configs() or {}
            is_configured = configs.get(record.wanted) == entries(record.cuts)
            why_not = unwanted(record, found)
        return Seen(
            is_cordoned=node.is_cordoned,
            label=node.labels.get(MIG_CONFIG_LABEL, ""),
            state=node.labels.get(STATE_LABEL, ""),
            handed_out=handed_out(node),
            pods=tuple(pod.called for pod in pods),
            stays=stays,
            is_configured=is_configured,
            unwanted=why_not,
        )

    async def _take(
        self, step: Next | None, node: ClusterNode, record: Record, found: Pass, version: str
    ) -> str:
        """Carry *step* out; return what is waited for."""
        match step:
            case Patch():
                await self._patch(node.name, version, step, found)
            case WriteConfig():
                await self._write_config(record)
                return "the configuration to be written"
            case MovePods(message=message):
                held_up = await self.pods.leave(node.name, found)
                return "; ".join((message, *held_up))
            case Wait(message=message):
                return message
        return ""

    async def _patch(self, node: str, version: str, change: Patch, found: Pass) -> bool:
        record = change.record
        if not await self.calls.patch(node, version, change):
            return False
        logger.info("node %s: %s: %s", node, record.step.value, record.message)
        self.metrics.layouts.labels(record.step.value).inc()
        await self._tell(demand_key(record), found, record.step, f"node {node}: {record.message}")
        return True

    async def _tell(self, key: Key, found: Pass, step: LayoutStep, message: str) -> None:
        one = found.served.get(key)
        if one is not None:
            await self.events.tell(key, one.uid, f"Layout{step.value}", message)

    async def _write_config(self, record: Record) -> None:
        where = self.rules.config_map
        files = await self.calls.config_files(where)
        if files is None:
            logger.warning("there is no ConfigMap %s in %s any more", where[1], where[0])
            return
        try:
            written = with_config(files[0], record.wanted, entries(record.cuts))
        except InputError as error:
            logger.warning("ConfigMap %s: %s", where[1], error)
            return
        self._wrote_config = await self.calls.write_config(where, files[1], written)

    async def _plan(self, found: Pass, *, is_busy: bool) -> dict[Key, LayoutChange]:
        """Plan for those that wait, begin the first change, and return what to say of each."""
        limits, cluster = self.rules.limits, found.world.cluster
        nodes, refused = sort_nodes(
            cuttable(one, found.world.hardware.get(one.name), limits, found.now)
            for one in cluster.nodes
            if is_candidate(one)
        )
        pods = await self.pods.of(nodes)
        around = Around(
            cluster=spoken_for(cluster, found.decisions.values()),
            nodes=tuple(one for one in nodes if one.node.name in pods),
            refused=refused,
            pods=pods,
            stays=found.stays(settled=True),
            configs=(await self._configs()) or {},
            limits=limits,
        )
        made = await asyncio.to_thread(_plans, found, around, self.rules.to_save)
        return await self._begin(made, found, is_busy=is_busy)

    async def _begin(
        self, made: list[Relayout | NoRelayout], found: Pass, *, is_busy: bool
    ) -> dict[Key, LayoutChange]:
        """Begin the first change that may begin; return what to say of each."""
        changes: dict[Key, LayoutChange] = {}
        problem = "another node is being cut" if is_busy else await self._config_problem()
        for one in made:
            if isinstance(one, NoRelayout):
                change = LayoutChange(step=LayoutStep.REFUSED, message=one.reason[:2048])
            elif one.demand.mode is not Mode.ENFORCE:
                change = proposed(one, LayoutStep.ADVISED, "")
            elif problem is None and not is_early(one.demand, self.rules.limits, found.now):
                problem = "another node is being cut"
                begun = await self._start(one, found)
                change = begun or proposed(one, LayoutStep.PLANNED, "the node has just changed")
            else:
                why = problem or "what is short may come free by itself"
                change = proposed(one, LayoutStep.PLANNED, why)
            changes[one.demand.key] = change
        return changes

    async def _config_problem(self) -> str | None:
        """Return why the ConfigMap cannot be written; None when it can."""
        namespace, name = self.rules.config_map
        files = await self.calls.config_files(self.rules.config_map)
        if files is None:
            return (
                f"there is no ConfigMap {name} in {namespace}: make it with mig-parted's"
                " configurations, and name it as the GPU operator's migManager.config.name"
            )
        try:
            read_configs(files[0])
        except InputError as error:
            return f"ConfigMap {name} in {namespace}: {error}"
        return None

    async def _tell_plans(self, planned: Mapping[Key, LayoutChange], found: Pass) -> None:
        """Write an event where what is planned is not what the status said before."""
        for key, change in planned.items():
            before = found.served[key].before.layout_change
            if change.step in _SAID and not is_same(change, before):
                await self._tell(key, found, change.step, change.message)

    async def _start(self, one: Relayout, found: Pass) -> LayoutChange | None:
        """Cordon the node and write the record, unless it is not any more what was planned for."""
        given = await self.calls.node(one.node)
        if given is None:
            return None
        node = read_node(given)
        last = read_record(node.notes)
        same = node.labels.get(MIG_CONFIG_LABEL) == one.former and handed_out(node) == one.before
        if node.is_cordoned or not same or (last is not None and last.step not in ENDED):
            return None
        record = one.record(found.now)
        change = Patch(record=record, cordon=True)
        if not await self._patch(one.node, _version(given), change, found):
            return None
        return record.as_change(one.node)

    async def _configs(self) -> Mapping[str, Json] | None:
        """Return what the ConfigMap has; None where it cannot be read."""
        files = await self.calls.config_files(self.rules.config_map)
        try:
            return None if files is None else read_configs(files[0])
        except InputError:
            return None


def _plans(
    found: Pass,
    around: Around,
    to_save: bool,  # noqa: FBT001 - a thread's call
) -> list[Relayout | NoRelayout]:
    every: tuple[Demand, ...] = demands(
        tuple(found.decisions.values()), found.served, found.world, around.nodes,
        to_save=to_save,
    )  # fmt: skip
    enforced = [one for one in every if one.mode is Mode.ENFORCE]
    made = [
        plan(one, around, [other for other in enforced if other.key != one.key]) for one in every
    ]
    return [one for one in made if isinstance(one, Relayout) or not one.demand.is_saving]


def _version(given: Decoded) -> str:
    return text(at(given, "metadata", "resourceVersion")) or ""
