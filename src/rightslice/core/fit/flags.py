"""Flags to try on an offer: what the owner gave stays, what is open is sized to the load.

The first set that holds is taken, so a flag leaves vLLM's default only when it must. Order: vLLM's
own defaults; ``max-num-seqs`` no larger than the load needs (the sampler's peak grows with it);
``max-model-len`` no longer than the requests; smaller prefill chunks (the forward peak grows with
``max-num-batched-tokens``). Before them all, ``gpu-memory-utilization`` is lowered where the
default asks for more than is free beside a CUDA context, as on the smallest slices. The flags that
a plan writes out are always explicit, because inside a slice vLLM falls back to defaults of its own
(vllm-project/vllm #55381).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from rightslice.core.catalog.device import Device
from rightslice.core.catalog.engine import EngineRelease
from rightslice.core.catalog.estimate import Band
from rightslice.core.catalog.server import ServerConfig
from rightslice.core.catalog.traffic import ClosedLoop, Traffic

_SHORTEST_CONTEXT: Final = 2048
"""No context is cut below this: a load's odd longer request should still be served."""
_SMALL_CHUNK: Final = 1024
_OPEN_LOOP_SEQUENCES: Final = 128
_LEAST_UTILIZATION: Final = 0.5
"""Where a context alone takes half of the device, no utilization makes a server of it."""


def variants(server: ServerConfig, traffic: Traffic, model_max_len: int) -> Iterator[ServerConfig]:
    """Yield flag sets from vLLM's defaults to the leanest that still serves *traffic*."""
    yield server
    lean = server
    if server.max_num_seqs is None:
        lean = lean.choosing(max_num_seqs=sequences_wanted(traffic))
        yield lean
    if server.max_model_len is None:
        shortest = context_wanted(traffic)
        if shortest < model_max_len:
            lean = lean.choosing(max_model_len=shortest)
            yield lean
    if server.max_num_batched_tokens is None:
        chunk = max(_SMALL_CHUNK, lean.max_num_seqs or 0)
        yield lean.choosing(max_num_batched_tokens=chunk)


def startable(
    server: ServerConfig, engine: EngineRelease, device: Device, context: Band
) -> ServerConfig:
    """Return *server* with a utilization that the free memory of *device* allows, if none is given.

    vLLM refuses to start when it asks for more than is free beside the CUDA *context*.
    """
    given = server.gpu_memory_utilization is not None or server.kv_cache_memory_bytes is not None
    free = 1 - context.high / device.memory_bytes
    if given or engine.gpu_memory_utilization <= free or free <= _LEAST_UTILIZATION:
        return server
    return server.choosing(gpu_memory_utilization=math.floor(free * 100) / 100)


def sequences_wanted(traffic: Traffic) -> int:
    """Return a ``max-num-seqs`` with a quarter to spare over the load, in steps of eight."""
    if isinstance(traffic.load, ClosedLoop):
        return max(8, -(-(traffic.load.concurrency * 5) // 32) * 8)
    return _OPEN_LOOP_SEQUENCES


def context_wanted(traffic: Traffic) -> int:
    """Return the power of two that the longest request (input + output) fits."""
    longest = traffic.input.largest + traffic.output.largest
    return max(_SHORTEST_CONTEXT, 1 << (longest - 1).bit_length())
