"""The sizes that nearly every family has, and what the config leaves out about them.

A head width that is not written is ``hidden_size / num_attention_heads``; KV heads that are null
are as many as query heads. Where a transformers class has another default, the family says so.
"""

from __future__ import annotations

from dataclasses import dataclass

from rightslice.edge.huggingface.config import CONTEXT, LAYERS, Fields

HIDDEN = ("hidden_size", "n_embd", "d_model")
LAYER_COUNT = ("num_hidden_layers", "n_layer", "n_layers", "num_layers")
HEADS = ("num_attention_heads", "n_head", "n_heads")
KV_HEADS = ("num_key_value_heads", "num_kv_heads", "n_head_kv", "multi_query_group_num")


@dataclass(frozen=True, kw_only=True)
class Config:
    """A config as a family rule reads it."""

    family: str
    top: Fields
    text: Fields
    """The language model's own object: ``text_config`` in multimodal configs, else *top*."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sizes:
    """Width, depth, heads and vocabulary of a decoder."""

    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    vocab: int


def read_sizes(
    text: Fields,
    *,
    head_dim: int | None = None,
    kv_heads: int | None = None,
    layers: int | None = None,
    kv_stated: bool = False,
) -> Sizes:
    """Return the sizes in *text*.

    Args:
        text: the language model's object.
        head_dim: width of a head when the key is absent; None: hidden size over heads.
        kv_heads: KV heads when the key is absent; None: as many as query heads.
        kv_stated: whether the key must be there, because transformers' default is no model's.
        layers: number of layers when something else than the usual keys says it.

    Raises:
        FieldError: when a size is missing, or head counts do not divide.
    """
    hidden = text.integer(*HIDDEN)
    heads = text.integer(*HEADS)
    width = text.integer_or_none("head_dim", "attention_head_dim", "kv_channels") or head_dim
    if width is None:
        if hidden % heads:
            wide = text.spelled(*HIDDEN)
            raise text.error(
                text.spelled(*HEADS), f"{heads} heads do not divide {wide} {hidden}; write head_dim"
            )
        width = hidden // heads
    groups = text.integer_or_none(*KV_HEADS)
    if groups is None:
        if kv_stated and not text.states(*KV_HEADS):
            raise text.error(KV_HEADS[0], f"is missing; write a divisor of the {heads} query heads")
        groups = kv_heads or heads
    return Sizes(
        hidden=hidden,
        layers=layers or text.integer(*LAYER_COUNT, limits=LAYERS),
        heads=heads,
        kv_heads=_checked_groups(text, heads, groups),
        head_dim=width,
        vocab=text.integer("vocab_size", "padded_vocab_size"),
    )


def _checked_groups(text: Fields, heads: int, groups: int) -> int:
    if heads % groups:
        named = text.spelled(*HEADS)
        raise text.error(
            text.spelled(*KV_HEADS), f"{groups} must divide the {heads} query heads of {named}"
        )
    return groups


def rotary_width(text: Fields, head_dim: int, *, default: float = 1.0) -> int:
    """Return the rotated part of a head: *head_dim* times the share that the config states."""
    stated = text.integer_or_none("rotary_dim")
    if stated is not None:
        return stated
    nested = text.section_or_none("rope_parameters")
    share = text.ratio(
        "partial_rotary_factor",
        "rotary_pct",
        default=default
        if nested is None
        else nested.ratio("partial_rotary_factor", default=default),
    )
    return int(head_dim * share)


_CONTEXT_KEYS = (
    "max_position_embeddings", "n_positions", "max_seq_len", "seq_length", "model_max_length",
    "max_sequence_length", "n_ctx",
)  # fmt: skip
_NOT_STRETCHED = frozenset({"su", "longrope", "llama3", "default", "mrope", "proportional"})


def read_context(config: Config) -> int:
    """Return the longest context that vLLM derives from the config.

    The smallest stated length, times the factor of linear, dynamic or YaRN scaling (vLLM
    ``ModelConfig``, ``_get_and_verify_max_len``: YaRN scales its original length; longrope,
    llama3 and Gemma 3 lengths are scaled already).

    Raises:
        FieldError: when no length is stated.
    """
    text = config.text
    stated = [text.integer(key, limits=CONTEXT) for key in _CONTEXT_KEYS if text.has(key)]
    if not stated:
        raise text.error(
            _CONTEXT_KEYS[0],
            f"is missing; write it, the longest context, or one of {', '.join(_CONTEXT_KEYS[1:])}",
        )
    context = min(stated)
    scaling = text.section_or_none("rope_scaling") or text.section_or_none("rope_parameters")
    if scaling is None or config.family.startswith("gemma3"):
        return context
    kind = scaling.text("rope_type", "type", default="default")
    factor = scaling.number_or_none("factor")
    if kind in _NOT_STRETCHED or factor is None:
        return context
    if factor < 1:
        raise scaling.error("factor", f"must be at least 1, not {factor:g}")
    if kind in ("yarn", "deepseek_yarn"):
        context = scaling.integer(
            "original_max_position_embeddings", limits=CONTEXT, default=context
        )
    return int(context * factor)
