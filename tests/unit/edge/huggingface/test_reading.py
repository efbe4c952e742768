"""From the text of a config to a model, and every wrong text to an error that names the key."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rightslice.core.catalog.model import Attention, LatentAttention, Model, Part, StateSpace
from rightslice.edge.huggingface import read_config
from rightslice.errors import FieldError, InputError

Config = dict[str, Any]
LLAMA: Config = {
    "model_type": "llama", "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 4,
    "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 100,
    "max_position_embeddings": 32, "torch_dtype": "bfloat16",
}  # fmt: skip
EXPERTS: Config = {
    **LLAMA, "model_type": "qwen3_moe", "head_dim": 16, "num_experts": 8, "num_experts_per_tok": 2,
    "moe_intermediate_size": 32,
}  # fmt: skip
LATENT: Config = {
    **LLAMA, "model_type": "deepseek_v3", "kv_lora_rank": 16, "q_lora_rank": 8,
    "qk_nope_head_dim": 8, "qk_rope_head_dim": 4, "v_head_dim": 8, "n_routed_experts": 8,
    "num_experts_per_tok": 2, "moe_intermediate_size": 32, "first_k_dense_replace": 1,
    "n_shared_experts": 1,
}  # fmt: skip
HYBRID: Config = {
    **LLAMA, "model_type": "nemotron_h", "hybrid_override_pattern": "M*-E", "mamba_num_heads": 4,
    "mamba_head_dim": 8, "ssm_state_size": 16, "n_groups": 1, "conv_kernel": 4,
    "n_routed_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16,
}  # fmt: skip
GEMMA3: Config = {
    "model_type": "gemma3",
    "text_config": {**LLAMA, "model_type": "gemma3_text", "head_dim": 16, "sliding_window": 8},
    "vision_config": {
        "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "image_size": 56,
    },
}  # fmt: skip
SEEDS = (LLAMA, EXPERTS, LATENT, HYBRID, GEMMA3)


def read(config: Mapping[str, object]) -> Model:
    """Return the model of *config*."""
    return read_config(json.dumps(config), where="config.json")


def test_llama_is_counted_to_the_last_parameter() -> None:
    """Four layers of attention, gated feed-forward and norms; embedding, head and a norm."""
    layer = 2 * 64 * 64 + 2 * 64 * 32 + 3 * 64 * 128 + 2 * 64
    assert read(LLAMA).parameters == 4 * layer + 2 * 100 * 64 + 64


def test_layers_that_are_alike_are_one_object() -> None:
    """Sharing keeps a model of a hundred layers small."""
    assert len({id(layer) for layer in read(LLAMA).layers}) == 1


def test_null_kv_heads_mean_one_for_each_query_head() -> None:
    """As in transformers, null and absent are the same for Llama."""
    mixer = read({**LLAMA, "num_key_value_heads": None}).layers[0].mixer
    assert isinstance(mixer, Attention)
    assert mixer.kv_heads == 4


def test_qwen_without_kv_heads_is_refused() -> None:
    """Where the class default fits no published model, the key must be written."""
    config = {key: value for key, value in LLAMA.items() if key != "num_key_value_heads"}
    with pytest.raises(FieldError, match=r"config\.json: num_key_value_heads: is missing"):
        read({**config, "model_type": "qwen2"})


@pytest.mark.parametrize(
    ("family", "ties"), [("llama", False), ("gemma", True), ("qwen2", False), ("cohere", True)]
)
def test_families_tie_embeddings_by_their_own_default(family: str, ties: bool) -> None:  # noqa: FBT001 - a table column
    """A silent config is read as the family's class does."""
    assert read({**LLAMA, "model_type": family}).ties_embeddings is ties


def test_tied_embeddings_are_counted_once() -> None:
    """The output head adds nothing when it is the embedding."""
    untied, tied = read(LLAMA), read({**LLAMA, "tie_word_embeddings": True})
    assert untied.parameters - tied.parameters == 100 * 64


def test_gemma_alternates_windows() -> None:
    """Gemma 2 slides in every even layer when the config does not list the layers."""
    layers = read({**LLAMA, "model_type": "gemma2", "head_dim": 16, "sliding_window": 8}).layers
    windows = [layer.mixer.window_tokens for layer in layers if isinstance(layer.mixer, Attention)]
    assert windows == [8, None, 8, None]


def test_latent_attention_keeps_one_row_a_token() -> None:
    """DeepSeek's rank and rotary width are facts of the mixer."""
    model = read(LATENT)
    mixer = model.layers[0].mixer
    assert isinstance(mixer, LatentAttention)
    assert (mixer.latent_dim, mixer.rope_dim, model.layers[0].experts) == (16, 4, None)
    assert model.layers[1].experts is not None


def test_a_pattern_gives_each_layer_its_one_part() -> None:
    """Nemotron-H has a state space, attention, a feed-forward part or experts in a layer."""
    layers = read(HYBRID).layers
    assert isinstance(layers[0].mixer, StateSpace)
    assert isinstance(layers[1].mixer, Attention)
    assert (layers[2].mlp_width, layers[3].mixer) == (128, None)


def test_a_vision_tower_is_counted_apart() -> None:
    """The tower is in the total and not in the text."""
    model = read(GEMMA3)
    tower = sum(group.count for group in model.groups if group.part is Part.ENCODER)
    assert model.parameters - model.text_parameters == tower > 0
    assert model.encoder_tokens == 256


def test_an_unknown_family_like_llama_says_so() -> None:
    """The generic rule is used, and the model carries the assumption."""
    model = read({**LLAMA, "model_type": "novel"})
    assert model.parameters == read(LLAMA).parameters
    assert "'novel' is read as llama" in model.assumptions[0]


def test_an_unknown_family_with_experts_is_refused() -> None:
    """What is not like Llama is never counted as Llama."""
    with pytest.raises(FieldError, match="'novel' has no rule and is not like llama"):
        read({**EXPERTS, "model_type": "novel"})


def test_an_absent_dtype_is_an_assumption() -> None:
    """A config that names no dtype is read as 16 bit and the model says so."""
    config = {key: value for key, value in LLAMA.items() if key != "torch_dtype"}
    assert "names no dtype" in read(config).assumptions[0]


@pytest.mark.parametrize(
    ("kind", "context"), [("yarn", 64), ("linear", 128), ("llama3", 32), ("longrope", 32)]
)
def test_scaled_contexts_follow_vllm(kind: str, context: int) -> None:
    """YaRN stretches the original length, linear the stated one, llama3 neither."""
    scaling = {"rope_type": kind, "factor": 4.0, "original_max_position_embeddings": 16}
    assert read({**LLAMA, "rope_scaling": scaling}).max_position == context


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("hidden_size", None, "hidden_size: is missing"),
        ("hidden_size", "64", "hidden_size: must be a whole number, not '64'"),
        ("hidden_size", True, "hidden_size: must be a whole number, not true"),
        ("hidden_size", 10**400, "hidden_size: must be from 1 to"),
        ("vocab_size", float("nan"), "vocab_size: must be a whole number, not nan"),
        ("num_attention_heads", 5, "num_attention_heads: 5 heads do not divide"),
        ("num_key_value_heads", 3, "num_key_value_heads: 3 must divide the 4"),
        ("num_hidden_layers", 0, "num_hidden_layers: must be from 1 to"),
        ("torch_dtype", "int3", "torch_dtype: 'int3' is not one of"),
        ("model_type", 7, "model_type: must be a string, not 7"),
        ("text_config", [], "text_config: must be an object"),
        ("quantization_config", {"quant_method": "magic"}, "quant_method: 'magic' is not"),
        ("rope_scaling", {"rope_type": "linear", "factor": 0.5}, "factor: must be at least 1"),
    ],
)
def test_a_wrong_key_is_named(key: str, value: object, said: str) -> None:
    """The error says which key of which file, and what would be right."""
    with pytest.raises(FieldError) as caught:
        read({**LLAMA, key: value})
    assert str(caught.value).startswith("config.json: ")
    assert said in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "[" * 100_000, "1" * 5000, '{"a": 1,}'])
def test_text_that_is_no_object_is_refused(text: str) -> None:
    """Anything but a JSON object is an input error, however deep or long."""
    with pytest.raises(InputError, match=r"config\.json: "):
        read_config(text, where="config.json")


WRONG = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**40), 10**40), st.floats(), st.text(max_size=8),
    st.lists(st.integers(-1, 9), max_size=4), st.dictionaries(st.text(max_size=4), st.none()),
)  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn) -> Config:
    """A config with up to three keys removed or replaced, one level down as well."""
    config: Config = json.loads(json.dumps(draw(st.sampled_from(SEEDS))))
    for _ in range(draw(st.integers(1, 3))):
        inner = config.get("text_config")
        target = inner if isinstance(inner, dict) and draw(st.booleans()) else config
        key = draw(st.sampled_from([*target, "rope_scaling", "layer_types", "head_dim"]))
        if draw(st.booleans()):
            target.pop(key, None)
        else:
            target[key] = draw(WRONG)
    return config


@settings(max_examples=400, deadline=None)
@given(config=mutated())
def test_mutated_configs_are_refused_or_counted(config: Config) -> None:
    """Never a traceback and never a silent zero."""
    try:
        model = read(config)
    except InputError:
        return
    assert all(group.count > 0 for group in model.groups)
    assert model.layers
    assert model.max_position > 0


def test_a_tower_without_a_rule_is_a_usual_one() -> None:
    """LLaVA-NeXT on Mistral 7B has 7.57 billion parameters; ours are within half a percent."""
    model = read_config(
        json.dumps({
            "model_type": "llava_next", "torch_dtype": "bfloat16",
            "text_config": {
                "model_type": "mistral", "vocab_size": 32064, "hidden_size": 4096,
                "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32,
                "num_key_value_heads": 8, "max_position_embeddings": 32768,
            },
            "vision_config": {
                "model_type": "clip_vision_model", "hidden_size": 1024, "image_size": 336,
                "intermediate_size": 4096, "num_hidden_layers": 24, "patch_size": 14,
            },
        }),
        where="config.json",
    )  # fmt: skip
    assert abs(model.parameters / 7.567e9 - 1) < 0.005
    assert "no rule for it" in model.assumptions[-1]
    assert model.family == "llava_next"
