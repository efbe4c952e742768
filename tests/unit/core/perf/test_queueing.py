"""The open loop agrees with what queueing theory says at its edges."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from rightslice.core.catalog.traffic import Traffic
from rightslice.core.perf.queueing import largest_stable_rate, open_loop
from rightslice.core.perf.result import PerfConstants
from rightslice.core.perf.roofline import Step, step_of
from rightslice.core.sizing.result import Sizing

Server = Callable[..., Sizing]
Load = Callable[..., Traffic]


@pytest.fixture(scope="module")
def step(server: Server, load: Load, constants: PerfConstants) -> Step:
    """Steps of the usual server."""
    return step_of(server(), load(1.0), constants)


def test_little_holds(step: Step, load: Load) -> None:
    """Sequences running are the rate times the time that one is served."""
    state = open_loop(step, load(1.0), 10.0, 256)
    served = 127 * state.tpot.mean + step.prefill
    assert state.running == pytest.approx(10.0 * served)


def test_an_idle_server_has_a_lone_request(step: Step, load: Load) -> None:
    """At a vanishing rate TPOT is that of a single sequence."""
    state = open_loop(step, load(1.0), 1e-4, 256)
    assert state.tpot.mean == pytest.approx(step.seconds(1), rel=1e-3)
    assert state.waiting == pytest.approx(0)


def test_the_stable_rate_is_the_border(step: Step, load: Load) -> None:
    """Just below it requests settle with a long queue; at it they never do."""
    limit = largest_stable_rate(step, load(1.0), 16)
    near = open_loop(step, load(1.0), 0.98 * limit, 16)
    assert near.waiting > 10
    assert math.isinf(open_loop(step, load(1.0), limit, 16).waiting)


def test_a_slower_server_is_the_same_at_a_lower_rate(step: Step, load: Load) -> None:
    """Time scales: half as fast at half the rate takes twice as long."""
    fast = open_loop(step, load(1.0), 10.0, 64)
    slow = open_loop(step.slowed(2.0), load(1.0), 5.0, 64)
    assert slow.tpot.mean == pytest.approx(2 * fast.tpot.mean)
    assert slow.ttft.p95 == pytest.approx(2 * fast.ttft.p95)
