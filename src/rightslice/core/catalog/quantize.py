"""What engine flags do to the stored weights: ``--quantization`` at load time, ``--dtype``.

vLLM quantizes at load time the linear layers only: attention, feed-forward, experts and state
space projections; embeddings, output head, norms, routers and encoders keep 16 bit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from rightslice.core.catalog.gpu import MatmulDtype
from rightslice.core.catalog.model import Layer, Model, ParameterGroup, Part, WeightFormat
from rightslice.errors import InputError

RUNTIME_FORMATS: Final[Mapping[str, WeightFormat]] = MappingProxyType(
    {
        "fp8": WeightFormat(name="fp8", bytes_per_parameter=1.0, matmul=MatmulDtype.FP8),
        "bitsandbytes": WeightFormat(
            name="nf4", bytes_per_parameter=0.5625, matmul=MatmulDtype.FP16
        ),
    }
)
"""Methods that vLLM applies to a 16 bit checkpoint while loading it, with the format they give."""

_LINEAR: Final = frozenset({Part.ATTENTION, Part.MLP, Part.EXPERT, Part.STATE_SPACE})
_DTYPES: Final[Mapping[str, WeightFormat]] = MappingProxyType(
    {
        "bfloat16": WeightFormat(name="bf16", bytes_per_parameter=2.0, matmul=MatmulDtype.FP16),
        "float16": WeightFormat(name="fp16", bytes_per_parameter=2.0, matmul=MatmulDtype.FP16),
        "float32": WeightFormat(name="fp32", bytes_per_parameter=4.0, matmul=MatmulDtype.FP16),
    }
)
_PLAIN: Final = frozenset({"bf16", "fp16", "fp32"})


def with_runtime_quantization(model: Model, method: str) -> Model:
    """Return *model* as vLLM holds it under ``--quantization`` *method*.

    A checkpoint that is quantized already is returned unchanged: the flag then only names its
    method (vLLM ``ModelConfig._verify_quantization``).

    Raises:
        InputError: when vLLM has no such method for 16 bit checkpoints.
    """
    if model.quantization is not None:
        return model
    if method not in RUNTIME_FORMATS:
        raise InputError(
            f"quantization {method!r} needs a checkpoint that is quantized so;"
            f" at load time there are {', '.join(RUNTIME_FORMATS)}"
        )
    format_ = RUNTIME_FORMATS[method]

    def quantized(group: ParameterGroup) -> ParameterGroup:
        return replace(group, format=format_) if group.part in _LINEAR else group

    return replace(_mapped(model, quantized), quantization=method)


def with_dtype(model: Model, dtype: str) -> Model:
    """Return *model* with its unquantized weights held as *dtype* (``--dtype``).

    Raises:
        InputError: when *dtype* is not ``bfloat16``, ``float16`` or ``float32`` (or a short form).
    """
    name = {"half": "float16", "float": "float32"}.get(dtype, dtype)
    if name not in _DTYPES:
        raise InputError(f"dtype {dtype!r} must be auto, {', '.join(_DTYPES)}, half or float")
    format_ = _DTYPES[name]

    def cast(group: ParameterGroup) -> ParameterGroup:
        return replace(group, format=format_) if group.format.name in _PLAIN else group

    return _mapped(model, cast)


def _mapped(model: Model, change: Callable[[ParameterGroup], ParameterGroup]) -> Model:
    """Return *model* with every group changed; equal layers stay one object."""
    layers: dict[int, Layer] = {
        id(layer): replace(layer, parameters=tuple(change(group) for group in layer.parameters))
        for layer in model.layers
    }
    return replace(
        model,
        layers=tuple(layers[id(layer)] for layer in model.layers),
        shared=tuple(change(group) for group in model.shared),
    )
