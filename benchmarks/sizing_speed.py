"""How long one sizing takes, and one search for the fewest changes.

Usage: sizing_speed.py
"""

from __future__ import annotations

import time
from collections.abc import Callable

from rightslice.core.catalog.device import device_of
from rightslice.core.catalog.mig import ProfileName
from rightslice.core.catalog.server import ServerConfig
from rightslice.core.catalog.share import MigSlice
from rightslice.core.sizing.fixes import smallest_fix
from rightslice.core.sizing.memory import size
from rightslice.edge.catalog_files import Catalog
from rightslice.edge.memory_coefficients import memory_coefficients

REPEATS = 5
MODELS = ("granite-7b-base", "google/gemma-2-27b-it", "Qwen/Qwen3-30B-A3B")


def best_seconds(call: Callable[[int], object], count: int) -> float:
    """Return the shortest time of one call over several rounds of *count* calls."""
    rounds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        for index in range(count):
            call(index)
        rounds.append((time.perf_counter() - start) / count)
    return min(rounds)


def main() -> int:
    """Print one line a model."""
    catalog, known = Catalog(), memory_coefficients()
    device = device_of(catalog.gpu("H100-80GB"), MigSlice(profile=ProfileName("1g.10gb")))
    engine = catalog.engine(None)
    for name in MODELS:
        model = catalog.model(name)
        one = best_seconds(
            lambda index, model=model: size(  # type: ignore[misc]  # binds this round's model
                model,
                device,
                ServerConfig(max_num_seqs=64 + index % 64),
                engine=engine,
                coefficients=known,
            ),
            500,
        )
        fix = best_seconds(
            lambda _, model=model: smallest_fix(  # type: ignore[misc]  # binds this round's model
                model, device, ServerConfig(), engine=engine, coefficients=known
            ),
            2,
        )
        print(f"{name:26} one sizing {one * 1e6:6.0f} µs   fewest changes {fix * 1e3:6.1f} ms")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
