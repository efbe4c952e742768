"""The load of a server and what is asked of it: requests, lengths, latency targets."""

from __future__ import annotations

from dataclasses import dataclass

from rightslice.core.catalog.lengths import Lengths
from rightslice.errors import InputError


@dataclass(frozen=True, kw_only=True)
class ClosedLoop:
    """So many clients, each sending its next request when the last one has ended."""

    concurrency: int

    def __post_init__(self) -> None:
        if self.concurrency < 1:
            raise InputError(f"concurrency {self.concurrency} must be at least 1")


@dataclass(frozen=True, kw_only=True)
class OpenLoop:
    """Requests that arrive at a rate of their own, whatever the server does (Poisson)."""

    requests_per_second: float

    def __post_init__(self) -> None:
        if not self.requests_per_second > 0:
            raise InputError(f"rate {self.requests_per_second:g}/s must be more than zero")


Load = ClosedLoop | OpenLoop


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """A load and the shape of its requests."""

    load: Load
    input: Lengths
    output: Lengths
    prefix_hit_ratio: float = 0.0
    """Share of prompt tokens found in the prefix cache: they cost no prefill."""

    def __post_init__(self) -> None:
        if not 0 <= self.prefix_hit_ratio < 1:
            raise InputError(
                f"prefix-cache hit ratio {self.prefix_hit_ratio:g} must be at least 0 and below 1"
            )


@dataclass(frozen=True, kw_only=True)
class Slo:
    """Latency targets. A percentile of None means the mean.

    By default TPOT is held in the mean and TTFT at p95.
    """

    tpot_seconds: float | None = None
    ttft_seconds: float | None = None
    tpot_percentile: float | None = None
    ttft_percentile: float | None = 0.95

    def __post_init__(self) -> None:
        if self.tpot_seconds is None and self.ttft_seconds is None:
            raise InputError("an SLO needs a TPOT or a TTFT target, as in tpot: 30ms")
        for name, target in (("tpot", self.tpot_seconds), ("ttft", self.ttft_seconds)):
            if target is not None and not target > 0:
                raise InputError(f"SLO {name} {target:g} s must be more than zero")
        for name, share in (("tpot", self.tpot_percentile), ("ttft", self.ttft_percentile)):
            if share is not None and not 0.5 <= share < 1:
                raise InputError(f"SLO {name} percentile {share:g} must be between p50 and p99.9")
