"""A repack's steps as one back end takes them: slices made one by one, or nodes relabelled whole.

Where a label cuts a whole node (mig-manager), a slice can be made on a node only while no pod runs
there: its first creation becomes one relabelling to what the node holds in the end, and slices
that are no longer needed stay until the node is next empty. A plan that needs more is refused,
with the node and the pods that stand in the way. Start slots are those that the counts give.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from rightslice.core.catalog.mig import Placement, ProfileName
from rightslice.core.packing.backends import Backend, Capabilities, capabilities, why_not
from rightslice.core.packing.driver import parted_layout
from rightslice.core.packing.geometry import Layout
from rightslice.core.packing.live import LiveState, table_of
from rightslice.core.packing.steps import Stage, Step, StepKind


@dataclass(frozen=True, kw_only=True)
class Relabel:
    """Cut every card of a drained node anew, by its mig-manager label."""

    node: str
    cards: Mapping[str, Layout]
    """What each card of the node holds afterwards: where mig-parted's order puts the counts."""


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
    nodes = _Nodes(state, steps)
    actions: list[Action] = []
    for step in steps:
        if step.action is StepKind.CREATE:
            found = nodes.cut_for(step)
            if isinstance(found, str):
                return NotFeasible(backend=table.backend, reason=found)
            actions += [] if found is None else [found]
        elif step.action is not StepKind.DESTROY:
            actions.append(nodes.as_cut(step))
        nodes.now.take(step)
    return Feasible(backend=table.backend, actions=tuple(actions), note=table.note)


class _Nodes:
    """The nodes of a fleet while steps are taken, and what their cards hold in the end."""

    def __init__(self, state: LiveState, steps: Sequence[Step]) -> None:
        table = table_of(state)
        self.now, self._end = Stage(table, state), Stage(table, state)
        for step in steps:
            self._end.take(step)
        self._grid = state.grid
        self._node_of = {card.name: card.node or card.name for card in state.cards}
        self._cards: dict[str, list[str]] = {}
        for card, node in self._node_of.items():
            self._cards.setdefault(node, []).append(card)
        self._cut: dict[str, Relabel] = {}
        self._instead: dict[tuple[str, Placement], Placement] = {}

    def _note(self, card: str, planned: Layout, reached: Layout) -> None:
        """Remember which slice of *reached* stands for each planned one: the same profile's."""
        by_profile = sorted(reached, key=lambda place: (place.profile, place.start))
        wanted = sorted(planned, key=lambda place: (place.profile, place.start))
        for place, instead in zip(wanted, by_profile, strict=True):
            self._instead[card, place] = instead

    def as_cut(self, step: Step) -> Step:
        """Return *step* with the start slots that the label gave instead of the planned ones."""
        to = self._instead.get((step.card, step.placement), step.placement)
        if step.from_card is None or step.from_placement is None:
            return replace(step, placement=to)
        start = (step.from_card, step.from_placement)
        return replace(
            step, placement=to, from_placement=self._instead.get(start, step.from_placement)
        )

    def cut_for(self, step: Step) -> Relabel | str | None:
        """Return how the step's node is cut; None when it has been; why it cannot as text."""
        node = self._node_of[step.card]
        found = self._cut.get(node)
        made = self._relabel(node) if found is None else found
        if isinstance(made, str):
            return made
        if step.placement not in self._end.slices[step.card]:
            return (
                f"{step.placement.profile} on {step.card} is needed for a while only, and node"
                f" {node} is cut once"
            )
        self._cut[node] = made
        return made if found is None else None

    def _relabel(self, node: str) -> Relabel | str:
        pods = [
            pod.name for card in self._cards[node] for pod in self.now.slices[card].values() if pod
        ]
        if pods:
            return (
                f"cutting node {node} anew resets all its cards, and {', '.join(sorted(pods))}"
                " still run there; drain it, or cut the card by nvidia-smi"
            )
        layouts = {card: tuple(sorted(self._end.slices[card])) for card in self._cards[node]}
        for card, layout in layouts.items():
            reached = parted_layout(self._grid, _counts(layout))
            if reached is None:
                return f"mig-parted cannot make the slices of {card}"
            if not reached.certain:
                return (
                    f"mig-parted may place the slices of {card} in several ways; cut the card by"
                    " nvidia-smi"
                )
            layouts[card] = reached.layout
            self._note(card, layout, reached.layout)
        return Relabel(node=node, cards=layouts)


def _counts(layout: Layout) -> Mapping[ProfileName, int]:
    return Counter(placement.profile for placement in layout)
