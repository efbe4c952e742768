"""Tests of the memory breakdown."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rightslice.core.catalog.device import Device, device_of
from rightslice.core.catalog.mig import ProfileName
from rightslice.core.catalog.server import ServerConfig
from rightslice.core.catalog.share import Exclusive, MigSlice
from rightslice.core.sizing.memory import size, size_startup
from rightslice.core.sizing.result import Fits, Phase, Sizing, TooBig
from rightslice.core.sizing.startup import startup_of
from rightslice.edge.catalog_files import Catalog
from rightslice.edge.memory_coefficients import memory_coefficients
from rightslice.units import GIB

CATALOG = Catalog()
H100 = CATALOG.gpu("H100-SXM-80GB")


def sized(
    device: Device, server: ServerConfig, *, model: str = "granite-7b-base", version: str = "0.33.0"
) -> Sizing:
    """Size a catalogue model."""
    return size(
        CATALOG.model(model),
        device,
        server,
        engine=CATALOG.engine(version),
        coefficients=memory_coefficients(),
    )


def whole(*, memory_bytes: int | None = None) -> Device:
    """Return a whole H100."""
    return device_of(H100, Exclusive(), memory_bytes=memory_bytes)


def mig(profile: str) -> Device:
    """Return a slice of an H100."""
    return device_of(H100, MigSlice(profile=ProfileName(profile)))


servers = st.builds(
    ServerConfig,
    max_model_len=st.none() | st.integers(16, 4096),
    max_num_seqs=st.none() | st.integers(1, 2048),
    max_num_batched_tokens=st.none() | st.integers(2048, 65536),
    gpu_memory_utilization=st.none() | st.floats(0.05, 1.0),
    kv_cache_dtype=st.sampled_from([None, "fp8"]),
    enforce_eager=st.booleans(),
)
memories = st.integers(2 * GIB, 200 * GIB)
versions = st.sampled_from(["0.6.6", "0.8.5", "0.11.0", "0.19.0", "0.24.0", "0.33.0"])


@given(server=servers, memory=memories, version=versions)
def test_terms_sum_to_the_device(server: ServerConfig, memory: int, version: str) -> None:
    """Expected values account for every byte, whatever fits or does not."""
    sizing = sized(whole(memory_bytes=memory), server, version=version)
    assert sum(term.size_bytes.expected for term in sizing.terms) == memory


@given(server=servers, memory=memories, more=st.integers(0, 50 * GIB), version=versions)
def test_more_memory_never_hurts(
    server: ServerConfig, memory: int, more: int, version: str
) -> None:
    """What starts on a device starts on a larger one of the same kind."""
    small, large = mig("1g.10gb"), mig("1g.10gb")
    small = device_of(H100, small.share, memory_bytes=memory)
    large = device_of(H100, large.share, memory_bytes=memory + more)
    if isinstance(sized(small, server, version=version).verdict, Fits):
        assert isinstance(sized(large, server, version=version).verdict, Fits)


def test_whole_card_follows_the_log_of_0_19() -> None:
    """Llama-3.1-8B on an H100 at 0.95 leaves 58.11 GiB, as llm-d-planner's 0.19.0 logs say."""
    server = ServerConfig(gpu_memory_utilization=0.95, max_model_len=8192)
    device = whole(memory_bytes=85029615043)
    sizing = sized(device, server, model="meta-llama/Llama-3.1-8B-Instruct", version="0.19.0")
    assert abs(sizing.kv.size_bytes.expected / GIB - 58.11) < 0.05
    assert abs(sizing.kv.full_length_requests - 58.11) < 0.05


def test_slices_of_the_document() -> None:
    """Granite-7B starts on every slice of an H100 but the smallest."""
    fits = [
        isinstance(sized(mig(profile), ServerConfig()).verdict, Fits)
        for profile in ("3g.40gb", "2g.20gb", "1g.20gb", "1g.10gb")
    ]
    assert fits == [True, True, True, False]


def test_weights_larger_than_the_slice_fail_while_loading() -> None:
    """13.5 GB of weights do not fit a 10 GB slice; the largest term is named."""
    verdict = sized(mig("1g.10gb"), ServerConfig()).verdict
    assert isinstance(verdict, TooBig)
    assert (verdict.phase, verdict.largest_term) == (Phase.LOAD, "weights")
    assert "OutOfMemoryError" in verdict.error_text


def test_too_long_context_prints_the_words_of_vllm() -> None:
    """The error names the estimated maximum length, as vLLM's binary search finds it."""
    server = ServerConfig(gpu_memory_utilization=0.72)
    verdict = sized(mig("1g.20gb"), server, model="meta-llama/Llama-3.2-3B").verdict
    assert isinstance(verdict, TooBig)
    assert verdict.phase is Phase.CACHE
    assert "the estimated maximum model length is" in verdict.error_text


def test_neighbours_take_their_part() -> None:
    """A neighbour's bytes are a term of their own, and the free-memory check sees them."""
    alone = startup_of(
        CATALOG.model("granite-7b-base"),
        whole(),
        ServerConfig(),
        engine=CATALOG.engine(None),
        coefficients=memory_coefficients(),
    )
    sizing = size_startup(replace(alone, neighbours_bytes=10 * GIB))
    assert isinstance(sizing.verdict, TooBig)
    assert "less than desired GPU memory utilization" in sizing.verdict.error_text


@settings(deadline=None)
@given(server=servers, memory=memories, shorter=st.integers(16, 4096))
def test_less_context_never_hurts(server: ServerConfig, memory: int, shorter: int) -> None:
    """A server that starts still starts with a shorter context."""
    device = device_of(H100, MigSlice(profile=ProfileName("1g.10gb")), memory_bytes=memory)
    length = server.max_model_len or 4096
    if isinstance(sized(device, server).verdict, Fits):
        less = replace(server, max_model_len=min(length, shorter))
        assert isinstance(sized(device, less).verdict, Fits)


@settings(deadline=None)
@given(server=servers, memory=memories, fewer=st.integers(1, 2048))
def test_fewer_sequences_never_hurt(server: ServerConfig, memory: int, fewer: int) -> None:
    """A server that starts still starts with fewer sequences."""
    device = device_of(H100, MigSlice(profile=ProfileName("1g.10gb")), memory_bytes=memory)
    sizing = sized(device, server)
    if isinstance(sizing.verdict, Fits):
        less = replace(server, max_num_seqs=min(sizing.flags.max_num_seqs, fewer))
        assert isinstance(sized(device, less).verdict, Fits)


@pytest.mark.parametrize(
    ("server", "words"),
    [
        (ServerConfig(max_model_len=5000), "greater than the derived max_model_len"),
        (ServerConfig(tensor_parallel=3), "must be divisible by tensor parallel size"),
        (
            ServerConfig(max_num_seqs=64, max_num_batched_tokens=32),
            "must be greater than or equal to max_num_seqs",
        ),
    ],
)
def test_wrong_settings_are_refused_as_vllm_does(server: ServerConfig, words: str) -> None:
    """Configuration errors are verdicts with the text that vLLM prints."""
    verdict = sized(whole(), server).verdict
    assert isinstance(verdict, TooBig)
    assert verdict.phase is Phase.CONFIG
    assert words in verdict.error_text


def test_tensor_parallel_over_slices_is_refused() -> None:
    """A process sees one slice only."""
    verdict = sized(mig("3g.40gb"), ServerConfig(tensor_parallel=2)).verdict
    assert isinstance(verdict, TooBig)
    assert verdict.phase is Phase.CONFIG


def test_unfused_experts_die_in_the_sampler_warm_up() -> None:
    """gpt-oss-20b on an H100 with 0.19.0: 0.95 dies after the cache is allocated, 0.90 starts."""
    device = whole(memory_bytes=round(79.19 * GIB))
    verdicts = [
        sized(
            device,
            ServerConfig(gpu_memory_utilization=share, max_model_len=8192),
            model="openai/gpt-oss-20b",
            version="0.19.0",
        ).verdict
        for share in (0.95, 0.90)
    ]
    assert isinstance(verdicts[0], TooBig)
    assert verdicts[0].phase is Phase.WARM_UP
    assert isinstance(verdicts[1], Fits)


def test_a_fixed_pool_beyond_the_device_fails_after_the_cache() -> None:
    """kv-cache-memory-bytes skips the checks of the utilization; the device still ends."""
    verdict = sized(whole(), ServerConfig(kv_cache_memory_bytes=66 * GIB)).verdict
    assert isinstance(verdict, TooBig)
    assert verdict.phase in (Phase.GRAPHS, Phase.WARM_UP, Phase.RUNTIME)


numbers = st.none() | st.integers(1, 2**53)
absurd = st.builds(
    ServerConfig,
    max_model_len=numbers,
    max_num_seqs=numbers,
    max_num_batched_tokens=numbers,
    block_size=numbers,
    kv_cache_memory_bytes=numbers,
    tensor_parallel=st.integers(1, 1024),
    pipeline_parallel=st.integers(1, 1024),
)


@settings(deadline=None)
@given(
    server=absurd,
    model=st.sampled_from(["granite-7b-base", "google/gemma-2-9b-it", "Qwen/Qwen3-30B-A3B"]),
)
def test_any_flags_are_answered(server: ServerConfig, model: str) -> None:
    """Absurd values are sized or refused like any others."""
    sizing = sized(whole(), server, model=model)
    assert sum(t.size_bytes.expected for t in sizing.terms) == sizing.device.memory_bytes
