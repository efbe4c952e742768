"""Chains of many servers have the law and the batch met of each one alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from rightslice.core.catalog.traffic import Traffic
from rightslice.core.perf.arrays import array_of
from rightslice.core.perf.chains import Chains
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


def test_slow_rows_need_no_more_columns_than_their_places(
    server: Server, load: Load, constants: PerfConstants
) -> None:
    """What a chain reaches is at most about its capacity, and little when it is idle."""
    table = servers_of([server_of(server(), constants)])
    rows = points(table, shapes_of(table.work, [load(1.0)]), np.array([64.0, 64.0]))
    chains = Chains(step=rows.step, requests=rows.requests, capacity=rows.places)
    idle, busy = chains.reach(np.array([1e-3, 15.0]))
    assert idle < busy <= 64
