"""How long sizing takes: one server, many configurations in arrays, a search for a fix; and peers.

Usage: sizing_speed.py [--configurations N] [--ridgepoint PYTHON]

CPU time of one core, the best of several rounds. Configurations are random in everything that
varies: memory, utilization, context, sequences, batched tokens, tensor parallelism, number format
of the cache, graphs. Without arguments nothing is read but the catalogue. With --ridgepoint the
interpreter of an environment with ridgepoint 0.1.2 times that package in the same run.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from parts.sizing_peer import formula, ridgepoint_seconds

from rightslice.core.catalog.device import device_of
from rightslice.core.catalog.mig import ProfileName
from rightslice.core.catalog.model import Model
from rightslice.core.catalog.server import ServerConfig
from rightslice.core.catalog.share import Exclusive, MigSlice, Share
from rightslice.core.fit.offers import slices
from rightslice.core.sizing.columns import of_servers, varied
from rightslice.core.sizing.fixes import smallest_fix
from rightslice.core.sizing.memory import size
from rightslice.core.sizing.startup import startup_of
from rightslice.core.sizing.sweep import sweep
from rightslice.edge.catalog_files import Catalog
from rightslice.edge.memory_coefficients import memory_coefficients
from rightslice.errors import InputError
from rightslice.units import GIB

ROUNDS = 7
MODELS = ("granite-7b-base", "google/gemma-2-27b-it", "Qwen/Qwen3-30B-A3B")
CATALOG, KNOWN = Catalog(), memory_coefficients()
ENGINE = CATALOG.engine(None)
CARD = CATALOG.gpu("H100-80GB")


def best_seconds(call: Callable[[], object], count: int = 1) -> float:
    """Return the shortest CPU time of one call over several rounds of *count* calls."""
    rounds = []
    for _ in range(ROUNDS):
        start = time.process_time()
        for _ in range(count):
            call()
        rounds.append((time.process_time() - start) / count)
    return min(rounds)


def drawn(count: int) -> dict[str, list[float] | list[int] | list[str] | list[bool]]:
    """Return columns of random configurations."""
    draw, every = random.Random(1), range(count)  # noqa: S311 - test data
    return {
        "memory_bytes": [draw.randrange(10 * GIB, 180 * GIB) for _ in every],
        "gpu_memory_utilization": [draw.uniform(0.5, 0.97) for _ in every],
        "max_model_len": [draw.randrange(512, 8192) for _ in every],
        "max_num_seqs": [draw.randrange(1, 1024) for _ in every],
        "max_num_batched_tokens": [draw.randrange(1024, 16384) for _ in every],
        "tensor_parallel": [draw.choice((1, 2, 4, 8)) for _ in every],
        "kv_cache_dtype": [draw.choice(("auto", "fp8")) for _ in every],
        "enforce_eager": [draw.random() < 0.5 for _ in every],
    }


def one_seconds(model: Model) -> float:
    """Return the time of one sizing, words included."""
    device = device_of(CARD, MigSlice(profile=ProfileName("3g.40gb")))
    server = ServerConfig(max_num_seqs=64)
    return best_seconds(
        partial(size, model, device, server, engine=ENGINE, coefficients=KNOWN), 300
    )


def sweep_seconds(model: Model, count: int) -> float:
    """Return the time of one configuration among *count*, the making of arrays included."""
    device, server = device_of(CARD, Exclusive()), ServerConfig()
    start = startup_of(model, device, server, engine=ENGINE, coefficients=KNOWN)
    columns = drawn(count)
    sweep(varied(start, columns))
    return best_seconds(lambda: sweep(varied(start, columns))) / count


def offers_seconds(model: Model) -> tuple[int, float]:
    """Return how many servers four sets of flags make on every card and slice, and their time."""
    devices = []
    for gpu in CATALOG.gpus():
        shares: list[Share] = [*slices(gpu), Exclusive()]
        for share in shares:
            with contextlib.suppress(InputError):
                devices.append(device_of(gpu, share))
    flags = (
        ServerConfig(),
        ServerConfig(max_num_seqs=40),
        ServerConfig(max_num_seqs=40, max_model_len=2048),
        ServerConfig(max_num_seqs=40, max_model_len=2048, max_num_batched_tokens=1024),
    )
    parallel = [replace(server, tensor_parallel=ranks) for ranks in (2, 4, 8) for server in flags]
    pairs = [
        (device, server)
        for device in devices
        for server in (*flags, *(parallel if isinstance(device.share, Exclusive) else ()))
    ]
    return len(pairs), best_seconds(
        lambda: sweep(of_servers(model, pairs, engine=ENGINE, coefficients=KNOWN))
    )


def fix_seconds(model: Model) -> float:
    """Return the time of a search for the fewest changes on the smallest slice."""
    device = device_of(CARD, MigSlice(profile=ProfileName("1g.10gb")))
    start = startup_of(model, device, ServerConfig(), engine=ENGINE, coefficients=KNOWN)
    return best_seconds(partial(smallest_fix, start))


def formula_seconds(model: Model, count: int) -> float:
    """Return the time of llm-d-planner's arithmetic for one of the same configurations."""
    device = device_of(CARD, Exclusive())
    sizing = size(model, device, ServerConfig(), engine=ENGINE, coefficients=KNOWN)
    weights = sizing.term("weights").size_bytes.expected
    columns = drawn(count)
    settings = list(
        zip(
            [int(memory) / GIB for memory in columns["memory_bytes"]],
            [float(ratio) for ratio in columns["gpu_memory_utilization"]],
            [int(ranks) for ranks in columns["tensor_parallel"]],
            [int(length) for length in columns["max_model_len"]],
            strict=True,
        )
    )
    return best_seconds(lambda: formula(model, weights, settings)) / count


def main() -> int:
    """Print one line a model, then the peers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--configurations", type=int, default=1000)
    parser.add_argument("--ridgepoint", metavar="PYTHON")
    options = parser.parse_args()
    count: int = options.configurations
    print(
        f"{'model':24} {'one size call':>14} {f'of {count:,} in arrays':>20} {'fewest changes':>16}"
    )
    for name in MODELS:
        model = CATALOG.model(name)
        one, each, fix = one_seconds(model), sweep_seconds(model, count), fix_seconds(model)
        print(f"{name:24} {one * 1e6:11.0f} µs {each * 1e6:17.1f} µs {fix * 1e3:13.1f} ms")
    model = CATALOG.model(MODELS[0])
    pairs, whole = offers_seconds(model)
    print(
        f"\nevery card and slice with four sets of flags, {pairs:,} servers: {whole * 1e3:.1f} ms"
    )
    one, each = one_seconds(model), sweep_seconds(model, count)
    peers = [("llm-d-planner 0.3.3, formula re-applied", formula_seconds(model, count))]
    if options.ridgepoint:
        peers.append(("ridgepoint 0.1.2", ridgepoint_seconds(options.ridgepoint, model)))
    print(f"same configurations, {model.name}: time of ours over theirs")
    for peer, theirs in peers:
        print(
            f"{peer:42} {theirs * 1e6:6.1f} µs   one call x{one / theirs:.1f}"
            f"   in arrays x{each / theirs:.2f}"
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
