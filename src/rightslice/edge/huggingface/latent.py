"""Multi-head latent attention: DeepSeek V2, V3, V3.2, Kimi K2, GLM-5.

Per layer with d hidden, h heads, r_q and r_kv ranks: queries d*r_q + r_q + r_q*h*(nope+rope), or
d*h*(nope+rope) without a query rank; keys and values d*(r_kv+rope) + r_kv + r_kv*h*(nope+v);
output h*v*d. The sparse indexer (V3.2, GLM-5) adds r_q*H*D + d*D + 2*D + d*H. Next-token
prediction layers are in the checkpoint but not loaded, and so not counted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from rightslice.core.catalog.model import LatentAttention, Part, Split
from rightslice.edge.huggingface.blocks import MlpShape, experts, mlp
from rightslice.edge.huggingface.config import COUNT, LAYERS, Fields
from rightslice.edge.huggingface.dense import ties_of
from rightslice.edge.huggingface.moe import read_experts, sparse_after_first
from rightslice.edge.huggingface.sizes import HEADS, HIDDEN, LAYER_COUNT, Config
from rightslice.edge.huggingface.tensors import (
    FeedDraft,
    MixerDraft,
    ModelDraft,
    Tensor,
    embeddings,
    layer,
    linear,
    norms,
    present,
    small,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class LatentShape:
    """The sizes of one latent attention layer."""

    hidden: int
    heads: int
    query_rank: int | None
    rank: int
    nope: int
    rope: int
    value: int
    bias: bool


def latent(config: Config) -> ModelDraft:
    """Return the draft of a decoder with latent attention and routed experts."""
    text = config.text
    shape = _read_shape(text)
    layers = text.integer(*LAYER_COUNT, limits=LAYERS)
    dense, sparse = _feeds(text, shape.hidden)
    chosen = sparse_after_first(text, layers)
    between = norms(shape.hidden, count=2)
    mixers = {full: _mixer(text, shape, indexed=full) for full in set(_indexed(text, layers))}
    kinds = {
        (full, is_): layer(mixers[full], sparse if is_ else dense, between)
        for full in mixers
        for is_ in (True, False)
    }
    ties = ties_of(config, default=False)
    vocab = text.integer("vocab_size")
    return ModelDraft(
        hidden=shape.hidden,
        vocab=vocab,
        layers=tuple(kinds[key] for key in zip(_indexed(text, layers), chosen, strict=True)),
        shared=(*embeddings(vocab, shape.hidden, ties=ties), *norms(shape.hidden, count=1)),
        ties=ties,
        rope_dim=shape.rope,
    )


def _read_shape(text: Fields) -> LatentShape:
    return LatentShape(
        hidden=text.integer(*HIDDEN),
        heads=text.integer(*HEADS),
        query_rank=text.integer_or_none("q_lora_rank"),
        rank=text.integer("kv_lora_rank"),
        nope=text.integer("qk_nope_head_dim"),
        rope=text.integer("qk_rope_head_dim"),
        value=text.integer("v_head_dim"),
        bias=text.flag("attention_bias", default=False),
    )


def _indexed(text: Fields, layers: int) -> tuple[bool, ...]:
    """Which layers have an indexer of their own: all, none, or those of ``indexer_types``."""
    if not text.has("index_head_dim"):
        return (False,) * layers
    kinds = text.texts("indexer_types")
    if kinds and len(kinds) != layers:
        raise text.error("indexer_types", f"has {len(kinds)} entries for {layers} layers")
    return tuple(kind == "full" for kind in kinds) if kinds else (True,) * layers


def _mixer(text: Fields, shape: LatentShape, *, indexed: bool) -> MixerDraft:
    width = text.integer("index_head_dim") if indexed else None
    facts = LatentAttention(
        query_heads=shape.heads, latent_dim=shape.rank, rope_dim=shape.rope,
        nope_dim=shape.nope, value_dim=shape.value, index_dim=width,
    )  # fmt: skip
    indexer = () if width is None else _indexer(text, shape, width)
    return MixerDraft(facts, (*_queries(shape), *_keys_and_values(shape), *indexer))


def _queries(shape: LatentShape) -> tuple[Tensor, ...]:
    width = shape.heads * (shape.nope + shape.rope)
    rank = shape.query_rank
    if rank is None:
        return (linear("self_attn.q_proj", shape.hidden, width, Part.ATTENTION),)
    return present(
        linear("self_attn.q_a_proj", shape.hidden, rank, Part.ATTENTION, Split.REPLICATED),
        small("q_a_layernorm", rank),
        small("q_a_bias", rank if shape.bias else 0),
        linear("self_attn.q_b_proj", rank, width, Part.ATTENTION),
    )


def _keys_and_values(shape: LatentShape) -> tuple[Tensor, ...]:
    row = shape.rank + shape.rope
    wide = shape.heads * (shape.nope + shape.value)
    return present(
        linear("self_attn.kv_a_proj_with_mqa", shape.hidden, row, Part.ATTENTION,
               Split.REPLICATED),
        small("kv_a_layernorm", shape.rank),
        small("kv_a_bias", row if shape.bias else 0),
        linear("self_attn.kv_b_proj", shape.rank, wide, Part.ATTENTION),
        linear("self_attn.o_proj", shape.heads * shape.value, shape.hidden, Part.ATTENTION),
        small("o_bias", shape.hidden if shape.bias else 0),
    )  # fmt: skip


def _indexer(text: Fields, shape: LatentShape, width: int) -> tuple[Tensor, ...]:
    heads = text.integer("index_n_heads")
    rank = shape.query_rank or shape.hidden
    path = "self_attn.indexer"
    return (
        linear(f"{path}.wq_b", rank, heads * width, Part.ATTENTION, Split.REPLICATED),
        linear(f"{path}.wk", shape.hidden, width, Part.ATTENTION, Split.REPLICATED),
        small("k_norm", 2 * width),
        small("weights_proj", shape.hidden * heads),
    )


def _feeds(text: Fields, hidden: int) -> tuple[FeedDraft, FeedDraft]:
    dense = mlp(MlpShape(hidden=hidden, width=text.integer("intermediate_size")))
    if not text.has("n_routed_experts"):
        return dense, dense
    shape = read_experts(text, hidden, width_key="moe_intermediate_size")
    shared = text.integer("n_shared_experts", limits=COUNT, default=0)
    usual = "noaux_tc" if text.text("model_type", default="") == "glm4_moe_lite" else "greedy"
    correction = text.text("topk_method", default=usual) == "noaux_tc"
    return dense, experts(
        replace(shape, shared_width=shared * shape.width, routing_bias=correction)
    )
