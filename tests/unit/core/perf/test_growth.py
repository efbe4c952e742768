"""Sums over the states of many chains are those of each chain written out."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rightslice.core.perf.growth import Growth, sums, sums_and_met

LEVELS = (0.5, 0.9, 0.95, 0.99)
shares = st.floats(0.01, 0.98)
capacities = st.sampled_from((1, 2, 7, 8, 9, 64, 300, 1500))
servers = st.tuples(st.floats(0.0, 50.0), st.floats(0.0, 0.4), shares, capacities)


def growth_of(rows: list[tuple[float, float, float, int]], stages: int) -> Growth:
    """Return servers with a fixed and a linear part, scaled to a share of their stable rate."""
    fixed, linear, share, capacity = (np.array(column, dtype=float) for column in zip(*rows))  # noqa: B905 - columns of equal rows
    raw = Growth(
        fixed=fixed,
        linear=linear,
        weights=np.full(len(rows), 5.5),
        cache=np.full(len(rows), 0.06),
        compute=np.full(len(rows), 0.01),
        experts=((np.full(len(rows), 3.0), 0.9),),
        stages=stages,
    )
    scale = share / raw.at(capacity)
    return Growth(
        fixed=raw.fixed * scale,
        linear=raw.linear * scale,
        weights=raw.weights * scale,
        cache=raw.cache * scale,
        compute=raw.compute * scale**2,
        experts=tuple((size * scale, untouched) for size, untouched in raw.experts),
        stages=stages,
    )


def written_out(growth: Growth, capacity: int) -> list[float]:
    """Return the weights of one server's states over the largest, negligible ones too."""
    steps = growth.at(np.arange(1.0, capacity + 1)[:, None])[:, 0]
    logs = [0.0, *np.cumsum(np.log(steps))]
    return [math.exp(each - max(logs)) for each in logs]


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(servers, min_size=1, max_size=6), stages=st.sampled_from((1, 4)))
def test_sums_are_those_of_every_chain_written_out(
    rows: list[tuple[float, float, float, int]], stages: int
) -> None:
    """Mean batch, share of a full server and batch met differ by what is negligible only."""
    growth, capacity = growth_of(rows, stages), np.array([float(row[3]) for row in rows])
    ratio = np.array([row[2] for row in rows])
    total, batches, full, mean, *quantiles = growth.summed(capacity, ratio, sums_and_met)
    assert sums_equal(growth.summed(capacity, ratio, sums), (total, batches, full))
    for at, row in enumerate(rows):
        one = growth.columns(np.array([at]))
        weights = written_out(one, row[3])
        running = sum(n * weight for n, weight in enumerate(weights))
        assert batches[at] / total[at] == pytest.approx(running / sum(weights), rel=1e-4)
        assert full[at] / total[at] == pytest.approx(weights[-1] / sum(weights), abs=1e-4)
        assert met_near(weights, row, (mean[at], [each[at] for each in quantiles]))


def sums_equal(one: tuple[np.ndarray, ...], other: tuple[np.ndarray, ...]) -> bool:
    """Whether two tuples of arrays hold the same numbers."""
    return all((a == b).all() for a, b in zip(one, other, strict=True))


def met_near(
    weights: list[float],
    row: tuple[float, float, float, int],
    found: tuple[float, list[float]],
) -> bool:
    """Whether the batch met is that of *weights* with the queue counted as full."""
    tokens = [n * weight for n, weight in enumerate(weights)]
    tokens[-1] /= 1 - row[2]
    gone = np.cumsum(tokens) / sum(tokens)
    mean = sum(n * each for n, each in enumerate(tokens)) / sum(tokens)
    inside = [
        gone[int(at)] >= q - 1e-4 and (at == 0 or gone[int(at) - 1] < q + 1e-4)
        for q, at in zip(LEVELS, found[1], strict=True)
    ]
    return abs(found[0] / mean - 1) < 1e-3 and all(inside)


def test_servers_reach_no_further_than_their_capacity() -> None:
    """A nearly idle server needs a few rows, a busy one all of its places."""
    growth = growth_of([(1.0, 0.0, 0.01, 300), (1.0, 0.0, 0.98, 40)], 1)
    first, last = growth.span(np.array([300.0, 40.0]))
    assert first[0] == 0
    assert last[0] < 30
    assert last[1] == 40
