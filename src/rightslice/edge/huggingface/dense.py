"""Llama and the many families that differ from it in a bias, a norm or a window.

Each family is one row of habits. Sources: the modeling files of transformers 5.23.0, read
2026-11-22 (classes named after the family). It has none for Yi, Aquila, Baichuan, InternLM,
MiniCPM and MiMo: their rows follow the code published with the checkpoints, not re-read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from rightslice.edge.huggingface.blocks import AttentionShape, MlpShape, attention, mlp
from rightslice.edge.huggingface.config import Fields
from rightslice.edge.huggingface.sizes import Config, Sizes, read_sizes, rotary_width
from rightslice.edge.huggingface.tensors import (
    FeedDraft,
    MixerDraft,
    ModelDraft,
    Tensor,
    embeddings,
    layer,
    norms,
)
from rightslice.edge.huggingface.windows import Pattern, read_windows


@dataclass(frozen=True, kw_only=True, slots=True)
class Habits:
    """How a family differs from Llama. A string names the key that decides, absent meaning no."""

    qkv_bias: bool | str = "attention_bias"
    output_bias: bool | str = "attention_bias"
    mlp_bias: bool | str = "mlp_bias"
    gated: bool = True
    norms: int = 2
    norm_bias: bool = False
    head_norm: str = "none"
    """``head``: over one head's width; ``heads``: over all heads."""
    head_norm_key: str | None = None
    """Key that turns the head norm on; None: always on."""
    ties: bool = False
    """Whether the output head is the embedding when ``tie_word_embeddings`` is absent."""
    head_dim: int | None = None
    kv_heads: int | None = None
    kv_stated: bool = False
    """Whether the KV heads must be written: transformers' default would be a guess."""
    pattern: Pattern = Pattern.NONE
    interval: int = 6
    rotary: float = 1.0
    fused_qkv: str | None = None
    mlp_names: tuple[str, str, str] = ("gate_proj", "up_proj", "down_proj")


_FUSED_MLP: Final = ("gate_up_proj", "gate_up_proj", "down_proj")
LLAMA: Final = Habits()

DENSE: Final[Mapping[str, Habits]] = MappingProxyType(
    {
        "llama": LLAMA,
        "yi": LLAMA,
        "granite": LLAMA,
        "helium": LLAMA,
        "ernie4_5": Habits(
            qkv_bias="use_bias", output_bias="use_bias", mlp_bias="use_bias", ties=True,
        ),
        "aquila": LLAMA,
        "arcee": Habits(gated=False),
        "mistral": Habits(
            qkv_bias=False, output_bias=False, mlp_bias=False, kv_heads=8, pattern=Pattern.ALL,
        ),
        "ministral3": Habits(qkv_bias=False, output_bias=False, mlp_bias=False, kv_heads=8),
        "qwen2": Habits(
            kv_stated=True, qkv_bias=True, output_bias=False, mlp_bias=False, pattern=Pattern.UPPER,
        ),
        "qwen3": Habits(
            kv_stated=True, mlp_bias=False, head_norm="head", head_dim=128, pattern=Pattern.UPPER,
        ),
        "phi3": Habits(
            qkv_bias=False, output_bias=False, mlp_bias=False, pattern=Pattern.ALL,
            fused_qkv="qkv_proj", mlp_names=_FUSED_MLP,
        ),
        "gemma": Habits(kv_stated=True, mlp_bias=False, ties=True, head_dim=256),
        "gemma2": Habits(
            kv_stated=True,
            mlp_bias=False, ties=True, head_dim=256, norms=4, pattern=Pattern.ALTERNATE,
        ),
        "gemma3_text": Habits(
            kv_stated=True, mlp_bias=False, ties=True, head_dim=256, norms=4, head_norm="head",
            pattern=Pattern.INTERVAL,
        ),
        "cohere": Habits(
            mlp_bias=False, ties=True, norms=1, head_norm="heads", head_norm_key="use_qk_norm",
        ),
        "cohere2": Habits(
            mlp_bias=False, ties=True, norms=1, pattern=Pattern.INTERVAL, interval=4,
        ),
        "olmo": Habits(mlp_bias=False, norms=0),
        "olmo2": Habits(mlp_bias=False, head_norm="heads"),
        "olmo3": Habits(
            mlp_bias=False, head_norm="heads", pattern=Pattern.INTERVAL, interval=4,
        ),
        "stablelm": Habits(
            kv_stated=True,
            qkv_bias="use_qkv_bias", output_bias=False, mlp_bias=False, norm_bias=True,
            head_norm="heads", head_norm_key="qk_layernorm", rotary=0.25,
        ),
        "baichuan": Habits(
            qkv_bias=False, output_bias=False, mlp_bias=False, fused_qkv="W_pack",
        ),
        "internlm": Habits(qkv_bias="bias", output_bias="bias", mlp_bias=False),
        "internlm2": Habits(
            qkv_bias="bias", output_bias="bias", mlp_bias=False, fused_qkv="wqkv",
            mlp_names=("w1", "w3", "w2"),
        ),
        "minicpm": Habits(qkv_bias=False, output_bias=False, mlp_bias=False, ties=True),
        "mimo": Habits(kv_stated=True, output_bias=False, mlp_bias=False, pattern=Pattern.UPPER),
        "smollm3": Habits(kv_stated=True, ties=True),
        "seed_oss": Habits(kv_stated=True, output_bias="attention_out_bias", mlp_bias="mlp_bias"),
        "glm": Habits(
            kv_stated=True, output_bias=False, mlp_bias=False, rotary=0.5, mlp_names=_FUSED_MLP,
        ),
        "glm4": Habits(
            kv_stated=True,
            output_bias=False, mlp_bias=False, norms=4, rotary=0.5, mlp_names=_FUSED_MLP,
        ),
        "exaone4": Habits(
            kv_stated=True, qkv_bias=False, output_bias=False, mlp_bias=False, head_norm="head",
            pattern=Pattern.INTERVAL, interval=4,
        ),
        "hunyuan_v1_dense": Habits(mlp_bias=False, head_norm="head"),
        "nemotron": Habits(gated=False, norm_bias=True, rotary=0.5),
    }
)  # fmt: skip


def says(text: Fields, habit: bool | str) -> bool:  # noqa: FBT001 - a habit is a yes, a no or a key
    """Return what *habit* means for this config."""
    return text.flag(habit, default=False) if isinstance(habit, str) else habit


def head_norm_values(text: Fields, sizes: Sizes, habits: Habits) -> int:
    """Return the parameters of one layer's query and key norms."""
    if habits.head_norm_key is not None and not text.flag(habits.head_norm_key, default=False):
        return 0
    if habits.head_norm == "none":
        return 0
    heads = 2 if habits.head_norm == "head" else sizes.heads + sizes.kv_heads
    return heads * sizes.head_dim


def dense_mixers(text: Fields, sizes: Sizes, habits: Habits) -> tuple[MixerDraft, ...]:
    """Return the attention of every layer; layers that are alike share one value."""
    shape = AttentionShape(
        hidden=sizes.hidden,
        heads=sizes.heads,
        kv_heads=sizes.kv_heads,
        head_dim=sizes.head_dim,
        qkv_bias=says(text, habits.qkv_bias),
        output_bias=says(text, habits.output_bias),
        norm_values=head_norm_values(text, sizes, habits),
        fused=habits.fused_qkv,
    )
    windows = read_windows(text, sizes.layers, habits.pattern, interval=habits.interval)
    kinds = {window: attention(shape, window=window) for window in set(windows)}
    return tuple(kinds[window] for window in windows)


def dense_feed(text: Fields, hidden: int, habits: Habits) -> FeedDraft:
    """Return the dense feed-forward part that every layer has."""
    return mlp(
        MlpShape(
            hidden=hidden,
            width=text.integer("intermediate_size"),
            gated=habits.gated,
            bias=says(text, habits.mlp_bias),
            names=habits.mlp_names,
        )
    )


def ties_of(config: Config, *, default: bool) -> bool:
    """Return whether the output head is the embedding; the outer object decides."""
    return config.top.flag(
        "tie_word_embeddings", default=config.text.flag("tie_word_embeddings", default=default)
    )


def norm_count(text: Fields, habits: Habits) -> int:
    """Return the norms of a layer; parallel residuals (StableLM) drop the second."""
    return habits.norms - int(text.flag("use_parallel_residual", default=False))


def habitual_sizes(text: Fields, habits: Habits) -> Sizes:
    """Return the sizes in *text*, with what *habits* say of absent keys."""
    return read_sizes(
        text, head_dim=habits.head_dim, kv_heads=habits.kv_heads, kv_stated=habits.kv_stated
    )


def dense(config: Config, habits: Habits) -> ModelDraft:
    """Return the draft of a dense decoder with *habits*."""
    text = config.text
    sizes = habitual_sizes(text, habits)
    feed = dense_feed(text, sizes.hidden, habits)
    between = norms(sizes.hidden, count=norm_count(text, habits), bias=habits.norm_bias)
    return assemble(
        config, sizes, habits,
        tuple((mixer, feed) for mixer in dense_mixers(text, sizes, habits)),
        between,
    )  # fmt: skip


def assemble(
    config: Config,
    sizes: Sizes,
    habits: Habits,
    parts: tuple[tuple[MixerDraft, FeedDraft], ...],
    between: tuple[Tensor, ...],
) -> ModelDraft:
    """Return the model that *parts* make, with *between* norms in every layer."""
    ties = ties_of(config, default=habits.ties)
    final = norms(sizes.hidden, count=min(habits.norms, 1), bias=habits.norm_bias)
    return ModelDraft(
        hidden=sizes.hidden,
        vocab=sizes.vocab,
        layers=tuple(layer(mixer, feed, between) for mixer, feed in parts),
        shared=(*embeddings(sizes.vocab, sizes.hidden, ties=ties), *final),
        ties=ties,
        rope_dim=rotary_width(config.text, sizes.head_dim, default=habits.rotary),
    )
