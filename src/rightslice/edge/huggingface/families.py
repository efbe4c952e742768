"""Which rule reads which ``model_type``, and what is done with one that has no rule."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Final

from rightslice.edge.huggingface import (
    compressed,
    gemma3n,
    gemma4,
    jamba,
    latent,
    lfm2,
    mamba_hybrids,
    moe,
    multimodal,
    plain,
    searched,
    state_space,
)
from rightslice.edge.huggingface.config import Fields
from rightslice.edge.huggingface.dense import DENSE, LLAMA, dense
from rightslice.edge.huggingface.sizes import Config
from rightslice.edge.huggingface.tensors import ModelDraft

Rule = Callable[[Config], ModelDraft]

_TEXT: Final[Mapping[str, Rule]] = MappingProxyType(
    {
        **{family: partial(dense, habits=habits) for family, habits in DENSE.items()},
        "opt": plain.opt,
        "gpt2": plain.gpt2,
        "gpt_bigcode": plain.gpt_bigcode,
        "gpt_neox": plain.gpt_neox,
        "gptj": plain.gpt_j,
        "codegen": plain.gpt_j,
        "bloom": plain.bloom,
        "mpt": plain.mpt,
        "falcon": plain.falcon,
        "refinedwebmodel": plain.falcon,
        "refinedweb": plain.falcon,
        "phi": plain.phi,
        "phi-msft": plain.phi,
        "starcoder2": plain.starcoder2,
        "mixtral": moe.every_layer,
        "granitemoe": moe.every_layer,
        "granitemoeshared": moe.granite_shared,
        "granitemoehybrid": mamba_hybrids.granite_hybrid,
        "bamba": mamba_hybrids.bamba,
        "falcon_h1": mamba_hybrids.falcon_h1,
        "jamba": jamba.jamba,
        "lfm2": lfm2.lfm2,
        "lfm2_moe": lfm2.lfm2_moe,
        "phimoe": moe.phimoe,
        "ernie4_5_moe": moe.ernie_moe,
        "dots1": moe.glm4_moe,
        "solar_open": moe.glm4_moe,
        "exaone_moe": moe.glm4_moe,
        "glm4_moe_lite": latent.latent,
        "olmoe": moe.every_layer,
        "minimax_m2": moe.minimax_m2,
        "qwen2_moe": moe.qwen_moe,
        "qwen3_moe": moe.qwen_moe,
        "gpt_oss": moe.gpt_oss,
        "glm4_moe": moe.glm4_moe,
        "llama4_text": moe.llama4,
        "deepseek_v2": latent.latent,
        "deepseek_v3": latent.latent,
        "deepseek_v32": latent.latent,
        "deepseek_v4": compressed.deepseek_v4,
        "kimi_k2": latent.latent,
        "glm_moe_dsa": latent.latent,
        "nemotron_h": state_space.nemotron_h,
        "qwen3_next": state_space.qwen3_next,
        "qwen3_5_text": state_space.qwen3_next,
        "qwen3_5_moe_text": state_space.qwen3_next,
        "gemma3n_text": gemma3n.gemma3n,
        "gemma4_text": gemma4.gemma4,
        "nemotron-nas": searched.nemotron_nas,
    }
)
_LANGUAGE: Final = MappingProxyType(
    {
        "qwen2_vl": "qwen2",
        "qwen2_5_vl": "qwen2",
        "qwen3_vl": "qwen3",
        "qwen3_vl_moe": "qwen3_moe",
        "qwen3_5": "qwen3_5_text",
        "qwen3_5_moe": "qwen3_5_moe_text",
        "gemma3": "gemma3_text",
        "gemma4": "gemma4_text",
        "mistral3": "mistral",
        "llama4": "llama4_text",
        "kimi_k25": "kimi_k2",
    }
)
"""The rule of the language model inside each multimodal family."""
FAMILIES: Final[Mapping[str, Rule]] = MappingProxyType(
    {
        **_TEXT,
        **{
            family: partial(multimodal.seeing, language=_TEXT[language])
            for family, language in _LANGUAGE.items()
        },
    }
)
_LLAMA_KEYS: Final = (
    "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "vocab_size",
)  # fmt: skip
_NOT_DENSE: Final = (
    "num_experts", "num_local_experts", "n_routed_experts", "kv_lora_rank", "ssm_state_size",
    "linear_num_value_heads", "block_configs", "vision_config", "audio_config", "text_config",
)  # fmt: skip

_ANOTHER_KIND: Final = re.compile(
    r"expert|(^|_)moe_|mamba|ssm|conv_|_rank$|block_type|attn_layer|linear_|recurrent|altup|hybrid"
)
"""Keys of mixtures, state spaces, low ranks and mixed layers."""
_GATED: Final = frozenset({"silu", "swish", "swiglu", "gelu", "gelu_pytorch_tanh"})
"""Activations of gated feed-forward parts; others stand mostly in plain ones."""


def read_family(top: Fields) -> str:
    """Return the ``model_type``, or the family that ``architectures`` names.

    Raises:
        FieldError: when neither says it.
    """
    stated = top.text_or_none("model_type")
    if stated is not None:
        return stated.lower()
    for architecture in top.texts("architectures"):
        plain_name = architecture.removesuffix("ForCausalLM").removesuffix("LMHeadModel").lower()
        for family in FAMILIES:
            if family.replace("_", "") == plain_name:
                return family
    raise top.error("model_type", f"is missing; supported are {', '.join(sorted(FAMILIES))}")


def read_draft(config: Config) -> ModelDraft:
    """Return the draft that the family's rule makes.

    A family without a rule is read as Llama when it has all of Llama's keys and none that says
    that it is another kind of model; the draft records the assumption. One that holds a known
    language model beside a tower gets that model's rule, and the tower of a usual transformer.

    Raises:
        FieldError: when a key is wrong, or the family is unknown and not like Llama.
    """
    rule = FAMILIES.get(config.family)
    if rule is not None:
        return rule(config)
    inner = config.text.text("model_type", default="").lower()
    if config.text is not config.top and inner in _TEXT:
        return multimodal.beside(replace(config, family=inner), _TEXT[inner])
    other = [key for key in _NOT_DENSE if config.text.has(key) or config.top.has(key)]
    other += [key for key in config.text.keys() if _ANOTHER_KIND.search(key)]  # noqa: SIM118 - Fields is no mapping
    act = config.text.text("hidden_act", "activation_function", default="silu")
    if act not in _GATED:
        other.append(f"hidden_act {act!r}")
    missing = [key for key in _LLAMA_KEYS if not config.text.has(key)]
    if other or missing:
        reason = f"it has {other[0]}" if other else f"it has no {missing[0]}"
        raise config.top.error(
            "model_type",
            f"{config.family!r} has no rule and is not like llama ({reason});"
            f" supported are {', '.join(sorted(FAMILIES))}",
        )
    draft = dense(config, LLAMA)
    return replace(
        draft,
        assumptions=(
            *draft.assumptions,
            f"{config.family!r} is read as llama: gated feed-forward, two norms a layer",
        ),
    )
