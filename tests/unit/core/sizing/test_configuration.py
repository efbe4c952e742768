"""Tests of settings that vLLM refuses, and of those that it takes."""

from __future__ import annotations

import pytest

from rightslice.core.catalog.device import device_of
from rightslice.core.catalog.server import ServerConfig
from rightslice.core.catalog.share import Exclusive
from rightslice.core.sizing.memory import size
from rightslice.core.sizing.result import Phase, Sizing, TooBig
from rightslice.edge.catalog_files import Catalog
from rightslice.edge.memory_coefficients import memory_coefficients


def sized(model: str, *, tensor: int, dealt: int) -> Sizing:
    """Size a model whose tokens are dealt to GPUs."""
    server = ServerConfig(max_model_len=4096, tensor_parallel=tensor, decode_context_parallel=dealt)
    return size(
        Catalog().model(model), device_of(Catalog().gpu("H200"), Exclusive()), server,
        engine=Catalog().engine("0.19.0"), coefficients=memory_coefficients(),
    )  # fmt: skip


def test_dealt_tokens_multiply_the_pool() -> None:
    """Eight GPUs that each hold an eighth of a latent row's tokens hold eight times as many.

    Kimi-K2 on eight H200: 715,072 tokens, and 5,721,088 with context parallelism of 8.
    """
    one, eight = (sized("deepseek-ai/DeepSeek-V3", tensor=8, dealt=dealt) for dealt in (1, 8))
    assert eight.kv.blocks.expected == one.kv.blocks.expected
    assert eight.kv.tokens.expected == 8 * one.kv.tokens.expected


@pytest.mark.parametrize(
    ("model", "tensor", "dealt", "words"),
    [
        ("deepseek-ai/DeepSeek-V3", 8, 3, "does not divide"),
        ("meta-llama/Llama-3.1-8B", 8, 2, "copies of each of 8 KV heads"),
        ("google/gemma-2-9b-it", 8, 2, "full attention in every layer"),
    ],
)
def test_tokens_are_dealt_among_copies_only(
    model: str, tensor: int, dealt: int, words: str
) -> None:
    """Context parallelism uses GPUs that would hold copies of the same heads."""
    verdict = sized(model, tensor=tensor, dealt=dealt).verdict
    assert isinstance(verdict, TooBig)
    assert verdict.phase is Phase.CONFIG
    assert words in verdict.reason
