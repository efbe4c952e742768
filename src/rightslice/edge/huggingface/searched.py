"""Models whose layers an architecture search chose one by one (NVIDIA's Nemotron NAS, DeciLM).

``block_configs`` says for each layer: attention with so many query heads a group, a linear layer,
or none; a feed-forward part of so many times the hidden size, a linear layer, or none.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from rightslice.core.catalog.model import Part
from rightslice.edge.huggingface.blocks import AttentionShape, MlpShape, attention, mlp
from rightslice.edge.huggingface.config import LAYERS, Fields
from rightslice.edge.huggingface.dense import LLAMA, assemble
from rightslice.edge.huggingface.sizes import HEADS, HIDDEN, LAYER_COUNT, Config, Sizes
from rightslice.edge.huggingface.tensors import (
    NO_FEED,
    NO_MIXER,
    FeedDraft,
    MixerDraft,
    ModelDraft,
    Tensor,
    linear,
    norms,
)

_MULTIPLE: Final = 256
"""Feed-forward widths are rounded up to this (``_find_multiple`` in the model's own code)."""


def nemotron_nas(config: Config) -> ModelDraft:
    """Return the draft of a model with ``block_configs``."""
    text = config.text
    hidden, heads = text.integer(*HIDDEN), text.integer(*HEADS)
    if hidden % heads:
        raise text.error(HEADS[0], f"{heads} heads do not divide hidden_size {hidden}")
    layers = text.integer(*LAYER_COUNT, limits=LAYERS)
    blocks = text.sections("block_configs")
    if len(blocks) != layers:
        raise text.error("block_configs", f"has {len(blocks)} entries for {layers} layers")
    sizes = Sizes(
        hidden=hidden, layers=layers, heads=heads, kv_heads=heads,
        head_dim=text.integer("head_dim", default=hidden // heads),
        vocab=text.integer("vocab_size"),
    )  # fmt: skip
    bias = text.flag("attention_bias", default=False)
    parts = tuple(
        (_mixer(block.section("attention"), sizes, bias=bias), _feed(block.section("ffn"), hidden))
        for block in blocks
    )
    return assemble(config, sizes, LLAMA, parts, ())


def _mixer(block: Fields, sizes: Sizes, *, bias: bool) -> MixerDraft:
    norm = norms(sizes.hidden, count=1)
    if block.flag("no_op", default=False):
        return NO_MIXER
    if block.flag("replace_with_linear", default=False):
        return MixerDraft(None, (*_replacement("self_attn", sizes.hidden), *norm))
    grouped = block.integer("n_heads_in_group")
    if sizes.heads % grouped:
        raise block.error(
            "n_heads_in_group", f"{grouped} must divide the {sizes.heads} query heads"
        )
    draft = attention(
        AttentionShape(
            hidden=sizes.hidden, heads=sizes.heads, kv_heads=sizes.heads // grouped,
            head_dim=sizes.head_dim, qkv_bias=bias, output_bias=bias,
        ),
        window=block.integer_or_none("window_length"),
    )  # fmt: skip
    return replace(draft, tensors=(*draft.tensors, *norm))


def _feed(block: Fields, hidden: int) -> FeedDraft:
    norm = norms(hidden, count=1)
    if block.flag("no_op", default=False):
        return NO_FEED
    if block.flag("replace_with_linear", default=False):
        return FeedDraft(None, 0, (*_replacement("mlp", hidden), *norm))
    times = block.number_or_none("ffn_mult")
    if times is None or not 0 < times < 64:
        raise block.error("ffn_mult", "must be a number above 0 and below 64")
    width = -(-int(2 * times * hidden / 3) // _MULTIPLE) * _MULTIPLE
    draft = mlp(MlpShape(hidden=hidden, width=width))
    return replace(draft, tensors=(*draft.tensors, *norm))


def _replacement(path: str, hidden: int) -> tuple[Tensor, ...]:
    return (linear(f"{path}.linear_attn", hidden, hidden, Part.MLP),)
