"""Server flags are held to what vLLM accepts."""

from __future__ import annotations

import math
from typing import Any

import pytest

from rightslice.core.catalog.server import ServerConfig
from rightslice.errors import InputError


@pytest.mark.parametrize(
    "name",
    ["tensor_parallel", "pipeline_parallel", "max_model_len", "max_num_seqs",
     "max_num_batched_tokens", "block_size", "kv_cache_memory_bytes"],
)  # fmt: skip
def test_counts_are_at_least_one(name: str) -> None:
    """Zero is refused under the flag's own name."""
    flags: dict[str, Any] = {name: 0}
    with pytest.raises(InputError, match=f"{name.replace('_', '-')} 0 must be at least 1"):
        ServerConfig(**flags)


@pytest.mark.parametrize("utilization", [0.0, 1.01, -1.0, math.nan])
def test_utilization_is_a_share(utilization: float) -> None:
    """More than nothing, at most all."""
    with pytest.raises(InputError, match="gpu-memory-utilization"):
        ServerConfig(gpu_memory_utilization=utilization)


@pytest.mark.parametrize("flags", [{"dtype": "int8"}, {"kv_cache_dtype": "fp4"}])
def test_unknown_formats_are_refused_with_those_known(flags: dict[str, Any]) -> None:
    """The message lists what vLLM takes."""
    with pytest.raises(InputError, match="must be one of auto"):
        ServerConfig(**flags)


def test_everything_may_be_left_to_the_engine() -> None:
    """No flag is needed, and good ones are kept."""
    assert ServerConfig().max_num_seqs is None
    assert ServerConfig(gpu_memory_utilization=1.0, dtype="half").dtype == "half"
