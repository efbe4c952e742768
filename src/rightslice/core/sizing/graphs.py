"""CUDA graphs, and what CUDA's own libraries take: memory that torch does not count as tensors.

    graphs = fixed + activations of the largest batch + split attention results
             + kernels * captured sizes * modes * bytes a kernel

Captured sizes run 1, 2, 4, 8, then in steps to ``min(2 * max-num-seqs, 512)`` (0.6: to
max-num-seqs). On Hopper FlashAttention 3 is captured with room for 32 splits of every row
(``flash_attn_max_num_splits_for_cuda_graph``), in fp32: it shrinks with tensor parallelism, as
heads do. Kernels a layer are counted in vLLM's layers (`core.sizing.kernels`). Non-torch memory
(cuBLAS, NCCL, custom all-reduce) is a table by release and GPUs. Known gap: fitted on H100;
elsewhere, and where a release counts its own estimate of graphs, the band is wider.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from rightslice.core.catalog.engine import EngineRelease
from rightslice.core.catalog.estimate import Band
from rightslice.core.catalog.model import Attention, LatentAttention, Layer
from rightslice.core.sizing.coefficients import MemoryCoefficients, NonTorch, release_number
from rightslice.core.sizing.kernels import stage_kernels
from rightslice.core.sizing.parameters import StageWeights
from rightslice.core.sizing.startup import Startup
from rightslice.units import format_bytes

_MIXED_STEPS: Final = 51
"""Releases with this many sizes step by 8 up to 256 and by 16 beyond; others by 8 throughout."""

_SPECIALIZES_LORA: Final = (0, 11, 1)
"""With LoRA every size is captured twice, with adapters and without (``cudagraph_specialize_lora``:
read in the 0.11.2 wheel, absent from 0.11.0)."""

_SPLITTING: Final = "9.0"
"""Compute capability on which FlashAttention 3 runs (vllm/v1/attention/backends/fa_utils.py)."""
_FULL_AND_PIECEWISE: Final = 2
_FLOAT_BYTES: Final = 4


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
    graphs = captured_sizes(engine, startup) * engine.graph_modes
    kernels = stage_kernels(stage, lora=startup.lora_ranks > 0)
    rows, splits = captured_rows(startup, stage), split_results(startup, stage)
    expected = round(known.fixed_bytes + rows + splits + kernels * graphs * known.bytes_per_kernel)
    return GraphMemory(
        _band(startup, expected),
        f"{format_bytes(known.fixed_bytes)} + activations {format_bytes(rows)}"
        f" + split attention {format_bytes(splits)}"
        f" + {kernels} kernels x {graphs} graphs x {format_bytes(known.bytes_per_kernel)}",
    )


def _band(startup: Startup, expected: int) -> Band:
    """Return the band: wider where nothing was measured, and where a release estimates itself."""
    known, engine = startup.coefficients.graphs, startup.engine
    measured = _splits_attention(startup) and not engine.graphs_in_budget
    ratio = known.spread_ratio if measured else known.extrapolated_ratio
    spread = round(expected * ratio) + known.spread_bytes
    estimated = engine.graphs_in_budget and startup.flags.tensor_parallel > 1
    high = expected + spread + (known.estimate_bytes if estimated else 0)
    return Band(max(0, expected - spread), expected, high)


def largest_captured(startup: Startup) -> int:
    """Return the rows of the largest captured batch."""
    flags, engine = startup.flags, startup.engine
    running = flags.max_num_seqs * (2 if engine.generation == "V1" else 1)
    return min(running, engine.graph_max_size, flags.max_num_batched_tokens)


def captured_rows(startup: Startup, stage: StageWeights) -> int:
    """Return the bytes of the activations of the largest captured batch, kept in the pool."""
    known = startup.coefficients.activation
    width = max((layer.mlp_width for layer in stage.layers), default=0)
    values = known.forward_intermediate_bytes * width / startup.flags.tensor_parallel
    values += known.forward_hidden_bytes * startup.model.hidden_size
    return round(largest_captured(startup) * values * startup.dtype_bytes / 2)


def split_results(startup: Startup, stage: StageWeights) -> int:
    """Return the bytes of FlashAttention 3's partial results, for as many splits as may be."""
    if not _splits_attention(startup):
        return 0
    widest = max((_output_values(layer) for layer in stage.layers), default=0)
    values = widest // startup.flags.tensor_parallel * largest_captured(startup)
    return values * startup.coefficients.graphs.attention_splits * _FLOAT_BYTES


def _splits_attention(startup: Startup) -> bool:
    hopper = startup.device.gpu.compute_capability == _SPLITTING
    return hopper and startup.engine.graph_modes == _FULL_AND_PIECEWISE


def _output_values(layer: Layer) -> int:
    mixer = layer.mixer
    if isinstance(mixer, LatentAttention):
        return mixer.query_heads * mixer.latent_dim
    return mixer.query_heads * mixer.value_dim if isinstance(mixer, Attention) else 0


def captured_sizes(engine: EngineRelease, startup: Startup) -> int:
    """Return how many graphs are captured, in each mode."""
    sizes = _count_sizes(largest_captured(startup), mixed=engine.graph_sizes == _MIXED_STEPS)
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
    band = entry.single
    if startup.device.gpu.compute_capability != _SPLITTING:
        least = min(known.single.low for known in startup.coefficients.non_torch)
        band = Band(min(least, band.low), band.expected, band.high)
    return band, f"cuBLAS and library workspaces of one GPU, {since}"


@lru_cache(maxsize=256)
def _entry(coefficients: MemoryCoefficients, version: str) -> NonTorch:
    number = release_number(version)
    matching = [entry for entry in coefficients.non_torch if release_number(entry.first) <= number]
    return matching[-1]
