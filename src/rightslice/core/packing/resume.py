"""A plan that was cut off, picked up where the cards stand now.

The state after each step is a value, so the steps done are those after which the cards look as
they do. Replicas of one workload stand for each other: the successor of a moved pod has another
name. A move cut off in its middle (the successor runs, the old replica still does too) goes on
with stopping the old one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from rightslice.core.catalog.mig import Placement
from rightslice.core.packing.cards import CardTable
from rightslice.core.packing.live import LivePod, LiveState
from rightslice.core.packing.steps import Stage, Step, StepKind, frozen, owner
from rightslice.errors import InputError

_Slices = Mapping[Placement, LivePod | None]


def states_between(
    table: CardTable, state: LiveState, steps: Sequence[Step]
) -> Iterator[LiveState]:
    """Yield *state* and the state after each of *steps*.

    Raises:
        InputError: at the first step that cannot be done, saying why.
    """
    stage = Stage(table, state)
    yield frozen(stage, state)
    for step in steps:
        stage.take(step)
        yield frozen(stage, state)


def remaining_steps(
    table: CardTable, before: LiveState, steps: Sequence[Step], now: LiveState
) -> tuple[Step, ...]:
    """Return the steps that are still to do when the fleet stands at *now*, with its pods.

    Raises:
        InputError: when *now* is no state on the way from *before*: the fleet has changed.
    """
    stage, seen = Stage(table, before), Stage(table, now)
    if stage.slices.keys() == seen.slices.keys():
        differing = {card for card in stage.slices if not _alike(stage, seen, card)}
        for index, step in enumerate(steps):
            if not differing:
                return _rebound(seen, steps[index:])
            if _is_half_done(stage, seen, step, differing):
                return (_stop_old(seen, step), *_rest_of_move(table, now, steps[index:]))
            stage.take(step)
            for card in {step.card, step.from_card or step.card}:
                (differing.discard if _alike(stage, seen, card) else differing.add)(card)
        if not differing:
            return ()
    raise InputError("the fleet is at no step of this plan; it has changed since: plan again")


def _alike(stage: Stage, seen: Stage, card: str) -> bool:
    return _owners(stage.slices[card]) == _owners(seen.slices[card])


def _owners(slices: _Slices) -> dict[Placement, str | None]:
    return {placement: None if pod is None else owner(pod) for placement, pod in slices.items()}


def _is_half_done(stage: Stage, seen: Stage, step: Step, differing: set[str]) -> bool:
    """Whether the cards differ only by the successor that already runs in *step*'s slice."""
    if step.action is not StepKind.MOVE or differing != {step.card} or step.pod is None:
        return False
    made = {**_owners(stage.slices[step.card]), step.placement: owner(step.pod)}
    return made == _owners(seen.slices[step.card])


def _stop_old(seen: Stage, step: Step) -> Step:
    assert step.from_card is not None
    assert step.from_placement is not None
    return Step(
        action=StepKind.STOP,
        card=step.from_card,
        placement=step.from_placement,
        pod=seen.slices[step.from_card][step.from_placement],
    )


def _rest_of_move(table: CardTable, now: LiveState, steps: Sequence[Step]) -> tuple[Step, ...]:
    after = Stage(table, now)
    after.take(_stop_old(after, steps[0]))
    return _rebound(after, steps[1:])


def _rebound(stage: Stage, steps: Sequence[Step]) -> tuple[Step, ...]:
    """Return *steps* with the pods that stand on the cards of *stage* in place of the plan's."""
    found: list[Step] = []
    stopped: dict[str, LivePod] = {}
    for step in steps:
        bound = step
        if step.pod is not None:
            bound = replace(step, pod=_pod_of(stage, step, stopped) or step.pod)
            assert bound.pod is not None
            if step.action is StepKind.STOP:
                stopped[step.pod.name] = bound.pod
        stage.take(bound)
        found.append(bound)
    return tuple(found)


def _pod_of(stage: Stage, step: Step, stopped: Mapping[str, LivePod]) -> LivePod | None:
    assert step.pod is not None
    if step.action is StepKind.MOVE:
        assert step.from_card is not None
        assert step.from_placement is not None
        return stage.slices[step.from_card][step.from_placement]
    if step.action is StepKind.STOP:
        return stage.slices[step.card][step.placement]
    return stopped.get(step.pod.name)
