"""Tests of the vLLM command line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rightslice.kube.assignments import Assignment
from rightslice.kube.server_args import server_args

Assign = Callable[..., Assignment]


def test_every_size_is_said(assign: Assign) -> None:
    """Nothing that the plan counted on is left to what vLLM believes about a slice."""
    assert server_args(assign({"mig": "mixed"}, {"profile": "3g.20gb"})) == [
        "meta-llama/Llama-3.1-8B-Instruct",
        "--port=8000",
        "--gpu-memory-utilization=0.9",
        "--max-model-len=4096",
        "--max-num-seqs=64",
        "--max-num-batched-tokens=2048",
    ]


@pytest.mark.parametrize(
    ("serve", "expected"),
    [
        ({"tensor_parallel": 2}, "--tensor-parallel-size=2"),
        ({"flags": {"dtype": "float16"}}, "--dtype=float16"),
        ({"flags": {"quantization": "fp8"}}, "--quantization=fp8"),
        ({"flags": {"kv_cache_dtype": "fp8"}}, "--kv-cache-dtype=fp8"),
        ({"flags": {"block_size": 32}}, "--block-size=32"),
        ({"flags": {"enforce_eager": True}}, "--enforce-eager"),
        ({"flags": {"max_loras": 2}}, "--enable-lora"),
        ({"flags": {"max_loras": 2, "max_lora_rank": 32}}, "--max-lora-rank=32"),
        ({"flags": {"expert_parallel": True}}, "--enable-expert-parallel"),
        ({"flags": {"kv_cache_memory_bytes": 7}}, "--kv-cache-memory-bytes=7"),
        ({"flags": {"enable_prefix_caching": False}}, "--no-enable-prefix-caching"),
    ],
)
def test_given_flags_are_passed_on(assign: Assign, serve: dict[str, Any], expected: str) -> None:
    """A flag of the fleet file appears as vLLM spells it."""
    assert expected in server_args(assign({}, serve))


def test_v0_has_no_switch_against_prefix_caching(assign: Assign) -> None:
    """There it is off unless asked for, and the ``--no-`` form does not exist."""
    serve = {"version": "0.6.6", "flags": {"enable_prefix_caching": False}}
    assert not any("prefix" in argument for argument in server_args(assign({}, serve)))


def test_a_time_slice_is_told_its_part_of_the_card(assign: Assign) -> None:
    """It sees the whole card, and its KV pool is pinned since neighbours disturb profiling."""
    arguments = server_args(assign({"time_slicing": 4}, {}))
    assert "--gpu-memory-utilization=0.225" in arguments
    pinned = [text for text in arguments if text.startswith("--kv-cache-memory-bytes=")]
    assert len(pinned) == 1


def test_a_client_of_mps_asks_within_its_limit(assign: Assign) -> None:
    """The daemon's limit shows as free, the whole card as total: less than a half of it for two."""
    arguments = server_args(assign({"mps": 2}, {}))
    assert "--gpu-memory-utilization=0.45" in arguments
    assert any(text.startswith("--kv-cache-memory-bytes=") for text in arguments)


def test_old_releases_cannot_pin_the_pool(assign: Assign) -> None:
    """Before 0.10.2 there is no such flag."""
    arguments = server_args(assign({"time_slicing": 4}, {"version": "0.9.0"}))
    assert not any("kv-cache-memory" in text for text in arguments)
