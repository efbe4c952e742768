"""A model with a draft beside it."""

from __future__ import annotations

import pytest

from rightslice.core.catalog.device import device_of
from rightslice.core.catalog.server import ServerConfig
from rightslice.core.catalog.share import Exclusive
from rightslice.core.catalog.speculate import with_draft
from rightslice.core.sizing.memory import size
from rightslice.core.sizing.result import Sizing
from rightslice.edge.catalog_files import Catalog
from rightslice.edge.memory_coefficients import memory_coefficients
from rightslice.errors import InputError

CATALOG = Catalog()
TARGET, DRAFT = CATALOG.model("Llama-3.1-8B"), CATALOG.model("Llama-3.2-1B")


def _sized(tokens: int) -> Sizing:
    model = with_draft(TARGET, DRAFT, tokens) if tokens else TARGET
    return size(
        model,
        device_of(CATALOG.gpu("H100"), Exclusive()),
        ServerConfig(max_model_len=8192),
        engine=CATALOG.engine(None),
        coefficients=memory_coefficients(),
    )


def test_weights_and_caches_add_up() -> None:
    """Both sets of parameters; both sets of layers in the pool."""
    both = with_draft(TARGET, DRAFT, 3)
    assert both.parameters == TARGET.parameters + DRAFT.parameters
    assert len(both.layers) == len(TARGET.layers) + len(DRAFT.layers)
    assert any("proposes 3 tokens" in note for note in both.assumptions)


def test_a_draft_leaves_less_for_the_cache_and_a_wider_band() -> None:
    """More proposed tokens widen it; they never leave more."""
    terms = [_sized(tokens).term("activation").size_bytes for tokens in (0, 1, 5)]
    widths = [term.high - term.low for term in terms]
    assert widths == sorted(widths)
    assert widths[0] < widths[1] < widths[2]
    cache = [_sized(tokens).term("kv cache").size_bytes.low for tokens in (0, 1, 5)]
    assert cache == sorted(cache, reverse=True)


def test_a_draft_needs_its_targets_vocabulary() -> None:
    """Tokens are compared by their ids."""
    with pytest.raises(InputError, match="vocabulary of 50,272"):
        with_draft(TARGET, CATALOG.model("opt-1.3b"), 3)
    with pytest.raises(InputError, match="at least 1"):
        with_draft(TARGET, DRAFT, 0)
