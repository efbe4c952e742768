"""From what runs to what should: new pods first, old ones go only as new ones are ready.

Every step is worked out anew from what is seen, so that whoever takes over goes on where the last
one stopped. A Deployment gives up ready pods only beyond `wanted`, which is never less than
``replicas.min``; pods that are not ready go first, as the ReplicaSet controller chooses them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rightslice.kube.manifest import Manifest
from rightslice.kube.operate.view import Part, Running


@dataclass(frozen=True, kw_only=True)
class Apply:
    """Create an object, or bring it to what it should be."""

    manifest: Manifest


@dataclass(frozen=True, kw_only=True)
class Scale:
    """Give a Deployment so many replicas, and change nothing else of it."""

    name: str
    replicas: int


@dataclass(frozen=True, kw_only=True)
class Delete:
    """Delete what is not needed any more: a Deployment without pods, or a claim template."""

    name: str
    what: str = "Deployment"
    """Its kind."""


Action = Apply | Scale | Delete


@dataclass(frozen=True, kw_only=True)
class Target:
    """Which revision should run, and with how many guaranteed and elastic replicas."""

    revision: str
    guaranteed: int
    elastic: int

    @property
    def wanted(self) -> int:
        """All replicas."""
        return self.guaranteed + self.elastic

    def of(self, one: Running) -> int:
        """Return how many replicas *one* should end up with."""
        if one.revision != self.revision:
            return 0
        count = self.guaranteed if one.part is Part.GUARANTEED else self.elastic
        return count + one.leaving


def missing(running: Sequence[Running], target: Target) -> Mapping[Part, int]:
    """Return the parts of the target that have no Deployment yet, with their replicas."""
    there = {one.part for one in running if one.revision == target.revision}
    wanted = {Part.GUARANTEED: target.guaranteed, Part.ELASTIC: target.elastic}
    return {part: count for part, count in wanted.items() if part not in there and count > 0}


def steps(running: Sequence[Running], target: Target) -> tuple[Scale | Delete, ...]:
    """Return what may be done to Deployments now; () when nothing, or nothing yet."""
    found: list[Scale | Delete] = []
    spare = sum(min(one.ready, one.replicas) for one in running) - target.wanted
    spare -= sum(one.leaving for one in running if one.revision == target.revision)
    # Elastic replicas go before guaranteed ones, old revisions before the target's.
    order = sorted(
        running, key=lambda one: (one.revision == target.revision, one.part is Part.GUARANTEED)
    )
    for one in order:
        goal = target.of(one)
        if one.replicas < goal:
            found.append(Scale(name=one.name, replicas=goal))
        elif one.replicas > goal:
            ready = min(one.ready, one.replicas)
            given_up = max(0, min(spare, ready - goal))
            replicas = max(goal, ready - given_up)
            if replicas < one.replicas:
                found.append(Scale(name=one.name, replicas=replicas))
            spare -= ready - min(ready, replicas)
        elif one.revision != target.revision and one.pods == 0:
            found.append(Delete(name=one.name))
    return tuple(found)
