"""The budget of one rank and what each step of a start leaves of it: the sums, without the words.

::

    pool   = requested - weights - activation - non-torch (- CUDA graphs, in newer releases)
    margin = what is left where vLLM would fail next; below zero it does

Written once for one configuration (`memory`, `verdict`) and for arrays of them (`sweep`). Errors of
the terms are independent and add in quadrature.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from statistics import NormalDist
from typing import Final, Generic, TypeVar

from rightslice.core.catalog.estimate import BAND_CONFIDENCE, normal_quantile
from rightslice.core.sizing.amounts import (
    Spread,
    Whole,
    larger,
    quadrature,
    raised,
    ratio,
    rounded,
    smaller,
)
from rightslice.core.sizing.result import Phase

_SURE: Final = 9.0
"""Half bands above zero from which on nothing can fail."""
_STEPS: Final = 1000
"""Scores are kept in thousandths of a half band."""
_SUREST: Final = 9000

Term_co = TypeVar("Term_co", covariant=True)
"""A `Spread` of the same amounts: a `Band` for one configuration."""


class Check(Enum):
    """One condition of a start, in the order in which vLLM meets them."""

    FREE = "free at start"
    WEIGHTS = "weights"
    PROFILE = "profile run"
    NO_CACHE = "no cache"
    ONE_REQUEST = "one request"
    GRAPHS = "graphs"
    WARM_UP = "sampler warm-up"
    FULL_STEP = "full step"


PHASES: Final = {
    Check.FREE: Phase.LOAD,
    Check.WEIGHTS: Phase.LOAD,
    Check.PROFILE: Phase.PROFILE,
    Check.NO_CACHE: Phase.CACHE,
    Check.ONE_REQUEST: Phase.CACHE,
    Check.GRAPHS: Phase.GRAPHS,
    Check.WARM_UP: Phase.WARM_UP,
    Check.FULL_STEP: Phase.RUNTIME,
}
"""When a start dies that does not meet the condition."""


@dataclass(frozen=True, slots=True)
class Budget(Generic[Whole, Term_co]):
    """The terms of one rank, as the verdict needs them."""

    free_bytes: Whole
    """The device's memory less what neighbours hold."""
    requested_bytes: Whole
    pool_is_given: bool
    """With ``kv-cache-memory-bytes`` the utilization no longer counts."""
    graphs_in_budget: bool
    weights: Term_co
    activation: Term_co
    sampler_bytes: Whole
    non_torch: Term_co
    graphs: Term_co
    context: Term_co
    pool: Term_co
    needed_bytes: Whole
    """What the release asks the pool to hold: one request of full length."""
    warm_up_bytes: Whole
    """What sampling takes after graphs are captured."""


@dataclass(frozen=True, slots=True)
class Margin(Generic[Whole]):
    """What must not be negative."""

    check: Check
    left_bytes: Whole
    score: Whole
    """In thousandths of the half width of its band, cut where nothing can fail any more."""


def remainder(whole: Whole, *terms: Spread[Whole]) -> tuple[Whole, Whole, Whole]:
    """Return low, expected and high of *whole* minus *terms*, whose errors are independent."""
    expected = whole
    for term in terms:
        expected = expected - term.expected
    below = quadrature(*(term.high - term.expected for term in terms))
    above = quadrature(*(term.expected - term.low for term in terms))
    return expected - raised(below), expected, expected + raised(above)


def pool_left(
    requested_bytes: Whole, terms: tuple[Spread[Whole], ...], *, graphs_in_budget: bool
) -> tuple[Whole, Whole, Whole]:
    """Return what weights, activation, non-torch memory and graphs, in this order, leave."""
    return remainder(requested_bytes, *(terms if graphs_in_budget else terms[:3]))


def margins(budget: Budget[Whole, Spread[Whole]]) -> Iterator[Margin[Whole]]:
    """Yield what each condition of a start leaves, in order."""
    context, weights, non_torch = budget.context, budget.weights, budget.non_torch
    if not budget.pool_is_given:
        free = budget.free_bytes - context.expected - budget.requested_bytes
        yield Margin(Check.FREE, free, _score(free, _above(context)))
    yield _taken(Check.WEIGHTS, budget.free_bytes, context, weights)
    yield _taken(Check.PROFILE, budget.free_bytes, context, weights, non_torch, budget.activation)
    yield from _of_pool(budget)
    yield from _after_pool(budget)


def _of_pool(budget: Budget[Whole, Spread[Whole]]) -> Iterator[Margin[Whole]]:
    pool = budget.pool
    gap = pool.expected - pool.low
    some, enough = pool.expected - 1, pool.expected - budget.needed_bytes
    yield Margin(Check.NO_CACHE, some, _score(some, gap))
    yield Margin(Check.ONE_REQUEST, enough, _score(enough, gap))


def _after_pool(budget: Budget[Whole, Spread[Whole]]) -> Iterator[Margin[Whole]]:
    uncertain = [budget.context, budget.weights, budget.non_torch, budget.graphs]
    left = budget.free_bytes - budget.pool.expected
    for term in uncertain:
        left = left - term.expected
    if not budget.pool_is_given:
        # Within the budget the pool gives way: what remains uncertain lies beyond it.
        uncertain = [budget.context] + ([] if budget.graphs_in_budget else [budget.graphs])
    gaps = [_above(term) for term in uncertain]
    for check, more in (
        (Check.GRAPHS, None),
        (Check.WARM_UP, budget.warm_up_bytes),
        (Check.FULL_STEP, budget.activation.expected),
    ):
        beyond = left if more is None else left - more
        yield Margin(check, beyond, _score(beyond, *gaps))


def _taken(check: Check, whole: Whole, *terms: Spread[Whole]) -> Margin[Whole]:
    left = whole
    for term in terms:
        left = left - term.expected
    return Margin(check, left, _score(left, *(_above(term) for term in terms)))


def _above(term: Spread[Whole]) -> Whole:
    return term.high - term.expected


def _score(left: Whole, *gaps: Whole) -> Whole:
    share = ratio(left, quadrature(*gaps), otherwise=_SURE)
    return smaller(rounded(share * _STEPS), _SUREST)


def headroom(budget: Budget[Whole, Spread[Whole]]) -> Whole:
    """Return the memory beyond every claim, each at the high end of its band; 0 when none is."""
    outside = budget.free_bytes - budget.context.high
    if budget.pool_is_given:
        inside = budget.weights.high + budget.non_torch.high + budget.activation.high
        return larger(outside - inside - budget.graphs.high - budget.pool.expected, 0)
    if not budget.graphs_in_budget:
        outside = outside - budget.graphs.high
    return larger(outside - budget.requested_bytes, 0)


@lru_cache(maxsize=16384)
def probability(thousandths: int) -> float:
    """Return the chance of a margin with this score to stay above zero."""
    half_bands = thousandths / _STEPS
    return NormalDist().cdf(half_bands * normal_quantile(0.5 + BAND_CONFIDENCE / 2))
