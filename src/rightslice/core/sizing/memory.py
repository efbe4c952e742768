"""Device memory of one server, term by term, as vLLM decides it at start-up.

::

    requested = ceil(total * gpu-memory-utilization)
    kv cache  = requested - weights - activation - non-torch (- CUDA graphs, in newer releases)
    unused    = total - requested - context (- CUDA graphs, in older releases)

Read in ``vllm/v1/worker/gpu_worker.py`` (determine_available_memory) and ``v1/worker/utils.py``
(request_memory). The terms sum to the device's memory to the byte. With pipeline parallelism the
stage with the fewest blocks is shown, as vLLM allocates that many everywhere.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from rightslice.core.catalog.device import Device
from rightslice.core.catalog.engine import EngineRelease
from rightslice.core.catalog.estimate import Band
from rightslice.core.catalog.model import Model
from rightslice.core.catalog.server import ServerConfig
from rightslice.core.sizing.activation import ActivationPeak, activation_peak
from rightslice.core.sizing.budget import Budget, pool_left, remainder
from rightslice.core.sizing.coefficients import MemoryCoefficients, release_number
from rightslice.core.sizing.graphs import GraphMemory, graph_memory, non_torch_memory
from rightslice.core.sizing.kv_cache import (
    KvLayout,
    bytes_per_token,
    kv_layout,
    max_concurrency,
    tokens_logged,
)
from rightslice.core.sizing.parameters import (
    Loading,
    StageWeights,
    has_unfused_experts,
    stage_weights,
    stages_of,
)
from rightslice.core.sizing.result import KvPool, MemoryTerm, Sizing
from rightslice.core.sizing.startup import Startup, startup_of
from rightslice.core.sizing.verdict import verdict_of
from rightslice.units import format_bytes, format_gib

_TRITON_EXPERTS: Final = (0, 11), (0, 16)
"""Releases whose mxfp4 experts ran on Triton on Hopper: 64.38 GiB of gpt-oss-120b, not 65.97."""

_NESTED_UNTIL: Final = (0, 9)
"""bitsandbytes_loader.py: dequantize_dq is not in the 0.8.5 wheel, and is in the 0.9.2 wheel."""
_LORA_SPREAD: Final = 0.3
"""Half width of the band of LoRA slots, as a share of them: vocabulary slots, experts."""


@dataclass(frozen=True, slots=True)
class StageMemory:
    """Every term of one rank of one pipeline stage."""

    weights: StageWeights
    activation: ActivationPeak
    graphs: GraphMemory
    non_torch: Band
    non_torch_origin: str
    layout: KvLayout
    budget: Budget[int, Band]


def size(
    model: Model,
    device: Device,
    server: ServerConfig,
    *,
    engine: EngineRelease,
    coefficients: MemoryCoefficients,
) -> Sizing:
    """Return the memory of *model* served on *device*, itemised, with the verdict.

    Args:
        model: architecture facts.
        device: the GPU, or the share of one, of each rank; nobody else uses it.
        server: flags as given; what is None takes the release's default for this device.
        engine: the vLLM release.
        coefficients: global coefficients of the estimated terms.
    """
    return size_startup(startup_of(model, device, server, engine=engine, coefficients=coefficients))


def size_startup(startup: Startup) -> Sizing:
    """Return the memory of one start-up, with what neighbours hold beside it."""
    stages = stage_memories(startup)
    binding = min(stages, key=lambda stage: stage.layout.blocks(stage.budget.pool.expected))
    return Sizing(
        model=startup.model,
        device=startup.device,
        engine=startup.engine,
        server=startup.server,
        flags=startup.flags,
        terms=_terms(startup, binding),
        kv=_kv_pool(startup, binding),
        verdict=verdict_of(startup, binding.budget, binding.layout),
    )


def stage_memories(startup: Startup) -> tuple[StageMemory, ...]:
    """Return every term of each pipeline stage."""
    return tuple(
        _stage_memory(startup, weights, stage)
        for stage, weights in enumerate(loaded_weights(startup))
    )


def loaded_weights(startup: Startup) -> tuple[StageWeights, ...]:
    """Return the weights of each pipeline stage, as this release loads them."""
    release = release_number(startup.engine.version)
    loading = Loading(
        startup.dtype_bytes,
        startup.quantization,
        startup.flags.tensor_parallel,
        stages_of(startup.model, startup.flags),
        pads_both_sides=not _TRITON_EXPERTS[0] <= release < _TRITON_EXPERTS[1],
        keeps_nested=release < _NESTED_UNTIL,
        lora_ranks=startup.lora_ranks,
    )
    return stage_weights(startup.model, loading)


def weights_band(weights: StageWeights, known: MemoryCoefficients) -> Band:
    """Return the weights of one rank with their band."""
    total, slots = weights.total_bytes, weights.lora_bytes * _LORA_SPREAD
    return Band(
        math.floor(total * known.weights_low_ratio - slots),
        total,
        math.ceil(total * known.weights_high_ratio + slots),
    )


def warm_up_ratio(weights: StageWeights, known: MemoryCoefficients) -> float:
    """Return what the run after graph capture needs, in multiples of the sampler phase."""
    unfused = weights.pads_both_sides and has_unfused_experts(weights)
    return known.warm_up.unfused_ratio if unfused else known.warm_up.fused_ratio


def _stage_memory(startup: Startup, weights: StageWeights, stage: int) -> StageMemory:
    known, flags = startup.coefficients, startup.flags
    activation = activation_peak(startup, weights)
    graphs = graph_memory(startup, weights)
    non_torch, origin = non_torch_memory(startup)
    loaded = weights_band(weights, known)
    layout = kv_layout(startup.model, flags, startup.engine, stage=stage)
    budget = Budget(
        free_bytes=startup.device.memory_bytes - startup.neighbours_bytes,
        requested_bytes=startup.requested_bytes,
        pool_is_given=flags.kv_cache_memory_bytes is not None,
        graphs_in_budget=startup.engine.graphs_in_budget,
        weights=loaded,
        activation=activation.band,
        sampler_bytes=activation.sampler_bytes,
        non_torch=non_torch,
        graphs=graphs.band,
        context=known.context,
        pool=_pool(startup, (loaded, activation.band, non_torch, graphs.band)),
        needed_bytes=layout.needed(flags.max_model_len),
        warm_up_bytes=round(activation.sampler_bytes * warm_up_ratio(weights, known)),
    )
    return StageMemory(weights, activation, graphs, non_torch, origin, layout, budget)


def _pool(startup: Startup, terms: tuple[Band, ...]) -> Band:
    """Return what is left for the KV cache; errors of the terms add in quadrature."""
    fixed = startup.flags.kv_cache_memory_bytes
    if fixed is not None:
        return Band.exact(fixed)
    inside = startup.engine.graphs_in_budget
    return Band(*pool_left(startup.requested_bytes, terms, graphs_in_budget=inside))


def _kv_pool(startup: Startup, stage: StageMemory) -> KvPool:
    layout, pool = stage.layout, stage.budget.pool
    length, engine = startup.flags.max_model_len, startup.engine
    blocks = Band(
        *(layout.blocks(pool_bytes) for pool_bytes in (pool.low, pool.expected, pool.high))
    )
    tokens = (
        tokens_logged(layout, count, length, engine)
        for count in (blocks.low, blocks.expected, blocks.high)
    )
    return KvPool(
        size_bytes=pool,
        bytes_per_token=bytes_per_token(startup.model, startup.flags, engine),
        blocks=blocks,
        tokens=Band(*tokens),
        full_length_requests=max_concurrency(layout, blocks.expected, length, engine),
    )


def _terms(startup: Startup, stage: StageMemory) -> tuple[MemoryTerm, ...]:
    budget, source = stage.budget, startup.coefficients.source.text
    in_budget = startup.engine.graphs_in_budget and startup.flags.kv_cache_memory_bytes is None
    terms = [
        MemoryTerm(
            name="weights",
            size_bytes=budget.weights,
            formula=_weights_formula(stage.weights),
            source="vllm/model_executor/layers: how each linear layer is split and stored",
        ),
        MemoryTerm(
            name="activation",
            size_bytes=budget.activation,
            formula=stage.activation.formula,
            source=f"vllm/v1/worker/gpu_model_runner.py profile_run; {source}",
        ),
        MemoryTerm(
            name="non-torch",
            size_bytes=budget.non_torch,
            formula=stage.non_torch_origin,
            source=source,
        ),
        MemoryTerm(
            name="cuda graphs",
            size_bytes=budget.graphs,
            formula=stage.graphs.formula,
            source=source,
            in_budget=in_budget,
        ),
        MemoryTerm(
            name="cuda context",
            size_bytes=budget.context,
            formula="taken when CUDA starts, before vLLM reads the free memory",
            source=source,
            in_budget=False,
        ),
    ]
    if startup.neighbours_bytes:
        terms.append(_neighbours_term(startup))
    terms.append(_pool_term(startup, stage))
    terms.append(_unused_term(startup, terms))
    return tuple(terms)


def _weights_formula(weights: StageWeights) -> str:
    each = weights.parameter_bytes / weights.parameters if weights.parameters else 0
    extra = (
        f" + {format_bytes(weights.extra_bytes)} rotary cache, copies and rounding"
        if weights.extra_bytes
        else ""
    )
    if weights.lora_bytes:
        extra += f" + {format_bytes(weights.lora_bytes)} LoRA slots"
    return f"{weights.parameters} parameters x {each:.4g} B{extra}"


def _neighbours_term(startup: Startup) -> MemoryTerm:
    return MemoryTerm(
        name="neighbours",
        size_bytes=Band.exact(startup.neighbours_bytes),
        formula="held by other processes on the device",
        source="given",
        in_budget=False,
    )


def _pool_term(startup: Startup, stage: StageMemory) -> MemoryTerm:
    flags, layout = startup.flags, stage.layout
    formula = (
        f"given: {format_bytes(flags.kv_cache_memory_bytes)}"
        if flags.kv_cache_memory_bytes is not None
        else f"{format_gib(startup.device.memory_bytes)} x {flags.gpu_memory_utilization:g}"
        f" = {format_gib(startup.requested_bytes)}, less the terms above that count"
    )
    each = " + ".join(
        f"{group.layers} {group.page.kind} layers x {group.block_tokens} tokens"
        for group in layout.groups[:4]
    )
    return MemoryTerm(
        name="kv cache",
        size_bytes=stage.budget.pool,
        formula=f"{formula}; blocks of {format_bytes(layout.block_bytes)}"
        f" ({each or 'no attention layers'})",
        source="vllm/v1/worker/gpu_worker.py determine_available_memory",
    )


def _unused_term(startup: Startup, terms: list[MemoryTerm]) -> MemoryTerm:
    """What the other terms leave; may be negative, and the verdict then says when it fails."""
    whole = startup.device.memory_bytes
    outside = tuple(term.size_bytes for term in terms if not term.in_budget)
    if startup.flags.kv_cache_memory_bytes is not None:
        band = Band(*remainder(whole, *(term.size_bytes for term in terms)))
    else:
        band = Band(*remainder(whole - startup.requested_bytes, *outside))
    beyond = format_gib(whole - startup.requested_bytes)
    return MemoryTerm(
        name="unused",
        size_bytes=band,
        formula=f"{beyond} lie beyond gpu-memory-utilization, less what is taken there",
        source="vllm/v1/worker/utils.py request_memory",
        in_budget=False,
    )
