"""What loading allocates beyond the parameters: the allocator's rounding, and LoRA slots.

PyTorch's caching allocator serves a block of 10 MiB or more from a segment of whole 2 MiB, and
counts what is left of the segment with the block unless more than 1 MiB is left
(``c10/cuda/CUDACachingAllocator.cpp``: kMinLargeAlloc, kRoundLarge, should_split). vLLM keeps
query, key and value in one tensor, and gate and up in another. LoRA keeps, for each slot and linear
layer, a matrix into the rank and one out of it (``vllm/lora/layers``); the side that tensor
parallelism does not split is whole on every GPU. Known gap: LoRA of experts, of vision towers, and
of the vocabulary, which a few families have.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from rightslice.core.catalog.model import Attention, Layer, Part

_LARGE: Final = 10 * 2**20
_SEGMENT: Final = 2 * 2**20
_KEPT: Final = 2**20
_LORA_BYTES: Final = 2
_GATED_MATRICES: Final = 3


def rounding(size_bytes: int) -> int:
    """Return what the allocator counts beyond a tensor of *size_bytes*.

    >>> rounding(259 * 2**20), rounding(49 * 2**19), rounding(8 * 2**20)
    (1048576, 0, 0)
    """
    if size_bytes < _LARGE:
        return 0
    left = -size_bytes % _SEGMENT
    return left if left <= _KEPT else 0


def layer_rounding(
    layer: Layer, hidden: int, tensor_parallel: int, widths: Mapping[Part, float]
) -> int:
    """Return what the allocator counts beyond the tensors of one layer, on one rank.

    *widths* are the bytes of a stored value of each part, without its scales.
    """
    return sum(
        rounding(round(inputs * outputs * widths.get(part, 0)))
        for part, inputs, outputs in _stored(layer, hidden, tensor_parallel)
    )


def lora_bytes(layer: Layer, hidden: int, tensor_parallel: int) -> int:
    """Return the bytes of one slot of rank 1 in one layer, on one rank."""
    values = 0
    for _, inputs, outputs, matrices in _linears(layer, hidden, tensor_parallel):
        values += inputs * matrices + outputs
    return values * _LORA_BYTES


def _stored(layer: Layer, hidden: int, tensor_parallel: int) -> Iterator[tuple[Part, int, int]]:
    """Yield part, inputs and outputs of every large tensor as it is stored."""
    for part, inputs, outputs, _ in _linears(layer, hidden, tensor_parallel):
        yield part, inputs, outputs
    if layer.experts is not None:
        width = layer.experts.width // tensor_parallel
        yield Part.EXPERT, hidden, layer.experts.count * 2 * width
        yield Part.EXPERT, width, layer.experts.count * hidden


def _linears(
    layer: Layer, hidden: int, tensor_parallel: int
) -> Iterator[tuple[Part, int, int, int]]:
    """Yield part, inputs, outputs and fused matrices of every dense linear layer of one rank."""
    mixer = layer.mixer
    if isinstance(mixer, Attention):
        heads = mixer.query_heads // tensor_parallel
        kept = max(1, mixer.kv_heads // tensor_parallel)
        queries = heads * mixer.key_dim
        yield Part.ATTENTION, hidden, queries + kept * (mixer.key_dim + mixer.value_dim), 3
        yield Part.ATTENTION, heads * mixer.value_dim, hidden, 1
    width = layer.mlp_width // tensor_parallel
    if width:
        count = sum(group.count for group in layer.parameters if group.part is Part.MLP)
        up = 2 if count >= _GATED_MATRICES * hidden * layer.mlp_width else 1
        yield Part.MLP, hidden, up * width, up
        yield Part.MLP, width, hidden, 1
