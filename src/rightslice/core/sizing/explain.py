"""A sizing in words: the arithmetic of weights and cache, and each term with its numbers."""

from __future__ import annotations

from collections import Counter

from rightslice.core.catalog.model import Attention, LatentAttention, Mixer, StateSpace
from rightslice.core.sizing.kv_cache import KEYS_AND_VALUES, kv_layout, kv_value_bytes
from rightslice.core.sizing.result import EffectiveFlags, MemoryTerm, Sizing
from rightslice.errors import InputError, UnknownNameError
from rightslice.units import GIB, format_bytes, format_gib


def explain(sizing: Sizing, name: str) -> str:
    """Return how the term *name* comes about: its band, its formula with numbers, its source.

    Raises:
        UnknownNameError: when the sizing has no such term; near matches are named.
    """
    term = term_called(sizing, name)
    name, band = term.name, term.size_bytes
    spread = (
        "exact" if band.is_exact else f"90 % band {format_gib(band.low)} to {format_gib(band.high)}"
    )
    budget = "within" if term.in_budget else "beyond"
    lines = [
        f"{term.name}: {format_gib(band.expected)} ({band.expected} B), {spread}",
        f"formula: {term.formula}",
        f"counted: {budget} gpu-memory-utilization",
        f"source: {term.source}",
    ]
    if name == "weights":
        lines.insert(1, weights_arithmetic(sizing))
    if name == "kv cache":
        lines.insert(1, cache_arithmetic(sizing))
    return "\n".join(lines)


def term_called(sizing: Sizing, text: str) -> MemoryTerm:
    """Return the term that *text* names: in any case, words joined by blanks, hyphens or not.

    Raises:
        UnknownNameError: when there is none; near matches are named, or else every term.
    """
    names = {term.name.replace(" ", "").replace("-", ""): term for term in sizing.terms}
    term = names.get("".join(letter for letter in text.lower() if letter.isalnum()))
    if term is None:
        known = [term.name for term in sizing.terms]
        error = UnknownNameError("memory term", text, known)
        raise error if error.near else InputError(f"{error}; terms are {', '.join(known)}")
    return term


def weights_arithmetic(sizing: Sizing) -> str:
    """Return parameters and bytes in words: ``6.74 B parameters ... 13.5 GB (12.55 GiB)``."""
    model, size_bytes = sizing.model, sizing.term("weights").size_bytes.expected
    stored = model.quantization or model.checkpoint_dtype
    loaded = sizing.server.quantization or sizing.flags.dtype
    how = f"{stored} checkpoint"
    if model.quantization is None and loaded != stored:
        how += ", loaded in 16 bit" if stored == "float32" else f", loaded as {loaded}"
    ranks = sizing.flags.tensor_parallel * sizing.flags.pipeline_parallel
    each = " per GPU" if ranks > 1 else ""
    if sizing.server.max_loras:
        how += f" with {sizing.server.max_loras} LoRA slots of rank {sizing.server.max_lora_rank}"
    return (
        f"{model.parameters / 1e9:.2f} B parameters, {how}:"
        f" {size_bytes / 1e9:.1f} GB ({size_bytes / GIB:.2f} GiB){each}"
    )


def cache_arithmetic(sizing: Sizing) -> str:
    """Return the KV bytes of a token, a layer and a full-length sequence in words."""
    flags = sizing.flags
    kinds = Counter(_row(layer.mixer, flags) for layer in sizing.model.layers)
    parts = [f"{count} layers x {row}" for row, count in kinds.items() if row is not None]
    if not parts:
        return "no layer keeps keys and values"
    layout = kv_layout(sizing.model, flags, sizing.engine)
    length = flags.max_model_len
    return (
        f"{'; '.join(parts)}: {format_bytes(sizing.kv.bytes_per_token)} per token,"
        f" {format_bytes(layout.bytes_of(length))} per {length:,}-token sequence"
    )


def _row(mixer: Mixer, flags: EffectiveFlags) -> str | None:
    width = kv_value_bytes(flags)
    if isinstance(mixer, Attention):
        return _attention_row(mixer, flags, width)
    if isinstance(mixer, LatentAttention):
        size = (mixer.latent_dim + mixer.rope_dim) * width
        return (
            f"{format_bytes(size)} per token and layer (({mixer.latent_dim} latent"
            f" + {mixer.rope_dim} rotary) x {width} B, whole on every GPU)"
        )
    if isinstance(mixer, StateSpace):
        size = mixer.conv_values * 2 + mixer.ssm_values * mixer.ssm_bytes_per_value
        return f"{format_bytes(size // flags.tensor_parallel)} of {mixer.kind} state per sequence"
    return None


def _attention_row(mixer: Attention, flags: EffectiveFlags, width: int) -> str | None:
    if mixer.shares_kv:
        return None
    heads = max(1, mixer.kv_heads // flags.tensor_parallel)
    size = heads * (mixer.key_dim + mixer.value_dim) * width
    how = (
        f"{KEYS_AND_VALUES} x {heads} heads x {mixer.key_dim} x {width} B"
        if mixer.key_dim == mixer.value_dim
        else f"{heads} heads x ({mixer.key_dim} + {mixer.value_dim}) x {width} B"
    )
    reach = ""
    if mixer.window_tokens is not None:
        reach = f", window of {mixer.window_tokens}"
    elif mixer.chunk_tokens is not None:
        reach = f", chunks of {mixer.chunk_tokens}"
    return f"{format_bytes(size)} per token and layer ({how}{reach})"
