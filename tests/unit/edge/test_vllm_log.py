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


WORKERS = """
2026-08-01T10:00:00.1Z \x1b[0;36m(APIServer pid=1)\x1b[0;0m INFO 08-01 [api_server.py:129] vLLM API server version 0.24.0
(EngineCore pid=9) INFO [core.py:115] Initializing a V1 LLM engine (v0.24.0) with config: model='a/b', max_seq_len=4096, tensor_parallel_size=2
(Worker_TP0 pid=10) INFO Model loading took 7.51 GiB memory and 5.1 seconds
(Worker_TP1 pid=11) INFO Model loading took 7.53 GiB memory and 5.2 seconds
(Worker_TP0 pid=10) INFO Available KV cache memory: 63.7 GiB
(Worker_TP1 pid=11) INFO Available KV cache memory: 63.9 GiB
(EngineCore pid=9) INFO GPU KV cache size: 1,041,232 tokens
(Worker_TP0 pid=10) INFO Graph capturing finished in 9 secs, took 0.80 GiB
(Worker_TP0 pid=10) INFO CUDA graph pool memory: 0.76 GiB (actual), 1.69 GiB (estimated), difference: 0.93 GiB (122.4%).
(Worker_TP0 pid=10) DEBUG Free memory on device (78.68/79.19 GiB) on startup. Desired GPU memory utilization is (0.95, 75.23 GiB). \
Actual usage is 7.51 GiB for weight, 1.89 GiB for peak activation, 2.07 GiB for non-torch memory, and 0.76 GiB for CUDAGraph memory.
"""  # noqa: E501 - lines as a server writes them


def test_workers_of_one_start() -> None:
    """The largest term of all workers, the first one's pool; colours and stamps are no matter."""
    start = parse_log(WORKERS)
    assert gib(dict(start.terms)) == {
        "weights": 7.53, "activation": 1.89, "non-torch": 2.07, "cuda graphs": 0.76,
        "kv cache": 63.7,
    }  # fmt: skip
    assert (start.server.gpu_memory_utilization, start.tokens) == (0.95, 1_041_232)
    assert start.total_memory_bytes == round(79.19 * GIB)


def test_the_last_of_several_starts_counts() -> None:
    """A log of restarts is read for what runs now."""
    again = WORKERS.replace("7.53", "9.99").replace("(v0.24.0)", "(v0.25.0)")
    assert gib(dict(parse_log(WORKERS + again).terms))["weights"] == 9.99
    assert parse_log(WORKERS + again).version == "0.25.0"


@pytest.mark.parametrize(
    "error",
    [
        "ValueError: No available memory for the cache blocks. Try increasing it.",
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 224.00 MiB.",
        "RuntimeError: CUDA out of memory occurred when warming up sampler with 9 requests.",
        "ValueError: To serve at least one request with the models's max seq len (131072), (4 GiB)",
        "ValueError: The model's max seq len (29000) is larger than the maximum number of tokens",
        "ValueError: Free memory on device (60.87/79.19 GiB) on startup is less than desired",
        "AssertionError: Error in memory profiling. Initial free memory 1, current 2.",
    ],
)
def test_what_ended_a_start_is_quoted(error: str) -> None:
    """The error of a failed start, in every release's words."""
    start = parse_log(
        f"INFO Initializing a V1 LLM engine (v0.12.0) with config: x\nERROR {error}\n"
    )
    assert start.failure == error


def test_a_start_that_served_has_not_failed() -> None:
    """An error after the cache was made is not the start's."""
    assert parse_log(WORKERS + "torch.OutOfMemoryError: CUDA out of memory.").failure is None


def test_flags_of_the_command_line() -> None:
    """Flags that the engine's line does not repeat stand in the arguments' line."""
    line = (
        "non-default args: {'model': 'a/b', 'max_model_len': 8192, 'enable_lora': True,"
        " 'max_lora_rank': 64, 'kv_cache_memory_bytes': 1073741824, 'max_num_seqs': 64,"
        " 'enforce_eager': True}"
    )
    server = parse_log(line).server
    assert (server.max_model_len, server.max_num_seqs, server.enforce_eager) == (8192, 64, True)
    assert (server.max_loras, server.max_lora_rank) == (1, 64)
    assert server.kv_cache_memory_bytes == GIB


@pytest.mark.parametrize("line", ["Loading model weights took 14.9888 GB",
                                  "Model loading took 14.9888 GB and 1.2 seconds"])  # fmt: skip
def test_v0_says_gb_for_gib(line: str) -> None:
    """0.6 and 0.7 print GB."""
    assert gib(dict(parse_log(line).terms)) == {"weights": 14.99}
