"""Models that see: the language model's rule, and the vision tower beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from rightslice.edge.huggingface.config import Fields
from rightslice.edge.huggingface.encoders import TOWERS, encoder_tensors, usual_tower
from rightslice.edge.huggingface.sizes import Config
from rightslice.edge.huggingface.tensors import ModelDraft

Rule = Callable[[Config], ModelDraft]


def seeing(config: Config, language: Rule) -> ModelDraft:
    """Return the draft of *language*, with the tower that the family has.

    A config without ``vision_config`` is read as text only, and the draft says so.
    """
    draft = language(config)
    vision = config.top.section_or_none("vision_config")
    if vision is None:
        said = "the vision tower is not counted: the config has no vision_config"
        return replace(draft, assumptions=(*draft.assumptions, said))
    parameters, tokens = TOWERS[config.family](vision, draft.hidden)
    return replace(
        draft, shared=(*draft.shared, *encoder_tensors(parameters)), encoder_tokens=tokens
    )


def _is_transformer(vision: Fields) -> bool:
    """Whether a tower states a transformer's width and depth; convolutions do not."""
    return vision.has("hidden_size", "embed_dim") and vision.has("num_hidden_layers", "depth")


def beside(config: Config, language: Rule) -> ModelDraft:
    """Return the draft of *language* with a tower of the usual shape; the draft says so."""
    draft = language(config)
    vision = config.top.section_or_none("vision_config")
    said = "vision and audio parts are not counted: no rule for them"
    if vision is None or not _is_transformer(vision):
        return replace(draft, assumptions=(*draft.assumptions, said))
    parameters, tokens = usual_tower(vision, draft.hidden)
    said = "the vision tower is counted as a plain transformer with two projections: no rule for it"
    return replace(
        draft,
        shared=(*draft.shared, *encoder_tensors(parameters)),
        encoder_tokens=tokens,
        assumptions=(*draft.assumptions, said),
    )
