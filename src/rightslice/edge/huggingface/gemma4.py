"""Gemma 4: wide full attention whose keys serve as values, and experts beside the dense part.

Sliding layers have heads of ``head_dim``, full ones of ``global_head_dim`` with fewer KV heads and,
under ``attention_k_eq_v``, no value projection. Checked against the published sizes of the 31B and
26B-A4B models (30.7B and 25.2B without their towers). Known gap: the E2B and E4B models, which add
embeddings in every layer and share KV between layers, are refused.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from rightslice.edge.huggingface.blocks import AttentionShape, attention, experts
from rightslice.edge.huggingface.config import COUNT, Fields
from rightslice.edge.huggingface.dense import Habits, assemble, dense_feed, habitual_sizes
from rightslice.edge.huggingface.moe import read_experts
from rightslice.edge.huggingface.sizes import Config, Sizes
from rightslice.edge.huggingface.tensors import FeedDraft, MixerDraft, ModelDraft, norms, small
from rightslice.edge.huggingface.windows import Pattern, read_windows

_HABITS: Final = Habits(
    kv_stated=True, mlp_bias=False, ties=True, head_dim=256, norms=4, head_norm="head",
    pattern=Pattern.INTERVAL,
)  # fmt: skip
_NORMS_WITH_EXPERTS: Final = 7


def gemma4(config: Config) -> ModelDraft:
    """Return the draft of a Gemma 4 language model.

    Raises:
        FieldError: for the models with embeddings in every layer, which have no rule yet.
    """
    text = config.text
    for key in ("hidden_size_per_layer_input", "num_kv_shared_layers"):
        if text.integer(key, limits=COUNT, default=0):
            raise text.error(key, "must be 0: Gemma 4 models with inputs per layer have no rule")
    sizes = habitual_sizes(text, _HABITS)
    windows = read_windows(text, sizes.layers, _HABITS.pattern)
    kinds = {window: _mixer(text, sizes, window) for window in set(windows)}
    feed = _feed(text, sizes.hidden)
    count = _HABITS.norms if feed.experts is None else _NORMS_WITH_EXPERTS
    parts = tuple((kinds[window], feed) for window in windows)
    return assemble(config, sizes, _HABITS, parts, norms(sizes.hidden, count=count))


def _mixer(text: Fields, sizes: Sizes, window: int | None) -> MixerDraft:
    shape = AttentionShape(
        hidden=sizes.hidden, heads=sizes.heads, kv_heads=sizes.kv_heads, head_dim=sizes.head_dim,
        norm_values=2 * sizes.head_dim,
    )  # fmt: skip
    if window is not None:
        return attention(shape, window=window)
    width = text.integer("global_head_dim", default=sizes.head_dim)
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
