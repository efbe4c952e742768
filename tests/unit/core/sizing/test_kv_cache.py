"""Tests of the KV layout against figures that vLLM itself logged."""

from __future__ import annotations

import dataclasses

import pytest

from rightslice.core.catalog.device import device_of
from rightslice.core.catalog.engine import EngineRelease
from rightslice.core.catalog.model import (
    Attention,
    LatentAttention,
    Layer,
    Mixer,
    Model,
    ModelName,
    StateSpace,
)
from rightslice.core.catalog.server import ServerConfig
from rightslice.core.catalog.share import Exclusive
from rightslice.core.sizing.defaults import effective_flags
from rightslice.core.sizing.kv_cache import (
    KvLayout,
    bytes_per_token,
    kv_layout,
    max_concurrency,
    sequences_that_fit,
    tokens_logged,
)
from rightslice.core.sizing.memory import size
from rightslice.core.sizing.result import EffectiveFlags
from rightslice.edge.catalog_files import Catalog
from rightslice.edge.memory_coefficients import memory_coefficients
from rightslice.units import GIB

H100 = device_of(Catalog().gpu("H100-SXM-80GB"), Exclusive())
V019 = Catalog().engine("0.19.0")


def model_of(*mixers: Mixer) -> Model:
    """Return a model with these mixers; nothing else matters to the cache."""
    layers = tuple(Layer(mixer=mixer, experts=None, mlp_width=0, parameters=()) for mixer in mixers)
    return Model(
        name=ModelName("m"), family="m", hidden_size=64, vocab_size=64, max_position=262_144,
        checkpoint_dtype="bfloat16", layers=layers, shared=(), ties_embeddings=True,
        quantization=None,
    )  # fmt: skip


def attention(
    heads: int, dim: int, *, window: int | None = None, chunk: int | None = None
) -> Mixer:
    """Return an attention mixer."""
    return Attention(
        query_heads=64, kv_heads=heads, key_dim=dim, value_dim=dim, window_tokens=window,
        chunk_tokens=chunk,
    )  # fmt: skip


def flags_of(
    model: Model,
    engine: EngineRelease = V019,
    *,
    length: int = 8192,
    tp: int = 1,
    dtype: str | None = None,
) -> EffectiveFlags:
    """Return flags for an H100."""
    server = ServerConfig(
        max_model_len=length,
        max_num_batched_tokens=8192,
        tensor_parallel=tp,
        kv_cache_dtype=dtype,
    )
    return effective_flags(model, H100, server, engine)


def logged(layout: KvLayout, pool_gib: float, length: int) -> tuple[int, float]:
    """Return tokens and concurrency for a printed pool."""
    blocks = layout.blocks(round(pool_gib * GIB))
    return (
        tokens_logged(layout, blocks, length, V019),
        round(max_concurrency(layout, blocks, length, V019), 2),
    )


GEMMA_2_9B = [attention(8, 256, window=4096), attention(8, 256)] * 21
GEMMA_3_27B = ([attention(16, 128, window=1024)] * 5 + [attention(16, 128)]) * 10 + [
    attention(16, 128, window=1024)
] * 2
LLAMA_4_SCOUT = ([attention(8, 128, chunk=8192)] * 3 + [attention(8, 128)]) * 12
GPT_OSS_20B = [attention(8, 64, window=128), attention(8, 64)] * 12


@pytest.mark.parametrize(
    ("mixers", "tp", "pool_gib", "expected"),
    [
        (GEMMA_2_9B, 1, 54.12, (168_880, 20.60)),
        (GPT_OSS_20B, 2, 59.32, (2_591_776, 316.07)),
    ],
)
def test_hybrid_groups_follow_the_logs(
    mixers: list[Mixer], tp: int, pool_gib: float, expected: tuple[int, float]
) -> None:
    """Tokens and concurrency of public 0.19.0 logs, to the rounding of the printed pool."""
    model = model_of(*mixers)
    tokens, requests = logged(kv_layout(model, flags_of(model, tp=tp), V019), pool_gib, 8192)
    assert tokens == pytest.approx(expected[0], rel=1e-4)
    assert requests == pytest.approx(expected[1], abs=0.05)


@pytest.mark.parametrize(
    ("mixers", "groups", "longest"),
    [(GEMMA_2_9B, 2, 21), (GEMMA_3_27B, 7, 10), (LLAMA_4_SCOUT, 4, 12), (GPT_OSS_20B, 2, 12)],
)
def test_buckets_are_cut_into_equal_groups(mixers: list[Mixer], groups: int, longest: int) -> None:
    """The shortest bucket sets the length of every group."""
    model = model_of(*mixers)
    layout = kv_layout(model, flags_of(model), V019)
    assert len(layout.groups) == groups
    assert max(group.layers for group in layout.groups) == longest


def test_state_space_raises_the_block() -> None:
    """Qwen3.6-35B-A3B with fp8 keys: blocks of 2096 tokens, 25.36 requests of 262,144."""
    state = StateSpace(kind="gdn", conv_values=24_576, ssm_values=524_288, ssm_bytes_per_value=4)
    model = model_of(*([state] * 3 + [attention(2, 256)]) * 10)
    layout = kv_layout(model, flags_of(model, length=262_144, dtype="fp8"), V019)
    assert {group.block_tokens for group in layout.groups if group.page.kind == "full"} == {2096}
    assert logged(layout, 66.93, 262_144) == (1_754_352, 25.36)


def test_latent_attention_is_not_divided() -> None:
    """DeepSeek-V3 keeps 70,272 bytes a token on every GPU at any tensor parallel size."""
    latent = LatentAttention(
        query_heads=128, latent_dim=512, rope_dim=64, nope_dim=128, value_dim=128
    )
    model = model_of(*[latent] * 61)
    sizes = {bytes_per_token(model, flags_of(model, tp=tp), V019) for tp in (1, 8)}
    assert sizes == {70_272}


def test_heads_are_replicated_beyond_their_number() -> None:
    """With 4 KV heads over 8 GPUs each keeps one whole head."""
    model = model_of(attention(4, 128))
    sizes = [bytes_per_token(model, flags_of(model, tp=tp), V019) for tp in (1, 4, 8)]
    assert sizes == [2048, 512, 512]


def test_old_releases_treat_windows_as_full_attention() -> None:
    """Before hybrid groups one block table served all layers."""
    model = model_of(*GEMMA_2_9B)
    engine = Catalog().engine("0.8.5")
    assert len(kv_layout(model, flags_of(model, engine), engine).groups) == 1


def test_the_newest_log_counts_concurrency_times_length() -> None:
    """From 0.24 on the logged tokens are what requests of full length could hold."""
    model = model_of(*GEMMA_2_9B)
    engine = dataclasses.replace(V019, token_log="concurrency")  # noqa: S106 - no password
    layout = kv_layout(model, flags_of(model), engine)
    blocks = layout.blocks(54 * GIB)
    expected = int(max_concurrency(layout, blocks, 8192, engine) * 8192)
    assert tokens_logged(layout, blocks, 8192, engine) == expected


def test_sequences_are_rounded_to_blocks() -> None:
    """17 tokens take two blocks of 16; the pool's low end holds no more than its expected."""
    sizing = size(
        Catalog().model("meta-llama/Llama-3.1-8B-Instruct"),
        H100,
        ServerConfig(max_model_len=8192),
        engine=V019,
        coefficients=memory_coefficients(),
    )
    assert sequences_that_fit(sizing, 17) == sizing.kv.blocks.expected // 2
    assert sequences_that_fit(sizing, 17, confidence=0.95) <= sequences_that_fit(sizing, 17)
