"""The commands printed are those that vLLM takes, and they hold what the reader checks later."""

from __future__ import annotations

import itertools
import shlex
from typing import Any

import pytest

from rightslice.core.catalog.device import device_of
from rightslice.core.catalog.mig import ProfileName
from rightslice.core.catalog.server import ServerConfig
from rightslice.core.catalog.share import Exclusive, MigSlice
from rightslice.core.sizing.memory import size
from rightslice.core.sizing.result import Sizing
from rightslice.edge.benchmark_files import observe
from rightslice.edge.benchmark_run import BenchmarkRun
from rightslice.edge.catalog_files import Catalog
from rightslice.edge.constants import fitted_constants
from rightslice.entry.cli.calibrate_commands import bench_command, serve_command

CATALOG = Catalog()
PLAIN = ServerConfig()
RUN = BenchmarkRun(
    where="",
    model=None,
    concurrency=64.0,
    input_tokens=1024.0,
    output_tokens=128.0,
    tensor_parallel=None,
    tpot_seconds=1.0,
    ttft_seconds=None,
)


def sized(server: ServerConfig = PLAIN, *, profile: str = "", version: str | None = None) -> Sizing:
    """Return Llama-3.1-8B on an H100 or a slice of it."""
    share = MigSlice(profile=ProfileName(profile)) if profile else Exclusive()
    return size(
        CATALOG.model("meta-llama/Llama-3.1-8B-Instruct"),
        device_of(CATALOG.gpu("H100-80GB"), share),
        server,
        engine=CATALOG.engine(version),
        coefficients=fitted_constants().memory,
    )


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({}, ""),
        ({"tensor_parallel": 4}, "--tensor-parallel-size 4"),
        ({"max_model_len": 8192, "enforce_eager": True}, "--max-model-len 8192 --enforce-eager"),
        ({"kv_cache_dtype": "fp8"}, "--kv-cache-dtype fp8"),
        ({"expert_parallel": True}, "--enable-expert-parallel"),
        ({"enable_prefix_caching": False}, "--no-enable-prefix-caching"),
    ],
)
def test_the_server_has_the_flags_given(flags: dict[str, Any], said: str) -> None:
    """What is given is said, what is not is left to vLLM."""
    wanted = f"vllm serve meta-llama/Llama-3.1-8B-Instruct {said}".strip()
    assert serve_command(sized(ServerConfig(**flags))) == wanted


def test_a_slice_is_named_to_cuda() -> None:
    """The server sees one MIG device, by its UUID."""
    line = serve_command(sized(profile="3g.40gb"))
    assert line.startswith("CUDA_VISIBLE_DEVICES=MIG-<uuid of a 3g.40gb> vllm serve")


def test_the_benchmark_says_what_it_measured() -> None:
    """Lengths, clients, enough requests, a seed, and metadata that the reader takes."""
    sizing = sized(ServerConfig(tensor_parallel=2))
    words = shlex.split(bench_command(sizing, observe(RUN, sizing), seed=3))
    told = dict(itertools.pairwise(words))
    assert words[:3] == ["vllm", "bench", "serve"]
    assert (told["--max-concurrency"], told["--num-prompts"]) == ("64", "640")
    assert (told["--seed"], told["--dataset-name"]) == ("3", "random")
    assert told["--result-filename"] == "tp2-c64-i1024-o128.json"
    at = words.index("--metadata")
    assert words[at + 1 : at + 4] == [
        "gpu=H100-SXM-80GB", f"vllm_version={sizing.engine.version}", "tensor_parallel_size=2",
    ]  # fmt: skip


def test_older_releases_have_a_script() -> None:
    """Before 0.9 the repository's own script takes the same flags."""
    sizing = sized(ServerConfig(max_model_len=8192), version="0.8.5")
    line = bench_command(sizing, observe(RUN, sizing), seed=1)
    assert line.startswith("python benchmarks/benchmark_serving.py --backend vllm --model")
