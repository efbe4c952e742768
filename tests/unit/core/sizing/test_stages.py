"""Tests of a sizing's stages, as a log prints them."""

from __future__ import annotations

import pytest

from rightslice.core.catalog.device import device_of
from rightslice.core.catalog.server import ServerConfig
from rightslice.core.catalog.share import Exclusive
from rightslice.core.sizing.stages import StagedSizing, staged_sizing
from rightslice.edge.catalog_files import Catalog
from rightslice.edge.memory_coefficients import memory_coefficients
from rightslice.units import GIB


def staged(stages: int) -> StagedSizing:
    """Size Llama-3.1-8B as llm-d-planner's 0.19.0 logs ran it."""
    memory = round(79.19 * GIB)
    return staged_sizing(
        Catalog().model("meta-llama/Llama-3.1-8B-Instruct"),
        device_of(Catalog().gpu("H100-80GB"), Exclusive(), memory_bytes=memory),
        ServerConfig(pipeline_parallel=stages, gpu_memory_utilization=0.95, max_model_len=8192),
        engine=Catalog().engine("0.19.0"),
        coefficients=memory_coefficients(),
    )


@pytest.mark.parametrize(("stages", "weights", "pool"), [(2, 7.51, 66.54), (4, 4.26, 69.80)])
def test_pipeline_stages_follow_the_logs(stages: int, weights: float, pool: float) -> None:
    """Weights of the largest stage and the pool of the first, in GiB."""
    found = staged(stages)
    largest = found.largest(lambda stage: stage.budget.weights).expected
    assert largest / GIB == pytest.approx(weights, abs=0.01)
    assert found.first.budget.pool.expected / GIB == pytest.approx(pool, abs=0.05)


def test_only_the_last_stage_samples() -> None:
    """Its pool is the smaller one, and decides the blocks."""
    found = staged(2)
    assert found.first.activation.sampler_bytes == 0
    assert found.last.activation.sampler_bytes > 0
    assert found.sizing.kv.size_bytes == found.last.budget.pool


def test_tokens_follow_from_a_printed_pool() -> None:
    """58.11 GiB make the 476,016 tokens that were logged, to the printed figure's rounding."""
    assert staged(1).tokens_of_pool(round(58.11 * GIB)) == pytest.approx(476_016, abs=57)
