"""Which layers see the whole context and which a sliding window.

``layer_types`` decides where it is written; before transformers 4.53 each family had its own
pattern, which its rule names.
"""

from __future__ import annotations

from enum import Enum

from rightslice.edge.huggingface.config import CONTEXT, Fields


class Pattern(Enum):
    """How a family places its windows when ``layer_types`` is absent."""

    NONE = "none"
    ALL = "every layer"
    ALTERNATE = "even layers"
    """Gemma 2, gpt-oss: layers 0, 2, 4 ... slide."""
    INTERVAL = "all but every n-th"
    """Gemma 3, Cohere 2: ``sliding_window_pattern``."""
    UPPER = "from max_window_layers"
    """Qwen: only with ``use_sliding_window``."""


Windows = tuple[int | None, ...]


def read_windows(text: Fields, layers: int, pattern: Pattern, *, interval: int = 6) -> Windows:
    """Return the window of each layer in tokens, None for full attention.

    Raises:
        FieldError: when ``layer_types`` does not fit the layers, or a window is missing.
    """
    window = text.integer_or_none("sliding_window", limits=(0, CONTEXT[1])) or None
    if pattern is Pattern.NONE or (
        pattern is Pattern.UPPER and not text.flag("use_sliding_window", default=False)
    ):
        return (None,) * layers
    slides = sliding_layers(text, layers, pattern, interval)
    if window is None:
        if text.has("layer_types") and any(slides):
            raise text.error("sliding_window", "is missing, but layer_types has sliding layers")
        return (None,) * layers
    return tuple(window if slide else None for slide in slides)


def sliding_layers(text: Fields, layers: int, pattern: Pattern, interval: int) -> tuple[bool, ...]:
    """Return for each layer whether it slides."""
    if text.has("layer_types"):
        return tuple(kind == "sliding_attention" for kind in layer_types(text, layers))
    match pattern:
        case Pattern.ALTERNATE:
            return tuple(index % 2 == 0 for index in range(layers))
        case Pattern.INTERVAL:
            every = text.integer("sliding_window_pattern", default=interval)
            return tuple((index + 1) % every != 0 for index in range(layers))
        case Pattern.UPPER:
            first = text.integer("max_window_layers", limits=(0, CONTEXT[1]), default=0)
            return tuple(index >= first for index in range(layers))
        case _:
            return (pattern is Pattern.ALL,) * layers


_KNOWN = frozenset(
    {
        "full_attention", "sliding_attention", "chunked_attention", "linear_attention",
        "attention", "mamba", "hybrid",
    }
)  # fmt: skip


def layer_types(text: Fields, layers: int) -> tuple[str, ...]:
    """Return ``layer_types``, one word a layer; empty when it is absent.

    Raises:
        FieldError: when there are too few or too many, or one is unknown.
    """
    kinds = text.texts("layer_types")
    if text.has("layer_types") and len(kinds) != layers:
        raise text.error("layer_types", f"has {len(kinds)} entries for {layers} layers")
    for index, kind in enumerate(kinds):
        if kind not in _KNOWN:
            raise text.error(
                f"layer_types[{index}]", f"is {kind!r}; known are {', '.join(sorted(_KNOWN))}"
            )
    return kinds
