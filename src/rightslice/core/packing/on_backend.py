"""A repack's steps as one back end takes them: slices made one by one, or nodes relabelled whole.

Where a label cuts a whole node (mig-manager), a slice can be made on a node only while no pod runs
there: its first creation becomes one relabelling to what the node holds in the end, and slices
that are no longer needed stay until the node is next empty. A plan that needs more is refused,
with the node and the pods that stand in the way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rightslice.core.catalog.mig import ProfileName
from rightslice.core.packing.backends import Backend, Capabilities, capabilities, why_not
from rightslice.core.packing.driver import parted_layout
from rightslice.core.packing.geometry import Layout
from rightslice.core.packing.live import LiveState, table_of
from rightslice.core.packing.resume import states_between
from rightslice.core.packing.steps import Step, StepKind


@dataclass(frozen=True, kw_only=True)
class Relabel:
    """Cut every card of a drained node anew, by its mig-manager label."""

    node: str
    cards: Mapping[str, Layout]
    """What each card of the node holds afterwards."""


Action = Step | Relabel


@dataclass(frozen=True, kw_only=True)
class Feasible:
    """What to do, in order."""

    backend: Backend
    actions: tuple[Action, ...]
    note: str
    """What of the placements is not guaranteed; empty where all is."""


@dataclass(frozen=True, kw_only=True)
class NotFeasible:
    """This back end cannot take these steps."""

    backend: Backend
    reason: str


def actions_on(backend: Backend, state: LiveState, steps: Sequence[Step]) -> Feasible | NotFeasible:
    """Return *steps* as *backend* takes them, or why it cannot.

    Raises:
        InputError: when *steps* cannot be taken from *state*.
    """
    table = capabilities(backend)
    if state.is_inferred:
        return NotFeasible(
            backend=backend,
            reason="where the slices stand was inferred from counts; steps would rest on a guess",
        )
    for step in steps:
        reason = why_not(backend, state.grid, step.placement.profile)
        if reason is not None:
            return NotFeasible(backend=backend, reason=reason)
    if table.needs_drained_node:
        return _by_nodes(table, state, steps)
    return Feasible(backend=backend, actions=tuple(steps), note=table.note)


def _by_nodes(
    table: Capabilities, state: LiveState, steps: Sequence[Step]
) -> Feasible | NotFeasible:
    stages = list(states_between(table_of(state), state, steps))
    node_of = {card.name: card.node or card.name for card in state.cards}
    actions: list[Action] = []
    cut: set[str] = set()
    for before, step in zip(stages, steps, strict=False):
        node = node_of[step.card]
        if step.action is StepKind.DESTROY:
            continue
        if step.action is not StepKind.CREATE:
            actions.append(step)
        elif node not in cut:
            relabel = _relabel(node, before, stages[-1])
            if isinstance(relabel, str):
                return NotFeasible(backend=table.backend, reason=relabel)
            actions.append(relabel)
            cut.add(node)
        if step.action is StepKind.CREATE and not _holds(actions, node, step):
            return NotFeasible(
                backend=table.backend,
                reason=f"{step.placement.profile} on {step.card} is needed for a while only, and"
                f" node {node} is cut once",
            )
    return Feasible(backend=table.backend, actions=tuple(actions), note=table.note)


def _relabel(node: str, now: LiveState, end: LiveState) -> Relabel | str:
    pods = [
        each.pod.name
        for card in now.cards
        if (card.node or card.name) == node
        for each in card.slices
        if each.pod is not None
    ]
    if pods:
        return (
            f"cutting node {node} anew resets all its cards, and {', '.join(sorted(pods))} still"
            " run there; drain it, or cut the card by nvidia-smi"
        )
    layouts: dict[str, Layout] = {}
    for card in end.cards:
        if (card.node or card.name) == node:
            layouts[card.name] = tuple(sorted(each.placement for each in card.slices))
            if parted_layout(end.grid, _counts(layouts[card.name])) is None:
                return f"mig-parted cannot make the slices of {card.name}"
    return Relabel(node=node, cards=layouts)


def _counts(layout: Layout) -> Mapping[ProfileName, int]:
    return Counter(placement.profile for placement in layout)


def _holds(actions: Sequence[Action], node: str, step: Step) -> bool:
    return any(
        isinstance(each, Relabel)
        and each.node == node
        and step.placement in each.cards.get(step.card, ())
        for each in actions
    )
