"""DeepSeek V4: one shared head of keys, compressed over 4 or 128 tokens, and hyper-connections.

Per layer with d hidden, h heads of e, ranks r (queries) and o (outputs, in g groups): d*r + r
+ r*h*e, d*e + e, h*e*o + g*o*d, h sinks; a compressor of rate 4 adds 4*d*e + 9*e and an indexer,
one of rate 128 adds 2*d*e + 129*e; two hyper-connections of m streams m*(m+2)*(m*d + 1) + 3 each.
Source: ``modeling_deepseek_v4.py`` of transformers 5.23.0, read 2026-11-22. Known gap: the cache is
estimated, a row of e values for so many tokens; vLLM packs rows in fp8 and keeps a window beside.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from rightslice.core.catalog.model import Attention, Part, Split
from rightslice.edge.huggingface.blocks import experts
from rightslice.edge.huggingface.config import COUNT, LAYERS, Fields
from rightslice.edge.huggingface.dense import ties_of
from rightslice.edge.huggingface.moe import read_experts
from rightslice.edge.huggingface.sizes import HIDDEN, LAYER_COUNT, Config, Sizes, read_sizes
from rightslice.edge.huggingface.tensors import (
    MixerDraft,
    ModelDraft,
    Tensor,
    embeddings,
    layer,
    linear,
    norms,
    small,
)

_RATES: Final = {
    "sliding_attention": 0, "compressed_sparse_attention": 4, "heavily_compressed_attention": 128,
}  # fmt: skip
_SPARSE_RATE: Final = 4
_SAID: Final = (
    "the KV cache is an estimate: 16-bit rows of one head, compressed over 4 or 128 tokens"
)


def deepseek_v4(config: Config) -> ModelDraft:
    """Return the draft of a decoder with compressed attention and routed experts."""
    text = config.text
    hidden = text.integer(*HIDDEN)
    layers = text.integer(*LAYER_COUNT, limits=LAYERS)
    sizes = read_sizes(text, kv_heads=1)
    shape = read_experts(text, hidden, width_key="moe_intermediate_size")
    shared = text.integer("n_shared_experts", limits=COUNT, default=1)
    feed = experts(replace(shape, shared_width=shared * shape.width, routing_bias=True))
    streams = text.integer("hc_mult", default=4)
    mixing = streams * (streams + 2)
    between = (
        *norms(hidden, count=2),
        small("hyper_connections", 2 * (mixing * (streams * hidden + 1) + 3)),
    )
    rates = _rates(text, layers)
    made = {rate: layer(_mixer(text, sizes, rate), feed, between) for rate in set(rates)}
    ties = ties_of(config, default=False)
    return ModelDraft(
        hidden=hidden,
        vocab=sizes.vocab,
        layers=tuple(made[rate] for rate in rates),
        shared=(
            *embeddings(sizes.vocab, hidden, ties=ties),
            *norms(hidden, count=1),
            small("hyper_head", streams * (streams * hidden + 1) + 1),
        ),
        ties=ties,
        rope_dim=text.integer("qk_rope_head_dim", default=64),
        assumptions=(_SAID,),
    )


def _rates(text: Fields, layers: int) -> tuple[int, ...]:
    """Return over how many tokens each layer compresses; 0: it sees a window only."""
    kinds = text.texts("layer_types")
    for kind in kinds:
        if kind not in _RATES:
            raise text.error("layer_types", f"has {kind!r}; known are {', '.join(_RATES)}")
    key = "layer_types" if kinds else "compress_ratios"
    rates = tuple(_RATES[kind] for kind in kinds) or text.integers(key)[:layers]
    if len(rates) != layers:
        raise text.error(key, f"has {len(rates)} entries for {layers} layers")
    return rates


def _mixer(text: Fields, sizes: Sizes, rate: int) -> MixerDraft:
    hidden, width, heads = sizes.hidden, sizes.head_dim, sizes.heads
    rank, groups = text.integer("q_lora_rank"), text.integer("o_groups")
    out = text.integer("o_lora_rank")
    whole = Split.REPLICATED
    tensors = (
        linear("self_attn.q_a_proj", hidden, rank, Part.ATTENTION, whole),
        linear("self_attn.q_b_proj", rank, heads * width, Part.ATTENTION),
        linear("self_attn.kv_proj", hidden, width, Part.ATTENTION, whole),
        linear("self_attn.o_a_proj", heads * width, out, Part.ATTENTION),
        linear("self_attn.o_b_proj", groups * out, hidden, Part.ATTENTION),
        small("attention_norms", rank + width),
        small("sinks", heads, Split.SHARDED),
        *_compressor(text, sizes, rate),
    )
    window = text.integer("sliding_window", default=128) if rate == 0 else None
    kept = max(1, width // max(1, rate))
    facts = Attention(
        query_heads=heads, kv_heads=1, key_dim=kept, value_dim=0, window_tokens=window
    )
    return MixerDraft(facts, tensors)


def _compressor(text: Fields, sizes: Sizes, rate: int) -> tuple[Tensor, ...]:
    if rate == 0:
        return ()
    hidden, width, whole = sizes.hidden, sizes.head_dim, Split.REPLICATED
    if rate != _SPARSE_RATE:
        return (
            linear("self_attn.compressor", hidden, 2 * width, Part.ATTENTION, whole),
            small("compressor_positions", rate * width + width),
        )
    index, count = text.integer("index_head_dim"), text.integer("index_n_heads")
    rank = text.integer("q_lora_rank")
    return (
        linear("self_attn.compressor", hidden, 4 * width, Part.ATTENTION, whole),
        small("compressor_positions", rate * 2 * width + width),
        linear("self_attn.indexer.kv_proj", hidden, 4 * index, Part.ATTENTION, whole),
        linear("self_attn.indexer.q_b_proj", rank, count * index, Part.ATTENTION, whole),
        small("indexer", rate * 2 * index + index + hidden * count),
    )
