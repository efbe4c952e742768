"""Time of one prediction, of many at once, and of the loads of many offers, beside the aims.

.venv/bin/python benchmarks/perf_speed.py [--points N] [--rounds N]

Processor time of one process on one core, the best of several rounds: other processes only add.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Final

import numpy as np

from rightslice.core.catalog.device import Device, device_of
from rightslice.core.catalog.lengths import Lengths
from rightslice.core.catalog.mig import MigProfile
from rightslice.core.catalog.server import ServerConfig
from rightslice.core.catalog.share import Exclusive, MigSlice, Share
from rightslice.core.catalog.traffic import ClosedLoop, Load, OpenLoop, Slo, Traffic
from rightslice.core.perf import sweep, tables
from rightslice.core.perf.arrays import array_of, column
from rightslice.core.perf.predict import curve, largest_load, predict
from rightslice.core.perf.queueing import stable_rate
from rightslice.core.perf.rates import Schedule
from rightslice.core.perf.result import PerfConstants
from rightslice.core.perf.work import ServedAs, work_of
from rightslice.core.sizing.memory import size
from rightslice.core.sizing.result import Sizing
from rightslice.edge.catalog_files import Catalog
from rightslice.edge.memory_coefficients import memory_coefficients
from rightslice.edge.perf_constants import load_constants

MODEL: Final = "meta-llama/Llama-3.1-8B-Instruct"
INPUT, OUTPUT = Lengths.fixed(1024), Lengths.fixed(128)
CLIENTS: Final = ClosedLoop(concurrency=32)
RATE: Final = OpenLoop(requests_per_second=10)
SLO: Final = Slo(tpot_seconds=0.03, ttft_seconds=0.5)
OFFERS: Final = 300
AIM_ONE: Final = 100.0
AIM_POINT: Final = 2.0
AIM_OFFERS: Final = 20_000.0


def microseconds(work: Callable[[], object], repeats: int, rounds: int) -> float:
    """Return the time of one call in the best round."""
    best = float("inf")
    for _ in range(rounds):
        start = time.process_time()
        for _ in range(repeats):
            work()
        best = min(best, time.process_time() - start)
    return best / repeats * 1e6


def devices(catalog: Catalog) -> list[Device]:
    """Return every board whole and every slice with known memory that can be predicted."""
    found: list[Device] = []
    for gpu in catalog.gpus():
        profiles: tuple[MigProfile, ...] = () if gpu.mig is None else gpu.mig.profiles
        shares: list[Share] = [
            Exclusive(),
            *(MigSlice(profile=p.name) for p in profiles if p.memory_bytes),
        ]
        if gpu.memory_bytes is not None:
            found.extend(device_of(gpu, share) for share in shares)
    return [d for d in found if d.bandwidth_bytes_per_second and d.flops]


class Many:
    """Rows for the vectorised forms: devices, flags and loads drawn at random, always the same."""

    def __init__(self, catalog: Catalog, constants: PerfConstants, rows: int) -> None:
        """Draw *rows* rows."""
        draw = np.random.default_rng(0)
        known = devices(catalog)
        served = ServedAs()
        schedule = Schedule(work=work_of(catalog.model(MODEL), served), chunk_tokens=8192)
        self.servers = [tables.Server(device, served, schedule, constants) for device in known]
        self.index = draw.integers(0, len(known), rows)
        self.inputs = draw.integers(64, 4096, rows).astype(np.float64)
        self.outputs = draw.integers(32, 1024, rows).astype(np.float64)
        self.places = draw.integers(8, 257, rows).astype(np.float64)
        self.clients = draw.integers(1, 257, rows).astype(np.float64)
        self.share = draw.uniform(0.05, 0.8, rows)

    def points(self) -> tables.Points:
        """Return the rows, each with request lengths of its own."""
        servers = tables.servers_of(self.servers)
        shapes = tables.fixed_shapes(servers.work, self.inputs, self.outputs)
        return tables.points(servers.rows(self.index), shapes, self.places)

    def offers(self) -> tables.Points:
        """Return the rows under one kind of request, as `fit` asks."""
        servers = tables.servers_of([self.servers[i] for i in self.index])
        traffic = Traffic(load=CLIENTS, input=INPUT, output=OUTPUT)
        return tables.points(servers, tables.shapes_of(servers.work, [traffic]), self.places)


def singles(sizing: Sizing, constants: PerfConstants, rounds: int) -> None:
    """Print one prediction and one search, for clients and for a rate."""
    loads: tuple[tuple[str, Load], ...] = (("32 clients", CLIENTS), ("10 requests/s", RATE))
    for name, load in loads:
        traffic = Traffic(load=load, input=INPUT, output=OUTPUT)

        def one(traffic: Traffic = traffic) -> object:
            return predict(sizing, traffic, constants=constants)

        def search(traffic: Traffic = traffic) -> object:
            return largest_load(sizing, traffic, SLO, constants=constants, confidence=0.9)

        def line(traffic: Traffic = traffic) -> object:
            return curve(sizing, traffic, constants=constants, points=range(1, 201))

        show(f"predict, {name}", microseconds(one, 20, 10 * rounds), AIM_ONE, "us")
        show(f"largest load, {name}", microseconds(search, 5, 10 * rounds), None, "us")
    show("curve of 200 loads with its knee", microseconds(line, 1, 2 * rounds) / 1e3, None, "ms")


def many(rows: Many, rounds: int) -> None:
    """Print the time of a point when many are predicted at once."""
    count = len(rows.places)
    known = rows.points()
    limit = stable_rate(known.step, known.requests, column(known.places))
    rates = rows.share * array_of(limit)
    for name, work in (
        ("clients", lambda: sweep.clients(rows.points(), rows.clients)),
        ("rates", lambda: sweep.rates(rows.points(), rates)),
    ):
        each = microseconds(work, 1, rounds) / count
        show(f"a point of {count:,} at once, {name}", each, AIM_POINT, "us")


def offers(rows: Many, rounds: int) -> None:
    """Print the time of the largest loads of all offers, tables included."""
    for name, search in (
        ("clients", sweep.largest_clients),
        ("rate", sweep.largest_rates),
    ):

        def work(search: Callable[..., object] = search) -> object:
            return search(rows.offers(), SLO, confidence=0.9)

        taken = microseconds(work, 1, rounds)
        show(f"largest {name} of {len(rows.places)} offers", taken / 1e3, AIM_OFFERS / 1e3, "ms")


def show(name: str, value: float, aim: float | None, unit: str) -> None:
    """Print one line."""
    beside = "" if aim is None else f"   aim {aim:g} {unit}"
    print(f"{name:<42}{value:9.2f} {unit}{beside}")


def main() -> None:
    """Print every time beside its aim."""
    parser = argparse.ArgumentParser(description="Speed of prediction")
    parser.add_argument("--points", type=int, default=10_000, help="rows predicted at once")
    parser.add_argument("--rounds", type=int, default=5, help="rounds, of which the best counts")
    arguments = parser.parse_args()
    catalog = Catalog()
    sizing = size(
        catalog.model(MODEL),
        device_of(catalog.gpu("H100-SXM-80GB"), Exclusive()),
        ServerConfig(),
        engine=catalog.engine(None),
        coefficients=memory_coefficients(),
    )
    constants = load_constants()[sizing.engine.era]
    singles(sizing, constants, arguments.rounds)
    many(Many(catalog, constants, arguments.points), arguments.rounds)
    offers(Many(catalog, constants, OFFERS), arguments.rounds)


if __name__ == "__main__":
    main()
