"""How fast calls go out: some at once, so many a second, slower when the API server asks for it.

A call is begun only while this process leads, and given up before another may lead: that is what
keeps two operators from acting at once. A refusal that names a time to wait is repeated after it,
whatever the status (client-go's rule: rest/with_retry.go).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

import httpx2

from rightslice.edge.cluster.lease import DEADLINE_SECONDS, DURATION_SECONDS
from rightslice.errors import UnavailableError

_Value = TypeVar("_Value")
_What = TypeVar("_What", bound=Hashable)
MOST_AT_ONCE: Final = 16
MOST_PER_SECOND: Final = 100.0
"""Writes a second; kube-controller-manager's own default is 20 for each of its clients
(--kube-api-qps), and a full pass over 1,000 objects should take seconds."""
CALL_SECONDS: Final = DURATION_SECONDS - DEADLINE_SECONDS
"""A call that was begun while the Lease was good ends before anybody else may take it."""
MOST_TRIES: Final = 4
LONGEST_PAUSE_SECONDS: Final = 30.0
FIRST_BACK_OFF_SECONDS: Final = 0.5
LONGEST_BACK_OFF_SECONDS: Final = 60.0
QUIET_SECONDS: Final = 600.0
"""What has not failed for so long starts afresh."""
_TOO_MANY: Final = 429
_SERVER_ERROR: Final = 500


class NotLeadingError(UnavailableError):
    """Another process may act by now; nothing was sent."""


class UnreadableAnswerError(UnavailableError):
    """What came back is no answer of an API server: a proxy's page, or half of one."""


async def answered(call: Callable[[], Awaitable[_Value]]) -> _Value:
    """Return what *call* returns.

    Raises:
        UnreadableAnswerError: when its answer cannot be read.
    """
    try:
        return await call()
    except (ValueError, KeyError) as error:  # lightkube reads answers as they should be
        raise UnreadableAnswerError(f"the answer cannot be read: {error}") from None


@dataclass
class Pace:
    """Lets calls out one by one."""

    may_act: Callable[[], bool]
    """Whether this process leads, asked right before each call."""
    clock: Callable[[], float] = time.monotonic
    _next: float = 0.0
    _shut_until: float = 0.0
    _places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MOST_AT_ONCE))

    async def run(self, call: Callable[[], Awaitable[_Value]]) -> _Value:
        """Return what *call* returns, in its turn.

        Raises:
            NotLeadingError: when this process does not lead any more.
        """
        tries = 0
        async with self._places:
            while True:
                tries += 1
                await self._turn()
                if not self.may_act():
                    raise NotLeadingError("another operator may lead now")
                try:
                    return await asyncio.wait_for(answered(call), CALL_SECONDS)
                except httpx2.HTTPStatusError as error:
                    pause = asked_pause(error)
                    if pause is None or tries == MOST_TRIES:
                        raise
                    self._shut_until = max(self._shut_until, self.clock() + pause)

    async def _turn(self) -> None:
        """Wait until one more call may go out; a second's worth may go at once."""
        await asyncio.sleep(max(0.0, self._shut_until - self.clock()))
        now = self.clock()
        self._next = max(self._next, now - 1.0) + 1.0 / MOST_PER_SECOND
        if self._next > now:
            await asyncio.sleep(self._next - now)


def asked_pause(error: httpx2.HTTPStatusError) -> float | None:
    """Return the seconds that a refusal asks to wait; None: it does not say to try again."""
    code = error.response.status_code
    if code != _TOO_MANY and code < _SERVER_ERROR:
        return None
    said = error.response.headers.get("Retry-After", "")
    return min(float(said), LONGEST_PAUSE_SECONDS) if said.isdecimal() else None


@dataclass
class BackOff(Generic[_What]):
    """When what failed is tried again: each time twice as late, up to a minute."""

    clock: Callable[[], float] = time.monotonic
    _waits: dict[_What, tuple[float, float]] = field(default_factory=dict)
    """Pause, and the moment when it ends."""

    def put_off(self, what: _What) -> None:
        """Have *what* wait, longer than the last time."""
        now = self.clock()
        last, until = self._waits.get(what, (0.0, now))
        if now - until > QUIET_SECONDS:
            last = 0.0
        pause = min(max(FIRST_BACK_OFF_SECONDS, 2 * last), LONGEST_BACK_OFF_SECONDS)
        self._waits[what] = pause, now + pause

    def hold(self, what: _What, seconds: float) -> None:
        """Have *what* wait for so long: it was not tried, and waits no longer the next time."""
        last = self._waits.get(what, (0.0, 0.0))[0]
        self._waits[what] = last, self.clock() + seconds

    def clear(self, what: _What) -> None:
        """Forget that *what* ever failed."""
        self._waits.pop(what, None)

    def waits(self, what: _What) -> bool:
        """Whether *what* has to wait still."""
        return self.seconds(what) > 0

    def due(self) -> list[_What]:
        """Return what failed and may be tried again now."""
        now = self.clock()
        return [what for what, (_, until) in self._waits.items() if until <= now]

    def seconds(self, what: _What) -> float:
        """Return how long *what* has to wait still."""
        return max(0.0, self._waits.get(what, (0.0, 0.0))[1] - self.clock())
