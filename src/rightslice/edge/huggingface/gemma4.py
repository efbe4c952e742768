"""Gemma 4: wide full attention whose keys serve as values, and experts beside the dense part.

Sliding layers have heads of ``head_dim``, full ones of ``global_head_dim`` with fewer KV heads and,
under ``attention_k_eq_v``, no value projection. Checked against the published sizes of the 31B and
26B-A4B models (30.7B and 25.2B without their towers). E2B and E4B have inputs of their own in
every layer (a second table of embeddings), and last layers that read another layer's keys and
values, with a feed-forward part twice as wide under ``use_double_wide_mlp``
(``modeling_gemma4.py`` of transformers 5.23.0, read 2026-11-22).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from rightslice.core.catalog.model import Attention, Part, Split
from rightslice.edge.huggingface.blocks import AttentionShape, MlpShape, attention, experts, mlp
from rightslice.edge.huggingface.config import COUNT, Fields
from rightslice.edge.huggingface.dense import Habits, assemble, dense_feed, habitual_sizes
from rightslice.edge.huggingface.moe import read_experts
from rightslice.edge.huggingface.sizes import Config, Sizes
from rightslice.edge.huggingface.tensors import (
    FeedDraft,
    MixerDraft,
    ModelDraft,
    Tensor,
    linear,
    norms,
    small,
)
from rightslice.edge.huggingface.windows import Pattern, read_windows

_HABITS: Final = Habits(
    kv_stated=True, mlp_bias=False, ties=True, head_dim=256, norms=4, head_norm="head",
    pattern=Pattern.INTERVAL,
)  # fmt: skip
_NORMS_WITH_EXPERTS: Final = 7
_GLOBAL_HEAD_DIM: Final = 512
"""Default of ``Gemma4TextConfig``."""


def gemma4(config: Config) -> ModelDraft:
    """Return the draft of a Gemma 4 language model."""
    text = config.text
    sizes = habitual_sizes(text, _HABITS)
    windows = read_windows(text, sizes.layers, _HABITS.pattern)
    kinds = {window: _mixer(text, sizes, window) for window in set(windows)}
    reading = {window: without_own_cache(mixer) for window, mixer in kinds.items()}
    feed = _feed(text, sizes.hidden)
    own = sizes.layers - shared_layers(text, sizes.layers)
    wide = _widened(text, sizes.hidden, feed) if own < sizes.layers else feed
    count = _HABITS.norms if feed.experts is None else _NORMS_WITH_EXPERTS
    parts = tuple(
        (kinds[window], feed) if index < own else (reading[window], wide)
        for index, window in enumerate(windows)
    )
    each, once = layer_inputs(text, sizes)
    between = (*norms(sizes.hidden, count=count), *each)
    draft = assemble(config, sizes, _HABITS, parts, between)
    return replace(draft, shared=(*draft.shared, *once))


def shared_layers(text: Fields, layers: int) -> int:
    """Return how many of the last layers read another layer's keys and values."""
    shared = text.integer("num_kv_shared_layers", limits=COUNT, default=0)
    if shared >= layers:
        raise text.error("num_kv_shared_layers", f"must be below the {layers} layers")
    return shared


def without_own_cache(draft: MixerDraft) -> MixerDraft:
    """Return the attention of a layer that reads another's keys and values."""
    if not isinstance(draft.mixer, Attention):
        return draft
    kept = [
        replace(tensor, count=tensor.count // 2) if tensor.module == "head_norm" else tensor
        for tensor in draft.tensors
        if not tensor.module.endswith(("k_proj", "v_proj"))
    ]
    return MixerDraft(replace(draft.mixer, shares_kv=True), tuple(kept))


def _widened(text: Fields, hidden: int, feed: FeedDraft) -> FeedDraft:
    if not text.flag("use_double_wide_mlp", default=False):
        return feed
    return mlp(MlpShape(hidden=hidden, width=2 * text.integer("intermediate_size")))


def layer_inputs(text: Fields, sizes: Sizes) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Return the tensors of per-layer inputs: those of each layer, and those of the model."""
    width = text.integer("hidden_size_per_layer_input", limits=COUNT, default=0)
    if width == 0:
        return (), ()
    vocab = text.integer("vocab_size_per_layer_input", default=sizes.vocab)
    each = (
        linear("per_layer_input_gate", sizes.hidden, width, Part.MLP, Split.REPLICATED),
        linear("per_layer_projection", width, sizes.hidden, Part.MLP, Split.REPLICATED),
        small("post_per_layer_input_norm", sizes.hidden),
    )
    wide = sizes.layers * width
    once = (
        Tensor("embed_tokens_per_layer", vocab * wide, Part.EMBEDDING),
        Tensor("per_layer_model_projection", sizes.hidden * wide, Part.NORM, Split.SHARDED),
        small("per_layer_projection_norm", width),
    )
    return each, once


def _mixer(text: Fields, sizes: Sizes, window: int | None) -> MixerDraft:
    shape = AttentionShape(
        hidden=sizes.hidden, heads=sizes.heads, kv_heads=sizes.kv_heads, head_dim=sizes.head_dim,
        norm_values=2 * sizes.head_dim,
    )  # fmt: skip
    if window is not None:
        return attention(shape, window=window)
    width = text.integer("global_head_dim", default=_GLOBAL_HEAD_DIM)
    groups = text.integer("num_global_key_value_heads", default=sizes.kv_heads)
    if sizes.heads % groups:
        raise text.error(
            "num_global_key_value_heads", f"{groups} must divide the {sizes.heads} query heads"
        )
    draft = attention(replace(shape, kv_heads=groups, head_dim=width, norm_values=2 * width))
    if not text.flag("attention_k_eq_v", default=False):
        return draft
    kept = tuple(tensor for tensor in draft.tensors if not tensor.module.endswith("v_proj"))
    return replace(draft, tensors=kept)


def _feed(text: Fields, hidden: int) -> FeedDraft:
    dense = dense_feed(text, hidden, _HABITS)
    if not text.flag("enable_moe_block", default=False):
        return dense
    shape = read_experts(text, hidden, width_key="moe_intermediate_size")
    sparse = experts(replace(shape, path="moe"))
    scales = small("router_scales", hidden + shape.count)
    return FeedDraft(sparse.experts, dense.width, (*dense.tensors, *sparse.tensors, scales))
