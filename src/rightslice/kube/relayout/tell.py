"""What the status of a ModelDeployment says of changes of layouts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from rightslice.kube.crd.deployment import LayoutChange
from rightslice.kube.operate.decide import Decision
from rightslice.kube.operate.view import Key
from rightslice.kube.relayout.limits import Limits
from rightslice.kube.relayout.machine import seconds_between
from rightslice.kube.relayout.plan import Relayout
from rightslice.kube.relayout.record import read_record
from rightslice.kube.relayout.step import ENDED, LayoutStep
from rightslice.kube.relayout.view import Pass, demand_key


def proposed(one: Relayout, step: LayoutStep, why_later: str) -> LayoutChange:
    """Return *one* as it is advised, or planned for later."""
    later = f"; waits: {why_later}" if why_later else ""
    return LayoutChange(
        step=step, node=one.node, former=one.former, wanted=one.wanted,
        message=f"{one.reason}{later}"[:2048],
    )  # fmt: skip


def ended_changes(found: Pass, limits: Limits) -> dict[Key, LayoutChange]:
    """Return the changes that ended a short while ago."""
    changes: dict[Key, LayoutChange] = {}
    for node in found.world.cluster.nodes:
        record = read_record(node.notes)
        if record is None or record.step not in ENDED:
            continue
        kept = limits.rest_seconds if record.step is LayoutStep.DONE else limits.retry_seconds
        if seconds_between(record.since, found.now) < kept:
            changes[demand_key(record)] = record.as_change(node.name)
    return changes


def with_ended(
    ended: Mapping[Key, LayoutChange], planned: Mapping[Key, LayoutChange]
) -> dict[Key, LayoutChange]:
    """Return what is planned; where that is nothing, what came of the last change as well."""
    found = {**ended, **planned}
    for key in ended.keys() & planned.keys():
        if planned[key].step is LayoutStep.REFUSED and ended[key].step is not LayoutStep.DONE:
            told = f"{ended[key].message}. {planned[key].message}"
            found[key] = replace(ended[key], message=told[:2048])
    return found


def is_same(change: LayoutChange, before: LayoutChange | None) -> bool:
    """Whether *before* says the same, but for when and in which words."""
    return before is not None and (before.step, before.node, before.wanted) == (
        change.step, change.node, change.wanted,
    )  # fmt: skip


def with_changes(changes: Mapping[Key, LayoutChange], found: Pass) -> dict[Key, Decision]:
    """Return the decisions whose status has to say something else of *changes* than it does."""
    made = {}
    for key, decision in found.decisions.items():
        before = found.served[key].before.layout_change
        change = changes.get(key)
        if change is not None and not change.since:
            same = before is not None and is_same(change, before)
            since = before.since if same and before is not None else found.now
            change = replace(change, since=since)
        if change != decision.status.layout_change:
            made[key] = replace(decision, status=replace(decision.status, layout_change=change))
    return made
