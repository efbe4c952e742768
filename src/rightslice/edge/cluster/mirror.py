"""Watches that keep a `ClusterState` current.

Each kind is listed once and then watched from that moment. When a watch ends with an error (the
API server restarts, the version is too old, the rights are missing), the kind is listed anew after
a pause that doubles up to five seconds; when it says nothing for long, it is listed anew as well,
since a connection can die unnoticed. Until every kind has been listed once, `is_ready` is false;
when one could not be followed for a while, `problem` says so: nothing may be decided then.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Collection, Mapping
from http import HTTPStatus
from typing import Any, Final

import httpx2
from lightkube import ApiError, AsyncClient
from lightkube.resources.core_v1 import (
    LimitRange,
    Namespace,
    Node,
    PersistentVolume,
    PersistentVolumeClaim,
    Pod,
    ResourceQuota,
)
from lightkube.resources.resource_v1 import DeviceClass, ResourceClaim, ResourceSlice

from rightslice.edge.cluster.listing import code_of
from rightslice.edge.cluster.state import ClusterState

logger = logging.getLogger(__name__)
DEVICES: Final[Mapping[str, Any]] = {
    "ResourceSlice": ResourceSlice,
    "ResourceClaim": ResourceClaim,
    "DeviceClass": DeviceClass,
}
"""Of DRA (resource.k8s.io/v1): followed where they are served and may be read, and done without
elsewhere."""
KINDS: Final[Mapping[str, Any]] = {
    "Node": Node,
    "Pod": Pod,
    "Namespace": Namespace,
    "ResourceQuota": ResourceQuota,
    "LimitRange": LimitRange,
    "PersistentVolumeClaim": PersistentVolumeClaim,
    "PersistentVolume": PersistentVolume,
    **DEVICES,
}
VOLUMES: Final = ("PersistentVolumeClaim", "PersistentVolume")
_OF_NO_NAMESPACE: Final = (Node, Namespace, PersistentVolume, ResourceSlice, DeviceClass)
FIRST_PAUSE_SECONDS: Final = 0.5
LONGEST_PAUSE_SECONDS: Final = 5.0
WATCH_SECONDS: Final = 120
"""The server ends a watch after so long; it is taken up again from the same version."""
QUIET_SECONDS: Final = 150.0
"""Without an event for so long, a kind is listed anew."""
MISSED_SECONDS: Final = 60.0
"""After so long it is tried again whether a kind of DRA can be read."""
LONGEST_OUTAGE_SECONDS: Final = 20.0
"""A kind that could not be followed for longer is not relied on."""


class Mirror:
    """Keeps a state current until it is cancelled."""

    def __init__(
        self, client: AsyncClient, state: ClusterState, kinds: Collection[str] = tuple(KINDS)
    ) -> None:
        """Follow *kinds*, all of `KINDS` unless fewer are needed."""
        self.state = state
        self._client = client
        self._kinds = frozenset(kinds)
        self._listed: set[str] = set()
        self._lost: dict[str, float] = {}

    @property
    def is_ready(self) -> bool:
        """Whether every kind has been listed."""
        return self._listed == self._kinds

    @property
    def problem(self) -> str | None:
        """Why what is mirrored cannot be relied on now; None when it can."""
        missing = sorted(self._kinds - self._listed)
        if missing:
            return f"{', '.join(missing)} of the cluster have not been listed yet"
        now = time.monotonic()
        for kind, since in self._lost.items():
            if now - since > LONGEST_OUTAGE_SECONDS:
                return f"{kind} of the cluster could not be followed for {now - since:.0f} s"
        return None

    async def run(self) -> None:
        """List and watch every kind, until cancelled."""
        async with asyncio.TaskGroup() as group:
            for kind in sorted(self._kinds):
                group.create_task(self._keep(kind))

    async def _keep(self, kind: str) -> None:
        pause = FIRST_PAUSE_SECONDS
        while True:
            began = time.monotonic()
            try:
                await self._follow(kind)
            except TimeoutError:
                logger.debug("no event of %s for %.0f s; listing again", kind, QUIET_SECONDS)
                continue
            except (ApiError, httpx2.HTTPError, OSError, ValueError) as error:
                if kind in DEVICES and _is_refused(error):
                    await self._miss(kind, error)
                    continue
                self._lost.setdefault(kind, time.monotonic())
                logger.warning("watch of %s ended: %s; listing again", kind, error)
            if time.monotonic() - began > LONGEST_PAUSE_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    async def _miss(self, kind: str, error: Exception) -> None:
        """Go on without *kind* for a while."""
        self.state.miss(kind)
        if kind not in self._listed or kind in self._lost:
            logger.info("%s cannot be read, so nothing is offered by DRA: %s", kind, error)
        self._listed.add(kind)
        self._lost.pop(kind, None)
        await asyncio.sleep(MISSED_SECONDS)

    async def _follow(self, kind: str) -> None:
        resource = KINDS[kind]
        client: Any = self._client  # its overloads tell global kinds from namespaced ones
        everywhere = {} if resource in _OF_NO_NAMESPACE else {"namespace": "*"}
        listing = client.list(resource, **everywhere)
        objects = [one.to_dict() async for one in listing]
        self.state.replace_all(kind, objects)
        self._listed.add(kind)
        self._lost.pop(kind, None)
        changes = client.watch(
            resource,
            resource_version=listing.resourceVersion,
            server_timeout=WATCH_SECONDS,
            **everywhere,
        )
        while True:
            event, one = await asyncio.wait_for(anext(changes), QUIET_SECONDS)
            if event == "DELETED":
                self.state.remove(kind, one.to_dict())
            else:
                self.state.put(kind, one.to_dict())


def _is_refused(error: Exception) -> bool:
    """Whether a kind is not served, or may not be read: neither passes by itself."""
    if not isinstance(error, ApiError | httpx2.HTTPStatusError):
        return False
    return code_of(error) in (int(HTTPStatus.NOT_FOUND), int(HTTPStatus.FORBIDDEN))
