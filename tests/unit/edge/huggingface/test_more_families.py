"""Families whose counts were compared with transformers 5.23.0 on the meta device.

Sizes are the defaults of each configuration class; totals are what the class's model holds.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from rightslice.core.catalog.model import Attention, Model, StateSpace
from rightslice.edge.huggingface import read_config
from rightslice.errors import FieldError

WIDE = {
    "vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32,
    "num_attention_heads": 32, "num_key_value_heads": 32, "max_position_embeddings": 2048,
    "num_local_experts": 8, "num_experts_per_tok": 2, "tie_word_embeddings": False,
}  # fmt: skip
STATES = {
    "mamba_n_heads": 128, "mamba_d_head": 64, "mamba_n_groups": 1, "mamba_d_state": 256,
    "mamba_d_conv": 4, "mamba_conv_bias": True,
}  # fmt: skip
CONVOLVED = ["conv", "conv", "full_attention", "conv"] * 8
CONFIGS: dict[str, tuple[int, dict[str, Any]]] = {
    "granitemoehybrid": (38_601_064_448, {
        **WIDE, **STATES, "shared_intermediate_size": 1024, "layer_types": ["mamba"] * 32,
    }),
    "granitemoeshared": (37_039_116_288, WIDE),
    "bamba": (9_992_765_440, {
        **STATES, "vocab_size": 128000, "hidden_size": 4096, "intermediate_size": 14336,
        "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8,
        "max_position_embeddings": 262144, "tie_word_embeddings": False,
    }),
    "falcon_h1": (8_514_961_408, {
        **STATES, "vocab_size": 128000, "hidden_size": 4096, "intermediate_size": 14336,
        "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8,
        "max_position_embeddings": 8192, "tie_word_embeddings": False, "mamba_d_ssm": 1024,
        "mamba_d_head": "auto",
    }),
    "jamba": (51_570_323_328, {
        "vocab_size": 65536, "hidden_size": 4096, "intermediate_size": 14336,
        "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8,
        "max_position_embeddings": 262144, "num_experts": 16, "num_experts_per_tok": 2,
        "mamba_dt_rank": "auto", "tie_word_embeddings": False,
    }),
    "lfm2": (2_941_607_680, {
        "vocab_size": 65536, "hidden_size": 2560, "intermediate_size": 12288,
        "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8,
        "max_position_embeddings": 128000, "layer_types": CONVOLVED,
    }),
    "lfm2_moe": (11_280_731_136, {
        "vocab_size": 65536, "hidden_size": 2048, "intermediate_size": 7168,
        "moe_intermediate_size": 1792, "num_hidden_layers": 32, "num_attention_heads": 32,
        "num_key_value_heads": 8, "max_position_embeddings": 128000, "num_experts": 32,
        "num_experts_per_tok": 4, "layer_types": CONVOLVED,
    }),
    "ernie4_5_moe": (21_825_437_888, {
        "vocab_size": 103424, "hidden_size": 2560, "intermediate_size": 12288,
        "num_hidden_layers": 28, "num_attention_heads": 20, "num_key_value_heads": 4,
        "max_position_embeddings": 131072, "tie_word_embeddings": True, "moe_k": 6,
        "moe_intermediate_size": 1536, "moe_num_experts": 64, "moe_num_shared_experts": 2,
        "moe_layer_start_index": 1, "moe_layer_end_index": 27, "moe_layer_interval": 1,
    }),
    "phimoe": (41_872_793_600, {
        **WIDE, "vocab_size": 32064, "intermediate_size": 6400, "num_key_value_heads": 8,
        "num_local_experts": 16,
    }),
    "glm4_moe_lite": (29_943_390_976, {
        "vocab_size": 154880, "hidden_size": 2048, "intermediate_size": 10240,
        "moe_intermediate_size": 1536, "num_hidden_layers": 47, "num_attention_heads": 20,
        "n_shared_experts": 1, "n_routed_experts": 64, "kv_lora_rank": 512, "q_lora_rank": 768,
        "qk_rope_head_dim": 64, "qk_nope_head_dim": 192, "v_head_dim": 256,
        "num_experts_per_tok": 4, "max_position_embeddings": 202752,
        "mlp_layer_types": ["dense"] + ["sparse"] * 46,
    }),
    "gemma3n_text": (6_835_235_568, {
        "vocab_size": 262400, "hidden_size": 2048,
        "intermediate_size": [16384] * 35,
        "num_hidden_layers": 35, "num_attention_heads": 8,
        "num_key_value_heads": 2, "head_dim": 256,
        "max_position_embeddings": 32768, "sliding_window": 512,
        "hidden_size_per_layer_input": 256,
        "vocab_size_per_layer_input": 262144,
        "num_kv_shared_layers": 15, "altup_num_inputs": 4, "laurel_rank": 64,
    }),
    "gemma4_text": (5_204_770_176, {
        "vocab_size": 262144, "hidden_size": 2304, "intermediate_size": 9216,
        "num_hidden_layers": 30, "num_attention_heads": 8, "num_key_value_heads": 4,
        "head_dim": 256, "global_head_dim": 512, "max_position_embeddings": 131072,
        "sliding_window": 512, "hidden_size_per_layer_input": 128,
        "vocab_size_per_layer_input": 262144, "num_kv_shared_layers": 20,
        "use_double_wide_mlp": True,
    }),
    "deepseek_v4": (284_325_869_015, {
        "vocab_size": 129280, "hidden_size": 4096, "moe_intermediate_size": 2048,
        "num_hidden_layers": 43, "num_attention_heads": 64, "head_dim": 512, "q_lora_rank": 1024,
        "num_experts_per_tok": 6, "n_routed_experts": 256, "n_shared_experts": 1, "hc_mult": 4,
        "max_position_embeddings": 1048576, "o_groups": 8, "o_lora_rank": 1024,
        "index_n_heads": 64, "index_head_dim": 128, "tie_word_embeddings": False,
        "compress_ratios": [128, 128, *([128, 4] * 20), 128],
    }),
}  # fmt: skip


def model_of(family: str, **changed: object) -> Model:
    """Read a family's config with some keys changed."""
    config = {"model_type": family, "torch_dtype": "bfloat16", **CONFIGS[family][1], **changed}
    return read_config(json.dumps(config), where="config.json")


@pytest.mark.parametrize("family", list(CONFIGS))
def test_counts_are_those_of_transformers(family: str) -> None:
    """Equal to a hundred-thousandth: routing corrections are buffers there, parameters here."""
    assert abs(model_of(family).parameters / CONFIGS[family][0] - 1) < 1e-5


def test_hybrids_mix_states_and_attention() -> None:
    """Granite's list and Bamba's indices say which layers attend."""
    kinds = ["mamba", "attention"] * 16
    granite = model_of("granitemoehybrid", layer_types=kinds)
    bamba = model_of("bamba", attn_layer_indices=[9, 18, 27])
    assert [isinstance(layer.mixer, StateSpace) for layer in granite.layers[:2]] == [True, False]
    assert sum(isinstance(layer.mixer, Attention) for layer in bamba.layers) == 3


def test_granite_without_experts_has_the_shared_part_alone() -> None:
    """Granite 4 Micro has no experts."""
    assert all(layer.experts is None for layer in model_of("granitemoehybrid",
                                                           num_local_experts=0).layers)  # fmt: skip


def test_gemma_4s_last_layers_have_no_cache_of_their_own() -> None:
    """Layers that read another's keys and values have no page, and a wider feed-forward part."""
    layers = model_of("gemma4_text").layers
    shared = [isinstance(layer.mixer, Attention) and layer.mixer.shares_kv for layer in layers]
    assert shared == [False] * 10 + [True] * 20
    assert (layers[0].mlp_width, layers[-1].mlp_width) == (9216, 18432)


def test_compressed_rows_are_said_to_be_estimated() -> None:
    """DeepSeek V4's parameters are counted; its cache is an estimate and says so."""
    assert "estimate" in model_of("deepseek_v4").assumptions[-1]


@pytest.mark.parametrize(
    ("family", "changed", "key"),
    [
        ("granitemoehybrid", {"layer_types": ["mamba"]}, "layer_types"),
        ("granitemoehybrid", {"layer_types": ["x"] * 32}, "layer_types"),
        ("gemma3n_text", {"intermediate_size": [1, 2]}, "intermediate_size"),
        ("gemma4_text", {"num_kv_shared_layers": 30}, "num_kv_shared_layers"),
        ("deepseek_v4", {"compress_ratios": [4]}, "compress_ratios"),
        ("deepseek_v4", {"layer_types": ["x"] * 43}, "layer_types"),
    ],
)
def test_lists_of_layers_are_checked(family: str, changed: dict[str, Any], key: str) -> None:
    """A list of another length, or of unknown kinds, is refused by its name."""
    with pytest.raises(FieldError, match=key):
        model_of(family, **changed)


@pytest.mark.parametrize(
    "changed",
    [{"moe_num_experts": 64}, {"mamba_d_ssm": 4}, {"conv_L_cache": 3}, {"hidden_act": "relu2"}],
)
def test_other_kinds_are_not_read_as_llama(changed: dict[str, Any]) -> None:
    """An unknown family that only looks like Llama is refused with the key that tells."""
    config = {
        "model_type": "unheard_of", "hidden_size": 64, "intermediate_size": 128,
        "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 100,
        "max_position_embeddings": 32, "torch_dtype": "bfloat16",
    }  # fmt: skip
    assert read_config(json.dumps(config), where="config.json").parameters > 0
    with pytest.raises(FieldError, match=next(iter(changed))):
        read_config(json.dumps(config | changed), where="config.json")


def test_a_tower_of_convolutions_is_not_guessed() -> None:
    """A tower that states no transformer's sizes is left out, and the model says so."""
    text = {"model_type": "gemma3n_text", **CONFIGS["gemma3n_text"][1]}
    config = {
        "model_type": "gemma3n", "torch_dtype": "bfloat16", "text_config": text,
        "vision_config": {"model_type": "gemma3n_vision", "architecture": "mobilenet"},
    }  # fmt: skip
    model = read_config(json.dumps(config), where="config.json")
    assert model.parameters == model.text_parameters
    assert "not counted" in model.assumptions[-1]
