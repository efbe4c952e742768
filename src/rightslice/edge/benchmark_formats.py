"""What each benchmark tool writes, told apart by its own keys.

- vLLM: ``vllm bench serve --save-result`` and the older ``benchmark_serving.py`` (vLLM 0.9.2 and
  0.33.0, vllm/benchmarks/serve.py: ``mean_tpot_ms`` is the mean over requests of (latency - TTFT) /
  (tokens - 1)). ``--metadata`` puts further keys beside the figures.
- GuideLLM (0.8.1, JSON report, one record a strategy): ``time_per_output_token_ms`` includes the
  first token, so ``inter_token_latency_ms`` is what vLLM calls TPOT. Milliseconds.
- inference-perf (0.7.0, reports ``stage_N_lifecycle_metrics.json``, reportgen/base.py):
  ``time_per_output_token`` is (last - first token) / (tokens - 1). Seconds.

A run at a request rate counts with the mean number of requests that it had in the system.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Final, assert_never

from rightslice.edge.benchmark_run import (
    BenchmarkRun,
    Flow,
    Record,
    check_failures,
    concurrency_of,
    found,
    optional,
    positive,
    whole,
    word,
)
from rightslice.errors import FieldError, InputError


class Tool(Enum):
    """Who wrote a JSON file."""

    VLLM = "vllm bench serve"
    GUIDELLM = "guidellm"
    INFERENCE_PERF = "inference-perf"


_VLLM_KEYS: Final = ("completed", "total_input_tokens", "total_output_tokens", "mean_tpot_ms")
_FOREIGN: Final = {
    "kind": "a file of rightslice's own, not of a benchmark",
    "avg_latency": "of `vllm bench latency`, which has no TTFT; run `vllm bench serve`",
    "elapsed_time": "of `vllm bench throughput`, which has no latencies; run `vllm bench serve`",
    "request_throughput": "of a run without token latencies",
}


def runs_in(document: object, where: str) -> Iterator[BenchmarkRun]:
    """Yield the runs of one JSON *document*.

    Raises:
        InputError: when no tool known here wrote it, or a figure cannot be.
    """
    if not isinstance(document, Mapping):
        raise InputError(f"{where}: is no object with a run's figures")
    match tool_of(document):
        case Tool.VLLM:
            yield _vllm(document, where)
        case Tool.GUIDELLM:
            yield from _guidellm(document, where)
        case Tool.INFERENCE_PERF:
            yield _inference_perf(document, where)
        case None:
            _refuse(document, where)
        case unknown:
            assert_never(unknown)


def tool_of(document: Record) -> Tool | None:
    """Return who wrote *document*, or None."""
    if isinstance(document.get("benchmarks"), list):
        return Tool.GUIDELLM
    if "load_summary" in document and "successes" in document:
        return Tool.INFERENCE_PERF
    if any(key in document for key in _VLLM_KEYS):
        return Tool.VLLM
    return None


def _refuse(document: Record, where: str) -> None:
    for key, what in _FOREIGN.items():
        if key in document:
            raise FieldError(where, key, f"this is {what}")
    tools = "`vllm bench serve --save-result`, of guidellm or of inference-perf"
    raise FieldError(where, _VLLM_KEYS[0], f"is missing: this is not the JSON of {tools}")


def _vllm(record: Record, where: str) -> BenchmarkRun:
    for key in _VLLM_KEYS:
        if key not in record:
            raise FieldError(
                where, key, "is missing: this is not the JSON of `vllm bench serve --save-result`"
            )
    completed = positive(record, "completed", where)
    check_failures(completed, optional_count(record, "failed", where), where)
    outputs = positive(record, "total_output_tokens", where) / completed
    tpot = positive(record, "mean_tpot_ms", where) / 1e3
    ttft = optional(record, "mean_ttft_ms", where)
    ttft = None if ttft is None else ttft / 1e3
    clients = optional(record, "max_concurrency", where)
    return BenchmarkRun(
        where=where,
        model=word(record, "model_id"),
        concurrency=concurrency_of(
            Flow(
                completed=completed,
                duration_seconds=positive(record, "duration", where),
                stay_seconds=(ttft or 0.0) + max(outputs - 1, 0.0) * tpot,
                clients=clients if _is_closed(record) else None,
            ),
            where,
        ),
        input_tokens=positive(record, "total_input_tokens", where) / completed,
        output_tokens=outputs,
        tensor_parallel=whole(record, _named(record, "tensor_parallel_size", "tp"), where),
        tpot_seconds=tpot,
        ttft_seconds=ttft,
        tool=Tool.VLLM.value,
        engine_version=word(record, "vllm_version", "version"),
        gpu=word(record, "gpu"),
    )


def _is_closed(record: Record) -> bool:
    """Whether every client had a request in flight: none waited for an arrival process."""
    rate = record.get("request_rate", "inf")
    return rate in ("inf", None) or rate == math.inf


def _named(record: Record, *keys: str) -> str:
    return next((key for key in keys if record.get(key) is not None), keys[0])


def optional_count(record: Record, key: str, where: str) -> float:
    """Return the count under *key*, 0 when there is none."""
    value = found(record, key)
    return 0.0 if value in (None, 0) else positive(record, key, where)


def _guidellm(document: Record, where: str) -> Iterator[BenchmarkRun]:
    for number, item in enumerate(document["benchmarks"], start=1):
        at = f"{where}, benchmark {number}"
        if not isinstance(item, Mapping) or found(item, "metrics.inter_token_latency_ms") is None:
            raise FieldError(
                at,
                "metrics.inter_token_latency_ms",
                "is missing: this is no guidellm report of a model that generates and streams",
            )
        yield _strategy(document, item, at)


def _strategy(document: Record, item: Record, where: str) -> BenchmarkRun:
    def mean(name: str) -> float:
        return positive(item, f"metrics.{name}.successful.mean", where)

    completed = positive(item, "metrics.request_totals.successful", where)
    check_failures(completed, optional_count(item, "metrics.request_totals.errored", where), where)
    strategy = found(item, "config.strategy") or found(item, "args.strategy") or {}
    clients = optional(strategy, "streams", where)
    if clients is None and word(strategy, "type_") == "synchronous":
        clients = 1.0
    running = concurrency_of(
        Flow(
            completed=completed,
            duration_seconds=_lasted(item, where, completed),
            stay_seconds=mean("request_latency"),
            clients=clients,
        ),
        where,
    )
    return BenchmarkRun(
        where=where,
        model=word(item, "config.backend.model")
        or word(document, "config.spec.backend.model", "args.model"),
        concurrency=running,
        input_tokens=mean("prompt_token_count"),
        output_tokens=mean("output_token_count"),
        tensor_parallel=whole(document, "config.metadata.labels.tensor_parallel_size", where),
        tpot_seconds=mean("inter_token_latency_ms") / 1e3,
        ttft_seconds=mean("time_to_first_token_ms") / 1e3,
        tool=Tool.GUIDELLM.value,
        engine_version=word(document, "config.metadata.labels.vllm_version"),
        gpu=word(document, "config.metadata.labels.gpu"),
    )


def _lasted(item: Record, where: str, completed: float) -> float:
    """Return the seconds of one strategy, from its rate where they are not told."""
    told = optional(item, "duration", where)
    if told is not None:
        return told
    return completed / positive(item, "metrics.requests_per_second.successful.mean", where)


def _inference_perf(record: Record, where: str) -> BenchmarkRun:
    if found(record, "load_summary.requested_rate") is None:
        raise FieldError(
            where,
            "load_summary.requested_rate",
            "is missing: a summary mixes the loads of all stages; give"
            " stage_N_lifecycle_metrics.json",
        )
    completed = positive(record, "successes.count", where)
    check_failures(completed, optional_count(record, "failures.count", where), where)
    if found(record, "successes.latency.time_per_output_token") is None:
        raise FieldError(
            where,
            "successes.latency.time_per_output_token",
            "is missing: run inference-perf with `api: {streaming: true}`",
        )
    outputs = "output_tokens" if found(record, "successes.output_tokens.mean") else "output_len"
    prompts = "prompt_tokens" if found(record, "successes.prompt_tokens.mean") else "prompt_len"
    return BenchmarkRun(
        where=where,
        model=None,
        concurrency=concurrency_of(
            Flow(
                completed=completed,
                duration_seconds=_stage_seconds(record, where, completed),
                stay_seconds=positive(record, "successes.latency.request_latency.mean", where),
                clients=optional(record, "load_summary.concurrency", where),
            ),
            where,
        ),
        input_tokens=positive(record, f"successes.{prompts}.mean", where),
        output_tokens=positive(record, f"successes.{outputs}.mean", where),
        tensor_parallel=None,
        tpot_seconds=positive(record, "successes.latency.time_per_output_token.mean", where),
        ttft_seconds=positive(record, "successes.latency.time_to_first_token.mean", where),
        tool=Tool.INFERENCE_PERF.value,
    )


def _stage_seconds(record: Record, where: str, completed: float) -> float:
    told = optional(record, "benchmark_time_seconds", where)
    if told is not None:
        return told
    return completed / positive(record, "successes.throughput.requests_per_sec", where)
