"""Flags to try on an offer: what the owner gave stays, what is open is sized to the load.

The first set that holds is taken, so a flag leaves vLLM's default only when it must. Order: vLLM's
own defaults; ``max-num-seqs`` no larger than the load needs (the sampler's peak grows with it);
``max-model-len`` no longer than the requests; smaller prefill chunks (the forward peak grows with
``max-num-batched-tokens``). Before them all, ``gpu-memory-utilization`` is lowered where the
default asks for more than is free beside a CUDA context, as on the smallest slices. A KV cache in
8 bit, where the question allows it and the device can, comes after all of these. The flags that
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
from rightslice.core.catalog.question import Question
from rightslice.core.catalog.server import ServerConfig
from rightslice.core.catalog.traffic import ClosedLoop, Traffic
from rightslice.core.fit.result import Offer
from rightslice.core.sizing.levers import takes_fp8_cache

_SHORTEST_CONTEXT: Final = 2048
"""No context is cut below this: a load's odd longer request should still be served."""
_SMALL_CHUNK: Final = 1024
_OPEN_LOOP_SEQUENCES: Final = 128
_LEAST_UTILIZATION: Final = 0.5
"""Where a context alone takes half of the device, no utilization makes a server of it."""


class Flags:
    """The sets of flags to try on each offer of a question; equal sets are one object.

    Flags are resolved once an object in arrays (`sizing.columns`), and making one takes longer
    than predicting with it.
    """

    def __init__(self, question: Question, context: Band) -> None:
        """*context*: what CUDA takes before vLLM reads the free memory."""
        self._question = question
        self._context = context
        self._known: dict[tuple[int, float | None, tuple[str, ...]], tuple[ServerConfig, ...]] = {}

    def sets_for(self, offer: Offer) -> tuple[ServerConfig, ...]:
        """Return the sets to try on *offer*, in order."""
        question, device = self._question, offer.device
        utilization: float | None = None
        dtypes: tuple[str, ...] = ()
        if question.flags_open:
            utilization = utilization_wanted(
                question.server, question.engine, device, self._context
            )
            is_open = bool(question.kv_cache_dtypes) and question.server.kv_cache_dtype is None
            if is_open and takes_fp8_cache(device):
                dtypes = question.kv_cache_dtypes
        key = offer.tensor_parallel, utilization, dtypes
        if key not in self._known:
            self._known[key] = tuple(_sets(question, *key))
        return self._known[key]


def _sets(
    question: Question, ranks: int, utilization: float | None, dtypes: tuple[str, ...]
) -> Iterator[ServerConfig]:
    server = question.server
    if ranks != server.tensor_parallel:
        server = server.choosing(tensor_parallel=ranks)
    if not question.flags_open:
        yield server
        return
    if utilization is not None:
        server = server.choosing(gpu_memory_utilization=utilization)
    yield from variants(server, question.traffic, question.model.max_position)
    for dtype in dtypes:
        smaller = server.choosing(kv_cache_dtype=dtype)
        yield from variants(smaller, question.traffic, question.model.max_position)


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


def utilization_wanted(
    server: ServerConfig, engine: EngineRelease, device: Device, context: Band
) -> float | None:
    """Return the utilization that the free memory of *device* allows; None: the default does.

    vLLM refuses to start when it asks for more than is free beside the CUDA *context*.
    """
    given = server.gpu_memory_utilization is not None or server.kv_cache_memory_bytes is not None
    free = 1 - context.high / device.memory_bytes
    if given or engine.gpu_memory_utilization <= free or free <= _LEAST_UTILIZATION:
        return None
    return math.floor(free * 100) / 100


def sequences_wanted(traffic: Traffic) -> int:
    """Return a ``max-num-seqs`` with a quarter to spare over the load, in steps of eight."""
    if isinstance(traffic.load, ClosedLoop):
        return max(8, -(-(traffic.load.concurrency * 5) // 32) * 8)
    return _OPEN_LOOP_SEQUENCES


def context_wanted(traffic: Traffic) -> int:
    """Return the power of two that the longest request (input + output) fits."""
    longest = traffic.input.largest + traffic.output.largest
    return max(_SHORTEST_CONTEXT, 1 << (longest - 1).bit_length())
