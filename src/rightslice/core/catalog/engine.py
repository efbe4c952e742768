"""The serving engine: vLLM releases, and the defaults and memory accounting of each.

Defaults and bookkeeping differ by release, so every prediction names one. Facts per release are
data (`data/engines.toml`), read from vLLM's own source.
"""

from __future__ import annotations

from dataclasses import dataclass

from rightslice.core.catalog.source import Source


@dataclass(frozen=True, kw_only=True)
class BatchDefaults:
    """Server defaults of one class of GPU memory."""

    max_num_seqs: int
    max_num_batched_tokens: int


@dataclass(frozen=True, kw_only=True)
class EngineRelease:
    """What one range of vLLM releases does when a flag is not given, and how it counts memory."""

    version: str
    """The release asked for, such as ``0.19.0``."""
    first: str
    """First release of the range that behaves this way (inclusive)."""
    generation: str
    """``V0`` or ``V1``: the engine core."""
    gpu_memory_utilization: float
    large_gpu_bytes: int | None
    """GPUs of at least this memory get the large defaults; None: one class only."""
    a100_counts_as_small: bool
    small: BatchDefaults
    large: BatchDefaults
    huge_gpu_bytes: int | None
    huge: BatchDefaults | None
    """A third class, for the largest boards, in the newest releases."""
    chunked_prefill: bool
    """On by default; V0 turns it on above 32k tokens of context only."""
    graphs_in_budget: bool
    """Whether CUDA graph memory is taken out of the KV budget at start-up."""
    graph_max_size: int
    graph_sizes: int
    """Captured batch sizes at the default maximum."""
    graph_modes: int
    """1: PIECEWISE only (or V0's full graphs), 2: FULL and PIECEWISE."""
    token_log: str
    """How the log counts KV tokens: ``blocks``, ``groups`` or ``concurrency``."""
    hybrid_groups: str
    """Rule of KV cache groups: ``none``, ``min``, ``min-1.25``, ``min-1.5``."""
    null_block: bool
    """Whether one block is kept back as the null block in the concurrency figure."""
    sampler_bytes_per_logit: float
    """Peak bytes per logit while sampling (bf16 logits, fp32 logits, probabilities, ...)."""
    era: str
    """Key of the performance constants: host overheads differ by engine age."""
    source: Source
