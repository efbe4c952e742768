"""A model with the draft model of speculative decoding beside it: one server, one memory.

vLLM loads the draft beside the target, keeps its keys and values in the same pool, and checks its
tokens in the target's own step (``--speculative-config``; vllm/v1/spec_decode). What an EAGLE head
shares with its target (the embedding, often the output head) is counted twice here, since no config
says it.
"""

from __future__ import annotations

from dataclasses import replace

from rightslice.core.catalog.model import Model
from rightslice.errors import InputError


def with_draft(model: Model, draft: Model, tokens: int) -> Model:
    """Return *model* served with *draft*, which proposes so many *tokens* a step.

    Layers and shared weights add up. Which of its own figures vLLM would share between the two is
    not known, so answers say that the band is wide.

    Raises:
        InputError: when *tokens* is less than 1, or the vocabularies differ: vLLM compares tokens.
    """
    if tokens < 1:
        raise InputError(f"speculative tokens {tokens} must be at least 1")
    if draft.vocab_size != model.vocab_size:
        raise InputError(
            f"draft {draft.name} has a vocabulary of {draft.vocab_size:,}, {model.name} of"
            f" {model.vocab_size:,}: a draft needs its target's vocabulary"
        )
    both = model.checkpoint_bytes is not None and draft.checkpoint_bytes is not None
    note = (
        f"draft {draft.name} proposes {tokens} tokens a step: its weights and its KV layers are"
        " added whole, the sampler holds two to"
        f" {tokens + 1} rows a sequence; no logged start was compared, so the bands are wide"
    )
    return replace(
        model,
        layers=model.layers + draft.layers,
        shared=model.shared + draft.shared,
        checkpoint_bytes=(
            (model.checkpoint_bytes or 0) + (draft.checkpoint_bytes or 0) if both else None
        ),
        draft_tokens=tokens,
        assumptions=(*model.assumptions, *draft.assumptions, note),
    )
