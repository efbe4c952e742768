"""Gemma 3n: inputs per layer and shared keys as Gemma 4, with alternating updates and low ranks.

Per layer besides attention and a gated feed-forward part, with d hidden, a streams and rank r:
2*d*r + d (learned augmented residual), a^3 + a^2 + a*d + 2*d (alternating updates); once 2*(a - 1)*
d^2. Source: ``modeling_gemma3n.py`` of transformers 5.23.0, read 2026-11-22. Known gap: its vision
and audio towers.
"""

from __future__ import annotations

from typing import Final

from rightslice.core.catalog.model import Part, Split
from rightslice.edge.huggingface.blocks import MlpShape, mlp
from rightslice.edge.huggingface.config import Fields
from rightslice.edge.huggingface.dense import Habits, assemble, dense_mixers, habitual_sizes
from rightslice.edge.huggingface.gemma4 import layer_inputs, shared_layers, without_own_cache
from rightslice.edge.huggingface.sizes import Config, Sizes
from rightslice.edge.huggingface.tensors import (
    ModelDraft,
    Tensor,
    linear,
    norms,
    small,
)
from rightslice.edge.huggingface.windows import Pattern

_HABITS: Final = Habits(
    mlp_bias=False, ties=True, head_dim=256, norms=4, head_norm="head",
    pattern=Pattern.INTERVAL, interval=5,
)  # fmt: skip


def gemma3n(config: Config) -> ModelDraft:
    """Return the draft of a Gemma 3n language model."""
    text = config.text
    sizes = habitual_sizes(text, _HABITS)
    mixers = dense_mixers(text, sizes, _HABITS)
    own = sizes.layers - shared_layers(text, sizes.layers)
    feed = mlp(MlpShape(hidden=sizes.hidden, width=_width(text, sizes.layers)))
    parts = tuple(
        (mixer if index < own else without_own_cache(mixer), feed)
        for index, mixer in enumerate(mixers)
    )
    each, once = layer_inputs(text, sizes)
    streams = text.integer("altup_num_inputs", default=4)
    between = (*norms(sizes.hidden, count=_HABITS.norms), *each, *_residuals(text, sizes, streams))
    draft = assemble(config, sizes, _HABITS, parts, between)
    updates = Tensor("altup", 2 * (streams - 1) * sizes.hidden**2, Part.NORM)
    return ModelDraft(
        hidden=draft.hidden, vocab=draft.vocab, layers=draft.layers,
        shared=(*draft.shared, *once, updates), ties=draft.ties, rope_dim=draft.rope_dim,
    )  # fmt: skip


def _width(text: Fields, layers: int) -> int:
    """Return the feed-forward width, which may be written once for each layer."""
    if not text.is_list("intermediate_size"):
        return text.integer("intermediate_size")
    widths = text.integers("intermediate_size")
    if len(widths) != layers or len(set(widths)) != 1 or widths[0] == 0:
        raise text.error("intermediate_size", f"must be one width for all of {layers} layers")
    return widths[0]


def _residuals(text: Fields, sizes: Sizes, streams: int) -> tuple[Tensor, ...]:
    hidden, rank = sizes.hidden, text.integer("laurel_rank", default=64)
    return (
        linear("laurel.linear_left", hidden, rank, Part.MLP, Split.REPLICATED),
        linear("laurel.linear_right", rank, hidden, Part.MLP, Split.REPLICATED),
        small("laurel_norm", hidden),
        small("altup", streams**3 + streams**2 + streams * hidden + 2 * hidden),
    )
