"""Hybrids of attention and state spaces: Nemotron-H (Mamba2), Qwen3-Next and 3.5 (delta nets).

Mamba2 with inner width i, g groups of state n, H heads: d*(2i + 2gn + H) in, (i + 2gn)*(kernel + 1)
convolution, 3H + i small ones, i*d out. Gated delta net with key and value widths K and V and v
value heads: d*(2K + 2V + 2v) in, (2K + V)*kernel convolution, 2v + head width small ones, V*d out.
State sizes follow vLLM (``mamba_utils``). Known gap: the prediction layers are not loaded.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from rightslice.core.catalog.model import Part, Split, StateSpace
from rightslice.edge.huggingface.blocks import AttentionShape, MlpShape, attention, experts, mlp
from rightslice.edge.huggingface.config import COUNT, LAYERS, Fields
from rightslice.edge.huggingface.dense import Habits, assemble, ties_of
from rightslice.edge.huggingface.moe import qwen_experts, read_experts, sparse_by_step
from rightslice.edge.huggingface.sizes import LAYER_COUNT, Config, Sizes, read_sizes
from rightslice.edge.huggingface.tensors import (
    NO_FEED,
    NO_MIXER,
    FeedDraft,
    LayerDraft,
    MixerDraft,
    ModelDraft,
    embeddings,
    layer,
    linear,
    norms,
    present,
    small,
)
from rightslice.edge.huggingface.windows import layer_types

_QWEN: Final = Habits(head_norm="head", head_dim=256, rotary=0.25)
_PATTERN: Final = {"M": "mamba", "*": "attention", "E": "moe", "-": "mlp"}


def nemotron_h(config: Config) -> ModelDraft:
    """Nemotron-H: one mixer or one feed-forward part a layer, as its pattern says."""
    text = config.text
    kinds = _nemotron_pattern(text)
    sizes = read_sizes(text, layers=len(kinds), kv_stated=True)
    between = norms(sizes.hidden, count=1)
    drafts = {kind: _nemotron_layer(text, sizes, kind) for kind in set(kinds)}
    made = {kind: layer(mixer, feed, between) for kind, (mixer, feed) in drafts.items()}
    return _hybrid(config, sizes, tuple(made[kind] for kind in kinds))


def _hybrid(config: Config, sizes: Sizes, layers: tuple[LayerDraft, ...]) -> ModelDraft:
    ties = ties_of(config, default=False)
    return ModelDraft(
        hidden=sizes.hidden,
        vocab=sizes.vocab,
        layers=layers,
        shared=(
            *embeddings(sizes.vocab, sizes.hidden, ties=ties),
            *norms(sizes.hidden, count=1),
        ),
        ties=ties,
        rope_dim=None,
    )


def _nemotron_pattern(text: Fields) -> tuple[str, ...]:
    key, listed = "layers_block_type", _old_words(text.texts("layers_block_type"))
    if not listed:
        key = "hybrid_override_pattern"
        pattern = text.text(key, default="")
        if not pattern:
            raise text.error(key, "is missing; write one of M, *, E, - for each layer")
        unknown = set(pattern) - set(_PATTERN)
        if unknown:
            raise text.error(key, f"has {min(unknown)!r}; known are {', '.join(_PATTERN)}")
        listed = tuple(_PATTERN[letter] for letter in pattern)
    for kind in listed:
        if kind not in _PATTERN.values():
            raise text.error(key, f"has {kind!r}; known are {', '.join(_PATTERN.values())}")
    layers = text.integer(*LAYER_COUNT, limits=LAYERS, default=len(listed))
    if len(listed) != layers:
        raise text.error(key, f"has {len(listed)} entries for {layers} layers")
    return listed


def _old_words(kinds: tuple[str, ...]) -> tuple[str, ...]:
    """Return *kinds* in the checkpoint's words; transformers 5 writes newer ones."""
    words = {"linear_attention": "mamba", "full_attention": "attention"}
    return tuple(words.get(kind, kind) for kind in kinds)


def _nemotron_layer(text: Fields, sizes: Sizes, kind: str) -> tuple[MixerDraft, FeedDraft]:
    match kind:
        case "mamba":
            return mamba2(text, sizes.hidden), NO_FEED
        case "attention":
            bias = text.flag("attention_bias", default=False)
            shape = AttentionShape(
                hidden=sizes.hidden, heads=sizes.heads, kv_heads=sizes.kv_heads,
                head_dim=sizes.head_dim, qkv_bias=bias, output_bias=bias, path="mixer",
            )  # fmt: skip
            return attention(shape), NO_FEED
        case "moe":
            return NO_MIXER, _nemotron_experts(text, sizes.hidden)
        case _:
            return NO_MIXER, mlp(
                MlpShape(
                    hidden=sizes.hidden, width=text.integer("intermediate_size"), gated=False,
                    bias=text.flag("mlp_bias", default=False), path="mixer",
                )
            )  # fmt: skip


def _nemotron_experts(text: Fields, hidden: int) -> FeedDraft:
    shared = text.integer("n_shared_experts", limits=COUNT, default=1)
    width = text.integer("moe_shared_expert_intermediate_size", limits=COUNT, default=0)
    return experts(
        replace(
            read_experts(text, hidden, width_key="moe_intermediate_size"),
            gated=False,
            routing_bias=True,
            shared_width=shared * width,
            expert_hidden=text.integer_or_none("moe_latent_size"),
            path="mixer",
        )
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Mamba2Shape:
    """The sizes of a Mamba2 mixer and what it has besides its matrices."""

    heads: int
    head_dim: int
    state: int
    groups: int
    kernel: int
    conv_bias: bool
    bias: bool
    norms_output: bool = True
    state_bytes: int = 2


def mamba2_shape(text: Fields) -> Mamba2Shape:
    """Return the Mamba2 sizes that a config states."""
    heads = text.integer("mamba_num_heads", "mamba_n_heads")
    return Mamba2Shape(
        heads=heads,
        head_dim=_head_dim(text, heads),
        state=text.integer("ssm_state_size", "mamba_d_state"),
        groups=text.integer("n_groups", "mamba_n_groups"),
        kernel=text.integer("conv_kernel", "mamba_d_conv"),
        conv_bias=text.flag("use_conv_bias", "mamba_conv_bias", default=True),
        bias=text.flag("mamba_proj_bias", "use_bias", default=False),
        state_bytes=_state_bytes(text, "mamba_ssm_cache_dtype"),
    )


def _head_dim(text: Fields, heads: int) -> int:
    """Return the width of a head; ``auto`` divides the inner width (as in BambaConfig)."""
    if not text.is_automatic("mamba_d_head"):
        return text.integer("mamba_head_dim", "mamba_d_head")
    inner = text.integer("mamba_expand", default=2) * text.integer("hidden_size")
    if inner % heads:
        raise text.error("mamba_d_head", f"auto: {heads} heads do not divide {inner}; write it")
    return inner // heads


def mamba2(text: Fields, hidden: int) -> MixerDraft:
    """Return the Mamba2 mixer that a config states."""
    return mamba2_of(mamba2_shape(text), hidden)


def mamba2_of(shape: Mamba2Shape, hidden: int) -> MixerDraft:
    """Return a Mamba2 mixer of *shape*."""
    inner = shape.heads * shape.head_dim
    convolved = inner + 2 * shape.groups * shape.state
    columns = inner + convolved + shape.heads
    tensors = present(
        linear("mixer.in_proj", hidden, columns, Part.STATE_SPACE),
        linear("mixer.out_proj", inner, hidden, Part.STATE_SPACE),
        small("conv1d", convolved * (shape.kernel + int(shape.conv_bias)), Split.SHARDED),
        small("state", 3 * shape.heads + (inner if shape.norms_output else 0), Split.SHARDED),
        small("bias", columns + hidden if shape.bias else 0, Split.SHARDED),
    )
    mixer = StateSpace(
        kind="mamba2",
        conv_values=convolved * (shape.kernel - 1),
        ssm_values=inner * shape.state,
        ssm_bytes_per_value=shape.state_bytes,
    )
    return MixerDraft(mixer, tensors)


def _state_bytes(text: Fields, key: str) -> int:
    """Bytes of a recurrent state's value: vLLM keeps the model's 16 bit unless the config says."""
    return 4 if text.text(key, default="auto") == "float32" else 2


def qwen3_next(config: Config) -> ModelDraft:
    """Qwen3-Next, Qwen3.5 and 3.6: three delta nets, then one gated attention."""
    text = config.text
    sizes = read_sizes(text, head_dim=_QWEN.head_dim, kv_stated=True)
    full = attention(
        AttentionShape(
            hidden=sizes.hidden, heads=sizes.heads, kv_heads=sizes.kv_heads,
            head_dim=sizes.head_dim, norm_values=2 * sizes.head_dim,
            gated=text.flag("attn_output_gate", default=True),
            qkv_bias=text.flag("attention_bias", default=False),
            output_bias=text.flag("attention_bias", default=False),
        )
    )  # fmt: skip
    net = delta_net(text, sizes.hidden)
    mixers = tuple(net if is_ else full for is_ in _linear_layers(text, sizes.layers))
    parts = tuple(zip(mixers, _qwen_feeds(text, sizes), strict=True))
    return assemble(config, sizes, _QWEN, parts, norms(sizes.hidden, count=2))


def _linear_layers(text: Fields, layers: int) -> tuple[bool, ...]:
    kinds = layer_types(text, layers)
    if kinds:
        return tuple(kind == "linear_attention" for kind in kinds)
    every = text.integer("full_attention_interval", default=4)
    return tuple((index + 1) % every != 0 for index in range(layers))


def _qwen_feeds(text: Fields, sizes: Sizes) -> tuple[FeedDraft, ...]:
    def dense() -> FeedDraft:
        return mlp(MlpShape(hidden=sizes.hidden, width=text.integer("intermediate_size")))

    if not text.has("num_experts"):
        return (dense(),) * sizes.layers
    sparse = experts(qwen_experts(text, sizes.hidden))
    chosen = sparse_by_step(text, sizes.layers)
    other = sparse if all(chosen) else dense()
    return tuple(sparse if is_ else other for is_ in chosen)


def delta_net(text: Fields, hidden: int) -> MixerDraft:
    """Return a gated delta net."""
    key_dim, value_dim = text.integer("linear_key_head_dim"), text.integer("linear_value_head_dim")
    heads = text.integer("linear_num_value_heads")
    keys = text.integer("linear_num_key_heads") * key_dim
    values = heads * value_dim
    kernel = text.integer("linear_conv_kernel_dim", default=4)
    path = "linear_attn"
    tensors = (
        linear(f"{path}.in_proj_qkv", hidden, 2 * keys + values, Part.STATE_SPACE),
        linear(f"{path}.in_proj_z", hidden, values, Part.STATE_SPACE),
        linear(f"{path}.in_proj_ba", hidden, 2 * heads, Part.STATE_SPACE),
        linear(f"{path}.out_proj", values, hidden, Part.STATE_SPACE),
        small("conv1d", (2 * keys + values) * kernel, Split.SHARDED),
        small("state", 2 * heads, Split.SHARDED),
        small("gate_norm", value_dim),
    )
    mixer = StateSpace(
        kind="gdn",
        conv_values=(2 * keys + values) * (kernel - 1),
        ssm_values=heads * key_dim * value_dim,
        ssm_bytes_per_value=_state_bytes(text, "mamba_ssm_dtype"),
    )
    return MixerDraft(mixer, tensors)
