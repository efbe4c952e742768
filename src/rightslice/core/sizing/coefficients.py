"""What sizing cannot compute from the model: global coefficients, each with its origin.

The values are data (``data/memory.toml``), read by `edge.memory_coefficients`. None belongs to a
model: all are constants of the engine's code paths or of the CUDA libraries under it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from rightslice.core.catalog.estimate import Band
from rightslice.core.catalog.source import Source


@dataclass(frozen=True, kw_only=True)
class NonTorch:
    """Memory outside the torch allocator, from one release on, by how many GPUs work together."""

    first: str
    """First release with these values."""
    origin: str
    """Whether they were measured, or what they are taken from."""
    single: Band
    pipeline: Band
    """Pipeline parallel only."""
    tensor_two: Band
    tensor_more: Band


@dataclass(frozen=True, kw_only=True)
class Activation:
    """The two phases of the profile run; formulas in `core.sizing.activation`."""

    fixed_bytes: int
    """Small tensors of either phase."""
    sampler_workspace_bytes: int
    """Of the fused top-k/top-p kernels; where PyTorch sorts there is none."""
    sorting_bytes_per_logit: float
    """From this many bytes per logit on, PyTorch sorts."""
    fused_bytes_per_logit: float
    """Where kernels sample without a sort: the least that a release may take."""
    sampler_hidden_factor: float
    """Hidden states alive while sampling, in copies of (batched tokens x hidden size)."""
    forward_intermediate_bytes: float
    """Bytes per token and intermediate value in the forward phase."""
    forward_hidden_bytes: float
    """Bytes per token and hidden value in the forward phase."""
    pipeline_hidden_bytes: float
    """The same for tensors that a pipeline stage receives, and again for those that it sends."""
    encoder_patches: int
    """Patches that a vision tower reads for each token that it hands on."""
    encoder_depth: int
    """Layers of a usual tower; with its parameters this gives its width."""
    encoder_hidden_bytes: float
    """Bytes per patch and hidden value while the tower runs (four times as wide inside)."""
    spread_ratio: float
    """Half width of the 90 % band, as a share of the peak."""
    spread_bytes: int
    extrapolated_ratio: float
    """The same for towers, state spaces and releases without a measured row."""
    encoder_spread_ratio: float
    """The same where a vision or audio tower is the larger phase."""


@dataclass(frozen=True, kw_only=True)
class Graphs:
    """CUDA graph memory; formula in `core.sizing.graphs`."""

    fixed_bytes: int
    """Of the pool, whatever is captured."""
    bytes_per_kernel: int
    """Per kernel and captured graph."""
    attention_splits: int
    """Partial results that FlashAttention 3 keeps room for, in FULL graphs."""
    extrapolated_ratio: float
    """The spread on boards and in modes without a measured row."""
    estimate_bytes: int
    """What vLLM's own estimate may exceed graphs by, with tensor parallelism."""
    spread_ratio: float
    spread_bytes: int


@dataclass(frozen=True, kw_only=True)
class WarmUp:
    """What the run after graph capture needs, in multiples of the sampler phase."""

    fused_ratio: float
    """Dense layers and fused experts: nothing but the sampler itself."""
    unfused_ratio: float
    """Expert kernels with workspaces of their own (mxfp4)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class MemoryCoefficients:
    """Every global coefficient of the memory model. Compared by identity: one set is shared."""

    context: Band
    """CUDA context: taken before the engine reads the free memory for the first time."""
    non_torch: tuple[NonTorch, ...]
    """Oldest first."""
    weights_low_ratio: float
    """Logged weights over computed weights at the low end of the 90 % band."""
    weights_high_ratio: float
    activation: Activation
    graphs: Graphs
    warm_up: WarmUp
    source: Source


@lru_cache(maxsize=256)
def release_number(version: str) -> tuple[int, ...]:
    """Return the numbers of a release, for comparison.

    >>> release_number("0.8.5.post1") < release_number("0.11.0")
    True
    """
    numbers = []
    for part in version.removeprefix("v").split("."):
        digits = ""
        for character in part:
            if not character.isdigit():
                break
            digits += character
        if not digits:
            break
        numbers.append(int(digits))
    return tuple(numbers)
