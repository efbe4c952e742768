"""Chains of many servers have the law and the batch met of each one alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from rightslice.core.catalog.traffic import Traffic
from rightslice.core.perf.arrays import array_of
from rightslice.core.perf.growth import growth_of
from rightslice.core.perf.queueing import largest_stable_rate, open_loop
from rightslice.core.perf.result import PerfConstants
from rightslice.core.perf.roofline import step_of
from rightslice.core.perf.sweep import rates
from rightslice.core.perf.tables import points, server_of, servers_of, shapes_of
from rightslice.core.sizing.result import Sizing

Server = Callable[..., Sizing]
Load = Callable[..., Traffic]


@pytest.mark.parametrize("capacity", [1, 7, 256, 3000])
def test_a_chain_has_the_law_of_the_single_server(
    server: Server, load: Load, constants: PerfConstants, capacity: int
) -> None:
    """From an idle server to one near its limit, with few places and with thousands."""
    sizing, traffic = server(), load(1.0)
    step = step_of(sizing, traffic, constants)
    limit = largest_stable_rate(step, traffic, capacity)
    shares = np.array([0.001, 0.3, 0.8, 0.99])
    table = servers_of([server_of(sizing, constants)])
    rows = points(table, shapes_of(table.work, [traffic]), np.full(4, float(capacity)))
    many = rates(rows, shares * limit).state
    for row, share in enumerate(shares):
        one = open_loop(step, traffic, share * limit, capacity)
        assert array_of(many.running)[row] == pytest.approx(one.running, rel=1e-9)
        assert array_of(many.waiting)[row] == pytest.approx(one.waiting, rel=1e-9)
        assert array_of(many.tpot.p99)[row] == pytest.approx(one.tpot.p99, rel=1e-9)


def test_idle_servers_reach_few_batches_and_none_more_than_its_places(
    server: Server, load: Load, constants: PerfConstants
) -> None:
    """What matters of a chain ends at its capacity, and soon when it is idle."""
    table = servers_of([server_of(server(), constants)])
    rows = points(table, shapes_of(table.work, [load(1.0)]), np.array([64.0, 64.0]))
    growth = growth_of(rows.step, rows.requests, np.array([1e-3, 15.0]))
    _, (idle, busy) = growth.span(rows.places)
    assert idle < busy <= 64
