"""Leadership by a Lease: of all operators of a cluster one acts, the others wait.

The rule is client-go's (tools/leaderelection): a Lease that was not renewed for its duration, by
this process's own clock since it saw the last change, may be taken; the resource version decides
between two who try at once. Who could not renew in time no longer leads, before anybody else can.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import time
from dataclasses import dataclass, field
from typing import Final

import httpx2
from lightkube import ApiError, AsyncClient
from lightkube.models.coordination_v1 import LeaseSpec
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.coordination_v1 import Lease

logger = logging.getLogger(__name__)
DURATION_SECONDS: Final = 15
DEADLINE_SECONDS: Final = 10.0
PERIOD_SECONDS: Final = 2.0
_NOT_FOUND: Final = 404
_CONFLICT: Final = 409
_FAILURES: Final = (ApiError, httpx2.HTTPError, OSError, TimeoutError, ValueError, KeyError)
"""A refusal, no answer, or one that cannot be read: a proxy's page."""


@dataclass
class Leadership:
    """One candidate for the Lease `name` of `namespace`."""

    client: AsyncClient
    namespace: str
    name: str
    identity: str
    term: int = 0
    """Another number each time that the Lease was taken: somebody else may have led between."""
    _renewed: float = -DEADLINE_SECONDS
    _seen: tuple[str | None, dt.datetime | None] = field(default=(None, None))
    _seen_at: float = 0.0

    @property
    def leads(self) -> bool:
        """Whether this process may act now."""
        return time.monotonic() - self._renewed < DEADLINE_SECONDS

    async def run(self) -> None:
        """Try to get the Lease, and keep it, until cancelled."""
        while True:
            try:
                await asyncio.wait_for(self._try(), PERIOD_SECONDS * 2)
            except _FAILURES as error:
                logger.warning("the lease could not be renewed: %s", error)
            await asyncio.sleep(PERIOD_SECONDS)

    async def release(self) -> None:
        """Give the Lease back, so that the next candidate need not wait."""
        if not self.leads:
            return
        self._renewed = -DEADLINE_SECONDS
        try:
            lease = await self.client.get(Lease, self.name, namespace=self.namespace)
            if lease.spec is not None and lease.spec.holderIdentity == self.identity:
                lease.spec.holderIdentity = None
                await self.client.replace(lease)
        except _FAILURES as error:
            logger.warning("the lease could not be given back: %s", error)

    async def _try(self) -> None:
        began = time.monotonic()
        try:
            lease = await self.client.get(Lease, self.name, namespace=self.namespace)
        except ApiError as error:
            if error.status.code != _NOT_FOUND:
                raise
            lease = None
        was_ours = (
            lease is not None
            and lease.spec is not None
            and (lease.spec.holderIdentity == self.identity)
        )
        try:
            if lease is None:
                metadata = ObjectMeta(name=self.name, namespace=self.namespace)
                await self.client.create(Lease(metadata=metadata, spec=self._spec()))
            elif self._may_take(lease):
                lease.spec = self._spec()
                await self.client.replace(lease)
            else:
                return
        except ApiError as error:
            if error.status.code != _CONFLICT:
                raise
            return
        if not was_ours:
            self.term += 1
        if not self.leads:
            logger.info("%s leads", self.identity)
        self._renewed = began

    def _may_take(self, lease: Lease) -> bool:
        spec = lease.spec or LeaseSpec()
        if spec.holderIdentity in (None, "", self.identity):
            return True
        seen = spec.holderIdentity, spec.renewTime
        if seen != self._seen:
            self._seen, self._seen_at = seen, time.monotonic()
        duration = spec.leaseDurationSeconds or DURATION_SECONDS
        return time.monotonic() - self._seen_at > duration

    def _spec(self) -> LeaseSpec:
        return LeaseSpec(
            holderIdentity=self.identity,
            leaseDurationSeconds=DURATION_SECONDS,
            renewTime=dt.datetime.now(dt.UTC),
        )
