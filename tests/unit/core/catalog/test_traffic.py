"""Loads and targets are checked when they are made."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from rightslice.core.catalog.lengths import Lengths
from rightslice.core.catalog.traffic import ClosedLoop, OpenLoop, Slo, Traffic
from rightslice.errors import InputError

ONE = Lengths.fixed(1)


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (lambda: ClosedLoop(concurrency=0), "concurrency 0 must be at least 1"),
        (lambda: OpenLoop(requests_per_second=0), "more than zero"),
        (lambda: OpenLoop(requests_per_second=math.nan), "more than zero"),
        (Slo, "needs a TPOT or a TTFT target"),
        (lambda: Slo(tpot_seconds=0), "tpot 0 s must be more than zero"),
        (lambda: Slo(ttft_seconds=math.nan), "ttft nan s must be more than zero"),
        (lambda: Slo(tpot_seconds=1, tpot_percentile=0.4), "between p50 and p99.9"),
        (lambda: Slo(ttft_seconds=1, ttft_percentile=1.0), "between p50 and p99.9"),
    ],
)
def test_impossible_loads_and_targets_are_refused(build: Callable[[], object], said: str) -> None:
    """Each says the limit that it breaks."""
    with pytest.raises(InputError, match=said):
        build()


@pytest.mark.parametrize("ratio", [-0.1, 1.0, math.nan])
def test_a_hit_ratio_out_of_range_is_refused(ratio: float) -> None:
    """All of every prompt is never found in the cache."""
    with pytest.raises(InputError, match="at least 0 and below 1"):
        Traffic(load=ClosedLoop(concurrency=1), input=ONE, output=ONE, prefix_hit_ratio=ratio)


def test_percentiles_that_hold_unless_given() -> None:
    """TPOT is held in the mean, TTFT at p95."""
    slo = Slo(tpot_seconds=0.03)
    assert (slo.tpot_percentile, slo.ttft_percentile) == (None, 0.95)
