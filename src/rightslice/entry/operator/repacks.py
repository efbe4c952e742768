"""Live repack under DRA: after a pass has decided, one step of one move of a pod.

All that is remembered of a move is the note on the replacement, so that any operator goes on from
it. One pod is moved at a time. Each step is an event of its ModelDeployment, counted, and in its
status.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from rightslice.entry.operator.api import CallError, ClusterCalls
from rightslice.entry.operator.metrics import Metrics
from rightslice.entry.operator.move_calls import MoveCalls
from rightslice.entry.operator.pace import NotLeadingError
from rightslice.errors import InputError, UnavailableError
from rightslice.kube.admission.settings import Mode
from rightslice.kube.crd.deployment import PodMove
from rightslice.kube.operate.claims import template_name
from rightslice.kube.operate.decide import Decision
from rightslice.kube.operate.view import Key
from rightslice.kube.relayout.view import Pass
from rightslice.kube.repack.boards import Board, boards
from rightslice.kube.repack.machine import (
    Abandon,
    Adopt,
    Finish,
    Mark,
    MoveLimits,
    Wait,
    next_step,
)
from rightslice.kube.repack.objects import note_of, pinned_template, replacement
from rightslice.kube.repack.plan import NextMove, next_move, room_move
from rightslice.kube.repack.pods import OwnPod
from rightslice.kube.repack.step import MoveStep
from rightslice.kube.repack.waiting import Waiting, waiting_for_slices

logger = logging.getLogger(__name__)
MOVES: Final = "is being moved already"
"""What `Pass.stays` says of a ModelDeployment that goes to another offer."""
WAKE_SECONDS: Final = 1.0
"""A pass at least so often while a pod is moved: its replacement is not watched."""


@dataclass(frozen=True, kw_only=True)
class RepackRules:
    """What the administrator set."""

    is_on: bool = False
    moves_per_card: float = 3.0
    """Moves that one card which comes free is worth, or one slice that somebody waits for."""
    limits: MoveLimits = field(default_factory=MoveLimits)


def repack_rules(moves_per_card: float, rest_seconds: float, *, is_on: bool) -> RepackRules:
    """Return the rules of the command line.

    Raises:
        InputError: when a number is less than nothing.
    """
    if not 0 <= moves_per_card < float("inf") or rest_seconds < 0:
        raise InputError("--moves-per-card and --repack-rest must be at least 0")
    limits = MoveLimits(rest_seconds=rest_seconds)
    return RepackRules(is_on=is_on, moves_per_card=moves_per_card, limits=limits)


@dataclass
class Repacks:
    """Carries moves out, a step a pass."""

    rules: RepackRules
    calls: MoveCalls
    events: ClusterCalls
    metrics: Metrics
    _due_at: float | None = None
    _seen: object = None
    """What the last plan rested on, so that it is not worked out again."""
    _may_move: bool = True
    """Whether a move may be under way: it is known when the pods have been looked at."""
    _quiet_since: float = field(default_factory=time.monotonic)

    def is_due(self) -> bool:
        """Whether a pass has to come though nothing is seen to have changed."""
        return self._due_at is not None and time.monotonic() >= self._due_at

    async def after(self, found: Pass) -> dict[Key, Decision]:
        """Take one step; return the decisions whose status has to say something else of it."""
        self._due_at = None
        has_dra = any(node.dra is not None for node in found.world.cluster.nodes)
        may_move = any(one.mode is Mode.ENFORCE for one in found.decisions.values())
        if not (self.rules.is_on and has_dra and may_move) or found.world.problem is not None:
            return _told({}, found)
        try:
            return _told(await self._step(found), found)
        except (*CallError, NotLeadingError) as error:  # the next pass goes on
            logger.warning("a move waits: %s", error)
            self.metrics.failures.labels("move").inc()
            self._due_at = time.monotonic() + WAKE_SECONDS
            return _told({}, found)

    async def _step(self, found: Pass) -> dict[Key, PodMove]:
        stays = found.stays(settled=True)
        if not self._may_move and self._seen == (found.world.cluster, stays):
            return {}  # nothing changed since no move was found
        wait = self._rest_left(stays)
        if wait > 0 and not self._may_move:
            self._due_at = time.monotonic() + wait
            return {}
        pods = await self.calls.pods()
        moving = [pod for pod in pods if pod.note is not None]
        if moving:
            self._due_at = time.monotonic() + WAKE_SECONDS
            return await self._go_on(moving[0], pods, found)
        await self._clean_up()
        self._may_move = False
        if wait > 0:
            self._due_at = time.monotonic() + wait
            return {}
        return await self._begin(pods, found)

    def _rest_left(self, stays: Mapping[Key, str]) -> float:
        """Return how long nothing is begun yet: things have to stand still for a while."""
        now = time.monotonic()
        if any(why == MOVES for why in stays.values()):
            self._quiet_since = max(self._quiet_since, now)
        return self._quiet_since + self.rules.limits.rest_seconds - now

    async def _go_on(self, one: OwnPod, pods: list[OwnPod], found: Pass) -> dict[Key, PodMove]:
        """Take the next step of a move that is under way."""
        note = one.note
        assert note is not None
        old = next((pod for pod in pods if pod.owner == one.owner and pod.name == note.pod), None)
        step = next_step(one, old, _unwanted(one, found), self.rules.limits, found.now)
        match step:
            case Wait(message=message):
                reached = MoveStep.HANDED_OVER if one.template_hash else MoveStep.STARTED
                return {one.owner: note.as_move(reached, "", f"waits for {message}")}
            case Mark():
                assert old is not None
                await self.calls.mark(old)
                return {one.owner: note.as_move(MoveStep.STARTED, "", "the replacement serves")}
            case Adopt(hash=template_hash):
                await self.calls.adopt(one, template_hash)
                move = note.as_move(MoveStep.HANDED_OVER, found.now, "its replacement serves")
            case Finish(message=message):
                await self.calls.delete_template(one.owner[0], note.template)
                await self.calls.finish(one)
                self._quiet_since = time.monotonic()
                move = note.as_move(MoveStep.DONE, found.now, message)
            case Abandon(message=message):
                await self.calls.delete_pod(one)
                await self.calls.delete_template(one.owner[0], note.template)
                rest = self.rules.limits.retry_seconds - self.rules.limits.rest_seconds
                self._quiet_since = time.monotonic() + max(rest, 0.0)
                move = note.as_move(MoveStep.ABANDONED, found.now, message)
        await self._tell(one.owner, move, found)
        return {one.owner: move}

    async def _begin(self, pods: list[OwnPod], found: Pass) -> dict[Key, PodMove]:
        """Begin the next move, if one is worth it."""
        stays = found.stays(settled=True)
        seen = boards(found.world.cluster, found.world.hardware, pods, stays)
        waiting = await asyncio.to_thread(waiting_for_slices, found)
        for board in seen:
            try:
                move = await asyncio.to_thread(_move, board, waiting, self.rules.moves_per_card)
            except (InputError, UnavailableError) as error:
                logger.warning("no repack of %s: %s", board.product, error)
                continue
            if move is not None:
                return await self._start(move, found)
        self._seen = found.world.cluster, stays
        return {}

    async def _start(self, move: NextMove, found: Pass) -> dict[Key, PodMove]:
        owner = found.served.get(move.pod.owner)
        namespace = move.pod.owner[0]
        deployment = await self.calls.deployment(namespace, move.pod.deployment)
        name = template_name(move.pod.owner[1], move.pod.revision)
        template = await self.calls.template(namespace, name)
        if owner is None or deployment is None or template is None:
            return {}
        self._may_move = True
        await self.calls.make(pinned_template(template, move, owner))
        await self.calls.make(replacement(deployment, move, owner))
        made = note_of(move).as_move(MoveStep.STARTED, found.now)
        self._due_at = time.monotonic() + WAKE_SECONDS
        await self._tell(move.pod.owner, made, found)
        return {move.pod.owner: made}

    async def _clean_up(self) -> None:
        """Delete templates whose replacement was never made, or is gone."""
        for namespace, name in await self.calls.templates():
            await self.calls.delete_template(namespace, name)

    async def _tell(self, key: Key, move: PodMove, found: Pass) -> None:
        logger.info("%s: %s: %s", "/".join(key), move.step.value, move.message)
        self.metrics.moves.labels(move.step.value).inc()
        one = found.served.get(key)
        if one is not None:
            told = f"{move.pod}: {move.message}"
            await self.events.tell(key, one.uid, f"Move{move.step.value}", told)


def _move(board: Board, waiting: Sequence[Waiting], moves_per_card: float) -> NextMove | None:
    """Return the next move: for who waits before it is for cards."""
    for one in waiting:
        if one.product == board.product:
            move = room_move(board, one, moves_per_card * one.count)
            if move is not None:
                return move
    return None if waiting else next_move(board, moves_per_card)


def _unwanted(pod: OwnPod, found: Pass) -> str | None:
    """Return why a pod is not to be moved after all; None when it is."""
    decision = found.decisions.get(pod.owner)
    if decision is None:
        return "its ModelDeployment is gone"
    why = found.stays(settled=True).get(pod.owner)
    if why is not None:
        return f"{'/'.join(pod.owner)} {why}"
    current = decision.status.current
    if current is None or current.revision != pod.revision:
        return "another revision runs by now"
    return None


def _told(moves: Mapping[Key, PodMove], found: Pass) -> dict[Key, Decision]:
    """Return the decisions whose status says something else than *moves*, or than it did before."""
    made = {}
    for key, decision in found.decisions.items():
        before = found.served[key].before.move
        told = moves.get(key, before)
        if told is not None and not told.since:
            same = before is not None and (before.step, before.pod) == (told.step, told.pod)
            since = before.since if same and before is not None else found.now
            told = replace(told, since=since)
        if told != decision.status.move:
            made[key] = replace(decision, status=replace(decision.status, move=told))
    return made
