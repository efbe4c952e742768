"""How long peers take for one sizing, beside `sizing_speed.py`. No script of its own.

llm-d-planner 0.3.3 reads weights and configurations from a model hub, so nothing of it runs
offline: its published arithmetic (`planner/capacity_planner.py`, max_concurrent_requests;
Apache-2.0) is re-applied by us, with the weights given. ridgepoint 0.1.2 runs offline; it is timed
as it stands, by the interpreter of an environment of its own in which it is installed.
"""

from __future__ import annotations

import math
import subprocess
from collections.abc import Sequence

from parts.memory_peer import peer_activation, peer_non_torch

from rightslice.core.catalog.model import Attention, Model
from rightslice.units import GIB

RIDGEPOINT = """
import sys, time
from ridgepoint import _core
layers, hidden, parameters, head, heads, kept = map(int, sys.argv[1:7])
lengths = [512 + 7 * index for index in range(1000)]
rounds = []
for _ in range(5):
    start = time.process_time()
    for length in lengths:
        _core.fit_shape("model", layers, layers, hidden, parameters, parameters, "gqa", head,
                        heads, kept, 0, 0, "h100-80gb", 1, "vllm", "fp16", "fp16", length, 256)
    rounds.append((time.process_time() - start) / len(lengths))
print(min(rounds))
"""
"""Its sizing of a dense model by dimensions; a speed estimate comes with it."""


def formula(
    model: Model, weights_bytes: int, settings: Sequence[tuple[float, float, int, int]]
) -> int:
    """Apply llm-d-planner's arithmetic to (GiB, utilization, TP, context); return how many fit."""
    attention = _attention(model)
    each = 2 * len(model.layers) * attention.kv_heads * attention.key_dim * 2
    fitting = 0
    for memory_gib, utilization, ranks, length in settings:
        whole = memory_gib * utilization * ranks * GIB
        other = peer_non_torch(ranks, 1) * ranks
        pool = max(0.0, whole - weights_bytes - peer_activation(model) - other)
        fitting += math.floor(pool / (each * length)) > 0
    return fitting


def ridgepoint_seconds(python: str, model: Model) -> float:
    """Return what one sizing of ridgepoint takes under the interpreter *python*."""
    attention = _attention(model)
    numbers = (
        len(model.layers), model.hidden_size, model.parameters,
        attention.key_dim, attention.query_heads, attention.kv_heads,
    )  # fmt: skip
    command = [python, "-c", RIDGEPOINT, *map(str, numbers)]
    told = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(told.stdout)


def _attention(model: Model) -> Attention:
    return next(layer.mixer for layer in model.layers if isinstance(layer.mixer, Attention))
