"""Kubernetes events about what the webhook decided, on the object that made the pod.

The pod does not exist yet while it is admitted, so the event goes to its controller (a ReplicaSet,
a Job), or to the namespace's pod by name where nothing controls it. Events are written in the
background, a few at a time and never for a dry run: a reply never waits for one.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import httpx2
from lightkube import ApiError, AsyncClient
from lightkube.models.core_v1 import EventSource, ObjectReference
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Event

from rightslice.entry.webhook.metrics import Metrics
from rightslice.kube.admission.decide import Outcome
from rightslice.kube.admission.review import Reviewed
from rightslice.kube.parse.decoded import text

logger = logging.getLogger(__name__)
MOST_WAITING: Final = 256
LONGEST_MESSAGE: Final = 1000
"""The API server refuses messages of more than 1,024 characters."""
REASONS: Final[Mapping[Outcome, str]] = {
    Outcome.RESIZED: "Normal",
    Outcome.LARGEST: "Warning",
    Outcome.NO_ROOM: "Warning",
    Outcome.NOTHING_HOLDS: "Warning",
    Outcome.NOT_UNDERSTOOD: "Warning",
    Outcome.LEFT_ALONE: "Normal",
}
"""Outcomes that are told as events, with the event's type; the outcome is its reason."""


@dataclass(frozen=True, kw_only=True)
class _Told:
    namespace: str
    about: ObjectReference
    outcome: Outcome
    message: str


class Events:
    """A queue of events, and the task that writes them."""

    def __init__(self, client: AsyncClient, metrics: Metrics) -> None:
        self._client = client
        self._metrics = metrics
        self._waiting: asyncio.Queue[_Told] = asyncio.Queue(MOST_WAITING)

    def tell(self, reviewed: Reviewed) -> None:
        """Queue the event of a review; dropped, and counted, when the queue is full."""
        decision = reviewed.decision
        about = _about(reviewed)
        if reviewed.request.is_dry_run or decision.outcome not in REASONS or about is None:
            return
        mode = decision.mode.value
        message = f"{mode}: {'; '.join(decision.reasons)}"[:LONGEST_MESSAGE]
        told = _Told(
            namespace=reviewed.request.namespace,
            about=about,
            outcome=decision.outcome,
            message=message,
        )
        try:
            self._waiting.put_nowait(told)
        except asyncio.QueueFull:
            self._metrics.events_dropped.inc()

    async def run(self) -> None:
        """Write events, one after another, until cancelled."""
        while True:
            told = await self._waiting.get()
            try:
                await self._client.create(_event(told))
            except (ApiError, httpx2.HTTPError) as error:
                self._metrics.events_dropped.inc()
                logger.warning("an event was not written: %s", error)


def _about(reviewed: Reviewed) -> ObjectReference | None:
    owner = reviewed.request.owner
    name, kind = text(owner.get("name")), text(owner.get("kind"))
    if name is None or kind is None:
        return None
    return ObjectReference(
        apiVersion=text(owner.get("apiVersion")),
        kind=kind,
        name=name,
        namespace=reviewed.request.namespace,
        uid=text(owner.get("uid")),
    )


def _event(told: _Told) -> Event:
    now = dt.datetime.now(dt.UTC)
    name = f"{told.about.name}.{secrets.token_hex(6)}"
    return Event(
        metadata=ObjectMeta(name=name, namespace=told.namespace),
        involvedObject=told.about,
        reason=told.outcome.value,
        message=told.message,
        type=REASONS[told.outcome],
        source=EventSource(component="rightslice-webhook"),
        reportingComponent="rightslice.dev/webhook",
        firstTimestamp=now,
        lastTimestamp=now,
        count=1,
    )
