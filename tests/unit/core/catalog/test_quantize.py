"""Weights as engine flags change them."""

from __future__ import annotations

import pytest

from rightslice.core.catalog.gpu import MatmulDtype
from rightslice.core.catalog.model import (
    Layer,
    Model,
    ModelName,
    ParameterGroup,
    Part,
    Split,
    WeightFormat,
)
from rightslice.core.catalog.quantize import with_dtype, with_runtime_quantization
from rightslice.errors import InputError

BF16 = WeightFormat(name="bf16", bytes_per_parameter=2.0, matmul=MatmulDtype.FP16)


def group(part: Part) -> ParameterGroup:
    """Return a thousand parameters of *part*."""
    return ParameterGroup(part=part, count=1000, split=Split.SHARDED, format=BF16)


LAYER = Layer(mixer=None, experts=None, mlp_width=8, parameters=(group(Part.MLP), group(Part.NORM)))
MODEL = Model(
    name=ModelName("small"), family="llama", hidden_size=8, vocab_size=8, max_position=8,
    checkpoint_dtype="bfloat16", layers=(LAYER, LAYER), shared=(group(Part.EMBEDDING),),
    ties_embeddings=True, quantization=None,
)  # fmt: skip


def test_fp8_at_load_time_converts_linear_layers_only() -> None:
    """Norms and embeddings keep 16 bit, and layers stay shared."""
    model = with_runtime_quantization(MODEL, "fp8")
    assert [g.format.name for g in model.layers[0].parameters] == ["fp8", "bf16"]
    assert model.shared[0].format is BF16
    assert model.layers[0] is model.layers[1]


def test_a_quantized_checkpoint_is_left_alone() -> None:
    """The flag then only names the method."""
    model = with_runtime_quantization(MODEL, "fp8")
    assert with_runtime_quantization(model, "fp8") is model


def test_methods_that_need_a_checkpoint_are_refused() -> None:
    """AWQ cannot be applied while loading."""
    with pytest.raises(InputError, match="at load time there are fp8"):
        with_runtime_quantization(MODEL, "awq")


def test_float32_doubles_every_plain_weight() -> None:
    """--dtype float32 holds what is not quantized in four bytes."""
    sizes = {g.format.bytes_per_parameter for g in with_dtype(MODEL, "float").groups}
    assert sizes == {4.0}


def test_unknown_dtypes_are_refused() -> None:
    """The message lists those that vLLM takes."""
    with pytest.raises(InputError, match="must be auto, bfloat16, float16, float32"):
        with_dtype(MODEL, "int8")
