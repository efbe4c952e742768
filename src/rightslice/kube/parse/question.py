"""A parsed workload -> the core's `Question`, or every reason why it cannot be asked.

All gaps are told at once, each with what would close it. What stands in for something that the
manifest does not say is in ``assumed``; flags that change memory in a way the core does not
compute are reasons, never assumptions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from rightslice.core.catalog.engine import EngineRelease
from rightslice.core.catalog.lengths import Lengths
from rightslice.core.catalog.model import Model
from rightslice.core.catalog.quantize import with_runtime_quantization
from rightslice.core.catalog.question import Isolation, Question
from rightslice.core.catalog.server import ServerConfig
from rightslice.core.catalog.traffic import ClosedLoop, Load, OpenLoop, Slo, Traffic
from rightslice.errors import InputError
from rightslice.kube.manifest import GROUP
from rightslice.kube.parse.notes import Notes
from rightslice.kube.parse.server_fields import whole
from rightslice.kube.parse.values import Amount, Number, Parsed, ParsedLoad

_MODEL_SOURCES: Final = ("/", "./", "../", "~", "s3://", "gs://", "pvc://", "oci://", "https://")
_NOT_COMPUTED: Final = {
    "speculative-config": "a draft model takes memory and changes speed",
    "speculative-model": "a draft model takes memory and changes speed",
    "cpu-offload-gb": "weights leave the GPU",
    "data-parallel-size": "several engines share the pod",
    "prefill-context-parallel-size": "the KV cache is divided",
    "decode-context-parallel-size": "the KV cache is divided",
    "num-gpu-blocks-override": "the KV cache is set by hand",
    "hf-overrides": "the model's configuration is changed",
}
"""Flags whose effect on memory or speed the core does not compute."""
_OFF: Final = frozenset({"0", "1", "false", "none", "{}", ""})
_DECIDE: Final = (
    "flags", "tensor_parallel", "pipeline_parallel", "max_model_len", "max_num_seqs",
    "max_num_batched_tokens", "gpu_memory_utilization", "dtype", "quantization", "kv_cache_dtype",
    "enable_lora", "isolation",
)  # fmt: skip
"""Fields that a refusal leaves open although memory or speed hangs on them."""


@dataclass(frozen=True, kw_only=True)
class Lookups:
    """The catalogue, as two questions; each raises InputError for what it does not know."""

    model: Callable[[str], Model]
    engine: Callable[[str | None], EngineRelease]


@dataclass(frozen=True, kw_only=True)
class Defaults:
    """What stands in where a manifest is silent."""

    confidence: float = 0.90
    engine_version: str | None = None
    """vLLM release of images whose tag names none; None: such a workload is not asked."""
    isolation: Isolation = Isolation.HARDWARE


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The manifest says enough."""

    question: Question
    assumed: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class NotAsked:
    """The manifest does not say enough, or says what the core does not compute."""

    reasons: tuple[str, ...]
    assumed: tuple[str, ...] = ()


@dataclass
class _Gaps:
    reasons: list[str] = field(default_factory=list)
    assumed: list[str] = field(default_factory=list)


NO_DEFAULTS: Final = Defaults()


def question_of(
    parsed: Parsed, lookups: Lookups, defaults: Defaults = NO_DEFAULTS
) -> Asked | NotAsked:
    """Return what *parsed* asks, or every reason why not."""
    if not parsed.is_vllm_server:
        return NotAsked(reasons=("it runs no vLLM server",))
    gaps = _Gaps(assumed=[f"{name}: {why}" for name, why in parsed.assumed.items()])
    gaps.reasons += [
        f"{name}: {parsed.refused[name]}" for name in _DECIDE if name in parsed.refused
    ]
    model = _model(parsed, lookups, gaps)
    engine = _engine(parsed, lookups, defaults, gaps)
    server = _server(parsed, model, gaps)
    traffic = _traffic(parsed, gaps)
    slo = _slo(parsed, gaps)
    _one_pod_one_engine(parsed, gaps)
    assumed = tuple(gaps.assumed)
    known = model and engine and server and traffic and slo
    if gaps.reasons or not known:
        return NotAsked(reasons=tuple(gaps.reasons), assumed=assumed)
    assert model is not None and engine is not None and server is not None  # noqa: PT018 - one fact
    assert traffic is not None and slo is not None  # noqa: PT018 - one fact
    question = Question(
        model=model,
        engine=engine,
        server=server,
        tensor_parallel=parsed.tensor_parallel,
        traffic=traffic,
        slo=slo,
        isolation=defaults.isolation if parsed.isolation is None else Isolation(parsed.isolation),
        confidence=defaults.confidence,
    )
    return Asked(question=question, assumed=assumed)


def _model(parsed: Parsed, lookups: Lookups, gaps: _Gaps) -> Model | None:
    name = parsed.model
    if name is None:
        why = parsed.refused.get("model", "the manifest names none")
        gaps.reasons.append(f"model: {why}; give it to vLLM as --model or `vllm serve MODEL`")
        return None
    if name.startswith(_MODEL_SOURCES) or name.endswith(".json"):
        gaps.reasons.append(f"model: {name} is a place, not a name that the catalogue knows")
        return None
    try:
        model = lookups.model(name)
    except InputError as error:
        gaps.reasons.append(f"model: {error}")
        return None
    gaps.assumed += [f"model: {one}" for one in model.assumptions]
    return model


def _engine(
    parsed: Parsed, lookups: Lookups, defaults: Defaults, gaps: _Gaps
) -> EngineRelease | None:
    version = parsed.vllm_version
    if version is None:
        version = defaults.engine_version
        why = parsed.refused.get("vllm_version", "no image is named")
        if version is None:
            gaps.reasons.append(f"vllm_version: {why}; name the release in the image tag")
            return None
        gaps.assumed.append(f"vllm_version: {version}, since {why}")
    try:
        return lookups.engine(version)
    except InputError as error:
        gaps.reasons.append(f"vllm_version: {error}")
        return None


def _server(parsed: Parsed, model: Model | None, gaps: _Gaps) -> ServerConfig | None:
    flags = parsed.flags
    for flag, why in _NOT_COMPUTED.items():
        if flags.get(flag, "").strip().lower() not in _OFF:
            gaps.reasons.append(f"--{flag} {flags[flag][:60]}: {why}, which is not computed yet")
    notes = Notes()
    caching = flags.get("enable-prefix-caching")
    max_loras = _flag("max-loras", flags.get("max-loras"), notes) or 1
    try:
        server = ServerConfig(
            tensor_parallel=parsed.tensor_parallel or 1,
            pipeline_parallel=parsed.pipeline_parallel or 1,
            expert_parallel=flags.get("enable-expert-parallel") == "true",
            gpu_memory_utilization=parsed.gpu_memory_utilization,
            kv_cache_memory_bytes=_flag(
                "kv-cache-memory-bytes", flags.get("kv-cache-memory-bytes"), notes
            ),
            max_model_len=parsed.max_model_len,
            max_num_seqs=parsed.max_num_seqs,
            max_num_batched_tokens=parsed.max_num_batched_tokens,
            dtype=parsed.dtype,
            quantization=parsed.quantization,
            kv_cache_dtype=parsed.kv_cache_dtype,
            enforce_eager=parsed.enforce_eager is True,
            block_size=_flag("block-size", flags.get("block-size"), notes),
            enable_prefix_caching=None if caching is None else caching == "true",
            max_loras=max_loras if parsed.enable_lora else 0,
            max_lora_rank=_flag("max-lora-rank", flags.get("max-lora-rank"), notes) or 16,
        )
        if model is not None and parsed.quantization is not None:
            with_runtime_quantization(model, parsed.quantization)
    except InputError as error:
        gaps.reasons.append(f"flags: {error}")
        return None
    gaps.reasons += [f"--{name}: {why}" for name, why in notes.refused.items()]
    return server


def _flag(name: str, value: str | None, notes: Notes) -> int | None:
    return None if value is None else whole(name, value, notes)


def _traffic(parsed: Parsed, gaps: _Gaps) -> Traffic | None:
    load = parsed.load or ParsedLoad()
    amounts = {
        name: _largest(name, getattr(load, name), gaps)
        for name in ("input_len", "output_len", "concurrency", "request_rate")
    }
    for name, annotation in (("input_len", "input-tokens"), ("output_len", "output-tokens")):
        if amounts[name] is None:
            gaps.reasons.append(_missing(parsed, f"load.{name}", annotation, "512"))
    concurrency, rate = amounts["concurrency"], amounts["request_rate"]
    if concurrency is None and rate is None:
        gaps.reasons.append(_missing(parsed, "load.concurrency", "load-concurrency", "64"))
    if amounts["input_len"] is None or amounts["output_len"] is None:
        return None
    try:
        return Traffic(
            load=_load(concurrency, rate, gaps),
            input=Lengths.fixed(round(amounts["input_len"])),
            output=Lengths.fixed(round(amounts["output_len"])),
        )
    except InputError as error:
        gaps.reasons.append(f"load: {error}")
        return None


def _load(concurrency: Number | None, rate: Number | None, gaps: _Gaps) -> Load:
    if concurrency is not None:
        if rate is not None:
            gaps.assumed.append(
                f"load: {concurrency:g} concurrent, the cap of the {rate:g} requests a second"
            )
        return ClosedLoop(concurrency=round(concurrency))
    return OpenLoop(requests_per_second=float(rate or 0))


def _largest(name: str, amount: Amount | None, gaps: _Gaps) -> Number | None:
    if not isinstance(amount, tuple):
        return amount
    largest = max(amount)
    gaps.assumed.append(f"load.{name}: {largest:g}, the largest of the sweep")
    return largest


def _slo(parsed: Parsed, gaps: _Gaps) -> Slo | None:
    stated = parsed.slo
    if stated is None:
        gaps.reasons.append(_missing(parsed, "slo.tpot_ms", "slo-tpot", "30ms"))
        return None
    tpot = None if stated.tpot_ms is None else stated.tpot_ms / 1000
    ttft = None if stated.ttft_ms is None else stated.ttft_ms / 1000
    try:
        if stated.percentile is None:
            return Slo(tpot_seconds=tpot, ttft_seconds=ttft)
        return Slo(
            tpot_seconds=tpot,
            ttft_seconds=ttft,
            tpot_percentile=stated.percentile,
            ttft_percentile=stated.percentile,
        )
    except InputError as error:
        gaps.reasons.append(f"slo: {error}")
        return None


def _missing(parsed: Parsed, name: str, annotation: str, example: str) -> str:
    why = parsed.refused.get(name, "the manifest does not say it")
    return f"{name}: {why}; annotate the pod with {GROUP}/{annotation}: {example!r}"


def _one_pod_one_engine(parsed: Parsed, gaps: _Gaps) -> None:
    if (parsed.group_size or 1) > 1:
        gaps.reasons.append(f"group_size: {parsed.group_size} pods form one server")
        return
    ranks = (parsed.tensor_parallel or 1) * (parsed.pipeline_parallel or 1)
    if parsed.gpu_count is not None and ranks > parsed.gpu_count:
        gaps.reasons.append(
            f"gpu_count: {ranks} ranks and {parsed.gpu_count} {parsed.gpu_resource}:"
            " it spans several pods, or the flags and the request contradict"
        )
