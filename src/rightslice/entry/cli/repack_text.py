"""The steps of a repack and their price, as lines of text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from rightslice.core.catalog.mig import MigGrid
from rightslice.core.packing.backends import Backend
from rightslice.core.packing.live import LiveState
from rightslice.core.packing.on_backend import Action, Feasible, NotFeasible, Relabel
from rightslice.core.packing.repack import RepackPlan
from rightslice.core.packing.steps import Step, StepKind
from rightslice.kube.smi import tuple_of
from rightslice.units import format_duration, format_usd

_UUID: Final = re.compile(r"GPU-[0-9a-f]{8}(?=-)")


def shown_names(state: LiveState) -> dict[str, str]:
    """Return what to call each card: a UUID by its first eight digits, where that is enough.

    A node's name goes before it, since a UUID tells nobody where to go.
    """
    short = {
        card.name: match.group() if (match := _UUID.match(card.name)) else card.name
        for card in state.cards
    }
    if len(set(short.values())) < len(short):
        short = {card.name: card.name for card in state.cards}
    return {
        card.name: f"{card.node} {short[card.name]}" if _UUID.match(card.name) else card.name
        for card in state.cards
    }


def steps_text(state: LiveState, plan: RepackPlan) -> list[str]:
    """Return the numbered steps as the back end takes them, or why there are none."""
    found = plan.on_backend
    if isinstance(found, NotFeasible):
        return [f"No steps on {found.backend.value}: {found.reason}."]
    actions: Sequence[Action] = plan.steps if found is None else found.actions
    is_smi = found is not None and found.backend is Backend.NVIDIA_SMI
    names = shown_names(state)
    lines = []
    for number, action in enumerate(actions, 1):
        lines.append(f"{number:4}. {_action(action, names)}")
        if is_smi and isinstance(action, Step):
            lines += _command(state.grid, action)
    if isinstance(found, Feasible) and found.note:
        lines.append(f"On {found.backend.value} {found.note}.")
    return lines


def cost_text(plan: RepackPlan) -> Iterator[str]:
    """Yield what the steps take, cost and save."""
    cost = plan.cost
    if cost is None or not cost.steps:
        return
    yield f"One after another the steps take up to {format_duration(cost.seconds)}."
    if cost.usd is None or cost.saves_usd_per_hour is None:
        return
    line = f"They cost {format_usd(cost.usd)} of slices held without serving"
    payback = cost.payback_seconds
    if payback is None:
        yield f"{line}."
    else:
        saved = format_usd(cost.saves_usd_per_hour)
        yield f"{line}, and free {saved} an hour: paid back after {format_duration(payback)}."


def _action(action: Action, names: Mapping[str, str]) -> str:
    if isinstance(action, Relabel):
        cut = "; ".join(
            f"{names[card]}: {', '.join(str(place.profile) for place in layout) or 'nothing'}"
            for card, layout in action.cards.items()
        )
        return f"relabel node {action.node}, where no pod runs, to {cut}"
    place = f"{action.placement.profile} at slot {action.placement.start} of {names[action.card]}"
    pod = "" if action.pod is None else action.pod.name
    if action.action is StepKind.MOVE:
        assert action.from_placement is not None
        assert action.from_card is not None
        start = action.from_placement.start
        return f"move    {pod} from {names[action.from_card]} slot {start} to {place}"
    if action.action in (StepKind.STOP, StepKind.START):
        where = "out of" if action.action is StepKind.STOP else "in"
        return f"{action.action.value:7} {pod} {where} {place}"
    return f"{action.action.value:7} {place}"


def _command(grid: MigGrid, step: Step) -> list[str]:
    if step.action not in (StepKind.CREATE, StepKind.DESTROY):
        return []
    number, start = tuple_of(grid, step.placement)
    if step.action is StepKind.CREATE:
        return [f"        nvidia-smi mig -i {step.card} -cgi {number}:{start} -C"]
    of = f"nvidia-smi mig -i {step.card}"
    # -lgi tells the instance's id by profile id and start.
    return [
        f"        {of} -lgi | grep -E ' {number} +[0-9]+ +{start}:'  # tells its id, GI",
        f"        {of} -gi GI -dci && {of} -gi GI -dgi",
    ]
