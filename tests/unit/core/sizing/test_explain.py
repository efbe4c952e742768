"""Tests of a sizing in words."""

from __future__ import annotations

import pytest

from rightslice.core.catalog.device import device_of
from rightslice.core.catalog.server import ServerConfig
from rightslice.core.catalog.share import Exclusive
from rightslice.core.sizing.explain import (
    cache_arithmetic,
    explain,
    term_called,
    weights_arithmetic,
)
from rightslice.core.sizing.memory import size
from rightslice.core.sizing.result import Sizing
from rightslice.edge.catalog_files import Catalog
from rightslice.edge.memory_coefficients import memory_coefficients
from rightslice.errors import InputError, UnknownNameError


def sized(model: str, server: ServerConfig | None = None) -> Sizing:
    """Size a catalogue model on an H100."""
    return size(
        Catalog().model(model),
        device_of(Catalog().gpu("H100-80GB"), Exclusive()),
        server or ServerConfig(max_model_len=2048),
        engine=Catalog().engine("0.33.0"),
        coefficients=memory_coefficients(),
    )


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("granite-7b-base", "16.0 KiB per token and layer (2 x 32 heads x 128 x 2 B)"),
        ("deepseek-ai/DeepSeek-V2-Lite", "(512 latent + 64 rotary) x 2 B, whole on every GPU"),
        ("google/gemma-2-9b-it", "window of 4096"),
        ("meta-llama/Llama-4-Scout-17B-16E-Instruct", "chunks of 8192"),
        ("Qwen/Qwen3.5-27B", "state per sequence"),
    ],
)
def test_cache_arithmetic_names_every_kind_of_layer(model: str, words: str) -> None:
    """Full, latent, sliding, chunked and state-space layers each say their bytes."""
    assert words in cache_arithmetic(sized(model))


def test_weights_say_how_they_are_loaded() -> None:
    """Run-time quantization and ranks are named."""
    server = ServerConfig(max_model_len=2048, quantization="fp8", tensor_parallel=2)
    text = weights_arithmetic(sized("meta-llama/Llama-3.1-8B-Instruct", server))
    assert "loaded as fp8" in text
    assert text.endswith("per GPU")


def test_every_term_is_explained() -> None:
    """Formula, side of the budget and source stand under each name."""
    sizing = sized("granite-7b-base")
    for term in sizing.terms:
        text = explain(sizing, term.name)
        assert text.startswith(term.name)
        assert f"source: {term.source}" in text


def test_an_unknown_term_names_near_ones() -> None:
    """A typing mistake is answered with the term that was meant."""
    with pytest.raises(UnknownNameError, match="weights"):
        explain(sized("granite-7b-base"), "wieghts")


@pytest.mark.parametrize("text", ["kv cache", "KV-Cache", "kv_cache", "kvcache"])
def test_terms_are_named_loosely(text: str) -> None:
    """Case, blanks, hyphens and underscores do not matter."""
    assert term_called(sized("granite-7b-base"), text).name == "kv cache"


def test_a_term_like_none_lists_all() -> None:
    """Without a near match the error says which terms there are."""
    with pytest.raises(InputError, match="terms are weights, activation, non-torch"):
        term_called(sized("granite-7b-base"), "xyz")


def test_lora_slots_are_said() -> None:
    """Weights that hold LoRA slots say so."""
    server = ServerConfig(max_loras=4, max_lora_rank=64)
    assert "with 4 LoRA slots of rank 64" in explain(sized("granite-7b-base", server), "weights")
