"""What a vLLM server wrote while it started: its flags, its release, its memory, term by term.

Wordings of 0.6 to 0.33 (``vllm/worker/worker.py``, ``vllm/v1/worker/gpu_worker.py``,
``vllm/v1/core/kv_cache_utils.py``, ``vllm/engine``): V0 prints GB for what is GiB. Known gap: terms
that a release prints at debug level only are missing from an ordinary log.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rightslice.core.catalog.server import ServerConfig
from rightslice.errors import InputError, UnavailableError
from rightslice.units import GIB

_SIZE = r"\s*:?\s*(-?[0-9]+(?:\.[0-9]+)?)\s*Gi?B"
_TERMS: Final[Mapping[str, tuple[str, ...]]] = {
    "weights": (
        rf"[Mm]odel loading took{_SIZE}",
        rf"[Ll]oading model weights took{_SIZE}",
        rf"model weights take{_SIZE}",
        rf"weights memory{_SIZE}",
    ),
    "activation": (
        rf"PyTorch activation peak memory takes{_SIZE}",
        rf"torch peak memory increase{_SIZE}",
    ),
    "non-torch": (
        rf"non_torch_memory takes{_SIZE}",
        rf"non-torch forward increase memory{_SIZE}",
        r"non_torch_memory=(-?[0-9.]+)GiB",
    ),
    "cuda graphs": (rf"Graph capturing finished in .*?took{_SIZE}",),
    "kv cache": (
        rf"Available KV cache memory{_SIZE}",
        rf"the rest of the memory reserved for KV Cache is{_SIZE}",
        r"kv_cache_size=(-?[0-9.]+)GiB",
    ),
}
_TOTAL: Final = (
    r"total_gpu_memory \(([0-9.]+)GiB\)",
    r"total_gpu_memory=([0-9.]+)GiB",
    r"on device cuda:\d+ \([0-9.]+/([0-9.]+) GiB\)",
)
_UTILIZATION: Final = (
    r"gpu_memory_utilization'?[:=]\s*([0-9.]+)",
    r"gpu_memory_utilization \(([0-9.]+)\)",
    r"Requested memory: ([0-9.]+) \(util\)",
)
_VERSION: Final = (r"LLM engine \(v([0-9][^)\s]*)\)", r"vLLM API server version v?([0-9]\S*)")
_MODEL: Final = (r"with config: model='([^']+)'", r"'model(?:_tag)?': '([^']+)'")
_TOKENS: Final = (r"GPU KV cache size: ([0-9,]+) tokens",)
_BLOCKS: Final = (r"# (?:GPU|cuda) blocks: ([0-9]+)",)
_NUMBERS: Final[Mapping[str, tuple[str, ...]]] = {
    "max_model_len": (r"max_seq_len=([0-9]+)", r"'max_model_len': ([0-9]+)"),
    "max_num_seqs": (r"'?max_num_seqs'?[:=] ?([0-9]+)",),
    "max_num_batched_tokens": (r"'?max_num_batched_tokens'?[:=] ?([0-9]+)",),
    "tensor_parallel": (r"tensor_parallel_size'?[:=] ?([0-9]+)",),
    "pipeline_parallel": (r"pipeline_parallel_size'?[:=] ?([0-9]+)",),
    "block_size": (r"'?block_size'?[:=] ?([0-9]+)",),
}
_BLOCK_TOKENS: Final = 16


@dataclass(frozen=True, kw_only=True)
class LoggedStart:
    """One start as its log tells it; None where it does not say."""

    model: str | None
    version: str | None
    total_memory_bytes: int | None
    server: ServerConfig
    terms: Mapping[str, int]
    """Bytes by the names that sizing gives its terms."""
    tokens: int | None


def read_log(path: Path) -> LoggedStart:
    """Return what the log at *path* says about one start.

    Raises:
        InputError: when it is no log of a vLLM start.
        UnavailableError: when it cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise UnavailableError(f"{path}: {error.strerror}") from error
    start = parse_log(text)
    if not start.terms and start.version is None:
        raise InputError(
            f"{path}: no line of a vLLM start in it; give the server's log from its first line"
        )
    return start


def parse_log(text: str) -> LoggedStart:
    """Return what the lines of *text* say."""
    terms = {name: found for name, patterns in _TERMS.items()
             if (found := _bytes(text, patterns)) is not None}  # fmt: skip
    total = _bytes(text, _TOTAL)
    tokens = _first(text, _TOKENS)
    blocks = _first(text, _BLOCKS)
    counted = int(tokens.replace(",", "")) if tokens else None
    if counted is None and blocks is not None:
        counted = int(blocks) * _BLOCK_TOKENS
    return LoggedStart(
        model=_first(text, _MODEL),
        version=_first(text, _VERSION),
        total_memory_bytes=total,
        server=_server(text),
        terms=terms,
        tokens=counted,
    )


def _first(text: str, patterns: tuple[str, ...]) -> str | None:
    for pattern in patterns:
        match = re.search(pattern, text)
        if match is not None:
            return match[1]
    return None


def _bytes(text: str, patterns: tuple[str, ...]) -> int | None:
    found = _first(text, patterns)
    return None if found is None else round(float(found.rstrip(".")) * GIB)


def _server(text: str) -> ServerConfig:
    numbers = {
        name: int(found)
        for name, patterns in _NUMBERS.items()
        if (found := _first(text, patterns)) is not None
    }
    utilization = _first(text, _UTILIZATION)
    dtype = _first(text, (r"dtype=torch\.(bfloat16|float16|float32)",))
    cache = _first(text, (r"kv_cache_dtype'?[:=] ?'?(fp8\w*)",))
    eager = _first(text, (r"enforce_eager'?[:=] ?(True|False)",))
    quantization = _first(text, (r"[( ,]quantization=(\w+)",))
    return ServerConfig(
        **{"tensor_parallel": 1, "pipeline_parallel": 1, **numbers},  # type: ignore[arg-type]  # whole numbers all
        gpu_memory_utilization=None if utilization is None else float(utilization.rstrip(".")),
        dtype=dtype,
        kv_cache_dtype="fp8" if cache else None,
        enforce_eager=eager == "True",
        quantization=quantization if quantization == "fp8" else None,
    )
