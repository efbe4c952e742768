"""Watches that keep a state current, against clients that fail."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Namespace, Pod

from rightslice.edge.cluster import mirror as mirrors
from rightslice.edge.cluster.mirror import DEVICES, KINDS, Mirror
from rightslice.edge.cluster.state import ClusterState
from rightslice.edge.gpu_table import find_gpu


class Listing:
    """What `AsyncClient.list` returns."""

    resourceVersion = "1"  # noqa: N815 - the name that lightkube gives it

    def __init__(self, objects: list[Any]) -> None:
        self._objects = objects

    async def __aiter__(self) -> AsyncIterator[Any]:
        """Yield the objects."""
        for one in self._objects:
            yield one


class Client:
    """Lists one namespace, then plays its events; fails while `fails` is set."""

    fails = False
    lists = 0

    def __init__(self, *events: tuple[str, Any]) -> None:
        self._events = events
        self.refuses: dict[object, int] = {}

    def list(self, resource: object, **_where: object) -> Listing:
        """List, or raise as a refused connection does."""
        self.lists += 1
        if resource in self.refuses:
            request = httpx2.Request("GET", "https://server/apis/resource.k8s.io/v1")
            reply = httpx2.Response(self.refuses[resource], request=request)
            raise httpx2.HTTPStatusError("refused", request=request, response=reply)
        if self.fails:
            raise OSError("connection refused")
        return Listing([named("first")] if resource is Namespace else [])

    async def watch(self, resource: object, **_where: object) -> AsyncIterator[tuple[str, Any]]:
        """Play the events of namespaces, then say nothing."""
        if resource is Namespace:
            for event in self._events:
                yield event
        await asyncio.sleep(3600)


def named(name: str) -> Namespace:
    """Return a namespace."""
    return Namespace(metadata=ObjectMeta(name=name))


@contextlib.asynccontextmanager
async def running(client: Client) -> AsyncIterator[Mirror]:
    """Run a mirror of *client* for a while."""
    state = ClusterState(find_gpu=find_gpu, now=lambda: 0.0)
    made = Mirror(client, state)  # type: ignore[arg-type]  # a fake of list and watch
    task = asyncio.create_task(made.run())
    await asyncio.sleep(0.02)
    yield made
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_it_lists_and_follows() -> None:
    """Added, changed and deleted objects reach the state."""
    events = ("ADDED", named("second")), ("MODIFIED", named("second")), ("DELETED", named("first"))
    async with running(Client(*events)) as mirror:
        assert (mirror.is_ready, mirror.problem) == (True, None)
        assert set(mirror.state.cluster().namespaces) == {"second"}


async def test_before_it_has_listed_there_is_a_problem() -> None:
    """Every kind that is missing is named."""
    client = Client()
    client.fails = True
    async with running(client) as mirror:
        assert not mirror.is_ready
        assert all(kind in (mirror.problem or "") for kind in KINDS)


@pytest.mark.parametrize("code", [403, 404])
async def test_dra_that_is_not_served_is_done_without(code: int) -> None:
    """Not served, or not allowed: the rest is followed, and there is no problem."""
    client = Client()
    client.refuses = dict.fromkeys(DEVICES.values(), code)
    async with running(client) as mirror:
        assert (mirror.is_ready, mirror.problem) == (True, None)
        assert set(mirror.state.cluster().namespaces) == {"first"}


async def test_a_kind_that_is_always_served_is_not_done_without() -> None:
    """Pods that may not be listed are a problem."""
    client = Client()
    client.refuses = {Pod: 403}
    async with running(client) as mirror:
        assert "Pod" in (mirror.problem or "")


async def test_an_outage_is_a_problem_until_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was known is not relied on for long; a list puts it right."""
    monkeypatch.setattr(mirrors, "QUIET_SECONDS", 0.05)
    monkeypatch.setattr(mirrors, "FIRST_PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(mirrors, "LONGEST_OUTAGE_SECONDS", 0.0)
    client = Client()
    async with running(client) as mirror:
        client.fails = True
        await asyncio.sleep(0.15)
        assert "could not be followed" in (mirror.problem or "")
        client.fails = False
        await asyncio.sleep(0.4)
        assert mirror.problem is None


async def test_a_quiet_kind_is_listed_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection can die unnoticed."""
    monkeypatch.setattr(mirrors, "QUIET_SECONDS", 0.02)
    client = Client()
    async with running(client) as mirror:
        await asyncio.sleep(0.1)
        assert client.lists > len(KINDS)
        assert mirror.problem is None
