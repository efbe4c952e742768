"""Weight bytes of each rank: parameters by format, split over GPUs as vLLM splits them.

Rules read in vLLM's ``model_executor/layers``: columns and rows are divided by the tensor
parallel size, keys and values only up to the number of KV heads, norms and routers not at all;
vocabularies are padded to a multiple of 64 first. Beside the checkpoint's parameters vLLM keeps a
rotary cache and, for latent attention, unpacked copies of the up-projections; the allocator rounds
large tensors up, and LoRA has its slots (`core.sizing.allocation`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from rightslice.core.catalog.gpu import MatmulDtype
from rightslice.core.catalog.model import (
    Attention,
    LatentAttention,
    Layer,
    Model,
    ParameterGroup,
    Part,
    Split,
    WeightFormat,
)
from rightslice.core.sizing.allocation import layer_rounding, lora_bytes, rounding
from rightslice.core.sizing.result import EffectiveFlags

_VOCABULARY_PADDING: Final = 64
"""Of ``VocabParallelEmbedding`` (vllm/model_executor/layers/vocab_parallel_embedding.py)."""
LINEAR_PARTS: Final = frozenset({Part.ATTENTION, Part.MLP, Part.EXPERT, Part.STATE_SPACE})
"""What run-time quantization converts; embeddings, lm_head, norms and encoders stay as they are."""
_UNQUANTIZED: Final = frozenset({"bf16", "fp16", "fp32", "bfloat16", "float16", "float32"})
RUNTIME_FORMATS: Final = {
    "fp8": WeightFormat(name="fp8", bytes_per_parameter=1.0, matmul=MatmulDtype.FP8),
}
"""Run-time quantization methods: bytes per parameter of what they convert."""
UNFUSED_EXPERTS: Final = frozenset({"mxfp4"})
"""Formats whose expert kernels pad weights and manage workspaces themselves (Triton, Marlin)."""
_PADDED_HIDDEN: Final = 256
_PADDED_WIDTH: Final = 128
"""mxfp4 experts: rows and columns are padded to these (vllm quantization/mxfp4.py, Marlin path)."""
_NESTED_NF4: Final = 0.5 + 1 / 64 + 4 / (64 * 256)
"""bitsandbytes, double quantization as stored: a byte for 64 values, 4 for 256 of those bytes."""
_COPY_BYTES: Final = 2


@dataclass(frozen=True, slots=True)
class Loading:
    """How weights are loaded: number format and split."""

    dtype_bytes: int
    quantization: str | None
    tensor_parallel: int
    pipeline_parallel: int
    pads_both_sides: bool = True
    """mxfp4 experts: Marlin pads rows and columns; Triton (0.11 to 0.15) only the inner side."""
    keeps_nested: bool = False
    """bitsandbytes: double quantization is kept as stored (before 0.9), not undone on loading."""
    lora_ranks: int = 0
    """Ranks of all LoRA slots together."""


@dataclass(frozen=True, slots=True, eq=False)
class StageWeights:
    """Weights of one rank of one pipeline stage. Compared by identity: they are cached."""

    layers: tuple[Layer, ...]
    parameters: int
    parameter_bytes: int
    extra_bytes: int
    """Rotary cache, unpacked copies, and what the allocator rounds up."""
    lora_bytes: int
    is_first: bool
    is_last: bool
    pads_both_sides: bool

    @property
    def total_bytes(self) -> int:
        """Everything that model loading allocates."""
        return self.parameter_bytes + self.extra_bytes + self.lora_bytes


def stages_of(model: Model, flags: EffectiveFlags) -> int:
    """Return the pipeline stages that get a layer; more are a refused configuration."""
    return min(flags.pipeline_parallel, len(model.layers))


def layers_per_stage(layers: int, stages: int) -> tuple[int, ...]:
    """Return how many layers each pipeline stage holds, as ``vllm.distributed.utils`` deals them.

    >>> layers_per_stage(34, 4)
    (8, 9, 9, 8)
    """
    counts = [layers // stages] * stages
    for extra in range(layers % stages):
        counts[-extra - 2] += 1
    return tuple(counts)


@lru_cache(maxsize=4096)
def stage_weights(model: Model, loading: Loading) -> tuple[StageWeights, ...]:
    """Return the weights of each pipeline stage."""
    stages = loading.pipeline_parallel
    result, start = [], 0
    for stage, count in enumerate(layers_per_stage(len(model.layers), stages)):
        layers = model.layers[start : start + count]
        start += count
        groups: list[tuple[ParameterGroup, Layer | None]] = [
            (group, layer) for layer in layers for group in layer.parameters
        ]
        groups += [
            (group, None)
            for group in model.shared
            if _on_stage(model, group, stage=stage, stages=stages)
        ]
        sized = [
            (
                _rank_count(model, group, layer, loading.tensor_parallel),
                _bytes_each(group, loading) * _padding(model, group, layer, loading),
            )
            for group, layer in groups
        ]
        result.append(
            StageWeights(
                layers=layers,
                parameters=round(sum(count for count, _ in sized)),
                parameter_bytes=round(sum(count * each for count, each in sized)),
                extra_bytes=_extra_bytes(model, layers, loading)
                + _rounded_up(model, layers, [group for group, _ in groups], loading),
                lora_bytes=_lora_bytes(model, layers, loading),
                is_first=stage == 0,
                is_last=stage == stages - 1,
                pads_both_sides=loading.pads_both_sides,
            )
        )
    return tuple(result)


@lru_cache(maxsize=4096)
def has_unfused_experts(stage: StageWeights) -> bool:
    """Whether some layer's experts run in kernels with workspaces of their own."""
    return any(
        group.part is Part.EXPERT and group.format.name in UNFUSED_EXPERTS
        for layer in stage.layers
        for group in layer.parameters
    )


def _on_stage(model: Model, group: ParameterGroup, *, stage: int, stages: int) -> bool:
    if group.part in (Part.EMBEDDING, Part.ENCODER):
        copied = group.part is Part.EMBEDDING and model.ties_embeddings
        return stage == 0 or (copied and stage == stages - 1)
    return stage == stages - 1


def _rank_count(
    model: Model, group: ParameterGroup, layer: Layer | None, tensor_parallel: int
) -> float:
    count: float = group.count
    vocabulary = model.vocab_size * model.hidden_size
    if group.part in (Part.EMBEDDING, Part.LM_HEAD) and count == vocabulary:
        padded = -(-model.vocab_size // _VOCABULARY_PADDING) * _VOCABULARY_PADDING
        count = padded * model.hidden_size
    if group.split is Split.REPLICATED:
        return count
    mixer = None if layer is None else layer.mixer
    if group.split is Split.KV_HEADS and isinstance(mixer, Attention):
        return count / min(tensor_parallel, mixer.kv_heads)
    return count / tensor_parallel


def _bytes_each(group: ParameterGroup, loading: Loading) -> float:
    if group.format.name == "nf4" and loading.keeps_nested:
        return _NESTED_NF4
    if group.format.name not in _UNQUANTIZED:
        return group.format.bytes_per_parameter
    if loading.quantization in RUNTIME_FORMATS and group.part in LINEAR_PARTS:
        return RUNTIME_FORMATS[loading.quantization].bytes_per_parameter
    return loading.dtype_bytes


def _padding(model: Model, group: ParameterGroup, layer: Layer | None, loading: Loading) -> float:
    """Return what padding multiplies the bytes of *group* by: 1 but for mxfp4 experts."""
    experts = None if layer is None else layer.experts
    if experts is None or group.part is not Part.EXPERT or group.format.name not in UNFUSED_EXPERTS:
        return 1.0
    hidden, width = model.hidden_size, max(1, experts.width // loading.tensor_parallel)
    if loading.pads_both_sides:
        return _padded(hidden, _PADDED_HIDDEN) * _padded(width, _PADDED_WIDTH) / (hidden * width)
    inner_up, inner_down = _padded(hidden, _PADDED_HIDDEN), _padded(width, _PADDED_HIDDEN)
    return (2 * inner_up * width + hidden * inner_down) / (3 * hidden * width)


def _padded(size: int, multiple: int) -> int:
    return -(-size // multiple) * multiple


def _extra_bytes(model: Model, layers: tuple[Layer, ...], loading: Loading) -> int:
    rotary = (model.rope_dim or 0) * model.max_position * loading.dtype_bytes
    copies = sum(
        mixer.latent_dim
        * (mixer.query_heads // loading.tensor_parallel)
        * (mixer.nope_dim + mixer.value_dim)
        * _COPY_BYTES
        for layer in layers
        if isinstance(mixer := layer.mixer, LatentAttention)
    )
    return rotary + copies


def _rounded_up(
    model: Model, layers: tuple[Layer, ...], groups: list[ParameterGroup], loading: Loading
) -> int:
    """Return what the allocator counts beyond all large tensors of a stage."""
    each: dict[int, int] = {}
    total = 0
    for layer in layers:
        if id(layer) not in each:
            widths = {
                group.part: _stored_width(group, loading)
                for group in sorted(layer.parameters, key=lambda group: group.count)
                if group.format.name not in UNFUSED_EXPERTS
            }
            each[id(layer)] = layer_rounding(
                layer, model.hidden_size, loading.tensor_parallel, widths
            )
        total += each[id(layer)]
    for group in groups:
        if group.part in (Part.EMBEDDING, Part.LM_HEAD):
            count = _rank_count(model, group, None, loading.tensor_parallel)
            total += rounding(round(count * _stored_width(group, loading)))
    return total


def _stored_width(group: ParameterGroup, loading: Loading) -> float:
    """Return the bytes of a stored value without its scales: 2, 1 or 0.5."""
    return math.floor(_bytes_each(group, loading) * 2) / 2


def _lora_bytes(model: Model, layers: tuple[Layer, ...], loading: Loading) -> int:
    if not loading.lora_ranks:
        return 0
    slots = sum(lora_bytes(layer, model.hidden_size, loading.tensor_parallel) for layer in layers)
    return slots * loading.lora_ranks
