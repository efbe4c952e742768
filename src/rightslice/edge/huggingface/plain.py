"""Decoders of the GPT line: plain feed-forward parts, biases, learned or linear positions.

Sources: modeling and configuration files of transformers 5.23.0, read 2026-11-22 (OPT, GPT-2,
GPT-BigCode, GPT-NeoX, GPT-J, CodeGen, Falcon, MPT, BLOOM, Phi, StarCoder2), whose class defaults
stand in for absent keys.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from rightslice.core.catalog.model import Part
from rightslice.edge.huggingface.blocks import AttentionShape, MlpShape, attention, mlp
from rightslice.edge.huggingface.config import Fields
from rightslice.edge.huggingface.dense import ties_of
from rightslice.edge.huggingface.sizes import Config, Sizes, read_sizes, rotary_width
from rightslice.edge.huggingface.tensors import (
    ModelDraft,
    Tensor,
    embeddings,
    layer,
    norms,
    present,
)
from rightslice.edge.huggingface.windows import Pattern, read_windows


@dataclass(frozen=True, kw_only=True, slots=True)
class PlainShape:
    """What a GPT-like decoder is made of."""

    sizes: Sizes
    width: int
    qkv_bias: bool = True
    output_bias: bool = True
    mlp_bias: bool = True
    norms: int = 2
    norm_bias: bool = True
    final_norms: int = 1
    ties: bool = True
    head_bias: bool = False
    positions: int = 0
    """Rows of a learned position table."""
    rope_dim: int | None = None
    windows: tuple[int | None, ...] = ()
    fused: str | None = "query_key_value"
    mlp_names: tuple[str, str, str] = ("", "fc1", "fc2")


def plain(shape: PlainShape) -> ModelDraft:
    """Return the draft of a decoder of *shape*."""
    sizes = shape.sizes
    heads = AttentionShape(
        hidden=sizes.hidden, heads=sizes.heads, kv_heads=sizes.kv_heads,
        head_dim=sizes.head_dim, qkv_bias=shape.qkv_bias, output_bias=shape.output_bias,
        fused=shape.fused, output="out_proj",
    )  # fmt: skip
    feed = mlp(
        MlpShape(
            hidden=sizes.hidden, width=shape.width, gated=False, bias=shape.mlp_bias,
            names=shape.mlp_names,
        )
    )  # fmt: skip
    between = norms(sizes.hidden, count=shape.norms, bias=shape.norm_bias)
    windows = shape.windows or (None,) * sizes.layers
    kinds = {
        window: layer(attention(heads, window=window), feed, between) for window in set(windows)
    }
    return ModelDraft(
        hidden=sizes.hidden,
        vocab=sizes.vocab,
        layers=tuple(kinds[window] for window in windows),
        shared=(
            *embeddings(sizes.vocab, sizes.hidden, ties=shape.ties, head_bias=shape.head_bias),
            *norms(sizes.hidden, count=shape.final_norms, bias=shape.norm_bias),
            *present(Tensor("embed_positions", shape.positions * sizes.hidden, Part.EMBEDDING)),
        ),
        ties=shape.ties,
        rope_dim=shape.rope_dim,
    )


_OPT_POSITION_OFFSET: Final = 2
"""Unused rows before OPT's positions (transformers ``OPTLearnedPositionalEmbedding``)."""


def opt(config: Config) -> ModelDraft:
    """OPT: learned positions, biases everywhere; 350m projects its embeddings and norms last."""
    text = config.text
    sizes = read_sizes(text)
    bias = text.flag("enable_bias", default=True)
    before = text.flag("do_layer_norm_before", default=True)
    last_norm = before and not text.flag("_remove_final_layer_norm", default=False)
    embedded = text.integer("word_embed_proj_dim", default=sizes.hidden)
    draft = plain(
        PlainShape(
            sizes=sizes,
            width=text.integer("ffn_dim", "intermediate_size"),
            qkv_bias=bias, output_bias=bias, mlp_bias=bias,
            norm_bias=text.flag("layer_norm_elementwise_affine", default=True),
            final_norms=int(last_norm),
            ties=ties_of(config, default=True),
            positions=text.integer("max_position_embeddings") + _OPT_POSITION_OFFSET,
            fused=None,
        )
    )  # fmt: skip
    if embedded == sizes.hidden:
        return draft
    outside = (
        *embeddings(sizes.vocab, embedded, ties=draft.ties),
        *(tensor for tensor in draft.shared if tensor.module in ("embed_positions", "norm")),
        Tensor("project_in", 2 * embedded * sizes.hidden, Part.NORM),
    )
    return replace(draft, shared=outside)


def gpt2(config: Config) -> ModelDraft:
    """GPT-2: learned positions, fused query, key and value, tied head."""
    text = config.text
    sizes = read_sizes(text)
    return plain(
        PlainShape(
            sizes=sizes,
            width=text.integer("n_inner", default=4 * sizes.hidden),
            ties=ties_of(config, default=True),
            positions=text.integer("n_positions", "n_ctx", "max_position_embeddings"),
        )
    )


def gpt_bigcode(config: Config) -> ModelDraft:
    """SantaCoder and StarCoder: GPT-2 with one head of keys and values."""
    text = config.text
    sizes = read_sizes(text)
    if text.flag("multi_query", default=True):
        sizes = replace(sizes, kv_heads=1)
    return plain(
        PlainShape(
            sizes=sizes,
            width=text.integer("n_inner", default=4 * sizes.hidden),
            ties=ties_of(config, default=True),
            positions=text.integer("n_positions", "max_position_embeddings"),
        )
    )


def gpt_neox(config: Config) -> ModelDraft:
    """GPT-NeoX and Pythia: rotary on a quarter of each head, untied head."""
    text = config.text
    sizes = read_sizes(text)
    bias = text.flag("attention_bias", default=True)
    return plain(
        PlainShape(
            sizes=sizes,
            width=text.integer("intermediate_size"),
            qkv_bias=bias, output_bias=bias,
            ties=ties_of(config, default=False),
            rope_dim=rotary_width(text, sizes.head_dim, default=0.25),
        )
    )  # fmt: skip


def gpt_j(config: Config) -> ModelDraft:
    """GPT-J and CodeGen: one norm, no attention biases, a head with bias."""
    text = config.text
    sizes = read_sizes(text)
    return plain(
        PlainShape(
            sizes=sizes,
            width=text.integer("n_inner", default=4 * sizes.hidden),
            qkv_bias=False, output_bias=False, norms=1, head_bias=True,
            ties=ties_of(config, default=False),
            rope_dim=text.integer("rotary_dim", default=64),
        )
    )  # fmt: skip


def bloom(config: Config) -> ModelDraft:
    """BLOOM: linear position biases, a norm after the embedding, tied head."""
    sizes = read_sizes(config.text)
    return plain(
        PlainShape(
            sizes=sizes,
            width=4 * sizes.hidden,
            final_norms=2,
            ties=ties_of(config, default=True),
        )
    )


def mpt(config: Config) -> ModelDraft:
    """MPT: linear position biases, no bias anywhere, tied head."""
    text = config.text
    sizes = read_sizes(text)
    inner = text.section_or_none("attn_config")
    alibi = inner is not None and inner.flag("alibi", default=True)
    if inner is not None:
        groups = inner.integer("kv_n_heads", default=sizes.heads)
        if sizes.heads % groups:
            raise inner.error("kv_n_heads", f"{groups} must divide the {sizes.heads} heads")
        sizes = replace(sizes, kv_heads=groups)
    bias = not text.flag("no_bias", default=True)
    learned = text.flag("learned_pos_emb", default=True) and not alibi
    return plain(
        PlainShape(
            sizes=sizes,
            width=sizes.hidden * text.integer("expansion_ratio", default=4),
            qkv_bias=bias, output_bias=bias, mlp_bias=bias, norm_bias=bias,
            ties=ties_of(config, default=True),
            positions=text.integer("max_seq_len") if learned and inner is not None else 0,
        )
    )  # fmt: skip


def falcon(config: Config) -> ModelDraft:
    """Falcon: one KV head (7B) or grouped heads with two parallel norms (40B, 180B)."""
    text = config.text
    sizes = read_sizes(text)
    grouped = text.flag("new_decoder_architecture", default=False)
    if not grouped:
        multi_query = text.flag("multi_query", default=True)
        sizes = replace(sizes, kv_heads=1 if multi_query else sizes.heads)
    parallel = text.flag("parallel_attn", default=True)
    bias = text.flag("bias", default=False)
    alibi = text.flag("alibi", default=False)
    return plain(
        PlainShape(
            sizes=sizes,
            width=text.integer("ffn_hidden_size", default=4 * sizes.hidden),
            qkv_bias=bias, output_bias=bias, mlp_bias=bias,
            norms=_falcon_norms(text, grouped=grouped, parallel=parallel),
            ties=ties_of(config, default=True),
            rope_dim=None if alibi else sizes.head_dim,
        )
    )  # fmt: skip


def _falcon_norms(text: Fields, *, grouped: bool, parallel: bool) -> int:
    if grouped:
        return text.integer("num_ln_in_parallel_attn", default=2)
    return 1 if parallel else 2


def phi(config: Config) -> ModelDraft:
    """Phi-1, 1.5 and 2: one norm, biases everywhere, the head's included."""
    text = config.text
    sizes = read_sizes(text)
    return plain(
        PlainShape(
            sizes=sizes,
            width=text.integer("intermediate_size", "n_inner", default=4 * sizes.hidden),
            norms=1, head_bias=True, fused=None,
            ties=ties_of(config, default=False),
            rope_dim=rotary_width(text, sizes.head_dim, default=0.5),
        )
    )  # fmt: skip


def starcoder2(config: Config) -> ModelDraft:
    """StarCoder2: grouped heads, rotary positions, a window in every layer, tied head."""
    text = config.text
    sizes = read_sizes(text, kv_heads=2)
    bias = text.flag("use_bias", default=True)
    return plain(
        PlainShape(
            sizes=sizes,
            width=text.integer("intermediate_size"),
            qkv_bias=bias, output_bias=bias, mlp_bias=bias,
            ties=ties_of(config, default=True),
            rope_dim=rotary_width(text, sizes.head_dim),
            windows=read_windows(text, sizes.layers, Pattern.ALL),
            fused=None, mlp_names=("", "c_fc", "c_proj"),
        )
    )  # fmt: skip
