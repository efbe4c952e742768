"""Jamba: Mamba layers with attention in every n-th, experts in every m-th.

Mamba with inner width i = expand * d, state n, rank r of the step: d*2i in, i*(kernel + 1)
convolution, i*(r + 2n) and r*i + i for the step, i*n + i of the state, i*d out, three norms of
r + 2n values. Sources: JambaForCausalLM of transformers 5.23.0, read 2026-11-22; state sizes as in
vLLM (``mamba_utils``, ``mamba1_state_shape``).
"""

from __future__ import annotations

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

_HABITS = Habits(rotary=0.0)


def jamba(config: Config) -> ModelDraft:
    """Jamba: which layer is which is said by two periods, each with an offset."""
    text = config.text
    sizes = read_sizes(text)
    attends = _every(text, "attn_layer", sizes.layers, period=8, offset=4)
    routes = _every(text, "expert_layer", sizes.layers, period=2, offset=1)
    mixers = {True: _attention(sizes), False: mamba(text, sizes.hidden)}
    feeds = _feeds(text, sizes)
    parts = tuple(
        (mixers[attending], feeds[routing])
        for attending, routing in zip(attends, routes, strict=True)
    )
    return assemble(config, sizes, _HABITS, parts, norms(sizes.hidden, count=2))


def _every(text: Fields, key: str, layers: int, *, period: int, offset: int) -> tuple[bool, ...]:
    every = text.integer(f"{key}_period", default=period)
    first = text.integer(f"{key}_offset", limits=COUNT, default=offset)
    return tuple(index % every == first for index in range(layers))


def _attention(sizes: Sizes) -> MixerDraft:
    return attention(
        AttentionShape(
            hidden=sizes.hidden, heads=sizes.heads, kv_heads=sizes.kv_heads,
            head_dim=sizes.head_dim,
        )
    )  # fmt: skip


def _feeds(text: Fields, sizes: Sizes) -> dict[bool, FeedDraft]:
    width = text.integer("intermediate_size")
    dense = mlp(MlpShape(hidden=sizes.hidden, width=width, path="feed_forward"))
    if text.integer("num_experts", limits=COUNT, default=16) == 1:
        return {False: dense, True: dense}
    return {
        False: dense,
        True: experts(read_experts(text, sizes.hidden, width_key="intermediate_size")),
    }


def mamba(text: Fields, hidden: int) -> MixerDraft:
    """Return a Mamba (version 1) mixer."""
    inner = text.integer("mamba_expand", default=2) * hidden
    state = text.integer("mamba_d_state", default=16)
    kernel = text.integer("mamba_d_conv", default=4)
    automatic = text.is_automatic("mamba_dt_rank")
    rank = (
        -(-hidden // 16) if automatic else text.integer("mamba_dt_rank", default=-(-hidden // 16))
    )
    conv_bias = text.flag("mamba_conv_bias", default=True)
    bias = text.flag("mamba_proj_bias", default=False)
    tensors = present(
        linear("mamba.in_proj", hidden, 2 * inner, Part.STATE_SPACE),
        linear("mamba.x_proj", inner, rank + 2 * state, Part.STATE_SPACE),
        linear("mamba.dt_proj", rank, inner, Part.STATE_SPACE),
        linear("mamba.out_proj", inner, hidden, Part.STATE_SPACE),
        small("conv1d", inner * (kernel + int(conv_bias)), Split.SHARDED),
        small("state", inner * (state + 2), Split.SHARDED),
        small("state_norm", rank + 2 * state),
        small("bias", 2 * inner + hidden if bias else 0, Split.SHARDED),
    )
    mixer = StateSpace(
        kind="mamba1",
        conv_values=inner * (kernel - 1),
        ssm_values=inner * state,
        ssm_bytes_per_value=2,
    )
    return MixerDraft(mixer, tensors)
