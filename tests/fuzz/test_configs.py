"""Damaged ``config.json`` files are refused with file and key, or sized; never a trace.

The undamaged ones are made for these tests: a dense model, experts with latent attention, a
hybrid with a state space, one with an encoder, and a quantization written beside.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

Checked = Callable[..., Any]
Tree = Any  # what YAML and JSON hold: dicts, lists and scalars, all the way down
FUZZ = settings.get_profile("fuzz")
DENSE = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 512,
    "intermediate_size": 1376, "num_hidden_layers": 4, "num_attention_heads": 8,
    "num_key_value_heads": 2, "head_dim": 64, "vocab_size": 32000, "max_position_embeddings": 8192,
    "torch_dtype": "bfloat16", "tie_word_embeddings": False, "sliding_window": None,
    "rope_scaling": {"factor": 8.0, "rope_type": "llama3",
    "original_max_position_embeddings": 8192},
    "quantization_config": {
        "quant_method": "compressed-tensors", "format": "pack-quantized", "ignore": ["lm_head"],
        "config_groups": {"group_0": {"targets": ["Linear"], "weights": {
            "num_bits": 4, "type": "int", "group_size": 128, "strategy": "group"}}},
    },
}  # fmt: skip
LATENT = {
    "architectures": ["DeepseekV3ForCausalLM"], "model_type": "deepseek_v3", "hidden_size": 512,
    "intermediate_size": 1024, "moe_intermediate_size": 128, "num_hidden_layers": 4,
    "num_attention_heads": 8, "num_key_value_heads": 8, "q_lora_rank": 128, "kv_lora_rank": 64,
    "qk_nope_head_dim": 32, "qk_rope_head_dim": 16, "v_head_dim": 32, "n_routed_experts": 8,
    "n_shared_experts": 1, "num_experts_per_tok": 2, "first_k_dense_replace": 1,
    "moe_layer_freq": 1, "vocab_size": 1000, "max_position_embeddings": 4096,
    "torch_dtype": "bfloat16", "num_nextn_predict_layers": 1,
    "quantization_config": {"quant_method": "fp8", "weight_block_size": [128, 128]},
}  # fmt: skip
EXPERTS = {
    "architectures": ["Qwen3MoeForCausalLM"], "model_type": "qwen3_moe", "hidden_size": 512,
    "intermediate_size": 1024, "moe_intermediate_size": 128, "num_hidden_layers": 4,
    "num_attention_heads": 8, "num_key_value_heads": 2, "head_dim": 64, "num_experts": 8,
    "num_experts_per_tok": 2, "decoder_sparse_step": 1, "mlp_only_layers": [0], "vocab_size": 1000,
    "max_position_embeddings": 4096, "torch_dtype": "bfloat16", "tie_word_embeddings": True,
}  # fmt: skip
WINDOWED = {
    "architectures": ["Gemma3ForConditionalGeneration"], "model_type": "gemma3",
    "text_config": {
        "model_type": "gemma3_text", "hidden_size": 512, "intermediate_size": 1024,
        "num_hidden_layers": 6, "num_attention_heads": 4, "num_key_value_heads": 2,
        "head_dim": 128, "sliding_window": 512, "sliding_window_pattern": 6, "vocab_size": 1000,
        "max_position_embeddings": 8192, "rope_scaling": {"factor": 8.0, "rope_type": "linear"},
    },
    "vision_config": {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
        "num_attention_heads": 4, "image_size": 224, "patch_size": 14},
    "mm_tokens_per_image": 256, "torch_dtype": "bfloat16",
}  # fmt: skip
STATES = {
    "architectures": ["NemotronHForCausalLM"], "model_type": "nemotron_h", "hidden_size": 512,
    "hybrid_override_pattern": "MEM*EM-E", "num_hidden_layers": 8, "intermediate_size": 256,
    "num_attention_heads": 8, "num_key_value_heads": 2, "head_dim": 64, "mamba_num_heads": 16,
    "mamba_head_dim": 64, "n_groups": 8, "ssm_state_size": 128, "conv_kernel": 4,
    "mamba_ssm_cache_dtype": "float32", "moe_intermediate_size": 256, "n_routed_experts": 8,
    "moe_shared_expert_intermediate_size": 512, "n_shared_experts": 1, "num_experts_per_tok": 2,
    "vocab_size": 1000, "max_position_embeddings": 4096, "torch_dtype": "bfloat16",
    "tie_word_embeddings": False, "use_conv_bias": True,
}  # fmt: skip
BESIDE = {
    "producer": {"name": "modelopt", "version": "0.23.0"},
    "quantization": {"quant_algo": "NVFP4", "kv_cache_quant_algo": "FP8", "group_size": 16,
        "exclude_modules": ["lm_head"]},
}  # fmt: skip
ODD: list[Any] = [
    None, True, False, 0, 1, -1, 2, 3, 7, 128, 10**6, 2**24, 2**24 + 1, 2**33, 10**40, 0.5, -0.5,
    1e-300, 1e300, float("nan"), float("inf"), "", "0", "8", "float32", "torch.float16", "fp8",
    "int4",
    "awq", "gptq", "mxfp4", "bitsandbytes", "NVFP4", "W4A16", "x" * 4000, "ünï\u0000", "[/]",
    "\x1b[31m",
    [], [0], [None], ["attention"], ["re:.*"], ["re:("], ["lm_head", 3], {}, {"a": {}}, [[]], [1,
    2, 3],
    "llama", "mamba2", "gemma4", "qwen3_next", "opt", "gpt2", "whisper", "bert", "t5", "nemotron_h",
]  # fmt: skip
KEYS = [
    "text_config", "llm_config", "model_type", "quantization_config", "layer_types",
    "sliding_window",
    "num_key_value_heads", "head_dim", "num_experts", "kv_lora_rank", "attn_layer_indices", "zzz",
    "",
    "hybrid_override_pattern", "block_configs", "n_head", "n_embd", "d_model", "vocab_size",
    "dtype",
]  # fmt: skip


def places(tree: Tree, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every value under *tree*."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in items:
        yield (*at, key)
        if isinstance(value, dict | list):
            yield from places(value, (*at, key))


@st.composite
def damaged(draw: st.DrawFn, *whole: dict[str, Any]) -> str:
    """Draw the JSON text of one of *whole* with one to three of its values changed."""
    tree = copy.deepcopy(draw(st.sampled_from(whole)))
    for _ in range(draw(st.integers(1, 3))):
        everywhere = list(places(tree))
        if not everywhere:
            break
        *above, key = everywhere[draw(st.integers(0, len(everywhere) - 1))]
        holder = tree
        for step in above:
            holder = holder[step]
        match draw(st.sampled_from(["set", "set", "set", "delete", "rename"])):
            case "delete":
                del holder[key]
            case "rename" if isinstance(holder, dict):
                holder[draw(st.sampled_from(KEYS))] = holder.pop(key)
            case _:
                holder[key] = copy.deepcopy(draw(st.sampled_from(ODD)))
    text = json.dumps(tree)
    return text[: draw(st.integers(0, len(text)))] if draw(st.integers(0, 19)) == 0 else text


def size_it(checked: Checked, folder: Path, texts: dict[str, str]) -> int:
    """Size the model that *texts* describe; return the exit code."""
    home = folder / "model"
    home.mkdir(exist_ok=True)
    for name, text in texts.items():
        (home / name).write_text(text, encoding="utf-8")
    try:
        answer = checked("size", "./model/config.json", "--gpu", "H100-80GB", names=["config.json"])
    finally:
        for name in texts:
            (home / name).unlink()
    code: int = answer.code
    return code


@pytest.mark.parametrize("config", [DENSE, LATENT, EXPERTS, WINDOWED, STATES])
def test_undamaged_configs_are_sized(checked: Checked, folder: Path, config: Tree) -> None:
    """What the damage starts from is sound, and fits an H100."""
    assert size_it(checked, folder, {"config.json": json.dumps(config)}) == 0


@pytest.mark.fuzz
@settings(FUZZ, max_examples=1200)
@given(text=damaged(DENSE, LATENT, EXPERTS, WINDOWED, STATES))
def test_damaged_configs(checked: Checked, folder: Path, text: str) -> None:
    """A damaged config is refused with its key, or sized."""
    size_it(checked, folder, {"config.json": text})


@pytest.mark.fuzz
@settings(FUZZ, max_examples=300)
@given(text=damaged(BESIDE))
def test_damaged_quantization_beside(checked: Checked, folder: Path, text: str) -> None:
    """A damaged hf_quant_config.json beside a sound config is refused with its key, or sized."""
    plain = {key: value for key, value in DENSE.items() if key != "quantization_config"}
    size_it(checked, folder, {"config.json": json.dumps(plain), "hf_quant_config.json": text})
