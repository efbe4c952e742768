"""Hybrids of Mamba2 and attention with feed-forward parts: Granite 4, Bamba, Falcon-H1.

Granite 4 (``granitemoehybrid``) has a shared feed-forward part in every layer, and routed experts
beside it where there are any; Bamba a dense one. Falcon-H1 runs attention and Mamba2 side by side
in every layer: each stands here as two layers, of which one has no feed-forward part. Sources: the
modeling files of transformers 5.23.0, read 2026-11-22 (classes named after the family).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from rightslice.edge.huggingface.blocks import AttentionShape, MlpShape, attention, experts, mlp
from rightslice.edge.huggingface.config import COUNT, Fields
from rightslice.edge.huggingface.dense import Habits, assemble
from rightslice.edge.huggingface.moe import read_experts
from rightslice.edge.huggingface.sizes import Config, Sizes, read_sizes
from rightslice.edge.huggingface.state_space import mamba2, mamba2_of, mamba2_shape
from rightslice.edge.huggingface.tensors import (
    NO_FEED,
    FeedDraft,
    MixerDraft,
    ModelDraft,
    norms,
)

_GRANITE: Final = Habits(ties=True)
_BAMBA: Final = Habits(rotary=0.5)
_STATES: Final = frozenset({"mamba", "linear_attention"})
_ATTENTIONS: Final = frozenset({"attention", "full_attention"})


def granite_hybrid(config: Config) -> ModelDraft:
    """Granite 4: Mamba2 with a few attention layers, shared and routed experts."""
    text = config.text
    sizes = read_sizes(text)
    shared = text.integer("shared_intermediate_size", default=1024)
    feed = mlp(MlpShape(hidden=sizes.hidden, width=shared, path="shared_mlp"))
    if text.integer("num_local_experts", limits=COUNT, default=0):
        shape = read_experts(text, sizes.hidden, width_key="intermediate_size")
        feed = experts(replace(shape, shared_width=shared, path="block_sparse_moe"))
    return _hybrid(config, _GRANITE, sizes, feed, _states(text, sizes.layers))


def bamba(config: Config) -> ModelDraft:
    """Bamba: Mamba2, with attention in the layers of ``attn_layer_indices``."""
    text = config.text
    sizes = read_sizes(text)
    width = text.integer("intermediate_size")
    feed = mlp(MlpShape(hidden=sizes.hidden, width=width, path="feed_forward"))
    attending = frozenset(text.integers("attn_layer_indices"))
    states = tuple(index not in attending for index in range(sizes.layers))
    return _hybrid(config, _BAMBA, sizes, feed, states)


def falcon_h1(config: Config) -> ModelDraft:
    """Falcon-H1: attention and Mamba2 beside each other in every layer."""
    text = config.text
    sizes = read_sizes(text)
    width = text.integer("intermediate_size")
    bias = text.flag("mlp_bias", default=False)
    feed = mlp(MlpShape(hidden=sizes.hidden, width=width, bias=bias, path="feed_forward"))
    inner = text.integer("mamba_d_ssm", default=1024)
    heads = text.integer("mamba_n_heads")
    if inner % heads:
        raise text.error("mamba_d_ssm", f"{inner} is no multiple of the {heads} mamba_n_heads")
    normed = text.flag("mamba_rms_norm", default=False)
    shape = replace(mamba2_shape(text), head_dim=inner // heads, norms_output=normed)
    beside = (_attention(text, sizes), NO_FEED), (mamba2_of(shape, sizes.hidden), feed)
    draft = assemble(config, sizes, Habits(), beside * sizes.layers, norms(sizes.hidden, count=1))
    return replace(draft, rope_dim=sizes.head_dim)


def _states(text: Fields, layers: int) -> tuple[bool, ...]:
    """Return which layers are state spaces; without a list none is."""
    key = text.spelled("layer_types", "layers_block_type")
    listed = text.texts(key)
    if not listed:
        return (False,) * layers
    unknown = sorted(set(listed) - _STATES - _ATTENTIONS)
    if unknown:
        raise text.error(key, f"has {unknown[0]!r}; known are mamba and attention")
    if len(listed) != layers:
        raise text.error(key, f"has {len(listed)} entries for {layers} layers")
    return tuple(kind in _STATES for kind in listed)


def _hybrid(
    config: Config, habits: Habits, sizes: Sizes, feed: FeedDraft, states: tuple[bool, ...]
) -> ModelDraft:
    mixers: dict[bool, MixerDraft] = {False: _attention(config.text, sizes)}
    if any(states):
        mixers[True] = mamba2(config.text, sizes.hidden)
    between = norms(sizes.hidden, count=2)
    return assemble(config, sizes, habits, tuple((mixers[is_], feed) for is_ in states), between)


def _attention(text: Fields, sizes: Sizes) -> MixerDraft:
    bias = text.flag("attention_bias", default=False)
    return attention(
        AttentionShape(
            hidden=sizes.hidden, heads=sizes.heads, kv_heads=sizes.kv_heads,
            head_dim=sizes.head_dim, qkv_bias=bias, output_bias=bias,
        )
    )  # fmt: skip
