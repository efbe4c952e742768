"""Tests of reading start-up logs, one wording an era."""

from __future__ import annotations

from pathlib import Path

import pytest

from rightslice.edge.vllm_log import parse_log, read_log
from rightslice.errors import InputError, UnavailableError
from rightslice.units import GIB

V1 = """
INFO [core.py:96] Initializing a V1 LLM engine (v0.19.0) with config: model='meta-llama/Llama-3.1-8B-Instruct', \
dtype=torch.bfloat16, max_seq_len=8192, tensor_parallel_size=2, pipeline_parallel_size=1, quantization=None, \
enforce_eager=False, kv_cache_dtype=auto
INFO Model loading took 14.99 GiB memory and 5.1 seconds
DEBUG Total non KV cache memory: 17.13GiB; torch peak memory increase: 1.89GiB; non-torch forward increase \
memory: 0.25GiB; weights memory: 14.99GiB.
INFO Available KV cache memory: 58.11 GiB
INFO GPU KV cache size: 476,016 tokens
INFO Graph capturing finished in 21 secs, took 0.91 GiB
"""  # noqa: E501 - lines as a server writes them
V0 = """
INFO Initializing an LLM engine (v0.6.6) with config: model='facebook/opt-1.3b', dtype=torch.float16, max_seq_len=2048
INFO the current vLLM instance can use total_gpu_memory (23.58GiB) x gpu_memory_utilization (0.90) = 21.22GiB
INFO model weights take 2.46GiB; non_torch_memory takes 0.35GiB; PyTorch activation peak memory takes 0.47GiB; \
the rest of the memory reserved for KV Cache is 17.94GiB.
INFO # GPU blocks: 6122, # CPU blocks: 1365
"""  # noqa: E501 - lines as a server writes them


def gib(terms: dict[str, int]) -> dict[str, float]:
    """Return terms in GiB."""
    return {name: round(size / GIB, 2) for name, size in terms.items()}


def test_v1_terms_and_flags() -> None:
    """Every term, the release and the flags of a V1 start."""
    start = parse_log(V1)
    assert gib(dict(start.terms)) == {
        "weights": 14.99, "activation": 1.89, "non-torch": 0.25, "cuda graphs": 0.91,
        "kv cache": 58.11,
    }  # fmt: skip
    assert (start.version, start.tokens, start.server.tensor_parallel) == ("0.19.0", 476_016, 2)
    assert (start.server.max_model_len, start.server.kv_cache_dtype) == (8192, None)


def test_v0_terms_and_blocks() -> None:
    """V0 prints one sentence and counts blocks of 16 tokens."""
    start = parse_log(V0)
    assert gib(dict(start.terms))["kv cache"] == 17.94
    assert start.tokens == 6122 * 16
    assert start.total_memory_bytes == round(23.58 * GIB)
    assert start.server.gpu_memory_utilization == 0.90


def test_a_file_without_a_start_is_refused(tmp_path: Path) -> None:
    """The message says what is wanted."""
    path = tmp_path / "x.log"
    path.write_text("hello", encoding="utf-8")
    with pytest.raises(InputError, match="first line"):
        read_log(path)


def test_a_missing_file_is_an_outside_failure(tmp_path: Path) -> None:
    """Reading is what failed, not the input's form."""
    with pytest.raises(UnavailableError):
        read_log(tmp_path / "nothing.log")
