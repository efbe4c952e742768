"""Tests of the flags as they will hold."""

from __future__ import annotations

import pytest

from rightslice.core.catalog.device import Device, device_of
from rightslice.core.catalog.mig import ProfileName
from rightslice.core.catalog.server import ServerConfig
from rightslice.core.catalog.share import Exclusive, MigSlice, TimeSlice
from rightslice.core.sizing.defaults import effective_flags
from rightslice.core.sizing.result import EffectiveFlags
from rightslice.edge.catalog_files import Catalog

CATALOG = Catalog()
LLAMA = CATALOG.model("meta-llama/Llama-3.1-8B-Instruct")


def whole(name: str) -> Device:
    """Return a whole board."""
    return device_of(CATALOG.gpu(name), Exclusive())


def flags(device: Device, version: str, server: ServerConfig | None = None) -> EffectiveFlags:
    """Resolve the flags of Llama-3.1-8B."""
    return effective_flags(LLAMA, device, server or ServerConfig(), CATALOG.engine(version))


def origin(found: EffectiveFlags, name: str) -> str:
    """Return why a flag has its value."""
    return next(flag.origin for flag in found.explained if flag.name == name)


@pytest.mark.parametrize(
    ("gpu", "version", "expected"),
    [
        ("H100-SXM-80GB", "0.19.0", (1024, 8192)),
        ("L4", "0.19.0", (256, 2048)),
        ("A100-SXM4-80GB", "0.11.0", (256, 2048)),
        ("H100-SXM-80GB", "0.8.5", (1024, 8192)),
    ],
)
def test_batch_defaults_follow_memory_and_release(
    gpu: str, version: str, expected: tuple[int, int]
) -> None:
    """From 70 GiB on the large defaults hold; an A100 counts as small."""
    found = flags(whole(gpu), version)
    assert (found.max_num_seqs, found.max_num_batched_tokens) == expected


def test_a_slice_gets_the_small_defaults_and_says_why() -> None:
    """NVML refuses the parent's memory inside a MIG container."""
    device = device_of(CATALOG.gpu("H100-SXM-80GB"), MigSlice(profile=ProfileName("7g.80gb")))
    found = flags(device, "0.33.0")
    assert (found.max_num_seqs, found.max_num_batched_tokens) == (256, 2048)
    assert "NVML" in origin(found, "max-num-seqs")


def test_utilization_follows_the_release() -> None:
    """0.92 from 0.24 on, 0.90 before."""
    device = whole("L4")
    values = [flags(device, version).gpu_memory_utilization for version in ("0.19.0", "0.24.0")]
    assert values == [0.90, 0.92]


def test_v0_reads_whole_prompts_until_chunked_prefill_turns_on() -> None:
    """Batched tokens grow with the context up to 32k, then fall to 2,048 (vllm#10517)."""
    found = [
        flags(whole("L4"), "0.6.6", ServerConfig(max_model_len=length)).max_num_batched_tokens
        for length in (1024, 29_000, 35_000)
    ]
    assert found == [2048, 29_000, 2048]


def test_batched_tokens_are_clamped_by_what_can_run() -> None:
    """Four sequences of 128 tokens never make a step of 8,192."""
    found = flags(whole("L4"), "0.33.0", ServerConfig(max_num_seqs=4, max_model_len=128))
    assert found.max_num_batched_tokens == 512
    assert origin(found, "max-num-batched-tokens").startswith("clamped")


def test_a_time_slice_says_what_vllm_must_be_told() -> None:
    """The process sees the whole card: half a share's utilization is meant for it."""
    device = device_of(CATALOG.gpu("L4"), TimeSlice(replicas=2))
    found = flags(device, "0.33.0", ServerConfig(gpu_memory_utilization=0.9))
    assert "0.45" in origin(found, "gpu-memory-utilization")


def test_given_flags_are_kept() -> None:
    """What the user says holds, and is marked so."""
    found = flags(whole("L4"), "0.33.0", ServerConfig(max_num_seqs=7, kv_cache_dtype="fp8"))
    assert (found.max_num_seqs, origin(found, "max-num-seqs")) == (7, "given")
    assert found.kv_cache_dtype == "fp8"
