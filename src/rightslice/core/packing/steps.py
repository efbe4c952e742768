"""The order in which pods move, so that every state on the way can exist.

A move makes before it breaks: the target slice is created and the new replica runs before the old
one stops, so no replica is missing at any step. Moves wait for the pods that stand in their way;
where they wait for each other in a circle, one pod is stopped first if the floor of its workload
allows, else it makes a detour over a card with room. `resume` recognises the steps done, so a plan
that was cut off goes on from where it stopped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from rightslice.core.catalog.mig import Placement
from rightslice.core.packing.cards import CardTable, Content, bit_indices
from rightslice.core.packing.live import LiveCard, LivePod, LiveSlice, LiveState
from rightslice.errors import InputError


class StepKind(Enum):
    """What one step does."""

    CREATE = "create"
    """Create a slice in which nothing runs yet."""
    MOVE = "move"
    """Run the pod in the new slice, and once it is ready stop it in the old one."""
    STOP = "stop"
    """Stop the pod before its new slice can be created: its workload's floor allows it."""
    START = "start"
    """Run a stopped pod in its new slice."""
    DESTROY = "destroy"
    """Destroy a slice in which nothing runs."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One action on one slice."""

    action: StepKind
    card: str
    placement: Placement
    pod: LivePod | None = None
    """For MOVE, STOP and START."""
    from_card: str | None = None
    """For MOVE: where the pod ran."""
    from_placement: Placement | None = None


@dataclass(frozen=True, kw_only=True)
class Move:
    """One pod that changes its slice."""

    pod: LivePod
    from_card: str
    from_placement: Placement
    to_card: str
    to_placement: Placement


@dataclass(frozen=True, kw_only=True)
class Ordered:
    """Every move has its steps."""

    steps: tuple[Step, ...]
    detours: int
    """Moves beyond the plan's, of pods that had to step aside and may not be stopped."""
    stops: int
    """Pods that are down between two steps, within the floor of their workload."""


@dataclass(frozen=True, kw_only=True)
class NoOrder:
    """Moves that wait for each other, and no pod of theirs may stop or step aside."""

    blocked: tuple[str, ...]
    """The pods."""


class Stage:
    """The cards while steps are taken; refuses every step that cannot be."""

    def __init__(self, table: CardTable, state: LiveState) -> None:
        self.table = table
        self.slices: dict[str, dict[Placement, LivePod | None]] = {
            card.name: {each.placement: each.pod for each in card.slices} for card in state.cards
        }
        self.contents: dict[str, Content] = {
            name: table.content(slices) for name, slices in self.slices.items()
        }
        pods = [pod for slices in self.slices.values() for pod in slices.values() if pod]
        self.running = Counter(owner(pod) for pod in pods)
        self._floors = {
            name: state.floors.get(name, max(count - 1, 0)) for name, count in self.running.items()
        }

    def fits(self, card: str, placement: Placement) -> bool:
        """Return whether the slice exists free of pods, or could be created now."""
        if placement in self.slices[card]:
            return self.slices[card][placement] is None
        return bool(self.table.room(self.contents[card]) & self.table.bit(placement))

    def may_stop(self, pod: LivePod) -> bool:
        """Return whether the pod's workload keeps its floor without it."""
        return not pod.pinned and self.running[owner(pod)] > self._floors[owner(pod)]

    def take(self, step: Step) -> None:
        """Do *step*.

        Raises:
            InputError: when it cannot be done in this state, saying why.
        """
        slices = self.slices.get(step.card)
        if slices is None:
            raise InputError(f"GPU {step.card} is none of this fleet")
        if step.action is StepKind.CREATE:
            if step.placement in slices or not self.fits(step.card, step.placement):
                raise _impossible(step, "its slots are taken")
            slices[step.placement] = None
            self.contents[step.card] |= self.table.bit(step.placement)
        elif step.action is StepKind.DESTROY:
            if slices.get(step.placement, step) is not None:
                raise _impossible(step, "a pod runs in it, or it does not exist")
            del slices[step.placement]
            self.contents[step.card] &= ~self.table.bit(step.placement)
        elif step.action is StepKind.STOP:
            self._stop(step)
        else:
            self._run(step, slices)

    def _stop(self, step: Step) -> None:
        pod = self.slices[step.card].get(step.placement)
        if pod is None or pod != step.pod:
            raise _impossible(step, "that pod does not run in it")
        if not self.may_stop(pod):
            raise _impossible(step, f"{owner(pod)} would fall below its floor")
        self.slices[step.card][step.placement] = None
        self.running[owner(pod)] -= 1

    def _run(self, step: Step, slices: dict[Placement, LivePod | None]) -> None:
        assert step.pod is not None
        if slices.get(step.placement, step) is not None:
            raise _impossible(step, "a pod runs in it, or it does not exist")
        if step.action is StepKind.MOVE:
            assert step.from_card is not None
            assert step.from_placement is not None
            old = self.slices[step.from_card]
            if old.get(step.from_placement) != step.pod or step.pod.pinned:
                raise _impossible(step, "the pod is pinned, or does not run where it should")
            old[step.from_placement] = None
        else:
            self.running[owner(step.pod)] += 1
        slices[step.placement] = step.pod


def owner(pod: LivePod) -> str:
    """Return the workload whose floor counts the pod; a pod without one stands for itself."""
    return pod.workload or pod.name


def apply_steps(table: CardTable, state: LiveState, steps: Iterable[Step]) -> LiveState:
    """Return *state* after *steps*.

    Raises:
        InputError: at the first step that cannot be done, saying why.
    """
    stage = Stage(table, state)
    for step in steps:
        stage.take(step)
    return frozen(stage, state)


def frozen(stage: Stage, like: LiveState) -> LiveState:
    """Return the cards of *stage* as a state, with the names and floors of *like*."""
    return replace(like, cards=tuple(_card(card, stage.slices[card.name]) for card in like.cards))


def _card(card: LiveCard, slices: Mapping[Placement, LivePod | None]) -> LiveCard:
    return replace(
        card,
        slices=tuple(LiveSlice(placement=p, pod=pod) for p, pod in sorted(slices.items())),
    )


def _impossible(step: Step, why: str) -> InputError:
    what = f"{step.action.value} {step.placement.profile} at slot {step.placement.start}"
    return InputError(f"GPU {step.card}: cannot {what}: {why}")


@dataclass
class _Waiting:
    """A move that is not done; without a source once its pod was stopped."""

    pod: LivePod
    source: tuple[str, Placement] | None
    target: tuple[str, Placement]


def order_moves(
    table: CardTable, state: LiveState, moves: Sequence[Move], keep: Mapping[str, Content]
) -> Ordered | NoOrder:
    """Return legal steps that carry out *moves*, or which pods block each other.

    *keep* is what each card ends with: free slices outside it are destroyed where they stand in
    the way, and on cards that end empty.
    """
    return _Order(table, state, moves, keep).run()


class _Order:
    def __init__(
        self,
        table: CardTable,
        state: LiveState,
        moves: Sequence[Move],
        keep: Mapping[str, Content],
    ) -> None:
        self._stage = Stage(table, state)
        self._keep = keep
        self._steps: list[Step] = []
        self._detours = self._stops = 0
        self._waiting = [
            _Waiting(
                pod=move.pod,
                source=(move.from_card, move.from_placement),
                target=(move.to_card, move.to_placement),
            )
            for move in moves
        ]

    def run(self) -> Ordered | NoOrder:
        """Return the steps, or the circle that nothing breaks."""
        while self._waiting:
            left = [move for move in self._waiting if not self._try(move)]
            if len(left) == len(self._waiting) and not (self._stop_one() or self._sidestep_one()):
                return NoOrder(blocked=tuple(sorted(move.pod.name for move in left)))
            self._waiting = left
        for card in self._stage.slices:
            if not self._keep.get(card, 0):
                self._clear(card)
        return Ordered(steps=tuple(self._steps), detours=self._detours, stops=self._stops)

    def _do(self, step: Step) -> None:
        self._stage.take(step)
        self._steps.append(step)

    def _try(self, move: _Waiting) -> bool:
        card, placement = move.target
        if not self._stage.fits(card, placement):
            if not self._fits_cleared(card, placement):
                return False
            self._clear(card)
        self._enter(move, card, placement)
        return True

    def _enter(self, move: _Waiting, card: str, placement: Placement) -> None:
        if placement not in self._stage.slices[card]:
            self._do(Step(action=StepKind.CREATE, card=card, placement=placement))
        if move.source is None:
            self._do(Step(action=StepKind.START, card=card, placement=placement, pod=move.pod))
            return
        old_card, old_placement = move.source
        self._do(
            Step(
                action=StepKind.MOVE,
                card=card,
                placement=placement,
                pod=move.pod,
                from_card=old_card,
                from_placement=old_placement,
            )
        )
        self._do(Step(action=StepKind.DESTROY, card=old_card, placement=old_placement))

    def _removable(self, card: str) -> list[Placement]:
        """Return the slices without a pod that the card does not end with."""
        table, kept = self._stage.table, self._keep.get(card, 0)
        slices = self._stage.slices[card].items()
        return [p for p, pod in slices if pod is None and not kept & table.bit(p)]

    def _fits_cleared(self, card: str, placement: Placement) -> bool:
        table = self._stage.table
        free = table.content(self._removable(card))
        return bool(table.room(self._stage.contents[card] & ~free) & table.bit(placement))

    def _clear(self, card: str) -> None:
        for placement in self._removable(card):
            self._do(Step(action=StepKind.DESTROY, card=card, placement=placement))

    def _stop_one(self) -> bool:
        """Stop the pod whose leaving lets another move, the cheapest to restart first."""
        may = [move for move in self._waiting if move.source and self._stage.may_stop(move.pod)]
        may.sort(key=lambda move: (not self._frees(move), move.pod.move_weight, move.pod.name))
        if not may:
            return False
        assert may[0].source is not None
        card, placement = may[0].source
        self._do(Step(action=StepKind.STOP, card=card, placement=placement, pod=may[0].pod))
        self._do(Step(action=StepKind.DESTROY, card=card, placement=placement))
        may[0].source = None
        self._stops += 1
        return True

    def _frees(self, leaving: _Waiting) -> bool:
        assert leaving.source is not None
        card, placement = leaving.source
        table = self._stage.table
        content = self._stage.contents[card] & ~table.bit(placement)
        return any(
            move.target[0] == card and table.room(content) & table.bit(move.target[1])
            for move in self._waiting
        )

    def _sidestep_one(self) -> bool:
        """Move one pod to any card with room, from where it goes on to its target."""
        for move in sorted(self._waiting, key=lambda move: (move.pod.move_weight, move.pod.name)):
            if move.source is None:
                continue
            aside = next(self._rooms(move), None)
            if aside is not None:
                self._enter(move, *aside)
                move.source = aside
                self._detours += 1
                return True
        return False

    def _rooms(self, move: _Waiting) -> Iterator[tuple[str, Placement]]:
        assert move.source is not None
        table = self._stage.table
        for card, content in self._stage.contents.items():
            if card == move.source[0]:
                continue
            for index in bit_indices(table.room_for(content, move.source[1].profile)):
                yield card, table.spots[index].placement
