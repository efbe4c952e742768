"""Kernels that one decoding step of a layer launches: what a captured CUDA graph holds of it.

Counted in vLLM's layers (``model_executor/layers``, ``v1/attention/backends``), after the fusions
that ``torch.compile`` makes by default. A graph keeps the arguments of each kernel; counts are
what its size follows, layers alone are not: a layer of experts launches twice as many as a dense
one. Known gap: quantized activations add up to one a linear layer, of which compilation fuses most;
custom all-reduce adds two a layer, in place of none on one GPU.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from rightslice.core.catalog.model import Attention, LatentAttention, Layer, Part
from rightslice.core.sizing.parameters import UNFUSED_EXPERTS, StageWeights

_ATTENTION: Final = 7
"""Norm, query-key-value, rotary embedding, cache write, attention, its splits, output."""
_LATENT: Final = 13
"""Norm, two query projections and a norm, latent projection and norm, rotary embedding, cache
write, into and out of the latent space, attention, its splits, output."""
_STATE_SPACE: Final = 10
"""Norm, projections in, convolution, gates, two norms of keys and queries, recurrence, gated norm,
projection out."""
_DENSE: Final = 4
"""Norm, up, activation, down."""
_EXPERTS: Final = 10
"""Norm, router, top-k, alignment of tokens to experts (3), up, activation, down, sum."""
_SHARED: Final = 5
"""Up, activation, down, gate, sum."""
_UNFUSED_EXPERTS: Final = 23
"""Norm; padding, router and bias (4), top-k (2), conversions (3), bit matrix (4), its sums (2),
routing (2), invalid weights (2), two products (2), sum and slice (2): the ``triton_kernels`` path
(``fused_moe/gpt_oss_triton_kernels_moe.py``)."""
_LORA: Final = 8
"""Shrink and expand of four fused linear layers, where a batch has adapters: half of the graphs."""


@lru_cache(maxsize=4096)
def stage_kernels(stage: StageWeights, *, lora: bool) -> int:
    """Return the kernels of one step through *stage*, as the mean over captured graphs."""
    return (
        sum(layer_kernels(layer) for layer in stage.layers) + lora * len(stage.layers) * _LORA // 2
    )


def layer_kernels(layer: Layer) -> int:
    """Return the kernels of one step through *layer*."""
    return _mixer_kernels(layer) + _feed_forward_kernels(layer)


def _mixer_kernels(layer: Layer) -> int:
    mixer = layer.mixer
    if mixer is None:
        return 0
    if isinstance(mixer, LatentAttention):
        return _LATENT
    return _ATTENTION if isinstance(mixer, Attention) else _STATE_SPACE


def _feed_forward_kernels(layer: Layer) -> int:
    if layer.experts is None:
        return _DENSE if layer.mlp_width else 0
    formats = {group.format.name for group in layer.parameters if group.part is Part.EXPERT}
    experts = _UNFUSED_EXPERTS if formats & UNFUSED_EXPERTS else _EXPERTS
    return experts + (_SHARED if layer.mlp_width else 0)
