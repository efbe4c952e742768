"""What a vLLM server wrote while it started: its flags, its release, its memory, term by term.

Wordings of 0.6 to 0.33 (``vllm/worker/worker.py``, ``vllm/worker/model_runner.py``,
``vllm/v1/worker/gpu_worker.py``, ``gpu_model_runner.py``, ``vllm/v1/core/kv_cache_utils.py``,
``vllm/engine``): V0 prints GB for what is GiB. Colours, time stamps and the prefixes of workers
may stand before each line. Of several workers the largest term counts, and the first one's pool;
of several starts the last. Known gap: terms that a release prints at debug level only are missing
from an ordinary log.
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

_GIB: Final = r"(-?[0-9]+(?:\.[0-9]+)?)\s*Gi?B"
_SIZE: Final = rf"\s*:?\s*{_GIB}"
_TERMS: Final[Mapping[str, tuple[str, ...]]] = {
    "weights": (
        rf"[Mm]odel loading took{_SIZE}",
        rf"[Ll]oading model weights took{_SIZE}",
        rf"model weights take{_SIZE}",
        rf"weights memory{_SIZE}",
        rf"Actual usage is {_GIB} for weight",
    ),
    "activation": (
        rf"PyTorch activation peak memory takes{_SIZE}",
        rf"torch peak memory increase{_SIZE}",
        rf"{_GIB} for peak activation",
    ),
    "non-torch": (
        rf"non_torch_memory takes{_SIZE}",
        rf"non-torch forward increase memory{_SIZE}",
        r"non_torch_memory=(-?[0-9.]+)Gi?B",
        rf"{_GIB} for non-torch memory",
    ),
    "cuda graphs": (
        rf"CUDA graph pool memory: {_GIB} \(actual\)",
        rf"Graph capturing finished in .*?took{_SIZE}",
        rf"{_GIB} for CUDAGraph memory",
    ),
    "kv cache": (
        rf"Available KV cache memory{_SIZE}",
        rf"the rest of the memory reserved for KV Cache is{_SIZE}",
        r"kv_cache_size=(-?[0-9.]+)Gi?B",
        rf"reserved {_GIB} memory for KV Cache as specified",
        rf"Current kv cache memory in use is {_GIB}",
    ),
}
_FIRST_ONLY: Final = frozenset({"kv cache"})
"""Terms of which the first worker's counts, as the engine's own figures do."""
_TOTAL: Final = (
    r"total_gpu_memory \(([0-9.]+)Gi?B\)",
    r"total_gpu_memory=([0-9.]+)Gi?B",
    r"on device (?:cuda:\d+ )?\([0-9.]+/([0-9.]+) GiB\)",
    r"has a total capacity of ([0-9.]+) GiB",
)
_UTILIZATION: Final = (
    r"gpu_memory_utilization'?[:=]\s*([0-9.]+)",
    r"gpu_memory_utilization \(([0-9.]+)\)",
    r"Requested memory: ([0-9.]+) \(util\)",
    r"GPU memory utilization (?:is )?\(([0-9.]+),",
)
_ENGINE: Final = r"LLM engine \(v([0-9][^)\s]*)\)"
_VERSION: Final = (_ENGINE, r"vLLM API server version v?([0-9]\S*)")
_MODEL: Final = (r"with config: model='([^']+)'", r"'model(?:_tag)?': '([^']+)'")
_TOKENS: Final = (r"GPU KV cache size: ([0-9,]+) tokens",)
_BLOCKS: Final = (r"# (?:GPU|cuda) blocks: ([0-9]+)",)
_NUMBERS: Final[Mapping[str, tuple[str, ...]]] = {
    "max_model_len": (
        r"max_seq_len=([0-9]+)",
        r"'max_model_len': ([0-9]+)",
        r"max_model_len=([0-9]+)",
        r"Maximum concurrency for ([0-9,]+) tokens",
    ),
    "max_num_seqs": (r"'?max_num_seqs'?[:=] ?([0-9]+)",),
    "max_num_batched_tokens": (r"'?max_num_batched_tokens'?[:=] ?([0-9]+)",),
    "tensor_parallel": (r"tensor_parallel_size'?[:=] ?([0-9]+)",),
    "pipeline_parallel": (r"pipeline_parallel_size'?[:=] ?([0-9]+)",),
    "block_size": (r"'?block_size'?[:=] ?([0-9]+)",),
    "kv_cache_memory_bytes": (r"kv_cache_memory_bytes'?[:=] ?([0-9]+)",),
    "max_loras": (r"'?max_loras'?[:=] ?([0-9]+)",),
    "max_lora_rank": (r"'?max_lora_rank'?[:=] ?([0-9]+)",),
}
_LORA: Final = (r"enable_lora'?[:=] ?(True)",)
_FAILURES: Final = (
    r"((?:torch\.(?:cuda\.)?)?OutOfMemoryError: CUDA out of memory[^\n]*)",
    r"((?:RuntimeError: )?CUDA out of memory occurred when warming up[^\n]*)",
    r"((?:ValueError: )?No available memory for the cache blocks[^\n]*)",
    r"((?:ValueError: )?To serve at least one request with the[^\n]*)",
    r"((?:ValueError: )?The model's max seq len \([0-9]+\) is larger than[^\n]*)",
    r"((?:ValueError: )?Free memory on device (?:cuda:\d+ )?\([^)]*\) on startup is less[^\n]*)",
    r"((?:AssertionError: )?Error in memory profiling\.[^\n]*)",
    r"((?:ValueError: )?User-specified max_model_len[^\n]*)",
)
"""What a failed start says last, in the order of how much it tells."""
_COLOUR: Final = r"\x1b\[[0-9;]*[A-Za-z]"
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
    failure: str | None = None
    """The error that ended the start, as it was printed; None: it did not fail, or does not say."""


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
    if not start.terms and start.version is None and start.failure is None:
        raise InputError(
            f"{path}: no line of a vLLM start in it; give the server's log from its first line"
        )
    return start


def parse_log(text: str) -> LoggedStart:
    """Return what the lines of *text* say of the last start in them."""
    text = re.sub(_COLOUR, "", text).replace("\r", "")
    engines = [match.start() for match in re.finditer(_ENGINE, text)]
    last = text[engines[-1] :] if engines else text
    terms = {name: found for name, patterns in _TERMS.items()
             if (found := _term(last, name, patterns)) is not None}  # fmt: skip
    server = _server(text)
    tokens, blocks = _last(last, _TOKENS), _last(last, _BLOCKS)
    counted = int(tokens.replace(",", "")) if tokens else None
    if counted is None and blocks is not None:
        counted = int(blocks) * (server.block_size or _BLOCK_TOKENS)
    total = _last(text, _TOTAL)
    return LoggedStart(
        model=_last(text, _MODEL),
        version=_last(text, _VERSION),
        total_memory_bytes=None if total is None else _bytes(total),
        server=server,
        terms=terms,
        tokens=counted,
        failure=None if counted is not None else _last(last, _FAILURES),
    )


def _term(text: str, name: str, patterns: tuple[str, ...]) -> int | None:
    """Return a term: the largest of all workers', or the first one's."""
    for pattern in patterns:
        found = [_bytes(size) for size in re.findall(pattern, text)]
        if found:
            return found[0] if name in _FIRST_ONLY else max(found)
    return None


def _last(text: str, patterns: tuple[str, ...]) -> str | None:
    """Return the last match of the first of *patterns* that has one."""
    for pattern in patterns:
        found: list[str] = re.findall(pattern, text)
        if found:
            return found[-1].strip()
    return None


def _bytes(number: str) -> int:
    return round(float(number.rstrip(".")) * GIB)


def _server(text: str) -> ServerConfig:
    numbers = {
        name: int(found.replace(",", ""))
        for name, patterns in _NUMBERS.items()
        if (found := _last(text, patterns)) is not None
    }
    if _last(text, _LORA) is None:
        numbers.pop("max_loras", None)
    else:
        numbers.setdefault("max_loras", 1)
    utilization = _last(text, _UTILIZATION)
    dtype = _last(text, (r"dtype=torch\.(bfloat16|float16|float32)",))
    cache = _last(text, (r"kv_cache_dtype'?[:=] ?'?(fp8\w*)",))
    eager = _last(text, (r"enforce_eager'?[:=] ?(True|False)",))
    quantization = _last(text, (r"[( ,]quantization=(\w+)",))
    return ServerConfig(
        **{"tensor_parallel": 1, "pipeline_parallel": 1, **numbers},  # type: ignore[arg-type]  # whole numbers all
        gpu_memory_utilization=None if utilization is None else float(utilization.rstrip(".")),
        dtype=dtype,
        kv_cache_dtype="fp8" if cache else None,
        enforce_eager=eager == "True",
        quantization=quantization if quantization == "fp8" else None,
    )
