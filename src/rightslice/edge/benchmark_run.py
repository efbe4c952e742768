"""One benchmark run, whichever tool wrote it, and the checks that every figure passes.

A figure must be a finite number above zero. Latencies, lengths and duration of a run must agree
with each other by Little's law (L = rate * stay): a figure in the wrong unit is off by 1,000, which
no warm-up or tail explains.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from rightslice.errors import FieldError

Record = Mapping[str, Any]

_MOST_IN_FLIGHT: Final = 1.5
"""More than this times the clients cannot have been in flight."""
_LEAST_IN_FLIGHT: Final = 0.05
"""Closed-loop clients always have a request in flight; warm-up and tail take a part, not this."""
_MOST_TOKENS: Final = 1e8
_MOST_CLIENTS: Final = 1e6
_LONGEST_SECONDS: Final = 3600.0
"""Ten times and more beyond any published run; a figure above is another quantity."""
_MOST_FAILED: Final = 0.25
"""With more failures than this the others were not measured under the load stated."""


@dataclass(frozen=True, kw_only=True)
class BenchmarkRun:
    """One run: what was asked of the server and how fast it answered."""

    where: str
    """File and record, for people."""
    model: str | None
    """As the file names it."""
    concurrency: float
    input_tokens: float
    output_tokens: float
    tensor_parallel: int | None
    tpot_seconds: float
    ttft_seconds: float | None
    tool: str = "CSV"
    """What wrote it."""
    engine_version: str | None = None
    gpu: str | None = None
    """The board, where the file names it."""


@dataclass(frozen=True, kw_only=True)
class Flow:
    """What went through the server in one run, whose parts must agree."""

    completed: float
    duration_seconds: float
    stay_seconds: float
    """Mean time from request to last token."""
    clients: float | None
    """In a closed loop; None when requests came at a rate."""

    @property
    def in_flight(self) -> float:
        """The mean number of requests in the system (Little's law)."""
        return self.completed * self.stay_seconds / self.duration_seconds


def concurrency_of(flow: Flow, where: str) -> float:
    """Return the requests that were in flight: the clients of a closed loop, or the mean.

    Raises:
        FieldError: when duration, latencies and number of clients contradict each other.
    """
    if flow.clients is None:
        return max(flow.in_flight, 1.0)
    clients = min(flow.clients, flow.completed)
    share = flow.in_flight / clients
    if not _LEAST_IN_FLIGHT <= share <= _MOST_IN_FLIGHT:
        raise FieldError(
            where,
            "duration",
            f"{flow.completed:,.0f} requests that take {flow.stay_seconds:.4g} s each do not last"
            f" {flow.duration_seconds:.4g} s with {clients:,.0f} at once: a figure has the wrong"
            " unit, or the run is not closed loop",
        )
    return clients


def check_sizes(run: BenchmarkRun) -> None:
    """Refuse figures that no server has: a wrong unit or a wrong column.

    Raises:
        FieldError: which names the figure.
    """
    for name, tokens in (("input_len", run.input_tokens), ("output_len", run.output_tokens)):
        if tokens > _MOST_TOKENS:
            raise FieldError(run.where, name, f"{tokens:.4g} tokens are more than any request has")
    if run.concurrency > _MOST_CLIENTS:
        raise FieldError(
            run.where, "concurrency", f"{run.concurrency:.4g} clients are more than any server has"
        )
    for name, seconds in (("tpot_ms", run.tpot_seconds), ("ttft_ms", run.ttft_seconds or 0.0)):
        if seconds > _LONGEST_SECONDS:
            raise FieldError(run.where, name, f"{seconds:.4g} s is more than any server takes")


def check_failures(completed: float, failed: float, where: str) -> None:
    """Refuse a run in which too many requests failed."""
    if failed > _MOST_FAILED * (completed + failed):
        raise FieldError(
            where,
            "failed",
            f"{failed:,.0f} of {completed + failed:,.0f} requests failed, so the rest was not"
            " measured under the load stated",
        )


def positive(record: Record, key: str, where: str) -> float:
    """Return the number under *key*, whose path may have dots.

    Raises:
        FieldError: when it is missing, no number, not finite, or not above zero.
    """
    value = found(record, key)
    number = _number(value)
    if not math.isfinite(number) or number <= 0:
        raise FieldError(where, key, f"{value!r} must be a number above zero")
    return number


def optional(record: Record, key: str, where: str) -> float | None:
    """Return the same, or None when there is nothing under *key*."""
    return None if found(record, key) is None else positive(record, key, where)


def whole(record: Record, key: str, where: str) -> int | None:
    """Return the whole number under *key*, or None when there is nothing."""
    value = optional(record, key, where)
    if value is not None and value != round(value):
        raise FieldError(where, key, f"{value:g} must be a whole number")
    return None if value is None else round(value)


def word(record: Record, *keys: str) -> str | None:
    """Return the first text under one of *keys*."""
    texts = (found(record, key) for key in keys)
    return next((text for text in texts if isinstance(text, str) and text), None)


def found(record: Record, key: str) -> Any:  # noqa: ANN401 - whatever the file holds
    """Return what lies under *key*, or None."""
    value: Any = record
    for part in key.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(part)
    return value


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return math.nan
    try:
        return float(value)
    except (ValueError, OverflowError):
        return math.nan
