"""CUDA graphs, and what CUDA's own libraries take: memory that torch does not count as tensors.

    graphs = modes * first capture + layers * captured sizes * modes * bytes a layer and graph

Captured sizes run 1, 2, 4, 8, then in steps to ``min(2 * max-num-seqs, 512)`` (0.6: to
max-num-seqs). Non-torch memory (cuBLAS, NCCL, custom all-reduce) is a table by release and GPUs.
Known gap: fitted on H100; nothing in it was measured on a MIG slice.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from rightslice.core.catalog.engine import EngineRelease
from rightslice.core.catalog.estimate import Band
from rightslice.core.sizing.coefficients import MemoryCoefficients, NonTorch, release_number
from rightslice.core.sizing.parameters import StageWeights, has_unfused_experts
from rightslice.core.sizing.startup import Startup
from rightslice.units import format_bytes

_MIXED_STEPS: Final = 51
"""Releases with this many sizes step by 8 up to 256 and by 16 beyond; others by 8 throughout."""

_SPECIALIZES_LORA: Final = (0, 11, 1)
"""With LoRA every size is captured twice, with adapters and without (``cudagraph_specialize_lora``:
read in the 0.11.2 wheel, absent from 0.11.0)."""


@dataclass(frozen=True, slots=True)
class GraphMemory:
    """CUDA graph memory of one rank."""

    band: Band
    formula: str


def graph_memory(startup: Startup, stage: StageWeights) -> GraphMemory:
    """Return what CUDA graphs take on one rank of *stage*."""
    if startup.flags.enforce_eager:
        return GraphMemory(Band.exact(0), "none: enforce-eager")
    known, engine = startup.coefficients.graphs, startup.engine
    sizes = captured_sizes(engine, startup)
    first = known.first_capture_bytes
    if any(layer.experts is not None for layer in stage.layers):
        first += known.experts_bytes
    if has_unfused_experts(stage) and stage.pads_both_sides:
        first += known.unfused_experts_bytes
    graphs = sizes * engine.graph_modes
    expected = engine.graph_modes * first + len(stage.layers) * graphs * known.bytes_per_layer
    spread = round(expected * known.spread_ratio) + known.spread_bytes
    return GraphMemory(
        Band(max(0, expected - spread), expected, expected + spread),
        f"{engine.graph_modes} modes x {format_bytes(first)} + {len(stage.layers)} layers"
        f" x {graphs} graphs x {format_bytes(known.bytes_per_layer)}",
    )


def captured_sizes(engine: EngineRelease, startup: Startup) -> int:
    """Return how many graphs are captured, in each mode."""
    flags = startup.flags
    running = flags.max_num_seqs * (2 if engine.generation == "V1" else 1)
    largest = min(running, engine.graph_max_size, flags.max_num_batched_tokens)
    sizes = _count_sizes(largest, mixed=engine.graph_sizes == _MIXED_STEPS)
    twice = startup.lora_ranks and release_number(engine.version) >= _SPECIALIZES_LORA
    return 2 * sizes if twice else sizes


@lru_cache(maxsize=1024)
def _count_sizes(largest: int, *, mixed: bool) -> int:
    small = sum(1 for size in (1, 2, 4) if size <= largest)
    if not mixed:
        return small + largest // 8
    return small + min(largest, 248) // 8 + max(0, (largest - 256) // 16 + 1)


def non_torch_memory(startup: Startup) -> tuple[Band, str]:
    """Return the memory outside the torch allocator, with where the figure comes from."""
    entry = _entry(startup.coefficients, startup.engine.version)
    tensor, pipeline = startup.flags.tensor_parallel, startup.flags.pipeline_parallel
    since = f"measured from vLLM {entry.first} on" if entry.first != "0.0" else "measured on V0"
    if tensor > 2:
        return entry.tensor_more, f"cuBLAS, NCCL and custom all-reduce over {tensor} GPUs, {since}"
    if tensor == 2:
        return entry.tensor_two, f"cuBLAS, NCCL and custom all-reduce over 2 GPUs, {since}"
    if pipeline > 1:
        return entry.pipeline, f"cuBLAS and NCCL over {pipeline} stages, {since}"
    return entry.single, f"cuBLAS and library workspaces of one GPU, {since}"


@lru_cache(maxsize=256)
def _entry(coefficients: MemoryCoefficients, version: str) -> NonTorch:
    number = release_number(version)
    matching = [entry for entry in coefficients.non_torch if release_number(entry.first) <= number]
    return matching[-1]
