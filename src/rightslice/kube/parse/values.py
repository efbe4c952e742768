"""What a manifest says of one workload, field by field: understood, assumed, refused.

The columns are those of `columns`; None is "the manifest does not say". A field that the manifest
does say but that cannot be read from it is None as well, and stands in ``refused`` with the reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from rightslice.records import Json

Number = int | float
Amount = Number | tuple[Number, ...]
"""A number, or the numbers of a sweep."""


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Which object the workload was read from."""

    api_version: str | None = None
    object_kind: str | None = None
    name: str | None = None
    namespace: str | None = None


@dataclass(frozen=True, kw_only=True)
class ParsedLoad:
    """The load that a benchmark command, or the annotations, state."""

    input_len: Amount | None = None
    output_len: Amount | None = None
    concurrency: Amount | None = None
    request_rate: Amount | None = None
    """Requests a second."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing is stated."""
        return self == ParsedLoad()


@dataclass(frozen=True, kw_only=True)
class ParsedSlo:
    """The latency targets that are stated, in milliseconds as manifests write them."""

    tpot_ms: Number | None = None
    ttft_ms: Number | None = None
    percentile: float | None = None
    """Of both targets, as a share of one."""


@dataclass(frozen=True, kw_only=True)
class Parsed:
    """One workload as its manifest describes it."""

    origin: Origin
    is_vllm_server: bool
    container: str | None = None
    model: str | None = None
    model_how: str | None = None
    tensor_parallel: int | None = None
    pipeline_parallel: int | None = None
    gpu_resource: str | None = None
    gpu_count: int | None = None
    gpu_in: str | None = None
    max_model_len: int | None = None
    max_num_seqs: int | None = None
    max_num_batched_tokens: int | None = None
    gpu_memory_utilization: float | None = None
    dtype: str | None = None
    quantization: str | None = None
    kv_cache_dtype: str | None = None
    enforce_eager: bool | None = None
    """True where set, else None."""
    enable_lora: bool | None = None
    """True where set, else None."""
    vllm_version: str | None = None
    load: ParsedLoad | None = None
    slo: ParsedSlo | None = None
    isolation: str | None = None
    mode: str | None = None
    group_size: int | None = None
    """Pods that form one server (LeaderWorkerSet size); None: one, or not said."""
    flags: Mapping[str, str] = field(default_factory=dict)
    """Every flag as given, by its full name."""
    image: str | None = None
    claims: tuple[str, ...] = ()
    """DRA claims of the container, by the pod's names for them."""
    assumed: Mapping[str, str] = field(default_factory=dict)
    """Field -> what was taken to be so, and why."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """Field -> what the manifest says but nobody can read from it, and why."""


COLUMNS: Final[Mapping[str, str]] = {
    "is_vllm_server": "whether it runs a vLLM server",
    "container": "the container that serves (of a group of pods the leader's); null where the"
    " object names none. Of what is no server: its main container",
    "model": "what identifies the model: a Hugging Face id, or the path or URI as the manifest has"
    " it, variables resolved",
    "model_how": "where the model was found",
    "tensor_parallel": "`--tensor-parallel-size`",
    "pipeline_parallel": "`--pipeline-parallel-size`",
    "gpu_resource": "resource name of the accelerator, per pod; null for DRA claims and instance"
    " types",
    "gpu_count": "how many of it",
    "gpu_in": "`limits`, `requests` or `both`",
    "max_model_len": "`--max-model-len`",
    "max_num_seqs": "`--max-num-seqs`",
    "max_num_batched_tokens": "`--max-num-batched-tokens`",
    "gpu_memory_utilization": "`--gpu-memory-utilization`",
    "dtype": "`--dtype`",
    "quantization": "`--quantization`, not what a model's name suggests",
    "kv_cache_dtype": "`--kv-cache-dtype`",
    "enforce_eager": "true where set",
    "enable_lora": "true where set",
    "vllm_version": "release that the image tag names; null for moving tags and for tags that"
    " number a vendor's own product",
}
"""The columns that describe a server, with their meanings."""

OTHER_COLUMNS: Final[Mapping[str, str]] = {
    "object": "API version, kind, name and namespace of the object",
    "load": "`input_len`, `output_len`, `concurrency`, `request_rate` (a second); a list is a"
    " sweep",
    "slo": "`tpot_ms` and `ttft_ms`",
    "slo_percentile": "percentile of both targets, as a share of one",
    "isolation": "`hardware` or `none`",
    "mode": "`off`, `advise` or `enforce`",
    "group_size": "pods that form one server (LeaderWorkerSet)",
    "flags": "every flag as given, by its full name",
    "assumed": "field -> what was taken to be so, and why",
    "refused": "field -> what the manifest says but nobody can read from it, and why",
}
"""The columns beside them."""


def columns(parsed: Parsed) -> dict[str, Json]:
    """Return *parsed* as one flat JSON object."""
    origin = parsed.origin
    record: dict[str, Json] = {
        "object": {
            "api_version": origin.api_version,
            "kind": origin.object_kind,
            "name": origin.name,
            "namespace": origin.namespace,
        }
    }
    for name in COLUMNS:
        record[name] = getattr(parsed, name)
    load, slo = parsed.load, parsed.slo
    record["load"] = None if load is None else {
        name: _amount(getattr(load, name))
        for name in ("input_len", "output_len", "concurrency", "request_rate")
    }  # fmt: skip
    record["slo"] = None if slo is None else {"tpot_ms": slo.tpot_ms, "ttft_ms": slo.ttft_ms}
    record["slo_percentile"] = None if slo is None else slo.percentile
    record["isolation"] = parsed.isolation
    record["mode"] = parsed.mode
    record["group_size"] = parsed.group_size
    record["flags"] = dict(parsed.flags)
    record["assumed"] = dict(parsed.assumed)
    record["refused"] = dict(parsed.refused)
    return record


def _amount(amount: Amount | None) -> Json:
    return list(amount) if isinstance(amount, tuple) else amount
