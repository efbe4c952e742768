"""Bytes per parameter of the number formats, with their scales and zero points.

Scales: FP8 and INT8 per output channel one 4-byte number (2-byte in weight-only checkpoints), FP8
blocks of 128 x 128 one 4-byte number; INT4 groups of g inputs a 2-byte scale and, when asymmetric,
a 4-bit zero point; NVFP4 a byte for 16 values, MXFP4 a byte for 32; NF4 a 4-byte maximum for 64
values (vLLM undoes bitsandbytes' double quantization on loading).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

from rightslice.core.catalog.gpu import MatmulDtype
from rightslice.core.catalog.model import WeightFormat

BF16: Final = WeightFormat(name="bf16", bytes_per_parameter=2.0, matmul=MatmulDtype.FP16)
FP16: Final = WeightFormat(name="fp16", bytes_per_parameter=2.0, matmul=MatmulDtype.FP16)
NVFP4: Final = WeightFormat(name="nvfp4", bytes_per_parameter=0.5625, matmul=MatmulDtype.FP4)
NVFP4_WEIGHTS: Final = WeightFormat(
    name="nvfp4", bytes_per_parameter=0.5625, matmul=MatmulDtype.FP16
)
MXFP4: Final = WeightFormat(name="mxfp4", bytes_per_parameter=0.53125, matmul=MatmulDtype.FP16)
NF4: Final = WeightFormat(name="nf4", bytes_per_parameter=0.5625, matmul=MatmulDtype.FP16)
FP8_TENSOR: Final = WeightFormat(name="fp8", bytes_per_parameter=1.0, matmul=MatmulDtype.FP8)


@dataclass(frozen=True, kw_only=True, slots=True)
class Scheme:
    """How a quantizer stores a weight."""

    kind: str
    """``fp8``, ``int8``, ``int4``, ``nvfp4``, ``mxfp4`` or ``nf4``."""
    bits: int = 8
    strategy: str = "channel"
    """``tensor``, ``channel``, ``group`` or ``block``."""
    group: int = 128
    block: tuple[int, int] = (128, 128)
    zeros: bool = False
    weight_only: bool = False
    """Activations stay 16 bit, so that weights are widened before they multiply."""


@cache
def weight_format(scheme: Scheme, inputs: int) -> WeightFormat:
    """Return the format of a weight of *inputs* columns under *scheme*.

    >>> weight_format(Scheme(kind="int4", bits=4, strategy="group", weight_only=True), 4096)
    WeightFormat(name='int4', bytes_per_parameter=0.515625, matmul=<MatmulDtype.FP16: 'fp16'>)
    """
    match scheme.kind:
        case "nvfp4":
            return NVFP4_WEIGHTS if scheme.weight_only else NVFP4
        case "mxfp4":
            return MXFP4
        case "nf4":
            return NF4
    return WeightFormat(
        name=scheme.kind,
        bytes_per_parameter=scheme.bits / 8 + _scale_bytes(scheme, inputs),
        matmul=_matmul(scheme),
    )


def _scale_bytes(scheme: Scheme, inputs: int) -> float:
    width = 2 if scheme.weight_only else 4
    match scheme.strategy:
        case "tensor":
            return 0.0
        case "block":
            return 4 / (scheme.block[0] * scheme.block[1])
        case "group":
            span = scheme.group
        case _:
            span = max(inputs, 1)
    return (width + (scheme.bits / 8 if scheme.zeros else 0)) / span


def _matmul(scheme: Scheme) -> MatmulDtype:
    if scheme.weight_only or scheme.bits < 8:
        return MatmulDtype.FP16
    return MatmulDtype.FP8 if scheme.kind == "fp8" else MatmulDtype.INT8
