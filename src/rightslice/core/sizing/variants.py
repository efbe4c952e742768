"""A model as it would be with quantized weights: the same architecture, other bytes.

Only linear layers are quantized, as published 8-bit and 4-bit checkpoints do; embeddings, lm_head,
norms and encoders keep their format.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from rightslice.core.catalog.gpu import MatmulDtype
from rightslice.core.catalog.model import Layer, Model, ModelName, WeightFormat
from rightslice.core.sizing.parameters import LINEAR_PARTS


@dataclass(frozen=True, slots=True)
class Variant:
    """A kind of quantized checkpoint."""

    name: str
    method: str
    format: WeightFormat


EIGHT_BIT: Final = Variant(
    "8-bit checkpoint",
    "compressed-tensors",
    WeightFormat(name="int8", bytes_per_parameter=1.0, matmul=MatmulDtype.INT8),
)
"""One scale per output channel, which is below 0.1 % (vLLM compressed-tensors w8a8)."""
FOUR_BIT: Final = Variant(
    "4-bit checkpoint",
    "compressed-tensors",
    WeightFormat(name="int4", bytes_per_parameter=0.5 + 2 / 128, matmul=MatmulDtype.FP16),
)
"""Groups of 128 with a 16-bit scale (vLLM compressed-tensors w4a16)."""


@lru_cache(maxsize=512)
def quantized(model: Model, variant: Variant) -> Model:
    """Return *model* with its linear layers stored as *variant* stores them."""
    return replace(
        model,
        name=ModelName(f"{model.name} ({variant.name})"),
        layers=tuple(_layer(layer, variant.format) for layer in model.layers),
        quantization=variant.method,
        base=model.base or model.name,
        checkpoint_bytes=None,
    )


def _layer(layer: Layer, weight_format: WeightFormat) -> Layer:
    return replace(
        layer,
        parameters=tuple(
            replace(group, format=weight_format) if group.part in LINEAR_PARTS else group
            for group in layer.parameters
        ),
    )
