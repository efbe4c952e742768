"""Tests of the kernels that a layer launches."""

from __future__ import annotations

import pytest

from rightslice.core.sizing.kernels import layer_kernels
from rightslice.edge.catalog_files import Catalog


@pytest.mark.parametrize(
    ("model", "kernels"),
    [
        ("meta-llama/Llama-3.1-8B-Instruct", 11),
        ("Qwen/Qwen3-30B-A3B", 17),
        ("Qwen/Qwen1.5-MoE-A2.7B", 22),
        ("deepseek-ai/DeepSeek-V2-Lite-Chat", 28),
        ("openai/gpt-oss-20b", 30),
    ],
)
def test_experts_and_latent_attention_launch_more(model: str, kernels: int) -> None:
    """A dense layer launches eleven kernels; experts, shared ones and latent rows add theirs."""
    assert layer_kernels(Catalog().model(model).layers[-1]) == kernels
