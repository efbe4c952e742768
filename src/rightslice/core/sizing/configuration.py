"""Settings that vLLM refuses before it touches memory.

Messages read in ``vllm/config`` and ``vllm/engine/arg_utils.py``.
"""

from __future__ import annotations

from functools import lru_cache

from rightslice.core.catalog.model import Attention, LatentAttention, Mixer, Model, StateSpace
from rightslice.core.catalog.share import Exclusive
from rightslice.core.sizing.amounts import Whole
from rightslice.core.sizing.result import EffectiveFlags, Phase, TooBig
from rightslice.core.sizing.startup import Startup, Step


def refused_configuration(startup: Startup) -> TooBig | None:
    """Return why the settings contradict the model, the device or each other; None: they do not."""
    return _lengths(startup) or refused_parallelism(startup)


def excesses(model: Model, flags: EffectiveFlags, step: Step[Whole]) -> tuple[Whole, Whole, Whole]:
    """Return by how much *step* breaks the rules of context, sequences and whole prompts.

    More than 0 is refused.
    """
    whole = 0 * step.length if flags.chunked_prefill else step.length - step.tokens
    return step.length - model.max_position, step.seqs - step.tokens, whole


def _lengths(startup: Startup) -> TooBig | None:
    flags, model = startup.flags, startup.model
    too_long, too_many, too_short = excesses(model, flags, startup.step)
    if too_long > 0:
        return _refused(
            f"max-model-len {flags.max_model_len} is more than the model's {model.max_position}",
            f"User-specified max_model_len ({flags.max_model_len}) is greater than the derived"
            f" max_model_len (max_position_embeddings={model.max_position} or"
            " model_max_length=None in model's config.json).",
        )
    if too_many > 0:
        return _refused(
            "max-num-batched-tokens must be at least max-num-seqs",
            f"max_num_batched_tokens ({flags.max_num_batched_tokens}) must be greater than or"
            f" equal to max_num_seqs ({flags.max_num_seqs}).",
        )
    if too_short > 0:
        return _refused(
            "without chunked prefill a whole prompt must fit max-num-batched-tokens",
            f"max_num_batched_tokens ({flags.max_num_batched_tokens}) is smaller than"
            f" max_model_len ({flags.max_model_len}).",
        )
    return None


def refused_parallelism(startup: Startup) -> TooBig | None:
    """Return why the model cannot be split so over such devices; None: it can."""
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
    refused = _refused_context_parallelism(startup)
    if refused is not None:
        return refused
    for count in _head_counts(model):
        if count % flags.tensor_parallel:
            return _refused(
                f"{count} attention heads cannot be divided by tensor parallel size"
                f" {flags.tensor_parallel}",
                f"Total number of attention heads ({count}) must be divisible by tensor parallel"
                f" size ({flags.tensor_parallel}).",
            )
    return None


def _refused_context_parallelism(startup: Startup) -> TooBig | None:
    """Return why tokens cannot be dealt so: vLLM deals whole caches that GPUs hold copies of."""
    flags = startup.flags
    dealt, ranks = flags.decode_context_parallel, flags.tensor_parallel
    if dealt == 1:
        return None
    if ranks % dealt:
        return _refused(
            f"decode-context-parallel-size {dealt} does not divide tensor-parallel-size {ranks}",
            f"tp_size={ranks} must be divisible by dcp_size={dealt}.",
        )
    for heads, whole in _kv_heads(startup.model):
        if not whole:
            return _refused(
                "decode context parallelism needs full attention in every layer",
                "DCP not support sliding window.",
            )
        if dealt > max(1, ranks // heads):
            return _refused(
                f"decode-context-parallel-size {dealt} is more than the"
                f" {max(1, ranks // heads)} copies of each of {heads} KV heads",
                f"tensor parallel size {ranks} must be greater than total num kv heads {heads}"
                " when enable decode context parallel for GQA/MQA.",
            )
    return None


@lru_cache(maxsize=512)
def _kv_heads(model: Model) -> tuple[tuple[int, bool], ...]:
    """KV heads of each kind of layer, and whether it keeps every token."""
    kinds = {layer.mixer for layer in model.layers if layer.mixer is not None}
    return tuple(sorted({_heads_kept(mixer) for mixer in kinds}))


def _heads_kept(mixer: Attention | LatentAttention | StateSpace) -> tuple[int, bool]:
    if isinstance(mixer, LatentAttention):
        return 1, True
    if isinstance(mixer, StateSpace):
        return 1, False
    return mixer.kv_heads, mixer.window_tokens is None and mixer.chunk_tokens is None


@lru_cache(maxsize=512)
def _head_counts(model: Model) -> tuple[int, ...]:
    return tuple(sorted({_query_heads(layer.mixer) for layer in model.layers} - {0}))


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
