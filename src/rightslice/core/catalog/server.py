"""What a server is started with: the vLLM flags that decide memory and speed."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

from rightslice.errors import InputError

_MOST_RANKS: Final = 1024
_LARGEST: Final = 2**53
"""Beyond any device; whole numbers up to here are exact in floating point, too."""


def _positive(name: str, value: int | None) -> None:
    if value is not None and value < 1:
        raise InputError(f"{name} {value} must be at least 1")
    largest = _MOST_RANKS if name.endswith("parallel") else _LARGEST
    if value is not None and value > largest:
        raise InputError(f"{name} {value} must be at most {largest}")


@dataclass(frozen=True, kw_only=True)
class ServerConfig:
    """Flags as given; None means vLLM's own default for its release and device.

    Raises:
        InputError: when a value is outside what vLLM accepts.
    """

    tensor_parallel: int = 1
    pipeline_parallel: int = 1
    decode_context_parallel: int = 1
    """GPUs of the tensor parallel ones that deal the tokens of a sequence among them."""
    expert_parallel: bool = False
    gpu_memory_utilization: float | None = None
    kv_cache_memory_bytes: int | None = None
    max_model_len: int | None = None
    max_num_seqs: int | None = None
    max_num_batched_tokens: int | None = None
    dtype: str | None = None
    """``auto``, ``bfloat16``, ``float16`` or ``float32``; auto loads float32 in 16 bit."""
    quantization: str | None = None
    """Run-time quantization (``fp8``); a quantized checkpoint says so in its own config."""
    kv_cache_dtype: str | None = None
    """``auto`` or ``fp8``."""
    enforce_eager: bool = False
    block_size: int | None = None
    enable_prefix_caching: bool | None = None
    max_loras: int = 0
    """LoRA slots on the GPU; 0: LoRA is off."""
    max_lora_rank: int = 16
    chosen: tuple[str, ...] = ()
    """Fields that nobody gave: they were sized to the load of a question."""

    def choosing(self, **flags: float | str) -> ServerConfig:
        """Return this configuration with *flags* set, and noted as chosen rather than given."""
        given = {item.name: getattr(self, item.name) for item in fields(self)}
        return ServerConfig(**{**given, **flags, "chosen": (*self.chosen, *flags)})

    def __post_init__(self) -> None:
        for name in (
            "tensor_parallel", "pipeline_parallel", "decode_context_parallel", "max_model_len",
            "max_num_seqs", "max_num_batched_tokens", "block_size", "kv_cache_memory_bytes",
        ):  # fmt: skip
            _positive(name.replace("_", "-"), getattr(self, name))
        if self.max_loras:
            _positive("max-loras", self.max_loras)
            _positive("max-lora-rank", self.max_lora_rank)
        utilization = self.gpu_memory_utilization
        if utilization is not None and not 0 < utilization <= 1:
            raise InputError(
                f"gpu-memory-utilization {utilization:g} must be more than 0 and at most 1"
            )
        _one_of("dtype", self.dtype, ("auto", "half", "float16", "bfloat16", "float", "float32"))
        _one_of("kv-cache-dtype", self.kv_cache_dtype, ("auto", "fp8", "fp8_e4m3", "fp8_e5m2"))


def _one_of(name: str, value: str | None, allowed: tuple[str, ...]) -> None:
    if value is not None and value not in allowed:
        raise InputError(f"{name} {value!r} must be one of {', '.join(allowed)}")
