"""What one pass of the operator found, as changes of layouts look at it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from rightslice.kube.admission.settings import Mode
from rightslice.kube.cluster.view import ClusterNode
from rightslice.kube.operate.decide import Decision, Outcome
from rightslice.kube.operate.view import Key, Served, World
from rightslice.kube.relayout.pods import GpuPod
from rightslice.kube.relayout.record import Record, read_record
from rightslice.kube.relayout.step import ENDED


@dataclass(frozen=True, kw_only=True)
class Pass:
    """What one pass found."""

    decisions: Mapping[Key, Decision]
    served: Mapping[Key, Served]
    world: World
    now: str

    def stays(self, *, settled: bool) -> dict[Key, str]:
        """Return the ModelDeployments whose pods may not be moved, and why."""
        found: dict[Key, str] = {}
        for key, one in self.decisions.items():
            if one.mode is not Mode.ENFORCE:
                found[key] = f"is in mode {one.mode.value}"
            elif one.outcome is not Outcome.RECOMMENDED:
                found[key] = "waits itself for a place that holds its load"
            elif settled and one.status.proposed is not None:
                found[key] = "is being moved already"
        return found


def under_way(world: World) -> list[tuple[ClusterNode, Record]]:
    """Return the nodes with a change that has not ended, and its record."""
    found = [(node, read_record(node.notes)) for node in world.cluster.nodes]
    return [
        (node, record) for node, record in found if record is not None and record.step not in ENDED
    ]


def with_leaving(served: Mapping[Key, Served], pods: Sequence[GpuPod]) -> dict[Key, Served]:
    """Return *served*, each Deployment with how many of *pods* it has to do without."""
    leaving = Counter((pod.namespace, pod.deployment) for pod in pods if not pod.is_going)
    found = dict(served)
    for key in {pod.owner for pod in pods} & found.keys():
        assert key is not None
        running = tuple(
            replace(one, leaving=leaving[key[0], one.name]) for one in found[key].running
        )
        found[key] = replace(found[key], running=running)
    return found


def unwanted(record: Record, found: Pass) -> str | None:
    """Return why the change of *record* is not needed any more; None while it is."""
    key = demand_key(record)
    decision = found.decisions.get(key)
    name = "/".join(key)
    if decision is None:
        return f"{name} is gone"
    if decision.mode is not Mode.ENFORCE:
        return f"{name} is in mode {decision.mode.value} now"
    if decision.outcome in (Outcome.NO_ROOM, Outcome.NOTHING_HOLDS, Outcome.NOT_READY):
        return None
    recommended = decision.status.recommendation
    if record.saves and recommended is not None and recommended.offer.resource != record.saves:
        return None
    return f"{name} does not need it any more"


def demand_key(record: Record) -> Key:
    """Return the ModelDeployment that *record* is for."""
    namespace, _, name = record.demand.partition("/")
    return namespace, name
