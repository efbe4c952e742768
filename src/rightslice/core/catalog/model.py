"""A model's architecture: what decides its bytes and its work, layer by layer.

Family rules (`edge/huggingface`) turn a ``config.json`` into these values; nothing here knows a
model's name or family. A layer is a mixer (attention of some kind, or a state space) and a
feed-forward part; parameters are counted in groups that share a number format and a way of being
split over GPUs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import ClassVar, NewType

from rightslice.core.catalog.gpu import MatmulDtype
from rightslice.core.catalog.source import Source

ModelName = NewType("ModelName", str)
"""A Hugging Face id: ``meta-llama/Llama-3.1-8B-Instruct``."""


class Part(Enum):
    """What a group of parameters does, which decides when it is read and how often."""

    EMBEDDING = "embedding"
    """Looked up, not streamed, while decoding."""
    ATTENTION = "attention"
    MLP = "mlp"
    """Dense feed-forward and shared experts: read in every step."""
    EXPERT = "expert"
    """Routed experts: read when some token of the step is routed to them."""
    STATE_SPACE = "state space"
    NORM = "norm"
    """Norms, routers, biases: small, 16 bit or more."""
    LM_HEAD = "lm_head"
    ENCODER = "encoder"
    """Vision or audio tower: idle while decoding."""


class Split(Enum):
    """How tensor parallelism divides a group of parameters."""

    SHARDED = "sharded"
    KV_HEADS = "kv heads"
    """Divided up to the number of KV heads, replicated beyond."""
    REPLICATED = "replicated"


@dataclass(frozen=True, kw_only=True)
class WeightFormat:
    """A number format of stored weights."""

    name: str
    """``bf16``, ``fp8``, ``int8``, ``int4``, ``nvfp4``, ``mxfp4`` ..."""
    bytes_per_parameter: float
    """With scales and zero points."""
    matmul: MatmulDtype
    """Format in which tensor cores multiply; weight-only formats are widened first."""


@dataclass(frozen=True, kw_only=True)
class ParameterGroup:
    """Parameters that share their use, their split and their format."""

    part: Part
    count: int
    split: Split
    format: WeightFormat


@dataclass(frozen=True, kw_only=True)
class Attention:
    """Softmax attention with its own keys and values."""

    query_heads: int
    kv_heads: int
    key_dim: int
    value_dim: int
    window_tokens: int | None = None
    """Sliding window; None: full."""
    chunk_tokens: int | None = None
    """Chunked local attention (Llama 4)."""
    shares_kv: bool = False
    """Reuses another layer's keys and values: no cache of its own."""


@dataclass(frozen=True, kw_only=True)
class LatentAttention:
    """Multi-head latent attention (MLA): one compressed row a token, not split by TP."""

    query_heads: int
    latent_dim: int
    rope_dim: int
    nope_dim: int
    value_dim: int
    index_dim: int | None = None
    """Row of the sparse-attention indexer (DeepSeek V3.2, GLM-5), when there is one."""


@dataclass(frozen=True, kw_only=True)
class StateSpace:
    """Mamba2 or gated delta net: a state of fixed size a sequence, whatever its length."""

    kind: str
    """``mamba2`` or ``gdn``."""
    conv_values: int
    """Values of the convolution state a sequence (16 bit unless the engine says otherwise)."""
    ssm_values: int
    """Values of the recurrent state a sequence."""
    ssm_bytes_per_value: int


Mixer = Attention | LatentAttention | StateSpace | None


@dataclass(frozen=True, kw_only=True)
class Experts:
    """Routed experts of one layer."""

    count: int
    per_token: int
    width: int


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One decoder layer."""

    mixer: Mixer
    experts: Experts | None
    mlp_width: int
    """Intermediate size of the dense (or shared) feed-forward part; 0 when there is none."""
    parameters: tuple[ParameterGroup, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Model:
    """Architecture facts of one model. Compared by identity: catalogue entries are shared."""

    __record__: ClassVar = (
        "name", "base", "family", "parameters", "text_parameters", "hidden_size", "vocab_size",
        "max_position", "checkpoint_dtype", "quantization", "assumptions", "source",
    )  # fmt: skip

    name: ModelName
    family: str
    """``model_type`` of the config."""
    hidden_size: int
    vocab_size: int
    max_position: int
    """Longest context that the config allows: vLLM's default ``max-model-len``."""
    checkpoint_dtype: str
    """``bfloat16``, ``float16`` or ``float32`` as stored; vLLM loads float32 in 16 bit."""
    layers: tuple[Layer, ...]
    shared: tuple[ParameterGroup, ...]
    """Outside the layers: embeddings, lm_head, final norm, encoders."""
    ties_embeddings: bool
    quantization: str | None
    """Method of the checkpoint: ``fp8``, ``compressed-tensors``, ``gptq``, ``awq`` ..."""
    rope_dim: int | None = None
    """Width of the rotary cache that vLLM keeps beside the weights; None: no rotary embedding."""
    checkpoint_bytes: int | None = None
    """Exact size of the safetensors files, when an index was at hand."""
    encoder_tokens: int = 0
    """Largest multimodal item, in tokens, that the profile run feeds; 0: text only."""
    draft_tokens: int = 0
    """Tokens that a draft model proposes a step, its layers among these; 0: none."""
    base: ModelName | None = None
    """The model whose architecture this one shares, when it was found under an alias."""
    assumptions: tuple[str, ...] = ()
    """What the family rule took for granted because the config does not say it."""
    source: Source = field(default_factory=lambda: Source(text="given", date=""))

    @cached_property
    def parameters(self) -> int:
        """All parameters, tied embeddings counted once."""
        return sum(group.count for group in self.groups)

    @cached_property
    def text_parameters(self) -> int:
        """All parameters but those of vision and audio towers."""
        return sum(group.count for group in self.groups if group.part is not Part.ENCODER)

    @cached_property
    def groups(self) -> tuple[ParameterGroup, ...]:
        """Every parameter group, layers first."""
        return tuple(group for layer in self.layers for group in layer.parameters) + self.shared

    @cached_property
    def active_parameters(self) -> float:
        """Parameters that multiply one decoded token: no embedding, only the routed experts."""
        shared = sum(
            group.count for group in self.shared if group.part in (Part.LM_HEAD, Part.NORM)
        )
        if self.ties_embeddings:
            shared += self.hidden_size * self.vocab_size
        return shared + sum(
            group.count * _active_share(layer, group)
            for layer in self.layers
            for group in layer.parameters
        )


def _active_share(layer: Layer, group: ParameterGroup) -> float:
    if group.part is Part.EXPERT and layer.experts is not None:
        return layer.experts.per_token / layer.experts.count
    return 1.0
