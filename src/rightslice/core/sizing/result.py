"""What sizing returns: itemised terms, the KV pool that remains, a verdict with its reason.

All bytes are per GPU (or slice): with tensor parallelism, of each rank; with pipeline
parallelism, of the stage that binds.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

from rightslice.core.catalog.device import Device
from rightslice.core.catalog.engine import EngineRelease
from rightslice.core.catalog.estimate import Band
from rightslice.core.catalog.model import Model
from rightslice.core.catalog.server import ServerConfig


@dataclass(frozen=True, kw_only=True)
class Flag:
    """One vLLM flag as it will hold, and why."""

    name: str
    """As on the command line, without dashes: ``max-num-seqs``."""
    value: int | float | str
    origin: str
    """``given``, ``vLLM 0.33 default``, ``clamped by max-model-len`` ..."""


@dataclass(frozen=True, kw_only=True)
class EffectiveFlags:
    """Every flag that decides memory or speed, resolved for release and device."""

    gpu_memory_utilization: float
    kv_cache_memory_bytes: int | None
    max_model_len: int
    max_num_seqs: int
    max_num_batched_tokens: int
    dtype: str
    kv_cache_dtype: str
    block_size: int
    tensor_parallel: int
    pipeline_parallel: int
    decode_context_parallel: int = 1
    """GPUs that each keep a part of a sequence's tokens."""
    expert_parallel: bool
    enforce_eager: bool
    chunked_prefill: bool
    prefix_caching: bool
    explained: tuple[Flag, ...]
    """The same flags with the origin of each."""


@dataclass(frozen=True, kw_only=True)
class MemoryTerm:
    """One line of the breakdown."""

    name: str
    """``weights``, ``activation``, ``non-torch``, ``cuda graphs``, ``kv cache``, ``unused`` ..."""
    size_bytes: Band
    formula: str
    """The formula with its numbers put in."""
    source: str
    in_budget: bool = True
    """False when it is taken from the memory beyond ``gpu-memory-utilization``."""


@dataclass(frozen=True, kw_only=True)
class KvPool:
    """The KV cache that vLLM will allocate."""

    size_bytes: Band
    """Bytes left for the cache; may be negative when nothing is left."""
    bytes_per_token: int
    """Cache bytes of one more token of context, over all layers of one rank (full attention)."""
    blocks: Band
    tokens: Band
    """Tokens as this release's log counts them."""
    full_length_requests: float
    """Maximum concurrency at ``max-model-len``, at the expected size."""


class Phase(Enum):
    """When a server that does not fit dies."""

    LOAD = "load"
    PROFILE = "profile"
    CACHE = "cache"
    GRAPHS = "graphs"
    WARM_UP = "sampler warm-up"
    RUNTIME = "runtime"
    CONFIG = "configuration"


@dataclass(frozen=True, kw_only=True)
class Fits:
    """The server starts."""

    headroom_bytes: int
    """Device memory that nothing claims, at the high end of every term."""
    probability: float
    """That it starts, given the bands."""


@dataclass(frozen=True, kw_only=True)
class TooBig:
    """A normal answer, not an error: this device cannot hold the server."""

    phase: Phase
    short_by_bytes: int
    largest_term: str
    reason: str
    """What does not fit, with its numbers."""
    error_text: str
    """What this vLLM release would print."""


Verdict = Fits | TooBig


@dataclass(frozen=True, kw_only=True)
class Sizing:
    """Memory of one server on one device, itemised, with the verdict."""

    model: Model
    device: Device
    engine: EngineRelease
    server: ServerConfig
    flags: EffectiveFlags
    terms: tuple[MemoryTerm, ...]
    """Sums to the device's memory, byte for byte, at the expected values."""
    kv: KvPool
    verdict: Verdict

    def term(self, name: str) -> MemoryTerm:
        """Return the term called *name*."""
        return next(term for term in self.terms if term.name == name)


@dataclass(frozen=True, kw_only=True)
class Change:
    """One flag to change, or another device to take."""

    flag: str
    """``max-model-len``, ``max-num-seqs``, ``profile``, ``quantization`` ..."""
    value: int | float | str
    was: int | float | str


@dataclass(frozen=True, kw_only=True)
class Fix:
    """The fewest changes, together, that turn a refusal; verified by sizing again."""

    __record__: ClassVar = ("changes", "cost")

    changes: tuple[Change, ...]
    cost: str
    """What is given up, in words: ``context shrinks from 4096 to 2560 tokens``."""
    sizing: Sizing


@dataclass(frozen=True, kw_only=True)
class SizeAnswer:
    """What ``rightslice size`` answers."""

    sizing: Sizing
    fix: Fix | None
    """The fewest changes on this device; None when it fits, or when no three changes help."""
    other_fixes: tuple[Fix, ...]
    """Every single change that would do, a larger device included."""
    solved: Flag | None
    """The largest setting that fits, when it was asked for."""
    comparison: tuple[Sizing, ...]
    """The same server on the other devices that were asked for."""


@dataclass(frozen=True, kw_only=True)
class LoggedTerm:
    """One term as a real start logged it, beside what sizing says."""

    name: str
    predicted: Band
    logged: int | None
    """None when the log does not print it."""


@dataclass(frozen=True, kw_only=True)
class LogAnswer:
    """What ``rightslice size --from-log`` answers: bytes by term, then tokens."""

    sizing: Sizing
    terms: tuple[LoggedTerm, ...]
    failure: str | None = None
    """The error that ended the logged start, as it was printed."""
