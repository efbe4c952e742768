"""Settings that vLLM refuses before it touches memory.

Messages read in ``vllm/config`` and ``vllm/engine/arg_utils.py``.
"""

from __future__ import annotations

from rightslice.core.catalog.model import Attention, LatentAttention, Mixer
from rightslice.core.catalog.share import Exclusive
from rightslice.core.sizing.result import Phase, TooBig
from rightslice.core.sizing.startup import Startup


def refused_configuration(startup: Startup) -> TooBig | None:
    """Return why the settings contradict the model, the device or each other; None: they do not."""
    return _lengths(startup) or _parallelism(startup)


def _lengths(startup: Startup) -> TooBig | None:
    flags, model = startup.flags, startup.model
    if flags.max_model_len > model.max_position:
        return _refused(
            f"max-model-len {flags.max_model_len} is more than the model's {model.max_position}",
            f"User-specified max_model_len ({flags.max_model_len}) is greater than the derived"
            f" max_model_len (max_position_embeddings={model.max_position} or"
            " model_max_length=None in model's config.json).",
        )
    if flags.max_num_batched_tokens < flags.max_num_seqs:
        return _refused(
            "max-num-batched-tokens must be at least max-num-seqs",
            f"max_num_batched_tokens ({flags.max_num_batched_tokens}) must be greater than or"
            f" equal to max_num_seqs ({flags.max_num_seqs}).",
        )
    if not flags.chunked_prefill and flags.max_num_batched_tokens < flags.max_model_len:
        return _refused(
            "without chunked prefill a whole prompt must fit max-num-batched-tokens",
            f"max_num_batched_tokens ({flags.max_num_batched_tokens}) is smaller than"
            f" max_model_len ({flags.max_model_len}).",
        )
    return None


def _parallelism(startup: Startup) -> TooBig | None:
    flags, model = startup.flags, startup.model
    if flags.tensor_parallel * flags.pipeline_parallel > 1 and not isinstance(
        startup.device.share, Exclusive
    ):
        return _refused(
            f"{startup.device.label} cannot be one of several: tensor and pipeline parallelism"
            " need whole GPUs",
            "ncclInvalidUsage: Duplicate GPU detected",
        )
    if flags.pipeline_parallel > len(model.layers):
        return _refused(
            f"{len(model.layers)} layers cannot be dealt to {flags.pipeline_parallel} stages",
            f"pipeline_parallel_size ({flags.pipeline_parallel}) is larger than the number of"
            f" layers ({len(model.layers)}).",
        )
    heads = {_query_heads(layer.mixer) for layer in model.layers} - {0}
    for count in heads:
        if count % flags.tensor_parallel:
            return _refused(
                f"{count} attention heads cannot be divided by tensor parallel size"
                f" {flags.tensor_parallel}",
                f"Total number of attention heads ({count}) must be divisible by tensor parallel"
                f" size ({flags.tensor_parallel}).",
            )
    return None


def _query_heads(mixer: Mixer) -> int:
    return mixer.query_heads if isinstance(mixer, Attention | LatentAttention) else 0


def _refused(reason: str, error: str) -> TooBig:
    return TooBig(
        phase=Phase.CONFIG,
        short_by_bytes=0,
        largest_term="configuration",
        reason=reason,
        error_text=f"ValueError: {error}",
    )
