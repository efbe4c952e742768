"""The building blocks that families share: attention, feed-forward, experts.

Counts per layer, with d hidden, h and k query and KV heads, e head width, I feed-forward width:
attention 2*d*h*e + 2*d*k*e, gated MLP 3*d*I, plain MLP 2*d*I, E routed experts E*3*d*I and a
router d*E. Biases, head norms and sinks come on top where the family has them (read in the
modeling files of transformers 5.23.0, 2026-11-22).
"""

from __future__ import annotations

from dataclasses import dataclass

from rightslice.core.catalog.model import Attention, Experts, Part, Split
from rightslice.edge.huggingface.tensors import FeedDraft, MixerDraft, linear, present, small


@dataclass(frozen=True, kw_only=True, slots=True)
class AttentionShape:
    """The sizes of one attention layer and what it has besides its four matrices."""

    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    value_dim: int | None = None
    qkv_bias: bool = False
    output_bias: bool = False
    norm_values: int = 0
    """Parameters of the query and key norms together."""
    sinks: bool = False
    gated: bool = False
    """The query projection also makes an output gate (Qwen3-Next)."""
    fused: str | None = None
    """Name of the one module that holds query, key and value, when the checkpoint has it."""
    path: str = "self_attn"
    output: str = "o_proj"


def attention(
    shape: AttentionShape, *, window: int | None = None, chunk: int | None = None
) -> MixerDraft:
    """Return softmax attention of *shape*, full or over a *window* or *chunk* of tokens."""
    value_dim = shape.value_dim or shape.head_dim
    queries = shape.heads * shape.head_dim * (2 if shape.gated else 1)
    keys, values = shape.kv_heads * shape.head_dim, shape.kv_heads * value_dim
    names = [f"{shape.path}.{shape.fused or name}" for name in ("q_proj", "k_proj", "v_proj")]
    bias = int(shape.qkv_bias)
    tensors = present(
        linear(names[0], shape.hidden, queries, Part.ATTENTION),
        linear(names[1], shape.hidden, keys, Part.ATTENTION, Split.KV_HEADS),
        linear(names[2], shape.hidden, values, Part.ATTENTION, Split.KV_HEADS),
        linear(f"{shape.path}.{shape.output}", shape.heads * value_dim, shape.hidden,
               Part.ATTENTION),
        small("qkv_bias", bias * queries, Split.SHARDED),
        small("qkv_bias", bias * (keys + values), Split.KV_HEADS),
        small("o_bias", shape.hidden if shape.output_bias else 0),
        small("head_norm", shape.norm_values),
        small("sinks", shape.heads if shape.sinks else 0, Split.SHARDED),
    )  # fmt: skip
    return MixerDraft(
        Attention(
            query_heads=shape.heads, kv_heads=shape.kv_heads, key_dim=shape.head_dim,
            value_dim=value_dim, window_tokens=window, chunk_tokens=chunk,
        ),
        tensors,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class MlpShape:
    """The sizes of one dense feed-forward part."""

    hidden: int
    width: int
    gated: bool = True
    bias: bool = False
    path: str = "mlp"
    names: tuple[str, str, str] = ("gate_proj", "up_proj", "down_proj")


def mlp(shape: MlpShape) -> FeedDraft:
    """Return a dense feed-forward part: three matrices when gated, else two."""
    gate, up, down = (f"{shape.path}.{name}" for name in shape.names)
    hidden, width = shape.hidden, shape.width
    bias = int(shape.bias)
    tensors = present(
        linear(gate, hidden, width if shape.gated else 0, Part.MLP),
        linear(up, hidden, width, Part.MLP),
        linear(down, width, hidden, Part.MLP),
        small("up_bias", bias * width * (2 if shape.gated else 1), Split.SHARDED),
        small("down_bias", bias * hidden),
    )
    return FeedDraft(None, width, tensors)


@dataclass(frozen=True, kw_only=True, slots=True)
class ExpertShape:
    """Routed experts of one layer, with what is shared beside them."""

    hidden: int
    count: int
    per_token: int
    width: int
    gated: bool = True
    biases: bool = False
    """gpt-oss: experts and router have biases."""
    routing_bias: bool = False
    """A correction added to the scores of every expert (DeepSeek V3, MiniMax)."""
    shared_width: int = 0
    shared_gate: bool = False
    expert_hidden: int | None = None
    """Width that the experts see when tokens are projected first (latent experts)."""
    path: str = "mlp"


def experts(shape: ExpertShape) -> FeedDraft:
    """Return routed experts with their router and shared experts."""
    hidden = shape.expert_hidden or shape.hidden
    matrices = 2 if shape.gated else 1
    bias = shape.count if shape.biases else 0
    path = shape.path
    routed = present(
        linear(f"{path}.experts.0.up_proj", hidden, shape.count * shape.width * matrices,
               Part.EXPERT),
        linear(f"{path}.experts.0.down_proj", shape.width, shape.count * hidden, Part.EXPERT),
        small("expert_bias", bias * (shape.width * matrices + hidden), Split.SHARDED),
        small("router", shape.hidden * shape.count + bias),
        small("router_correction", shape.count if shape.routing_bias else 0),
        small("shared_gate", shape.hidden if shape.shared_gate else 0),
    )  # fmt: skip
    shared = (
        mlp(
            MlpShape(
                hidden=shape.hidden, width=shape.shared_width, gated=shape.gated,
                path=f"{path}.shared_experts",
            )
        ).tensors
        if shape.shared_width
        else ()
    )  # fmt: skip
    if shape.expert_hidden is not None:
        shared += (
            linear(f"{path}.fc1_latent_proj", shape.hidden, hidden, Part.MLP, Split.REPLICATED),
            linear(f"{path}.fc2_latent_proj", hidden, shape.hidden, Part.MLP, Split.REPLICATED),
        )
    facts = Experts(count=shape.count, per_token=shape.per_token, width=shape.width)
    return FeedDraft(facts, shape.shared_width, routed + shared)
