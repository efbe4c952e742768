"""What request lengths mean for a step: mean context, and work of a prompt.

A sequence that decodes from I prompt tokens to I + O has on average I + O/2 tokens of context.
Long outputs decode for longer, so the mean over running sequences weighs O by itself: I +
E[O^2] / (2 E[O]). A layer with a window reads no more than the window. A causal prompt makes
I^2/2 pairs of tokens, one with window W at most W * I - W^2/2; tokens found in the prefix cache
are neither computed nor paired as queries.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from rightslice.core.catalog.lengths import Lengths
from rightslice.core.catalog.traffic import Traffic
from rightslice.core.perf.arithmetic import SCALAR, Arithmetic
from rightslice.core.perf.operation import QUANTILES


@dataclass(frozen=True, kw_only=True, slots=True)
class Requests:
    """What of a traffic's lengths the latency formulas use; arrays where there are many."""

    input_tokens: float
    """Mean."""
    input_variation: float
    """Variance over squared mean."""
    input_excess: tuple[float, ...]
    """Length at each percentile kept, over the mean, less one."""
    output_tokens: float
    output_variation: float
    output_quantiles: tuple[float, ...]
    """Tokens at each percentile kept."""


def requests_of(traffic: Traffic) -> Requests:
    """Return what the latency formulas use of *traffic*."""
    return _requests(traffic.input, traffic.output)


@lru_cache(maxsize=1024)
def _requests(inputs: Lengths, outputs: Lengths) -> Requests:
    return Requests(
        input_tokens=inputs.mean,
        input_variation=inputs.variance / inputs.mean**2,
        input_excess=tuple(inputs.percentile(q) / inputs.mean - 1 for q in QUANTILES),
        output_tokens=outputs.mean,
        output_variation=outputs.variance / outputs.mean**2,
        output_quantiles=tuple(float(outputs.percentile(q)) for q in QUANTILES),
    )


@lru_cache(maxsize=4096)
def context_tokens(inputs: Lengths, outputs: Lengths, window: int | None) -> float:
    """Return the mean context that a running sequence reads in a layer with this *window*.

    >>> context_tokens(Lengths.fixed(1024), Lengths.fixed(128), None)
    1088.0
    """
    return context_over(inputs.mean, outputs.mean + outputs.variance / outputs.mean, window, SCALAR)


def context_over(start: float, span: float, window: int | None, arithmetic: Arithmetic) -> float:
    """Return the mean context between *start* and *start* + *span* tokens, within *window*."""
    if window is None:
        return start + span / 2
    growing = arithmetic.smaller(arithmetic.larger(window - start, 0.0), span)
    return (growing * (start + growing / 2) + (span - growing) * window) / span


@lru_cache(maxsize=4096)
def prompt_pairs(inputs: Lengths, prefix_hit_ratio: float, window: int | None) -> float:
    """Return the mean number of (query, key) pairs of a prompt's own tokens.

    >>> prompt_pairs(Lengths.fixed(1000), 0.0, None)
    500000.0
    """
    pairs = sum(pairs_of(tokens, prefix_hit_ratio, window, SCALAR) for tokens in inputs.tokens)
    return pairs / len(inputs.tokens)


def pairs_of(
    tokens: float, prefix_hit_ratio: float, window: int | None, arithmetic: Arithmetic
) -> float:
    """Return the pairs of one prompt of *tokens*, a part of them found in the prefix cache."""
    found = tokens * prefix_hit_ratio
    return _causal(tokens, window, arithmetic) - _causal(found, window, arithmetic)


def _causal(tokens: float, window: int | None, arithmetic: Arithmetic) -> float:
    reach = tokens if window is None else arithmetic.smaller(tokens, window)
    return tokens * reach - reach * reach / 2
