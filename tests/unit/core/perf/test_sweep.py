"""Many predictions at once say what single ones say, and keep the order of things."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rightslice.core.catalog.device import Device, device_of
from rightslice.core.catalog.lengths import Lengths
from rightslice.core.catalog.model import Model
from rightslice.core.catalog.server import ServerConfig
from rightslice.core.catalog.share import Exclusive, MigSlice, Share, TimeSlice
from rightslice.core.catalog.traffic import ClosedLoop, Load, OpenLoop, Slo, Traffic
from rightslice.core.perf import sweep
from rightslice.core.perf.arrays import Array
from rightslice.core.perf.calibrate import calibrate
from rightslice.core.perf.capacity import capacity_at, capacity_of
from rightslice.core.perf.observation import Observation, TpotKind
from rightslice.core.perf.predict import largest_load, predict
from rightslice.core.perf.result import PerfConstants, Prediction
from rightslice.core.perf.tables import Points, points, server_of, servers_of, shapes_of
from rightslice.core.perf.work import ServedAs
from rightslice.core.sizing.memory import size
from rightslice.core.sizing.result import Sizing
from rightslice.edge.catalog_files import Catalog
from rightslice.edge.memory_coefficients import memory_coefficients
from rightslice.edge.perf_constants import load_constants
from rightslice.errors import InputError

CATALOG = Catalog()
MODELS = [entry.name for entry in CATALOG.models()]
ENGINES = ("0.6.3", "0.9.2", "0.19.0")
SLO = Slo(tpot_seconds=0.05, ttft_seconds=1.0, tpot_percentile=0.9)
few = settings(max_examples=25, deadline=None)


@cache
def model(name: str) -> Model:
    """Return a bundled model, read once."""
    return CATALOG.model(name)


@cache
def devices() -> tuple[Device, ...]:
    """Return whole cards, slices and time slices of every board that can be predicted."""
    found: list[Device] = []
    for gpu in CATALOG.gpus():
        shares: list[Share] = [Exclusive(), TimeSlice(replicas=2)]
        if gpu.mig is not None:
            shares += [MigSlice(profile=p.name) for p in gpu.mig.profiles if p.memory_bytes]
        if gpu.memory_bytes is not None and gpu.link_bytes_per_second is not None:
            found += [device_of(gpu, share) for share in shares]
    return tuple(d for d in found if d.bandwidth_bytes_per_second and d.flops)


@dataclass
class Case:
    """Servers of one model under one kind of request, and a load of each kind for each."""

    sizings: list[Sizing]
    constants: PerfConstants
    traffic: Traffic
    clients: list[int]
    rates: list[float]

    def points(self, confidence: float) -> Points:
        """Return the servers as rows, with the places that are sure with *confidence*."""
        servers = servers_of([server_of(sizing, self.constants) for sizing in self.sizings])
        capacities = [capacity_of(sizing, self.traffic) for sizing in self.sizings]
        places = np.array([capacity_at(each, confidence) for each in capacities], dtype=np.float64)
        return points(servers, shapes_of(servers.work, [self.traffic]), places)

    def single(self, row: int, load: Load) -> Prediction:
        """Return the single prediction of one row."""
        traffic = replace(self.traffic, load=load)
        return predict(self.sizings[row], traffic, constants=self.constants)


@cache
def calibrated(era: str) -> PerfConstants:
    """Return constants of an era moved to three points that it does not quite foresee."""
    facts, served = model("meta-llama/Llama-3.1-8B-Instruct"), ServedAs()
    points = [
        Observation(
            row=0,
            source="",
            engine="",
            era=era,
            model=facts,
            device=device_of(CATALOG.gpu("H100-SXM-80GB"), Exclusive()),
            served=served,
            sequences=float(batch),
            traffic=Traffic(
                load=ClosedLoop(concurrency=batch),
                input=Lengths.fixed(inputs),
                output=Lengths.fixed(128),
            ),
            chunk_tokens=8192,
            is_eager=False,
            tpot_kind=TpotKind.CLOSED_LOOP,
            is_static_ttft=False,
            is_vague=False,
            tpot_seconds=tpot,
            ttft_seconds=0.05,
        )
        for batch, inputs, tpot in ((1, 512, 0.008), (64, 512, 0.02), (16, 4096, 0.017))
    ]
    return calibrate(points, load_constants()[era]).constants


lengths = st.one_of(
    st.integers(1, 6000).map(Lengths.fixed),
    st.builds(Lengths.lognormal, st.floats(20, 2000), st.floats(0.2, 1.2)),
    st.integers(1, 400).map(lambda low: Lengths.uniform(low, 3 * low)),
)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Draw a model, an engine and four servers of it."""
    engine = CATALOG.engine(draw(st.sampled_from(ENGINES)))
    facts = model(draw(st.sampled_from(MODELS)))
    sizings = [
        size(
            facts,
            draw(st.sampled_from(devices())),
            ServerConfig(
                tensor_parallel=draw(st.sampled_from((1, 2))),
                max_num_batched_tokens=draw(st.sampled_from((512, 2048, 8192))),
                max_num_seqs=draw(st.sampled_from((1, 16, 256, 1100))),
                max_model_len=draw(st.sampled_from((2048, 16384))),
            ),
            engine=engine,
            coefficients=memory_coefficients(),
        )
        for _ in range(4)
    ]
    return Case(
        sizings=sizings,
        constants=draw(st.sampled_from((load_constants()[engine.era], calibrated(engine.era)))),
        traffic=Traffic(
            load=ClosedLoop(concurrency=1),
            input=draw(lengths),
            output=draw(lengths),
            prefix_hit_ratio=draw(st.sampled_from((0.0, 0.4))),
        ),
        clients=[draw(st.integers(1, 2000)) for _ in sizings],
        rates=[draw(st.floats(0.001, 40)) for _ in sizings],
    )


def figures(one: Prediction) -> list[float]:
    """Return the figures of a single prediction, in the order of `row_figures`."""
    latencies = (one.tpot, one.ttft, one.end_to_end)
    kept = [e.expected for x in latencies for e in (x.mean, x.p50, x.p90, x.p95, x.p99)]
    return [*kept, one.tpot.p90.high, one.ttft.p90.high, one.running, one.waiting, one.utilization]


def row_figures(many: sweep.Swept, row: int) -> list[float]:
    """Return the same figures of one row."""
    spreads = (many.tpot, many.ttft, many.whole)
    wide = Slo(tpot_seconds=1, ttft_seconds=1, tpot_percentile=0.9, ttft_percentile=0.9)
    state = many.state
    columns = [*(x for spread in spreads for x in spread), *many.upper(wide, 0.95)]
    columns += [state.running, state.waiting, state.utilization]
    return [float(np.asarray(each)[row]) for each in columns]


@few
@given(case=cases())
def test_a_row_is_the_single_prediction(case: Case) -> None:
    """Over models, devices and eras every figure of a row is that of `predict`, to 1e-9."""
    rows = case.points(0.5)
    swept = sweep.clients(rows, np.array(case.clients)), sweep.rates(rows, np.array(case.rates))
    for row in range(len(rows)):
        loads: tuple[Load, Load] = (
            ClosedLoop(concurrency=case.clients[row]),
            OpenLoop(requests_per_second=case.rates[row]),
        )
        for many, load in zip(swept, loads, strict=True):
            single = figures(case.single(row, load))
            assert row_figures(many, row) == pytest.approx(single, rel=1e-9)


@few
@given(case=cases(), confidence=st.sampled_from((0.5, 0.9)))
def test_a_row_holds_what_the_single_search_finds(case: Case, confidence: float) -> None:
    """The largest clients and rates of rows are those of `largest_load`."""
    rows = case.points(confidence)
    found = [search(rows, SLO, confidence=confidence) for search in SEARCHES]
    for row, sizing in enumerate(case.sizings):
        for many, load in zip(found, LOADS, strict=True):
            traffic = replace(case.traffic, load=load)
            single = largest_load(
                sizing, traffic, SLO, constants=case.constants, confidence=confidence
            )
            assert many[row] == pytest.approx(single, rel=1e-9)


SEARCHES = (sweep.largest_clients, sweep.largest_rates)
LOADS: Sequence[Load] = (ClosedLoop(concurrency=1), OpenLoop(requests_per_second=1.0))


def grown(case: Case, bandwidth: float, compute: float) -> Case:
    """Return the case with every device's bandwidth and FLOP/s multiplied."""
    sizings = []
    for sizing in case.sizings:
        device = sizing.device
        assert device.bandwidth_bytes_per_second is not None
        better = replace(
            device,
            bandwidth_bytes_per_second=device.bandwidth_bytes_per_second * bandwidth,
            flops={dtype: rate * compute for dtype, rate in device.flops.items()},
        )
        sizings.append(replace(sizing, device=better))
    return replace(case, sizings=sizings)


@few
@given(case=cases(), bandwidth=st.floats(1, 4), compute=st.floats(1, 4))
def test_a_device_that_dominates_is_never_slower(
    case: Case, bandwidth: float, compute: float
) -> None:
    """More bandwidth and compute lower TPOT, its upper band and, uncalibrated, whole requests."""
    clients = np.array(case.clients)
    plain = sweep.clients(case.points(0.5), clients)
    better = sweep.clients(grown(case, bandwidth, compute).points(0.5), clients)
    assert never_above(better.tpot.mean, plain.tpot.mean)
    if case.points(0.5).step.misfit is None:
        assert never_above(better.whole.mean, plain.whole.mean)
    assert never_above(better.band()[0][1], plain.band()[0][1])


@few
@given(case=cases(), more=st.integers(1, 500), factor=st.floats(1, 3))
def test_more_load_never_lowers_tpot(case: Case, more: int, factor: float) -> None:
    """Mean TPOT rises with clients and with the rate, or stays."""
    rows, clients, rates = case.points(0.5), np.array(case.clients), np.array(case.rates)
    few_clients, many_clients = (
        sweep.clients(rows, n).tpot.mean for n in (clients, clients + more)
    )
    slow, fast = (sweep.rates(rows, rate).tpot.mean for rate in (rates, rates * factor))
    assert never_above(few_clients, many_clients)
    assert never_above(slow, fast)


def never_above(small: object, large: object) -> bool:
    """Whether no figure of *small* exceeds that of *large* beyond rounding."""
    return bool(np.all(np.asarray(small) <= np.asarray(large) * (1 + 1e-6)))


@few
@given(case=cases())
def test_what_is_found_is_held(case: Case) -> None:
    """No target is missed under the largest load; one client more misses one or has no place."""
    rows = case.points(0.9)
    held: Array = sweep.largest_clients(rows, SLO, confidence=0.9)
    at = sweep.clients(rows, np.maximum(held, 1.0)).upper(SLO, 0.9)
    beyond = sweep.clients(rows, held + 1).upper(SLO, 0.9)
    some = held > 0
    assert np.all(misses(at)[some] <= 1 + 1e-9)
    assert np.all((misses(beyond) > 1 - 1e-9) | (held >= rows.places))


def misses(upper: tuple[Array, Array]) -> Array:
    """Return the worst latency over its target."""
    worst: Array = np.maximum(upper[0] / 0.05, upper[1] / 1.0)
    return worst


def test_a_confidence_out_of_range_is_refused() -> None:
    """Searches check the confidence as single ones do."""
    case = Case(
        sizings=[
            size(
                model("meta-llama/Llama-3.1-8B-Instruct"),
                device_of(CATALOG.gpu("H100-SXM-80GB"), Exclusive()),
                ServerConfig(),
                engine=CATALOG.engine(None),
                coefficients=memory_coefficients(),
            )
        ],
        constants=load_constants()["2026"],
        traffic=Traffic(load=LOADS[0], input=Lengths.fixed(100), output=Lengths.fixed(10)),
        clients=[1],
        rates=[1.0],
    )
    for search in SEARCHES:
        with pytest.raises(InputError, match="confidence"):
            search(case.points(0.5), SLO, confidence=0.2)
    assert math.isfinite(case.single(0, LOADS[0]).tpot.mean.expected)
