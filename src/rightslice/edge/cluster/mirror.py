"""Watches that keep a `ClusterState` current.

Each kind is listed once and then watched from that moment. When a watch ends with an error (the
API server restarts, the version is too old, the rights are missing), the kind is listed anew after
a pause that doubles up to half a minute. Until every kind has been listed once, `is_ready` is
false, and nothing may be decided.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Any, Final

import httpx2
from lightkube import ApiError, AsyncClient
from lightkube.resources.core_v1 import LimitRange, Namespace, Node, Pod, ResourceQuota

from rightslice.edge.cluster.state import ClusterState

logger = logging.getLogger(__name__)
Resource = type[Node] | type[Pod] | type[Namespace] | type[ResourceQuota] | type[LimitRange]
KINDS: Final[Mapping[str, Resource]] = {
    "Node": Node,
    "Pod": Pod,
    "Namespace": Namespace,
    "ResourceQuota": ResourceQuota,
    "LimitRange": LimitRange,
}
FIRST_PAUSE_SECONDS: Final = 0.5
LONGEST_PAUSE_SECONDS: Final = 30.0
WATCH_SECONDS: Final = 300
"""The server ends a watch after so long; it is taken up again from the same version."""


class Mirror:
    """Keeps a state current until it is cancelled."""

    def __init__(self, client: AsyncClient, state: ClusterState) -> None:
        self.state = state
        self._client = client
        self._listed: set[str] = set()
        self.last_event_seconds = 0.0

    @property
    def is_ready(self) -> bool:
        """Whether every kind has been listed."""
        return self._listed == set(KINDS)

    async def run(self) -> None:
        """List and watch every kind, until cancelled."""
        async with asyncio.TaskGroup() as group:
            for kind in KINDS:
                group.create_task(self._keep(kind))

    async def _keep(self, kind: str) -> None:
        pause = FIRST_PAUSE_SECONDS
        while True:
            began = time.monotonic()
            try:
                await self._follow(kind)
            except (ApiError, httpx2.HTTPError, OSError, ValueError) as error:
                logger.warning("watch of %s ended: %s; listing again", kind, error)
            if time.monotonic() - began > LONGEST_PAUSE_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    async def _follow(self, kind: str) -> None:
        resource = KINDS[kind]
        client: Any = self._client  # its overloads tell global kinds from namespaced ones
        everywhere = {} if resource in (Node, Namespace) else {"namespace": "*"}
        listing = client.list(resource, **everywhere)
        objects = [one.to_dict() async for one in listing]
        self.state.replace_all(kind, objects)
        self._listed.add(kind)
        self.last_event_seconds = time.monotonic()
        changes = client.watch(
            resource,
            resource_version=listing.resourceVersion,
            server_timeout=WATCH_SECONDS,
            **everywhere,
        )
        async for event, one in changes:
            self.last_event_seconds = time.monotonic()
            if event == "DELETED":
                self.state.remove(kind, one.to_dict())
            else:
                self.state.put(kind, one.to_dict())
