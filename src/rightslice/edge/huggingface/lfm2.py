"""LFM2: short convolutions with attention in some layers; a mixture of experts in its larger form.

A short convolution of kernel k: d*3d in, d*k, d*d out; its state is the last k - 1 inputs. The
feed-forward width is two thirds of the stated one, rounded up, unless the config says that it is
final. Sources: Lfm2ForCausalLM and Lfm2MoeForCausalLM of transformers 5.23.0, read 2026-11-22;
state sizes as in vLLM (``mamba_utils``, ``short_conv_state_shape``).
"""

from __future__ import annotations

from typing import Final

from rightslice.core.catalog.model import Part, Split, StateSpace
from rightslice.edge.huggingface.blocks import AttentionShape, MlpShape, attention, experts, mlp
from rightslice.edge.huggingface.config import COUNT, Fields
from rightslice.edge.huggingface.dense import Habits, assemble
from rightslice.edge.huggingface.moe import read_experts
from rightslice.edge.huggingface.sizes import Config, Sizes, read_sizes
from rightslice.edge.huggingface.tensors import (
    FeedDraft,
    MixerDraft,
    ModelDraft,
    linear,
    norms,
    present,
    small,
)

_HABITS: Final = Habits(ties=True)
_KINDS: Final = frozenset({"conv", "full_attention"})
_NAMES: Final = ("w1", "w3", "w2")


def lfm2(config: Config) -> ModelDraft:
    """LFM2 with dense feed-forward parts."""
    text = config.text
    sizes = read_sizes(text)
    feed = _dense(sizes, _adjusted(text, text.integer("intermediate_size", "block_ff_dim")))
    return _mixed(config, sizes, (feed,) * sizes.layers)


def lfm2_moe(config: Config) -> ModelDraft:
    """LFM2 with routed experts after the first dense layers."""
    text = config.text
    sizes = read_sizes(text)
    dense = _dense(sizes, text.integer("intermediate_size"))
    first = text.integer("num_dense_layers", limits=COUNT, default=2)
    sparse = experts(read_experts(text, sizes.hidden, width_key="moe_intermediate_size"))
    feeds = tuple(dense if index < first else sparse for index in range(sizes.layers))
    return _mixed(config, sizes, feeds)


def _mixed(config: Config, sizes: Sizes, feeds: tuple[FeedDraft, ...]) -> ModelDraft:
    text = config.text
    mixers = {True: _attention(sizes), False: _convolution(text, sizes.hidden)}
    attends = _attending(text, sizes.layers)
    parts = tuple((mixers[is_], feed) for is_, feed in zip(attends, feeds, strict=True))
    return assemble(config, sizes, _HABITS, parts, norms(sizes.hidden, count=2))


def _attending(text: Fields, layers: int) -> tuple[bool, ...]:
    listed = text.texts("layer_types")
    if not listed:
        indices = frozenset(text.integers("full_attn_idxs"))
        return tuple(not indices or index in indices for index in range(layers))
    unknown = sorted(set(listed) - _KINDS)
    if unknown:
        raise text.error("layer_types", f"has {unknown[0]!r}; known are conv and full_attention")
    if len(listed) != layers:
        raise text.error("layer_types", f"has {len(listed)} entries for {layers} layers")
    return tuple(kind == "full_attention" for kind in listed)


def _attention(sizes: Sizes) -> MixerDraft:
    return attention(
        AttentionShape(
            hidden=sizes.hidden, heads=sizes.heads, kv_heads=sizes.kv_heads,
            head_dim=sizes.head_dim, norm_values=2 * sizes.head_dim, output="out_proj",
        )
    )  # fmt: skip


def _convolution(text: Fields, hidden: int) -> MixerDraft:
    kernel = text.integer("conv_L_cache", default=3)
    bias = text.flag("conv_bias", default=False)
    tensors = present(
        linear("conv.in_proj", hidden, 3 * hidden, Part.STATE_SPACE),
        linear("conv.out_proj", hidden, hidden, Part.STATE_SPACE),
        small("conv.conv", hidden * kernel, Split.SHARDED),
        small("conv.bias", 5 * hidden if bias else 0, Split.SHARDED),
    )
    mixer = StateSpace(
        kind="short convolution",
        conv_values=hidden * (kernel - 1),
        ssm_values=0,
        ssm_bytes_per_value=2,
    )
    return MixerDraft(mixer, tensors)


def _dense(sizes: Sizes, width: int) -> FeedDraft:
    return mlp(MlpShape(hidden=sizes.hidden, width=width, path="feed_forward", names=_NAMES))


def _adjusted(text: Fields, width: int) -> int:
    """Return the feed-forward width that the layers have (Lfm2MLP)."""
    if not text.flag("block_auto_adjust_ff_dim", default=True):
        return width
    factor = text.number_or_none("block_ffn_dim_multiplier")
    scaled = int((1.0 if factor is None else factor) * int(2 * width / 3))
    step = text.integer("block_multiple_of", default=256)
    if scaled < 1:
        raise text.error("block_ffn_dim_multiplier", f"{factor:g} leaves no feed-forward width")
    return -(-scaled // step) * step
