"""The work of one engine step, counted from the architecture: bytes read, operations done.

All per GPU after tensor parallelism, and independent of any device and of any fitted constant.
Counting rules: every weight but the input embedding is read once a step; routed experts by
expected coverage, E * (1 - (1 - k/E)^n) of E experts for n tokens that each pick k (uniform
routing); keys and values once a step for every token of context, capped by a layer's window; two
operations a parameter and token; attention 2 * heads * (key + value width) operations a token
and context token, half of that over a causal prompt.

Known gaps: experts are chosen less evenly than uniformly; sparse-attention indexers (DeepSeek
V3.2) are counted as if the whole context were read.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from rightslice.core.catalog.gpu import MatmulDtype
from rightslice.core.catalog.model import (
    Attention,
    LatentAttention,
    Layer,
    Mixer,
    Model,
    ParameterGroup,
    Part,
    Split,
    StateSpace,
    WeightFormat,
)
from rightslice.core.sizing.parameters import RUNTIME_FORMATS

_LINEAR_PARTS: Final = (Part.ATTENTION, Part.MLP, Part.EXPERT, Part.STATE_SPACE)
_SIXTEEN_BIT: Final = WeightFormat(name="bf16", bytes_per_parameter=2.0, matmul=MatmulDtype.FP16)
_ALL_REDUCES_A_LAYER: Final = 2
"""One after the mixer, one after the feed-forward part (Shoeybi et al. 2019, Megatron-LM)."""
_STATE_OPERATIONS: Final = 6
"""Operations a state value and token: decay, outer product, contraction (Mamba-2, Dao & Gu)."""


@dataclass(frozen=True, kw_only=True)
class ServedAs:
    """How the weights and the cache are held: what decides a step's bytes beside the model."""

    tensor_parallel: int = 1
    kv_bytes_per_value: int = 2
    quantization: str | None = None
    """Run-time quantization: ``fp8`` stores and multiplies linear weights of 16 bit in 8 bit."""


@dataclass(frozen=True, kw_only=True)
class ExpertWork:
    """Routed experts of all layers that choose alike."""

    size_bytes: float
    """All of them, on one GPU."""
    share_per_token: float
    """k / E: the part of them that one token picks."""


@dataclass(frozen=True, kw_only=True)
class ContextWork:
    """Attention of all layers with the same window."""

    window_tokens: int | None
    bytes_per_token: float
    """Keys and values read a sequence, step and token of context."""
    flops_per_token: float
    """Decode operations a sequence, step and token of context."""
    prompt_flops_per_pair: float
    """Prefill operations a pair of prompt tokens (query, key) within window and causality."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """What one GPU does in a step."""

    layers: int
    weight_bytes: float
    """Read in every step, whatever the batch."""
    experts: tuple[ExpertWork, ...]
    flops_per_token: tuple[tuple[MatmulDtype, float], ...]
    """While decoding, by the format that multiplies."""
    prompt_flops_per_token: tuple[tuple[MatmulDtype, float], ...]
    """In prefill: without the output head, which reads one token a prompt."""
    contexts: tuple[ContextWork, ...]
    state_bytes: float
    """State-space states read and written, a sequence and step."""
    all_reduces: int
    all_reduce_bytes: float
    """Bytes that each GPU sends a token in all of a step's all-reduces (ring algorithm)."""
    narrowest_bytes: float
    """A parameter, of the narrowest format that is read."""


@lru_cache(maxsize=4096)
def work_of(model: Model, served: ServedAs) -> Work:
    """Return the work of a step of *model* on one of its GPUs; cached by the model's identity."""
    dense, experts, decode, prompt = _weights(model, served)
    tp = served.tensor_parallel
    layers = len(model.layers)
    sent = 2 * (tp - 1) / tp * model.hidden_size * 2
    reduces = _ALL_REDUCES_A_LAYER * layers if tp > 1 else 0
    return Work(
        layers=layers,
        weight_bytes=dense,
        experts=experts,
        flops_per_token=decode,
        prompt_flops_per_token=prompt,
        contexts=_contexts(model.layers, served),
        state_bytes=sum(_state_bytes(layer.mixer) for layer in model.layers) / tp,
        all_reduces=reduces,
        all_reduce_bytes=reduces * sent,
        narrowest_bytes=min(
            _format_of(group, served).bytes_per_parameter for _, group in _used_groups(model)
        ),
    )


Flops = tuple[tuple[MatmulDtype, float], ...]


def _weights(model: Model, served: ServedAs) -> tuple[float, tuple[ExpertWork, ...], Flops, Flops]:
    """Return dense bytes, experts, and operations a token in decode and in prefill."""
    dense = 0.0
    experts: dict[float, float] = defaultdict(float)
    decode: dict[MatmulDtype, float] = defaultdict(float)
    prompt: dict[MatmulDtype, float] = defaultdict(float)
    for layer, group in _used_groups(model):
        stored = _format_of(group, served)
        size = group.count * stored.bytes_per_parameter / _parts(group, layer, served)
        operations = 2.0 * group.count / _parts(group, layer, served)
        if group.part is Part.EXPERT and layer is not None and layer.experts is not None:
            share = layer.experts.per_token / layer.experts.count
            experts[share] += size
            operations *= share
        else:
            dense += size
        if group.part is not Part.NORM:
            decode[stored.matmul] += operations
            if group.part is not Part.LM_HEAD:
                prompt[stored.matmul] += operations
    for layer in model.layers:
        decode[MatmulDtype.FP16] += _state_flops(layer.mixer) / served.tensor_parallel
        prompt[MatmulDtype.FP16] += _state_flops(layer.mixer) / served.tensor_parallel
    routed = tuple(
        ExpertWork(size_bytes=size, share_per_token=share) for share, size in experts.items()
    )
    return dense, routed, tuple(decode.items()), tuple(prompt.items())


def _used_groups(model: Model) -> Iterable[tuple[Layer | None, ParameterGroup]]:
    """Yield what decoding reads: no embedding look-ups, no encoders; a tied head as a head."""
    for layer in model.layers:
        for group in layer.parameters:
            if group.part not in (Part.EMBEDDING, Part.ENCODER):
                yield layer, group
    for group in model.shared:
        if group.part not in (Part.EMBEDDING, Part.ENCODER):
            yield None, group
    if model.ties_embeddings:
        count = model.hidden_size * model.vocab_size
        yield (
            None,
            ParameterGroup(
                part=Part.LM_HEAD, count=count, split=Split.SHARDED, format=_SIXTEEN_BIT
            ),
        )


def _format_of(group: ParameterGroup, served: ServedAs) -> WeightFormat:
    is_wide = group.format.bytes_per_parameter >= _SIXTEEN_BIT.bytes_per_parameter
    runtime = RUNTIME_FORMATS.get(served.quantization or "")
    if runtime is not None and is_wide and group.part in _LINEAR_PARTS:
        return runtime
    if group.format.bytes_per_parameter > _SIXTEEN_BIT.bytes_per_parameter:
        return _SIXTEEN_BIT  # vLLM loads float32 checkpoints in 16 bit
    return group.format


def _parts(group: ParameterGroup, layer: Layer | None, served: ServedAs) -> int:
    """Return over how many GPUs the group is divided."""
    match group.split:
        case Split.SHARDED:
            return served.tensor_parallel
        case Split.REPLICATED:
            return 1
        case Split.KV_HEADS:
            mixer = layer.mixer if layer is not None else None
            heads = mixer.kv_heads if isinstance(mixer, Attention) else 1
            return min(served.tensor_parallel, heads)


def _contexts(layers: tuple[Layer, ...], served: ServedAs) -> tuple[ContextWork, ...]:
    sums: dict[int | None, list[float]] = {}
    for layer in layers:
        rates = _context_rates(layer.mixer, served)
        if rates is not None:
            window, *costs = rates
            into = sums.setdefault(window, [0.0, 0.0, 0.0])
            for index, cost in enumerate(costs):
                into[index] += cost
    return tuple(
        ContextWork(
            window_tokens=window,
            bytes_per_token=read,
            flops_per_token=decode,
            prompt_flops_per_pair=prompt,
        )
        for window, (read, decode, prompt) in sums.items()
    )


def _context_rates(mixer: Mixer, served: ServedAs) -> tuple[int | None, float, float, float] | None:
    """Return window, bytes, decode and prefill operations a token of context of one layer."""
    tp = served.tensor_parallel
    match mixer:
        case Attention():
            widths = mixer.key_dim + mixer.value_dim
            read = max(mixer.kv_heads / tp, 1) * widths * served.kv_bytes_per_value
            flops = 2 * mixer.query_heads / tp * widths
            window = mixer.window_tokens or mixer.chunk_tokens
            return window, read, flops, flops
        case LatentAttention():
            row = mixer.latent_dim + mixer.rope_dim
            read = row * served.kv_bytes_per_value + (mixer.index_dim or 0)
            decode = 2 * mixer.query_heads / tp * (row + mixer.latent_dim)
            prompt = (
                2 * mixer.query_heads / tp * (mixer.nope_dim + mixer.rope_dim + mixer.value_dim)
            )
            return None, read, decode, prompt
        case _:
            return None


def _state_bytes(mixer: Mixer) -> float:
    if not isinstance(mixer, StateSpace):
        return 0.0
    read_and_written = 2
    return read_and_written * (mixer.conv_values * 2 + mixer.ssm_values * mixer.ssm_bytes_per_value)


def _state_flops(mixer: Mixer) -> float:
    return _STATE_OPERATIONS * mixer.ssm_values if isinstance(mixer, StateSpace) else 0.0
