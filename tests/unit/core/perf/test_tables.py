"""Tables hold what single values say, row by row."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightslice.core.catalog.lengths import Lengths
from rightslice.core.catalog.traffic import ClosedLoop, Traffic
from rightslice.core.perf.arrays import array_of
from rightslice.core.perf.result import PerfConstants
from rightslice.core.perf.tables import (
    fixed_shapes,
    places_within,
    points,
    server_of,
    servers_of,
    shapes_of,
)
from rightslice.core.perf.work import ServedAs, work_of
from rightslice.core.sizing.result import Sizing
from rightslice.edge.catalog_files import Catalog

Server = Callable[..., Sizing]
pairs = st.lists(st.tuples(st.integers(1, 9000), st.integers(1, 3000)), min_size=1, max_size=8)


@given(pairs=pairs, found=st.sampled_from((0.0, 0.3)))
def test_fixed_lengths_are_those_of_each_traffic(
    pairs: list[tuple[int, int]], found: float
) -> None:
    """A table of fixed lengths is that of the traffics with these lengths, windows included."""
    work = work_of(Catalog().model("openai/gpt-oss-20b"), ServedAs())
    traffics = [
        Traffic(
            load=ClosedLoop(concurrency=1),
            input=Lengths.fixed(inputs),
            output=Lengths.fixed(outputs),
            prefix_hit_ratio=found,
        )
        for inputs, outputs in pairs
    ]
    inputs, outputs = np.array(pairs, dtype=np.float64).T
    one = fixed_shapes(work, inputs, outputs, prefix_hit_ratio=found)
    other = shapes_of(work, traffics)
    for mine, theirs in zip(one.prompts.contexts, other.prompts.contexts, strict=True):
        assert array_of(mine) == pytest.approx(array_of(theirs))
    for mine, theirs in zip(one.prompts.pairs, other.prompts.pairs, strict=True):
        assert array_of(mine) == pytest.approx(array_of(theirs))


def test_rows_repeat_servers_in_order(server: Server, constants: PerfConstants) -> None:
    """Rows taken from a table come in the order asked for, as often as asked for."""
    table = servers_of([server_of(server(), constants), server_of(server(gpu="L4"), constants)])
    weights = array_of(table.rates.weights)
    taken = array_of(table.rows(np.array([1, 0, 1])).rates.weights)
    assert list(taken) == [weights[1], weights[0], weights[1]]
    assert len(table) == 2


def test_one_server_serves_every_row(server: Server, constants: PerfConstants) -> None:
    """A table of one server and one kind of request stands for as many rows as there are places."""
    table = servers_of([server_of(server(), constants)])
    traffic = Traffic(
        load=ClosedLoop(concurrency=1), input=Lengths.fixed(9), output=Lengths.fixed(9)
    )
    rows = points(table, shapes_of(table.work, [traffic]), np.array([1.0, 2.0, 3.0]))
    assert (len(rows), len(array_of(rows.step.weights))) == (3, 3)


def test_smaller_chunks_replace_those_of_the_table(
    server: Server, constants: PerfConstants
) -> None:
    """Flags that only cut prompts differently need no new table."""
    table = servers_of([server_of(server(), constants)]).with_chunks(np.array([512.0]))
    small = servers_of([server_of(server(max_num_batched_tokens=512), constants)])
    assert table.rates.chunk_tokens == small.rates.chunk_tokens


def test_places_are_whole_and_capped() -> None:
    """Sequences fit whole, no more than max-num-seqs, none in a pool below zero."""
    pool = np.array([1000.0, 999.0, 1e6, -5.0])
    assert list(places_within(pool, np.array(64.0), 100.0)) == [10, 9, 64, 0]
