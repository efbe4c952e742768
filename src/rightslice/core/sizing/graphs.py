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

from rightslice.core.catalog.device import Device
from rightslice.core.catalog.estimate import Band
from rightslice.core.catalog.model import Attention, LatentAttention, Layer
from rightslice.core.sizing.amounts import Whole, larger, rounded, smaller
from rightslice.core.sizing.coefficients import MemoryCoefficients, NonTorch, release_number
from rightslice.core.sizing.kernels import stage_kernels
from rightslice.core.sizing.parameters import StageWeights
from rightslice.core.sizing.startup import Startup, Step
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
    known, step = startup.coefficients.graphs, startup.step
    graphs = captured_sizes(startup, step) * startup.engine.graph_modes
    kernels = stage_kernels(stage, lora=startup.lora_ranks > 0)
    rows, splits = captured_rows(startup, stage, step), split_results(startup, stage, step)
    return GraphMemory(
        Band(*graph_bytes(startup, stage, step)),
        f"{format_bytes(known.fixed_bytes)} + activations {format_bytes(rows)}"
        f" + split attention {format_bytes(splits)}"
        f" + {kernels} kernels x {graphs} graphs x {format_bytes(known.bytes_per_kernel)}",
    )


def graph_bytes(
    startup: Startup, stage: StageWeights, step: Step[Whole]
) -> tuple[Whole, Whole, Whole]:
    """Return low, expected and high of what graphs of *step* take."""
    none = 0 * step.seqs
    if startup.flags.enforce_eager:
        return none, none, none
    known = startup.coefficients.graphs
    graphs = captured_sizes(startup, step) * startup.engine.graph_modes
    kernels = stage_kernels(stage, lora=startup.lora_ranks > 0)
    rows, splits = captured_rows(startup, stage, step), split_results(startup, stage, step)
    expected = rounded(
        known.fixed_bytes + rows + splits + kernels * graphs * known.bytes_per_kernel
    )
    return _band(startup, expected)


def _band(startup: Startup, expected: Whole) -> tuple[Whole, Whole, Whole]:
    """Return the band: wider where nothing was measured, and where a release estimates itself."""
    known, engine = startup.coefficients.graphs, startup.engine
    measured = _splits_attention(startup) and not engine.graphs_in_budget
    ratio = known.spread_ratio if measured else known.extrapolated_ratio
    spread = rounded(expected * ratio) + known.spread_bytes
    estimated = engine.graphs_in_budget and startup.flags.tensor_parallel > 1
    high = expected + spread + (known.estimate_bytes if estimated else 0)
    return larger(expected - spread, 0), expected, high


def largest_captured(startup: Startup, step: Step[Whole]) -> Whole:
    """Return the rows of the largest captured batch."""
    running = step.seqs * (2 if startup.engine.generation == "V1" else 1)
    return smaller(smaller(running, startup.engine.graph_max_size), step.tokens)


def captured_rows(startup: Startup, stage: StageWeights, step: Step[Whole]) -> Whole:
    """Return the bytes of the activations of the largest captured batch, kept in the pool."""
    known = startup.coefficients.activation
    width, _ = _widest(stage)
    values = known.forward_intermediate_bytes * width / startup.flags.tensor_parallel
    values += known.forward_hidden_bytes * startup.model.hidden_size
    return rounded(largest_captured(startup, step) * values * startup.dtype_bytes / 2)


def split_results(startup: Startup, stage: StageWeights, step: Step[Whole]) -> Whole:
    """Return the bytes of FlashAttention 3's partial results, for as many splits as may be."""
    if not _splits_attention(startup):
        return 0 * step.seqs
    _, values = _widest(stage)
    splits = startup.coefficients.graphs.attention_splits
    return (
        values
        // startup.flags.tensor_parallel
        * largest_captured(startup, step)
        * splits
        * _FLOAT_BYTES
    )


def board_kind(device: Device) -> tuple[bool]:
    """Return what of a board decides memory: whether FlashAttention 3 runs on it.

    `columns` sorts devices by it: what else of a board a formula reads belongs here.
    """
    return (device.gpu.compute_capability == _SPLITTING,)


def _splits_attention(startup: Startup) -> bool:
    (hopper,) = board_kind(startup.device)
    return hopper and startup.engine.graph_modes == _FULL_AND_PIECEWISE


@lru_cache(maxsize=4096)
def _widest(stage: StageWeights) -> tuple[int, int]:
    """Return the widest dense feed-forward part and the widest attention output, in values."""
    return (
        max((layer.mlp_width for layer in stage.layers), default=0),
        max((_output_values(layer) for layer in stage.layers), default=0),
    )


def _output_values(layer: Layer) -> int:
    mixer = layer.mixer
    if isinstance(mixer, LatentAttention):
        return mixer.query_heads * mixer.latent_dim
    return mixer.query_heads * mixer.value_dim if isinstance(mixer, Attention) else 0


def captured_sizes(startup: Startup, step: Step[Whole]) -> Whole:
    """Return how many graphs are captured, in each mode."""
    engine, largest = startup.engine, largest_captured(startup, step)
    sizes = 0 * largest
    for size in (1, 2, 4):
        sizes = sizes + smaller(largest // size, 1)
    if engine.graph_sizes == _MIXED_STEPS:
        sizes = sizes + smaller(largest, 248) // 8 + larger((largest - 256) // 16 + 1, 0)
    else:
        sizes = sizes + largest // 8
    twice = startup.lora_ranks and release_number(engine.version) >= _SPECIALIZES_LORA
    return 2 * sizes if twice else sizes


def non_torch_memory(startup: Startup) -> tuple[Band, str]:
    """Return the memory outside the torch allocator, with where the figure comes from."""
    entry = _entry(startup.coefficients, startup.engine.version)
    tensor, pipeline = startup.flags.tensor_parallel, startup.flags.pipeline_parallel
    since = entry.origin
    if tensor > 2:
        return entry.tensor_more, f"cuBLAS, NCCL and custom all-reduce over {tensor} GPUs, {since}"
    if tensor == 2:
        return entry.tensor_two, f"cuBLAS, NCCL and custom all-reduce over 2 GPUs, {since}"
    if pipeline > 1:
        return entry.pipeline, f"cuBLAS and NCCL over {pipeline} stages, {since}"
    band = entry.single
    (hopper,) = board_kind(startup.device)
    if not hopper:
        least = min(known.single.low for known in startup.coefficients.non_torch)
        band = Band(min(least, band.low), band.expected, band.high)
    return band, f"cuBLAS and library workspaces of one GPU, {since}"


@lru_cache(maxsize=256)
def _entry(coefficients: MemoryCoefficients, version: str) -> NonTorch:
    number = release_number(version)
    matching = [entry for entry in coefficients.non_torch if release_number(entry.first) <= number]
    return matching[-1]
