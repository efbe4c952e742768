"""Where the webhook listens: on every address of its pod, or on the one that is named."""

from __future__ import annotations

import asyncio
import socket
from contextlib import closing
from pathlib import Path

import pytest
from aiohttp import web

from rightslice.entry.webhook.run import WebhookOptions, _listening
from rightslice.errors import UnavailableError


def free_port() -> int:
    """Return a port that nobody listens on."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def has_ipv6() -> bool:
    """Whether this machine has an IPv6 loopback address."""
    try:
        with closing(socket.socket(socket.AF_INET6)) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


async def answers(host: str, port: int) -> bool:
    """Whether somebody listens there."""
    try:
        _, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    writer.close()
    return True


async def test_without_a_host_every_address_is_served(tmp_path: Path) -> None:
    """IPv4, and IPv6 where there is one: a pod of an IPv6 cluster has no other."""
    port = free_port()
    async with _listening(web.Application(), WebhookOptions(certificates=tmp_path), port, None):
        assert await answers("127.0.0.1", port)
        assert await answers("::1", port) == has_ipv6()
    assert not await answers("127.0.0.1", port)


async def test_a_named_host_is_the_only_one(tmp_path: Path) -> None:
    """Loopback alone, for tests and for looking."""
    port = free_port()
    options = WebhookOptions(certificates=tmp_path, host="127.0.0.1")
    async with _listening(web.Application(), options, port, None):
        assert await answers("127.0.0.1", port)
        assert not await answers("127.0.0.2", port)


async def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    """The start ends with the port's number, not with a traceback."""
    options = WebhookOptions(certificates=tmp_path)
    with closing(socket.socket()) as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(UnavailableError, match=f"port {port} cannot be listened on"):
            async with _listening(web.Application(), options, port, None):
                pass
