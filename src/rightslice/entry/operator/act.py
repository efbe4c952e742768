"""Carrying a decision out: its status, its event, and in enforce its changes, in that order.

What was applied is remembered with the fields that are ours by it, so that it is applied again
only when it should be another, or when somebody else changed it (`kube.operate.drift`).
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from lightkube import ApiError

from rightslice.entry.operator.api import CallError, ClusterCalls, ForeignObjectError
from rightslice.entry.operator.metrics import Metrics
from rightslice.entry.operator.pace import BackOff, NotLeadingError
from rightslice.entry.operator.sight import DEPLOYMENT, Place, Sight
from rightslice.kube.crd.definition import MODEL_DEPLOYMENT
from rightslice.kube.crd.deployment import ModelDeploymentStatus
from rightslice.kube.crd.model import ModelStatus
from rightslice.kube.manifest import Manifest
from rightslice.kube.operate.decide import Decision
from rightslice.kube.operate.drift import manifest_digest, owned_fields
from rightslice.kube.operate.transition import Action, Apply, Delete, Scale
from rightslice.kube.operate.view import Key, Served

logger = logging.getLogger(__name__)
_GONE: Final = 404


class _LaterError(Exception):
    """Something has to wait so many seconds; what comes after it waits as well."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


Done = bool | float


@dataclass(frozen=True, kw_only=True)
class Applied:
    """What was applied of an object."""

    key: Key
    """The ModelDeployment that it is for."""
    manifest: str
    """A digest of what was asked for."""
    fields: str | None
    """A digest of the fields that were ours after it."""


@dataclass
class Acts:
    """Writes statuses and events, and changes objects."""

    calls: ClusterCalls
    metrics: Metrics
    sight: Sight
    _told: dict[Key, tuple[str, str]] = field(default_factory=dict)
    _applied: dict[Place, Applied] = field(default_factory=dict)
    _repairs: BackOff[Place] = field(default_factory=BackOff)

    def undone(self) -> set[Key]:
        """Return for whom something that was applied is gone, or was changed by somebody else."""
        return {one.key for place, one in self._applied.items() if not self._stands(place, one)}

    def marked(self, served: Mapping[Key, Served]) -> dict[Key, Served]:
        """Return *served* with the Deployments marked that somebody else changed."""
        found = dict(served)
        for place, one in self._applied.items():
            if place[0] != DEPLOYMENT or one.key not in found or self._stands(place, one):
                continue
            running = [
                replace(each, is_drifted=True) if each.name == place[2] else each
                for each in found[one.key].running
            ]
            found[one.key] = replace(found[one.key], running=tuple(running))
        return found

    def forget(self, kept: Collection[Key]) -> None:
        """Forget all but *kept*."""
        self._told = {key: one for key, one in self._told.items() if key in kept}
        self._applied = {place: one for place, one in self._applied.items() if one.key in kept}

    async def carry_out(self, served: Served, decision: Decision) -> Done:
        """Tell and do what was decided; return whether all of it was done.

        A number: not yet, and not before so many seconds.
        """
        try:
            done = True
            if decision.status != served.before:
                done = await self.write(MODEL_DEPLOYMENT.kind, decision.key, decision.status)
            done &= await self._tell(served, decision)
            for action in decision.actions:
                await self._act(decision.key, action)
        except _LaterError as later:
            return later.seconds
        except NotLeadingError:
            return False
        except ForeignObjectError as error:
            await self._say(served, "NotOurs", str(error))
            return False
        except CallError as error:
            return self._failed("change", decision.key, error)
        if self._told.get(decision.key, ("", ""))[0] == "NotOurs":
            del self._told[decision.key]
        return done

    async def write(self, kind: str, key: Key, status: ModelDeploymentStatus | ModelStatus) -> bool:
        """Write a status; return whether it stands."""
        try:
            version = await self.calls.write_status(kind, key, status)
        except ApiError as error:
            is_gone = error.response.status_code == _GONE
            return is_gone or self._failed("status", key, error)
        except CallError as error:
            return self._failed("status", key, error)
        self.sight.wrote(kind, key, status, version)
        return True

    async def _act(self, key: Key, action: Action) -> None:
        """Carry out one change, unless it stands already."""
        match action:
            case Apply(manifest=manifest):
                if not await self._apply(key, manifest):
                    return
            case Scale():
                await self.calls.scale(key[0], action)
                self.sight.scaled(key, action.name, action.replicas)
            case Delete():
                await self.calls.delete(key[0], action)
                place = action.what, key[0], action.name
                self._applied.pop(place, None)  # made anew later on, it was not undone by somebody
                if action.what != DEPLOYMENT:  # whose deletion is watched
                    self.sight.deleted(place)
        self.metrics.actions.labels(type(action).__name__).inc()

    async def _apply(self, key: Key, manifest: Manifest) -> bool:
        """Apply *manifest* unless it stands; return whether it was applied."""
        metadata: Any = manifest["metadata"]
        place = str(manifest["kind"]), key[0], str(metadata["name"])
        asked, last = manifest_digest(manifest), self._applied.get(place)
        if last is not None and last.manifest == asked:
            if self._stands(place, last):
                return False
            if self._repairs.waits(place):
                raise _LaterError(self._repairs.seconds(place))
            logger.info("%s %s/%s was changed by somebody else: it is set right", *place)
            self._repairs.put_off(place)  # two who undo each other do so ever more slowly
        version = self.sight.version(place) if place[0] == DEPLOYMENT else None
        made = await self.calls.apply(key[0], manifest, version)
        self.sight.take(place[0], made)
        self._applied[place] = Applied(key=key, manifest=asked, fields=owned_fields(made))
        return True

    def _stands(self, place: Place, last: Applied) -> bool:
        """Whether what was applied is there, and all that is ours of it."""
        made = self.sight.made.get(place)
        return made is not None and made.fields == last.fields

    async def _tell(self, served: Served, decision: Decision) -> bool:
        """Write an event when what is decided is not what was told last."""
        found = decision.status.recommendation
        offer = "" if found is None else f"{found.offer.replicas} x {found.offer.offer}"
        said = decision.outcome.value, offer
        told = self._told.get(decision.key)
        if told == said or (told is not None and told[0] == "NotOurs"):
            return True
        if told is None and _was_told(served, said):
            self._told[decision.key] = said
            return True
        message = "; ".join(one.message for one in decision.status.conditions[:2] if one.message)
        return await self._say(served, *said, message=message)

    async def _say(self, served: Served, reason: str, what: str, message: str = "") -> bool:
        """Write an event once; *what* tells it from others of its reason."""
        if self._told.get(served.key) == (reason, what):
            return True
        try:
            await self.calls.tell(served.key, served.uid, reason, message or what)
        except CallError as error:
            return self._failed("event", served.key, error)
        self._told[served.key] = reason, what
        return True

    def _failed(self, what: str, key: Key, error: Exception) -> bool:
        logger.warning("%s of %s was not written: %s", what, "/".join(key), error)
        self.metrics.failures.labels(what).inc()
        return False


def _was_told(served: Served, said: tuple[str, str]) -> bool:
    """Whether the status already says it: a restarted operator does not repeat itself."""
    reasons = [one.reason for one in served.before.conditions]
    last = served.before.recommendation
    offer = "" if last is None else f"{last.offer.replicas} x {last.offer.offer}"
    return said[0] in reasons and said[1] == offer
