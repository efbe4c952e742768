"""What measured points leave unexplained reaches as far as loads are alike."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightslice.core.catalog.device import device_of
from rightslice.core.catalog.lengths import Lengths
from rightslice.core.catalog.share import Exclusive
from rightslice.core.catalog.traffic import ClosedLoop, Traffic
from rightslice.core.perf.anchors import MISFIT_SD, Place, likeness
from rightslice.core.perf.arrays import array_of
from rightslice.core.perf.batching import closed_loop
from rightslice.core.perf.calibrate import calibrate
from rightslice.core.perf.observation import (
    Observation,
    TpotKind,
    doubt_as_measured,
    step_for,
    tpot_as_measured,
)
from rightslice.core.perf.rates import Schedule
from rightslice.core.perf.result import PerfConstants
from rightslice.core.perf.sweep import clients
from rightslice.core.perf.tables import Server, points, servers_of, shapes_of
from rightslice.core.perf.work import ServedAs, work_of
from rightslice.edge.catalog_files import Catalog
from rightslice.edge.perf_constants import load_constants

CATALOG = Catalog()
BATCHES = (1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 377)


def point(clients: float) -> Observation:
    """Return a load of Llama-3.1-8B on an H100, not measured yet."""
    return Observation(
        row=0,
        source="test",
        engine="vllm",
        era="2026",
        model=CATALOG.model("meta-llama/Llama-3.1-8B-Instruct"),
        device=device_of(CATALOG.gpu("H100-SXM-80GB"), Exclusive()),
        served=ServedAs(),
        sequences=clients,
        traffic=Traffic(
            load=ClosedLoop(concurrency=1), input=Lengths.fixed(512), output=Lengths.fixed(128)
        ),
        chunk_tokens=8192,
        is_eager=False,
        tpot_kind=TpotKind.CLOSED_LOOP,
        is_static_ttft=False,
        is_vague=False,
        tpot_seconds=None,
        ttft_seconds=None,
    )


def seen(off: dict[int, float], constants: PerfConstants) -> Sequence[Observation]:
    """Return points measured at factors of what is expected, by clients."""
    return [
        replace(point(n), tpot_seconds=factor * tpot_as_measured(point(n), constants))
        for n, factor in off.items()
    ]


@given(st.tuples(*[st.floats(0, 12)] * 5), st.tuples(*[st.floats(0, 12)] * 5))
def test_likeness_is_a_correlation(
    one: tuple[float, float, float, float, float], other: tuple[float, float, float, float, float]
) -> None:
    """Symmetric, 1 at the same place, never above."""
    a, b = Place(*one), Place(*other)
    assert likeness(a, a) == 1
    assert 0 <= likeness(a, b) == likeness(b, a) <= 1


def test_what_constants_cannot_explain_is_kept(constants: PerfConstants) -> None:
    """A bump at 16 clients of which neighbours know nothing stays, and fades with distance."""
    after = calibrate(seen({1: 1.0, 16: 1.15, 256: 1.0}, constants), constants).constants
    gaps = [
        tpot_as_measured(point(n), after) / tpot_as_measured(point(n), constants) - 1
        for n in (16, 32, 64)
    ]
    assert gaps[0] == pytest.approx(0.15, abs=0.03)
    assert gaps[0] > gaps[1] > gaps[2] > 0


def test_far_points_widen_the_band(constants: PerfConstants) -> None:
    """Points far from what was expected leave more doubt everywhere than points that met it."""

    def doubt(factors: dict[int, float]) -> float:
        step = step_for(point(64), calibrate(seen(factors, constants), constants).constants)
        assert step.misfit is not None
        return step.misfit.variance(64, (0.1,) * 7, step.arithmetic)

    assert doubt({1: 1.4, 8: 1.3}) > 1.5 * doubt({1: 1.0, 8: 1.0})


@given(st.lists(st.floats(0.6, 1.7), min_size=3, max_size=3))
def test_more_load_is_never_faster(factors: list[float]) -> None:
    """Whatever is measured, TPOT does not fall as clients are added."""
    constants = load_constants()["2026"]
    off = dict(zip((1, 16, 128), factors, strict=True))
    step = step_for(point(1), calibrate(seen(off, constants), constants).constants)
    tpots = [closed_loop(step, point(1).traffic, n, 1000).tpot.mean for n in BATCHES]
    assert all(after >= before * (1 - 1e-9) for before, after in pairwise(tpots))


def test_nothing_known_leaves_the_whole_misfit(constants: PerfConstants) -> None:
    """At another format and tensor parallelism the variance comes back to the model's own."""
    step = step_for(point(64), calibrate(seen({64: 1.0}, constants), constants).constants)
    assert step.misfit is not None
    far = replace(step.misfit, alike=(0.0,)).variance(64, (0.0,) * 7, step.arithmetic)
    assert math.sqrt(far) == pytest.approx(MISFIT_SD, rel=0.3)


def test_many_servers_at_once_agree_with_each_alone(constants: PerfConstants) -> None:
    """A table of a calibrated server and one that is not gives what each gives alone."""
    known = calibrate(seen({1: 0.9, 16: 1.15, 256: 1.1}, constants), constants).constants
    fewer = calibrate(seen({8: 1.2}, constants), constants).constants
    one = point(32)
    schedule = Schedule(work=work_of(one.model, one.served), chunk_tokens=8192)
    table = servers_of(
        [Server(one.device, one.served, schedule, own) for own in (known, constants, fewer)]
    )
    rows = points(
        table, shapes_of(table.work, [one.traffic]).rows(np.zeros(3, int)), np.full(3, 99.0)
    )
    found = clients(rows, np.full(3, 32.0))
    for index, own in enumerate((known, constants, fewer)):
        assert array_of(found.tpot.mean)[index] == pytest.approx(tpot_as_measured(one, own))
        sd = doubt_as_measured(one, own).tpot
        assert array_of(found.doubt.tpot)[index] == pytest.approx(sd)
