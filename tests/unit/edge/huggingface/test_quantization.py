"""Number formats of quantized checkpoints, and what they leave alone."""

from __future__ import annotations

import json

import pytest

from rightslice.core.catalog.gpu import MatmulDtype
from rightslice.core.catalog.model import Model, Part, WeightFormat
from rightslice.edge.huggingface import read_config
from rightslice.errors import FieldError

LLAMA: dict[str, object] = {
    "model_type": "llama", "hidden_size": 512, "intermediate_size": 1024, "num_hidden_layers": 2,
    "num_attention_heads": 4, "vocab_size": 100, "max_position_embeddings": 32,
    "torch_dtype": "bfloat16",
}  # fmt: skip


def read(quantization: object, sidecar: object = None) -> Model:
    """Return a small model quantized as *quantization* or *sidecar* says."""
    config = LLAMA if quantization is None else {**LLAMA, "quantization_config": quantization}
    text = None if sidecar is None else json.dumps(sidecar)
    return read_config(json.dumps(config), where="config.json", quant_text=text)


def mlp_format(model: Model, layer: int = 0) -> WeightFormat:
    """Return the format of the first feed-forward matrices of a layer."""
    return next(g.format for g in model.layers[layer].parameters if g.part is Part.MLP)


def compressed(weights: dict[str, object], *, activations: bool) -> dict[str, object]:
    """Return a compressed-tensors config of one group."""
    group = {"targets": ["Linear"], "weights": weights}
    inputs = {"input_activations": {"num_bits": 8}} if activations else {}
    return {
        "quant_method": "compressed-tensors",
        "config_groups": {"group_0": {**group, **inputs}},
        "ignore": ["lm_head"],
    }


FP8_BLOCK = {"quant_method": "fp8", "weight_block_size": [128, 128]}
INT4 = {"num_bits": 4, "type": "int", "strategy": "group", "group_size": 128}
INT8 = {"num_bits": 8, "type": "int", "strategy": "tensor"}


@pytest.mark.parametrize(
    ("config", "bytes_", "matmul"),
    [
        ({"quant_method": "fp8"}, 1.0, MatmulDtype.FP8),
        (FP8_BLOCK, 1 + 4 / 128**2, MatmulDtype.FP8),
        (compressed(INT4, activations=False), 0.5 + 2 / 128, MatmulDtype.FP16),
        (compressed(INT8, activations=True), 1.0, MatmulDtype.INT8),
        (compressed(INT8, activations=False), 1.0, MatmulDtype.FP16),
        ({"quant_method": "gptq", "bits": 4, "group_size": 128}, 0.5 + 2 / 128, MatmulDtype.FP16),
        ({"quant_method": "awq", "bits": 4, "group_size": 128}, 0.5 + 2.5 / 128, MatmulDtype.FP16),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, 0.5625, MatmulDtype.FP16),
        ({"quant_method": "modelopt", "quant_algo": "NVFP4"}, 0.5625, MatmulDtype.FP4),
    ],
)
def test_formats_count_their_scales(config: object, bytes_: float, matmul: MatmulDtype) -> None:
    """Bytes per parameter include scales and zero points; arithmetic follows the activations."""
    found = mlp_format(read(config))
    assert found.bytes_per_parameter == pytest.approx(bytes_)
    assert found.matmul is matmul


def test_embeddings_heads_and_norms_keep_sixteen_bits() -> None:
    """Only linear layers are converted."""
    kept = {g.format.name for g in read({"quant_method": "fp8"}).groups if g.part in (
        Part.EMBEDDING, Part.LM_HEAD, Part.NORM,
    )}  # fmt: skip
    assert kept == {"bf16"}


@pytest.mark.parametrize(
    "entry",
    ["model.layers.1.mlp", "model.layers.1", "re:.*layers.1.mlp.*", "layers.1.mlp.*"],
)
def test_ignored_modules_keep_sixteen_bits(entry: str) -> None:
    """Names, parents of names, patterns and globs all spare the module."""
    config = {**compressed(INT8, activations=True), "ignore": ["lm_head", entry]}
    model = read(config)
    assert [mlp_format(model, layer).name for layer in (0, 1)] == ["int8", "bf16"]


def test_layers_with_other_formats_are_other_layers() -> None:
    """A layer is shared only with layers of the same formats."""
    model = read({"quant_method": "fp8", "modules_to_not_convert": ["model.layers.1"]})
    assert model.layers[0] is not model.layers[1]


def test_the_sidecar_of_modelopt_is_read() -> None:
    """hf_quant_config.json says how the checkpoint is quantized and what is excluded."""
    sidecar = {
        "quantization": {"quant_algo": "FP8", "exclude_modules": ["model.layers.0.mlp*", "lm_head"]}
    }
    model = read(None, sidecar)
    assert [mlp_format(model, layer).name for layer in (0, 1)] == ["bf16", "fp8"]


def test_groups_may_target_some_modules_only() -> None:
    """A group that names its modules goes before one that means every linear layer."""
    config = compressed(INT8, activations=True)
    groups = config["config_groups"]
    assert isinstance(groups, dict)
    groups["group_1"] = {"targets": ["re:.*mlp.*"], "weights": INT4}
    model = read(config)
    assert mlp_format(model).name == "int4"


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"quant_method": "gptq", "bits": 5}, "bits: must be 2, 3, 4 or 8"),
        ({"quant_method": "fp8", "weight_block_size": [128]}, "must hold two sizes"),
        ({"quant_method": "compressed-tensors", "config_groups": {}}, "is empty"),
        ({"quant_method": "compressed-tensors"}, "config_groups: is missing"),
        ({"bits": 4}, "quant_method: is missing"),
        ({**compressed(INT8, activations=True), "ignore": ["re:("]}, "not a regular expression"),
    ],
)
def test_wrong_settings_are_named(config: object, said: str) -> None:
    """A quantizer's config is checked like any other."""
    with pytest.raises(FieldError, match="quantization_config") as caught:
        read(config)
    assert said in str(caught.value)
