"""From a family's draft to a `Model`: number formats chosen, parameters grouped, layers shared."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from rightslice.core.catalog.model import (
    Layer,
    Model,
    ModelName,
    ParameterGroup,
    Part,
    Split,
    WeightFormat,
)
from rightslice.edge.huggingface.config import Fields
from rightslice.edge.huggingface.formats import BF16, FP16
from rightslice.edge.huggingface.quantization import Quantization
from rightslice.edge.huggingface.sizes import Config, read_context
from rightslice.edge.huggingface.tensors import LayerDraft, ModelDraft, Tensor

_DTYPES: Final = {
    "bfloat16": BF16,
    "float16": FP16,
    "float32": FP16,
    "half": FP16,
    "float": FP16,
}
_ASSUMED_DTYPE: Final = "bfloat16"
_LARGEST_MODEL: Final = 10**15
"""A thousand trillion parameters: sizes that are each within bounds may still make more."""


def build(config: Config, draft: ModelDraft, quantization: Quantization) -> Model:
    """Return the model that *draft* describes, its weights as vLLM's ``--dtype auto`` loads them.

    Raises:
        FieldError: when the dtype or the context length is wrong, or the sizes together cannot be.
    """
    dtype = read_dtype(config.top, config.text)
    plain = _DTYPES[dtype or _ASSUMED_DTYPE]
    assumptions = draft.assumptions
    if dtype is None:
        assumptions += (f"weights are stored as {_ASSUMED_DTYPE}: the config names no dtype",)
    model = Model(
        name=ModelName(config.top.where),
        family=config.family,
        hidden_size=draft.hidden,
        vocab_size=draft.vocab,
        max_position=read_context(config),
        checkpoint_dtype={"half": "float16", "float": "float32"}.get(
            dtype or "", dtype or _ASSUMED_DTYPE
        ),
        layers=_layers(draft.layers, quantization, plain),
        shared=_groups((tensor, plain) for tensor in draft.shared if tensor.count),
        ties_embeddings=draft.ties,
        quantization=quantization.method,
        rope_dim=draft.rope_dim,
        encoder_tokens=draft.encoder_tokens,
        assumptions=assumptions,
    )
    if model.parameters > _LARGEST_MODEL:
        key, value = config.top.largest()
        raise config.top.error(
            key, f"{value:,} makes {model.parameters:.1e} parameters; the most read is 1e15"
        )
    return model


def read_dtype(top: Fields, text: Fields) -> str | None:
    """Return the dtype of the checkpoint, None when the config is silent.

    Raises:
        FieldError: when it is not one that vLLM loads.
    """
    for fields in (top, text):
        for key in ("torch_dtype", "dtype"):
            stated = fields.text_or_none(key)
            if stated is None:
                continue
            dtype = stated.removeprefix("torch.")
            if dtype not in _DTYPES:
                raise fields.error(key, f"{dtype!r} is not one of {', '.join(_DTYPES)}")
            return dtype
    return None


def _layers(
    drafts: tuple[LayerDraft, ...], quantization: Quantization, plain: WeightFormat
) -> tuple[Layer, ...]:
    known: dict[tuple[int, tuple[WeightFormat, ...]], Layer] = {}
    unique: dict[LayerDraft, int] = {}
    by_identity: dict[int, int] = {}
    layers = []
    for index, draft in enumerate(drafts):
        kind = by_identity.get(id(draft))
        if kind is None:
            kind = by_identity[id(draft)] = unique.setdefault(draft, len(unique))
        formats = tuple(
            quantization.format_of(tensor, f"layers.{index}.", plain) for tensor in draft.tensors
        )
        key = (kind, formats)
        if key not in known:
            known[key] = Layer(
                mixer=draft.mixer,
                experts=draft.experts,
                mlp_width=draft.width,
                parameters=_groups(zip(draft.tensors, formats, strict=True)),
            )
        layers.append(known[key])
    return tuple(layers)


def _groups(tensors: Iterable[tuple[Tensor, WeightFormat]]) -> tuple[ParameterGroup, ...]:
    totals: dict[tuple[Part, Split, WeightFormat], int] = {}
    for tensor, number_format in tensors:
        key = (tensor.part, tensor.split, number_format)
        totals[key] = totals.get(key, 0) + tensor.count
    return tuple(
        ParameterGroup(part=part, count=count, split=split, format=number_format)
        for (part, split, number_format), count in totals.items()
    )
