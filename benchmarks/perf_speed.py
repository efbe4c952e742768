"""Time of one prediction and of one search for the largest load, on one core.

.venv/bin/python benchmarks/perf_speed.py
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from rightslice.core.catalog.device import device_of
from rightslice.core.catalog.lengths import Lengths
from rightslice.core.catalog.server import ServerConfig
from rightslice.core.catalog.share import Exclusive
from rightslice.core.catalog.traffic import ClosedLoop, Load, OpenLoop, Slo, Traffic
from rightslice.core.perf.predict import largest_load, predict
from rightslice.core.sizing.memory import size
from rightslice.edge.catalog_files import Catalog
from rightslice.edge.memory_coefficients import memory_coefficients
from rightslice.edge.perf_constants import load_constants

REPEATS: Final = 300
ROUNDS: Final = 5


def microseconds(work: Callable[[], object]) -> float:
    """Return the time of one call, the best of several rounds: other processes only add."""
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for _ in range(REPEATS):
            work()
        best = min(best, time.perf_counter() - start)
    return best / REPEATS * 1e6


def main() -> None:
    """Print one line a load."""
    catalog = Catalog()
    sizing = size(
        catalog.model("meta-llama/Llama-3.1-8B-Instruct"),
        device_of(catalog.gpu("H100-SXM-80GB"), Exclusive()),
        ServerConfig(),
        engine=catalog.engine(None),
        coefficients=memory_coefficients(),
    )
    constants = load_constants()[sizing.engine.era]
    slo = Slo(tpot_seconds=0.03, ttft_seconds=0.5)
    loads: tuple[tuple[str, Load], ...] = (
        ("32 concurrent", ClosedLoop(concurrency=32)),
        ("10 requests/s", OpenLoop(requests_per_second=10)),
    )
    for name, load in loads:
        traffic = Traffic(load=load, input=Lengths.fixed(1024), output=Lengths.fixed(128))

        def one(traffic: Traffic = traffic) -> object:
            return predict(sizing, traffic, constants=constants)

        def search(traffic: Traffic = traffic) -> object:
            return largest_load(sizing, traffic, slo, constants=constants, confidence=0.9)

        once, searched = microseconds(one), microseconds(search)
        print(f"{name}: predict {once:.0f} us, largest load {searched:.0f} us")


if __name__ == "__main__":
    main()
