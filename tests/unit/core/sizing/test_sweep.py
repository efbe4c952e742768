"""Tests of sizing in arrays: it says what sizing one by one says."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rightslice.core.catalog.device import Device, device_of
from rightslice.core.catalog.estimate import Band
from rightslice.core.catalog.server import ServerConfig
from rightslice.core.catalog.share import Exclusive, MigSlice, TimeSlice
from rightslice.core.sizing.columns import gathered, of_servers, varied
from rightslice.core.sizing.kv_cache import sequences_that_fit
from rightslice.core.sizing.memory import size, size_startup
from rightslice.core.sizing.result import Fits, Sizing, TooBig
from rightslice.core.sizing.startup import Startup, startup_of
from rightslice.core.sizing.sweep import FITS, PHASE_CODES, Bands, Sizings, sweep
from rightslice.edge.catalog_files import Catalog
from rightslice.edge.memory_coefficients import memory_coefficients
from rightslice.errors import InputError, UnknownNameError

CATALOG = Catalog()
KNOWN = memory_coefficients()
VERSIONS = ("0.6.6", "0.8.5", "0.11.0", "0.14.0", "0.16.0", "0.19.0", "0.24.0", "0.33.0")
MODELS = tuple(str(model.name) for model in CATALOG.models())
TERMS = {
    "weights": "weights",
    "activation": "activation",
    "non-torch": "non_torch",
    "cuda graphs": "graphs",
    "kv cache": "kv_bytes",
}


def _devices() -> tuple[Device, ...]:
    """Return whole cards of several generations, and shares of one."""
    whole = [
        device_of(CATALOG.gpu(name), Exclusive())
        for name in ("T4", "L4", "A100-SXM4-80GB", "H100-SXM-80GB", "B200")
    ]
    h100 = CATALOG.gpu("H100-SXM-80GB")
    assert h100.mig is not None
    slices = [
        device_of(h100, MigSlice(profile=profile.name))
        for profile in h100.mig.profiles
        if profile.memory_bytes is not None
    ]
    return (*whole, *slices, device_of(h100, TimeSlice(replicas=2)))


DEVICES = _devices()


CHOICES: dict[str, tuple[Any, ...]] = {
    "tensor_parallel": (1, 1, 2, 4, 8),
    "pipeline_parallel": (1, 1, 1, 2, 3),
    "dtype": (None, None, "float32"),
    "quantization": (None, None, "fp8"),
    "kv_cache_dtype": (None, "fp8"),
    "enforce_eager": (False, False, True),
    "block_size": (None, None, 32),
    "enable_prefix_caching": (None, False),
    "max_loras": (0, 0, 4),
}
"""What makes kinds."""


def drawn(draw: random.Random, usual: ServerConfig) -> tuple[Device, ServerConfig, int]:
    """Return device, flags and neighbours' bytes at random: kinds differ in one thing or none."""
    field = draw.choice((*CHOICES, "none", "none"))
    changed = {field: draw.choice(CHOICES[field])} if field in CHOICES else {}
    server = replace(
        usual,
        **changed,
        gpu_memory_utilization=draw.choice((None, round(draw.uniform(0.05, 1.0), 3))),
        kv_cache_memory_bytes=draw.choice((None, None, None, draw.randrange(1, 2**37))),
        max_model_len=draw.choice((None, draw.randrange(1, 8000), draw.randrange(1, 140_000))),
        max_num_seqs=draw.choice((None, draw.randrange(1, 3000))),
        max_num_batched_tokens=draw.choice((None, draw.randrange(1, 70_000))),
    )
    return draw.choice(DEVICES), server, draw.choice((0, 0, draw.randrange(2**35)))


def both(model: str, version: str, seed: int, count: int) -> tuple[Sizings, list[Sizing]]:
    """Return *count* random configurations in arrays, and one by one."""
    draw = random.Random(seed)  # noqa: S311 - test data
    facts, engine = CATALOG.model(model), CATALOG.engine(version)
    usual = ServerConfig(**{field: draw.choice(values) for field, values in CHOICES.items()})
    cases = [drawn(draw, usual) for _ in range(count)]
    startups = [
        replace(
            startup_of(facts, device, server, engine=engine, coefficients=KNOWN),
            neighbours_bytes=neighbours,
        )
        for device, server, neighbours in cases
    ]
    single = [size_startup(startup) for startup in startups]
    return sweep(gathered(startups)), single


def band(bands: Bands, index: int) -> Band:
    """Return one configuration's band."""
    return Band(int(bands.low[index]), int(bands.expected[index]), int(bands.high[index]))


def row(found: Sizings, index: int) -> dict[str, Any]:
    """Return what the arrays say of one configuration."""
    code = int(found.phase[index])
    return {
        **{name: band(getattr(found, field), index) for name, field in TERMS.items()},
        "blocks": band(found.kv_blocks, index),
        "tokens": band(found.kv_tokens, index),
        "requests": float(found.full_length_requests[index]),
        "phase": None if code == FITS else PHASE_CODES[code],
        "short": int(found.short_by_bytes[index]),
        "headroom": int(found.headroom_bytes[index]),
        "probability": float(found.probability[index]),
    }


def expected(sizing: Sizing) -> dict[str, Any]:
    """Return the same of one sizing."""
    verdict = sizing.verdict
    return {
        **{name: sizing.term(name).size_bytes for name in TERMS},
        "blocks": sizing.kv.blocks,
        "tokens": sizing.kv.tokens,
        "requests": sizing.kv.full_length_requests,
        "phase": verdict.phase if isinstance(verdict, TooBig) else None,
        "short": verdict.short_by_bytes if isinstance(verdict, TooBig) else 0,
        "headroom": verdict.headroom_bytes if isinstance(verdict, Fits) else 0,
        "probability": verdict.probability if isinstance(verdict, Fits) else 0.0,
    }


@pytest.mark.parametrize("version", VERSIONS)
def test_every_model_of_the_catalogue_agrees(version: str) -> None:
    """Term by term, to the byte, on whole cards and slices, over all flags."""
    for seed, model in enumerate(MODELS):
        found, single = both(model, version, seed, 3)
        assert [row(found, index) for index in range(3)] == [expected(one) for one in single], model


@settings(max_examples=40, deadline=None)
@given(model=st.sampled_from(MODELS), version=st.sampled_from(VERSIONS), seed=st.integers(0, 2**32))
def test_any_configurations_agree(model: str, version: str, seed: int) -> None:
    """However many kinds are mixed, each configuration gets its own answer, in its place."""
    found, single = both(model, version, seed, 16)
    assert [row(found, index) for index in range(16)] == [expected(one) for one in single]


@pytest.mark.parametrize(
    ("model", "version"),
    [("meta-llama/Llama-3.1-8B", "0.6.6"), ("Qwen/Qwen3.5-27B", "0.19.0")],
    ids=["chunked prefill above 32k", "states aligned by prefix caching"],
)
def test_what_only_some_models_see_makes_kinds_too(model: str, version: str) -> None:
    """Chunked prefill of V0 follows the context; prefix caching doubles the blocks of states."""
    found, single = both(model, version, 3, 80)
    assert [row(found, index) for index in range(80)] == [expected(one) for one in single]


@pytest.mark.parametrize("model", ["granite-7b-base", "google/gemma-2-27b-it"])
@pytest.mark.parametrize("confidence", [0.5, 0.9])
def test_sequences_agree(model: str, confidence: float) -> None:
    """As many sequences fit as one by one."""
    found, single = both(model, "0.33.0", 7, 40)
    several = found.sequences_that_fit(3000, confidence=confidence).tolist()
    assert several == [sequences_that_fit(one, 3000, confidence=confidence) for one in single]
    lengths = np.arange(1, 41) * 100
    several = found.sequences_that_fit(lengths, confidence=confidence).tolist()
    assert several == [
        sequences_that_fit(one, length, confidence=confidence)
        for one, length in zip(single, lengths.tolist(), strict=True)
    ]


def started(server: ServerConfig) -> Startup:
    """Return a start-up of a small dense model on a whole H100 under the newest release."""
    model, engine = CATALOG.model("granite-7b-base"), CATALOG.engine("0.33.0")
    return startup_of(model, DEVICES[3], server, engine=engine, coefficients=KNOWN)


@pytest.mark.parametrize("version", VERSIONS)
def test_one_server_on_many_devices(version: str) -> None:
    """Defaults are those of each device's class of memory, slices included."""
    model, engine = CATALOG.model("granite-7b-base"), CATALOG.engine(version)
    servers = (ServerConfig(), ServerConfig(max_num_seqs=300), ServerConfig(max_model_len=1024))
    pairs = [(device, server) for server in servers for device in DEVICES]
    found = sweep(of_servers(model, pairs, engine=engine, coefficients=KNOWN))
    for index, (device, server) in enumerate(pairs):
        single = size(model, device, server, engine=engine, coefficients=KNOWN)
        assert row(found, index) == expected(single)


def test_columns_are_start_ups_that_differ_in_them() -> None:
    """A column changes what it names; devices bring their memory."""
    start = started(ServerConfig(max_num_batched_tokens=4096))
    lengths, ranks, caches = [512, 1024, 2048], np.array([1, 2, 1]), ["auto", "fp8", "fp8"]
    found = sweep(
        varied(
            start,
            {
                "max_model_len": lengths,
                "tensor_parallel": ranks,
                "kv_cache_dtype": caches,
                "device": DEVICES[3:6],
            },
        )
    )
    single = [
        replace(
            start,
            device=device,
            flags=replace(
                start.flags, max_model_len=length, tensor_parallel=tp, kv_cache_dtype=cache
            ),
        )
        for length, tp, cache, device in zip(lengths, (1, 2, 1), caches, DEVICES[3:6], strict=True)
    ]
    each = sweep(gathered(single))
    assert [row(found, index) for index in range(3)] == [row(each, index) for index in range(3)]


def test_a_given_pool_is_a_column_too() -> None:
    """With kv-cache-memory-bytes the pool is that number."""
    found = sweep(varied(started(ServerConfig()), {"kv_cache_memory_bytes": [2**30, 2**33]}))
    assert found.kv_bytes.expected.tolist() == [2**30, 2**33]


def test_nothing_in_nothing_out() -> None:
    """No configuration gives empty arrays."""
    found = sweep(gathered([]))
    assert (len(found.columns), found.fits.tolist()) == (0, [])


def test_wrong_columns_are_named() -> None:
    """An unknown column, columns of several lengths, and numbers beyond exact arithmetic."""
    start = started(ServerConfig())
    with pytest.raises(UnknownNameError, match="max_num_seqs"):
        varied(start, {"max_num_seq": [1]})
    with pytest.raises(InputError, match="one length"):
        varied(start, {"max_num_seqs": [1], "max_model_len": [1, 2]})
    with pytest.raises(InputError, match="max-num-seqs 1099511627776 must be at most"):
        varied(start, {"max_num_seqs": [2**40]})
