"""What request lengths mean for a step: mean context, and work of a prompt.

A sequence that decodes from I prompt tokens to I + O has on average I + O/2 tokens of context.
Long outputs decode for longer, so the mean over running sequences weighs O by itself: I +
E[O^2] / (2 E[O]). A layer with a window reads no more than the window. A causal prompt makes
I^2/2 pairs of tokens, one with window W at most W * I - W^2/2; tokens found in the prefix cache
are neither computed nor paired as queries.
"""

from __future__ import annotations

from functools import lru_cache

from rightslice.core.catalog.lengths import Lengths


@lru_cache(maxsize=4096)
def context_tokens(inputs: Lengths, outputs: Lengths, window: int | None) -> float:
    """Return the mean context that a running sequence reads in a layer with this *window*.

    >>> context_tokens(Lengths.fixed(1024), Lengths.fixed(128), None)
    1088.0
    """
    start = inputs.mean
    span = outputs.mean + outputs.variance / outputs.mean
    if window is None or start + span <= window:
        return start + span / 2
    if start >= window:
        return float(window)
    growing = window - start
    return (growing * (start + window) / 2 + (span - growing) * window) / span


@lru_cache(maxsize=4096)
def prompt_pairs(inputs: Lengths, prefix_hit_ratio: float, window: int | None) -> float:
    """Return the mean number of (query, key) pairs of a prompt's own tokens.

    >>> prompt_pairs(Lengths.fixed(1000), 0.0, None)
    500000.0
    """
    pairs = sum(
        _causal(tokens, window) - _causal(tokens * prefix_hit_ratio, window)
        for tokens in inputs.tokens
    )
    return pairs / len(inputs.tokens)


def _causal(tokens: float, window: int | None) -> float:
    if window is None or tokens <= window:
        return tokens * tokens / 2
    return tokens * window - window * window / 2
