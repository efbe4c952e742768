"""Mixture-of-experts decoders with softmax attention.

Which layers have experts differs by family: all of them, every n-th (``decoder_sparse_step``,
``interleave_moe_layer_step``), or all after the first k (``first_k_dense_replace``). Sources: the
modeling files of transformers 5.23.0, read 2026-11-22 (classes named after the family).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from rightslice.edge.huggingface.blocks import (
    AttentionShape,
    ExpertShape,
    MlpShape,
    attention,
    experts,
    mlp,
)
from rightslice.edge.huggingface.config import CONTEXT, COUNT, LAYERS, Fields
from rightslice.edge.huggingface.dense import (
    DENSE,
    Habits,
    assemble,
    dense_feed,
    dense_mixers,
    habitual_sizes,
    head_norm_values,
    norm_count,
    says,
)
from rightslice.edge.huggingface.sizes import Config, Sizes
from rightslice.edge.huggingface.tensors import (
    FeedDraft,
    MixerDraft,
    ModelDraft,
    embeddings,
    norms,
)
from rightslice.edge.huggingface.windows import Pattern, layer_types, read_windows

EXPERT_COUNT: Final = ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts")
PER_TOKEN: Final = (
    "num_experts_per_tok", "experts_per_token", "top_k_experts", "moe_topk", "moe_k",
)  # fmt: skip

_SHARED: Final = ("n_shared_experts", "num_shared_experts")

HABITS: Final[Mapping[str, Habits]] = MappingProxyType(
    {
        "mixtral": DENSE["mistral"],
        "qwen2_moe": DENSE["qwen2"],
        "qwen3_moe": replace(DENSE["qwen3"], head_dim=None),
        "granitemoe": DENSE["granite"],
        "granitemoeshared": DENSE["granite"],
        "ernie4_5_moe": DENSE["ernie4_5"],
        "phimoe": Habits(norm_bias=True, kv_heads=8, pattern=Pattern.ALL),
        "solar_open": Habits(kv_stated=True, output_bias=False, mlp_bias=False),
        "exaone_moe": DENSE["exaone4"],
        "dots1": Habits(kv_stated=True, mlp_bias=False, head_norm="head"),
        "olmoe": Habits(mlp_bias=False, head_norm="heads"),
        "minimax_m2": Habits(
            kv_stated=True,
            qkv_bias=False, output_bias=False, head_norm="heads", head_norm_key="use_qk_norm",
        ),
        "gpt_oss": Habits(kv_stated=True, head_dim=64, pattern=Pattern.ALTERNATE),
        "glm4_moe": Habits(
            kv_stated=True,
            output_bias=False, head_norm="head", head_norm_key="use_qk_norm", rotary=0.5,
        ),
        "llama4": Habits(kv_stated=True, mlp_bias=False),
    }
)  # fmt: skip


def read_experts(text: Fields, hidden: int, *, width_key: str) -> ExpertShape:
    """Return the routed experts that *text* states.

    Raises:
        FieldError: when a size is missing, or a token would use more experts than there are.
    """
    count = text.integer(*EXPERT_COUNT)
    per_token = text.integer(*PER_TOKEN)
    if per_token > count:
        named = text.spelled(*EXPERT_COUNT)
        raise text.error(
            text.spelled(*PER_TOKEN), f"{per_token} is more than the {count} experts of {named}"
        )
    return ExpertShape(
        hidden=hidden, count=count, per_token=per_token, width=text.integer(width_key)
    )


def sparse_by_step(text: Fields, layers: int) -> tuple[bool, ...]:
    """Return which layers have experts by ``decoder_sparse_step`` and ``mlp_only_layers``."""
    step = text.integer("decoder_sparse_step", default=1)
    dense_only = frozenset(text.integers("mlp_only_layers"))
    return tuple((index + 1) % step == 0 and index not in dense_only for index in range(layers))


def sparse_after_first(text: Fields, layers: int) -> tuple[bool, ...]:
    """Return which layers have experts: ``mlp_layer_types``, else all after the first k."""
    stated = text.texts("mlp_layer_types")
    if stated:
        if len(stated) != layers:
            raise text.error("mlp_layer_types", f"has {len(stated)} entries for {layers} layers")
        return tuple(kind == "sparse" for kind in stated)
    first = text.integer("first_k_dense_replace", limits=COUNT, default=0)
    step = text.integer("moe_layer_freq", default=1)
    return tuple(index >= first and index % step == 0 for index in range(layers))


def routed(
    config: Config, habits: Habits, sizes: Sizes, feeds: tuple[FeedDraft, ...]
) -> ModelDraft:
    """Return the draft whose layers have the attention of *habits* and *feeds*."""
    between = norms(sizes.hidden, count=norm_count(config.text, habits), bias=habits.norm_bias)
    mixers = dense_mixers(config.text, sizes, habits)
    return assemble(config, sizes, habits, tuple(zip(mixers, feeds, strict=True)), between)


def _sizes(config: Config, habits: Habits) -> Sizes:
    return habitual_sizes(config.text, habits)


def every_layer(config: Config) -> ModelDraft:
    """Mixtral, OLMoE and their like: experts as wide as ``intermediate_size`` in every layer."""
    habits = HABITS[config.family]
    sizes = _sizes(config, habits)
    shape = read_experts(config.text, sizes.hidden, width_key="intermediate_size")
    if config.family in ("mixtral", "granitemoe", "minimax_m2", "phimoe"):
        shape = replace(shape, path="block_sparse_moe")
    return routed(config, habits, sizes, (experts(shape),) * sizes.layers)


def phimoe(config: Config) -> ModelDraft:
    """Phi-3.5-MoE: Mixtral with layer norms, and biases where the config says so."""
    draft = every_layer(config)
    if not config.text.flag("lm_head_bias", default=False):
        return draft
    head = embeddings(draft.vocab, 0, ties=True, head_bias=True)
    return replace(draft, shared=(*draft.shared, *head))


def granite_shared(config: Config) -> ModelDraft:
    """Granite MoE with a shared expert in every layer."""
    habits = HABITS["granitemoeshared"]
    sizes = _sizes(config, habits)
    shape = replace(
        read_experts(config.text, sizes.hidden, width_key="intermediate_size"),
        path="block_sparse_moe",
        shared_width=config.text.integer("shared_intermediate_size", limits=COUNT, default=0),
    )
    return routed(config, habits, sizes, (experts(shape),) * sizes.layers)


def ernie_moe(config: Config) -> ModelDraft:
    """ERNIE 4.5: experts from one layer to another, with shared ones and a correction."""
    text = config.text
    habits = HABITS["ernie4_5_moe"]
    sizes = _sizes(config, habits)
    shape = read_experts(text, sizes.hidden, width_key="moe_intermediate_size")
    shared = text.integer("moe_num_shared_experts", limits=COUNT, default=0)
    sparse = experts(replace(shape, shared_width=shared * shape.width, routing_bias=True))
    dense = dense_feed(text, sizes.hidden, habits)
    first = text.integer("moe_layer_start_index", limits=COUNT, default=1)
    last = text.integer("moe_layer_end_index", limits=(-1, LAYERS[1]), default=-1)
    step = text.integer("moe_layer_interval", default=1)
    end = sizes.layers - 1 if last < 0 else last
    chosen = tuple(first <= at <= end and (at + 1) % step == 0 for at in range(sizes.layers))
    return routed(config, habits, sizes, tuple(sparse if is_ else dense for is_ in chosen))


def minimax_m2(config: Config) -> ModelDraft:
    """MiniMax M2: norms over all heads and a routing correction in every layer."""
    habits = HABITS["minimax_m2"]
    sizes = _sizes(config, habits)
    shape = replace(
        read_experts(config.text, sizes.hidden, width_key="intermediate_size"),
        path="block_sparse_moe",
        routing_bias=config.text.flag("use_routing_bias", default=True),
        shared_width=config.text.integer("shared_intermediate_size", limits=COUNT, default=0),
    )
    return routed(config, habits, sizes, (experts(shape),) * sizes.layers)


def qwen_moe(config: Config) -> ModelDraft:
    """Qwen MoE: experts by step, in Qwen2 with a gated shared expert."""
    text = config.text
    habits = HABITS["qwen2_moe" if "qwen2" in config.family else "qwen3_moe"]
    sizes = _sizes(config, habits)
    sparse = experts(qwen_experts(text, sizes.hidden))
    chosen = sparse_by_step(text, sizes.layers)
    dense = sparse if all(chosen) else dense_feed(text, sizes.hidden, habits)
    return routed(config, habits, sizes, tuple(sparse if is_ else dense for is_ in chosen))


def qwen_experts(text: Fields, hidden: int) -> ExpertShape:
    """Return Qwen's experts, with the shared expert and its gate when there is one."""
    shared = text.integer("shared_expert_intermediate_size", limits=COUNT, default=0)
    return replace(
        read_experts(text, hidden, width_key="moe_intermediate_size"),
        shared_width=shared,
        shared_gate=shared > 0,
    )


def gpt_oss(config: Config) -> ModelDraft:
    """gpt-oss: attention sinks, biases everywhere, windows in every other layer."""
    text = config.text
    habits = HABITS["gpt_oss"]
    sizes = _sizes(config, habits)
    bias = text.flag("attention_bias", default=True)
    shape = AttentionShape(
        hidden=sizes.hidden, heads=sizes.heads, kv_heads=sizes.kv_heads, head_dim=sizes.head_dim,
        qkv_bias=bias, output_bias=bias, sinks=True,
    )  # fmt: skip
    feed = experts(
        replace(read_experts(text, sizes.hidden, width_key="intermediate_size"), biases=True)
    )
    windows = read_windows(text, sizes.layers, habits.pattern)
    kinds = {window: attention(shape, window=window) for window in set(windows)}
    between = norms(sizes.hidden, count=2)
    parts = tuple((kinds[window], feed) for window in windows)
    return assemble(config, sizes, habits, parts, between)


def glm4_moe(config: Config) -> ModelDraft:
    """GLM-4.5 and their like: dense layers, then experts with shared ones and a correction."""
    text = config.text
    habits = HABITS[config.family]
    sizes = _sizes(config, habits)
    width = text.integer("moe_intermediate_size")
    sparse = experts(
        replace(
            read_experts(text, sizes.hidden, width_key="moe_intermediate_size"),
            shared_width=width * text.integer(*_SHARED, limits=COUNT, default=1),
            routing_bias=True,
        )
    )
    chosen = sparse_after_first(text, sizes.layers)
    dense = sparse if all(chosen) else dense_feed(text, sizes.hidden, habits)
    return routed(config, habits, sizes, tuple(sparse if is_ else dense for is_ in chosen))


def llama4(config: Config) -> ModelDraft:
    """Llama 4: chunked attention but for every fourth layer, experts in every or every n-th."""
    text = config.text
    habits = HABITS["llama4"]
    sizes = _sizes(config, habits)
    shape = read_experts(text, sizes.hidden, width_key="intermediate_size")
    sparse = experts(replace(shape, shared_width=shape.width, path="feed_forward"))
    width = text.integer("intermediate_size_mlp", default=shape.width)
    dense = mlp(MlpShape(hidden=sizes.hidden, width=width, path="feed_forward"))
    feeds = tuple(sparse if is_ else dense for is_ in _llama4_sparse(text, sizes.layers))
    mixers = _llama4_mixers(text, sizes, habits)
    parts = tuple(zip(mixers, feeds, strict=True))
    return assemble(config, sizes, habits, parts, norms(sizes.hidden, count=2))


def _llama4_sparse(text: Fields, layers: int) -> tuple[bool, ...]:
    if text.has("moe_layers"):
        listed = frozenset(text.integers("moe_layers"))
        return tuple(index in listed for index in range(layers))
    step = text.integer("interleave_moe_layer_step", default=1)
    return tuple((index + 1) % step == 0 for index in range(layers))


_NO_ROPE_INTERVAL: Final = 4
"""Llama 4: every fourth layer has no rotary embedding and sees everything."""


def _llama4_mixers(text: Fields, sizes: Sizes, habits: Habits) -> tuple[MixerDraft, ...]:
    bias = says(text, habits.qkv_bias)
    shape = AttentionShape(
        hidden=sizes.hidden, heads=sizes.heads, kv_heads=sizes.kv_heads, head_dim=sizes.head_dim,
        qkv_bias=bias, output_bias=bias, norm_values=head_norm_values(text, sizes, habits),
    )  # fmt: skip
    chunk = text.integer("attention_chunk_size", limits=CONTEXT, default=8192)
    kinds = layer_types(text, sizes.layers)
    every = text.integer("no_rope_layer_interval", default=_NO_ROPE_INTERVAL)
    rotary = text.integers("no_rope_layers") or tuple(
        int((index + 1) % every != 0) for index in range(sizes.layers)
    )
    chunked = (
        tuple(kind == "chunked_attention" for kind in kinds) if kinds else tuple(map(bool, rotary))
    )
    if len(chunked) != sizes.layers:
        raise text.error("no_rope_layers", f"has {len(chunked)} entries for {sizes.layers} layers")
    local, full = attention(shape, chunk=chunk), attention(shape)
    return tuple(local if is_ else full for is_ in chunked)
