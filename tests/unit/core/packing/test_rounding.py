"""Tests of the search near the linear relaxation."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rightslice.core.packing.rounding import Progress, least_point
from rightslice.core.packing.solver import IntegerModel

Row = tuple[list[int], int]

covers = st.lists(
    st.tuples(st.lists(st.integers(0, 4), min_size=4, max_size=4), st.integers(0, 30)), max_size=4
)
costs = st.lists(st.sampled_from([1.0, 2.0, 0.7, 3.25]), min_size=4, max_size=4)


def covering(rows: list[Row]) -> IntegerModel:
    """Return the model of columns of at most 25 that cover *rows*."""
    model = IntegerModel()
    columns = [model.column(25) for _ in range(4)]
    for coefficients, low in rows:
        terms = dict(zip(columns, map(float, coefficients), strict=True))
        model.at_least({x: n for x, n in terms.items() if n}, low)
    return model


@settings(deadline=None, max_examples=60)
@given(rows=covers, cost=costs)
def test_the_search_near_the_relaxation_finds_what_the_whole_search_finds(
    rows: list[Row], cost: list[float]
) -> None:
    """The least point is that of the plain search, and both know when there is none."""
    model, objective = covering(rows), dict(enumerate(cost))
    plain = model.minimise(objective, time_limit_seconds=10, gap=0.0)
    found = least_point(model, objective, time_limit_seconds=10)
    assert (found is None) == (plain is None)
    if found is not None and plain is not None:
        assert found.objective == pytest.approx(plain.objective)
        assert found.bound == pytest.approx(plain.objective)
        assert found.gap == 0.0


def test_rows_that_only_fractions_meet_have_no_point() -> None:
    """The relaxation has a point and the exact search says that no whole one exists."""
    model = IntegerModel()
    column = model.column(5)
    model.exactly({column: 2.0}, 5)
    assert least_point(model, {column: 1.0}, time_limit_seconds=10) is None


def test_progress_is_told_with_the_bound_and_the_gap() -> None:
    """After each search the caller hears the best point and what no point can beat."""
    told: list[Progress] = []
    model = covering([([2, 2, 0, 0], 5)])
    found = least_point(model, {0: 1.0, 1: 1.0}, time_limit_seconds=10, report=told.append)
    assert found is not None
    assert (told[-1].best, told[-1].bound, told[-1].gap) == (3.0, 3.0, 0.0)
    assert Progress(best=None, bound=1.0).gap is None
