"""Waiting for what a cluster does in its own time."""

from __future__ import annotations

import time
from collections.abc import Callable


def eventually(done: Callable[[], object], seconds: float = 20.0) -> None:
    """Wait until *done* is true, and fail when it is not within *seconds*."""
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, f"not so after {seconds:g} s"
        time.sleep(0.1)
