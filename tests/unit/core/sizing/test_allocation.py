"""Tests of what loading allocates beyond the parameters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightslice.core.catalog.device import device_of
from rightslice.core.catalog.server import ServerConfig
from rightslice.core.catalog.share import Exclusive
from rightslice.core.sizing.allocation import rounding
from rightslice.core.sizing.memory import size
from rightslice.core.sizing.result import Sizing
from rightslice.edge.catalog_files import Catalog
from rightslice.edge.memory_coefficients import memory_coefficients
from rightslice.units import GIB

CATALOG = Catalog()
MIB = 2**20


def sized(model: str, server: ServerConfig, version: str = "0.19.0") -> Sizing:
    """Size a catalogue model on an H100."""
    return size(
        CATALOG.model(model),
        device_of(CATALOG.gpu("H100-SXM-80GB"), Exclusive()),
        server,
        engine=CATALOG.engine(version),
        coefficients=memory_coefficients(),
    )


def weights(sizing: Sizing) -> float:
    """Return the expected weights in GiB."""
    return sizing.term("weights").size_bytes.expected / GIB


@given(size_bytes=st.integers(0, 2**40))
def test_rounding_stays_below_what_the_allocator_splits(size_bytes: int) -> None:
    """Never more than 1 MiB; with it a large block fills its segment."""
    more = rounding(size_bytes)
    assert 0 <= more <= MIB
    assert more == 0 or (size_bytes + more) % (2 * MIB) == 0


@pytest.mark.parametrize(
    ("model", "ranks", "logged"),
    [
        ("Qwen/Qwen2.5-7B-Instruct", 1, 14.25),
        ("Qwen/Qwen2.5-72B-Instruct", 2, 67.80),
        ("Qwen/Qwen3-32B", 1, 61.03),
        ("Qwen/Qwen3-32B", 2, 30.59),
    ],
)
def test_weights_follow_the_logs(model: str, ranks: int, logged: float) -> None:
    """Sizes of llm-d-planner's 0.19.0 logs and of its table for 0.11.0, to 0.01 GiB."""
    assert weights(sized(model, ServerConfig(tensor_parallel=ranks))) == pytest.approx(
        logged, abs=0.01
    )


def test_rotary_caches_follow_the_dtype() -> None:
    """Llama-3.1-8B in float32 logs 29.98 GiB: the cache of 131,072 positions doubles, too."""
    found = sized("meta-llama/Llama-3.1-8B-Instruct", ServerConfig(dtype="float32"))
    assert weights(found) == pytest.approx(29.98, abs=0.01)


def test_lora_slots_are_weights() -> None:
    """Llama-3.2-3B with one slot of rank 64 logs 6.25 GiB in place of 6.02; the band holds it."""
    model = "meta-llama/Llama-3.2-3B"
    found = sized(model, ServerConfig(max_loras=1, max_lora_rank=64), "0.8.1")
    plain = sized(model, ServerConfig(), "0.8.1")
    band = found.term("weights").size_bytes
    assert weights(plain) == pytest.approx(6.02, abs=0.01)
    assert band.low <= 6.25 * GIB <= band.high


def test_nested_scales_are_undone_from_0_9_on() -> None:
    """Checkpoints of bitsandbytes keep a byte for 64 values until 0.8, four bytes from 0.9 on."""
    model = "unsloth/mistral-7b-instruct-v0.3-bnb-4bit"
    old, new = (weights(sized(model, ServerConfig(), version)) for version in ("0.8.5", "0.9.2"))
    assert new - old == pytest.approx(0.30, abs=0.02)
