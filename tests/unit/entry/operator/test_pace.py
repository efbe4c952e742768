"""How fast calls go out, and when not at all."""

from __future__ import annotations

import asyncio
import time

import httpx2
import pytest

from rightslice.entry.operator.pace import (
    FIRST_BACK_OFF_SECONDS,
    LONGEST_BACK_OFF_SECONDS,
    MOST_AT_ONCE,
    MOST_PER_SECOND,
    QUIET_SECONDS,
    BackOff,
    NotLeadingError,
    Pace,
    UnreadableAnswerError,
    asked_pause,
)


def _refusal(code: int, **headers: str) -> httpx2.HTTPStatusError:
    request = httpx2.Request("GET", "https://cluster")
    response = httpx2.Response(code, headers=headers, request=request)
    return httpx2.HTTPStatusError("refused", request=request, response=response)


@pytest.mark.parametrize(
    ("refusal", "pause"),
    [
        (_refusal(429, **{"Retry-After": "1"}), 1.0),
        (_refusal(503, **{"Retry-After": "2"}), 2.0),
        (_refusal(429, **{"Retry-After": "9999"}), 30.0),
        (_refusal(429), None),
        (_refusal(500), None),
        (_refusal(409, **{"Retry-After": "1"}), None),
    ],
)
def test_only_a_refusal_that_names_a_time_is_repeated(
    refusal: httpx2.HTTPStatusError, pause: float | None
) -> None:
    """After that time, and at most half a minute."""
    assert asked_pause(refusal) == pause


async def test_a_throttled_call_is_repeated() -> None:
    """The API server asks for a pause once, and answers then."""
    replies: list[object] = [_refusal(429, **{"Retry-After": "0"}), "done"]

    async def call() -> object:
        reply = replies.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return reply

    assert await Pace(lambda: True).run(call) == "done"


async def test_nothing_is_sent_by_who_does_not_lead() -> None:
    """Not even once."""
    sent = []

    async def call() -> None:
        sent.append(1)

    with pytest.raises(NotLeadingError):
        await Pace(lambda: False).run(call)
    assert sent == []


async def test_who_waits_for_its_turn_is_asked_again() -> None:
    """Leadership that is lost while a call waits keeps it from being sent."""
    leads = True
    started = asyncio.Event()
    pace = Pace(lambda: leads)

    async def slow() -> None:
        started.set()
        await asyncio.sleep(0.05)

    first = [asyncio.create_task(pace.run(slow)) for _ in range(MOST_AT_ONCE)]
    await started.wait()
    late = asyncio.create_task(pace.run(slow))
    leads = False
    with pytest.raises(NotLeadingError):
        await late
    await asyncio.gather(*first, return_exceptions=True)


async def test_calls_go_at_a_bounded_rate() -> None:
    """A second's worth at once, then so many a second."""
    pace = Pace(lambda: True)

    async def call() -> None:
        pass

    began = time.monotonic()
    await asyncio.gather(*(pace.run(call) for _ in range(int(MOST_PER_SECOND * 1.3))))
    assert time.monotonic() - began > 0.25


def test_what_fails_waits_longer_each_time() -> None:
    """Up to a minute; what has been quiet for long starts afresh."""
    now = 0.0
    back_off = BackOff[str](clock=lambda: now)
    pauses = []
    for _ in range(9):
        back_off.put_off("a")
        pauses.append(back_off.seconds("a"))
        now += pauses[-1]
    assert pauses[:3] == [FIRST_BACK_OFF_SECONDS * 2**n for n in range(3)]
    assert pauses[-1] == LONGEST_BACK_OFF_SECONDS
    assert back_off.due() == ["a"]
    now += QUIET_SECONDS + 1
    back_off.put_off("a")
    assert back_off.seconds("a") == FIRST_BACK_OFF_SECONDS
    back_off.clear("a")
    assert not back_off.waits("a")


async def test_an_answer_that_cannot_be_read_is_a_failure_like_others() -> None:
    """A proxy's page has no JSON, and maybe no Content-Type."""

    async def call() -> None:
        raise KeyError("Content-Type")

    with pytest.raises(UnreadableAnswerError, match="cannot be read"):
        await Pace(lambda: True).run(call)


def test_what_was_not_tried_waits_no_longer_the_next_time() -> None:
    """Only failures double the pause."""
    back_off = BackOff[str](clock=lambda: 0.0)
    back_off.hold("a", 7.0)
    assert back_off.seconds("a") == 7.0
    back_off.put_off("a")
    assert back_off.seconds("a") == FIRST_BACK_OFF_SECONDS
