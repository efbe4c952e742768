"""The law of the number in one server: a birth-death chain, summed state by state.

With n present requests leave at mu(n) (`queueing`), so that a state's weight is that of the one
below times rate / mu(n). Beyond the capacity weights fall geometrically: places come free at the
largest stable rate.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate, count
from operator import mul
from typing import Final

from rightslice.core.perf.operation import QUANTILES
from rightslice.core.perf.roofline import Step
from rightslice.core.perf.shapes import Requests

NEGLIGIBLE: Final = 1e-6
"""States less likely than this, over the likeliest, are left out."""
_NEAR: Final = 64
"""Chains whose likeliest state is no further are summed from none on."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Law:
    """The stationary law of the number in system, in its means."""

    rate: float
    weight: float
    """Sum of the weights that it was made from, those beyond the capacity included."""
    running: float
    waiting: float
    full: float
    """Probability that all places are taken."""
    drain: float
    """Rate at which a full server's queue shrinks: the largest stable rate less this one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Met:
    """The batch that tokens meet: a state counts by the tokens made in it."""

    mean: float
    quantiles: tuple[float, ...]


def decoding_share(step: Step, requests: Requests, rate: float) -> float:
    """Return (O - 1) / (1 - rate * prefill): steps of a request, prompts taking their time off."""
    tokens = step.arithmetic.larger(requests.output_tokens - 1, 0.0)
    return tokens / (1 - rate * step.prefill / step.stages)


def law_from(sums: tuple[float, float, float], rate: float, full: float, capacity: float) -> Law:
    """Return the law of a server that leaves at rate *full* while requests wait for a place.

    *sums*: of the weights of the states up to the capacity, of those weights times the batch, and
    the weight of the capacity itself. Beyond it weights fall geometrically.
    """
    states, batches, at_capacity = sums
    ratio = rate / full
    beyond = at_capacity * ratio / (1 - ratio)
    total = states + beyond
    return Law(
        rate=rate,
        weight=total,
        running=(batches + capacity * beyond) / total,
        waiting=beyond / (1 - ratio) / total,
        full=(at_capacity + beyond) / total,
        drain=full - rate,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class States:
    """The states of one server that are not negligible."""

    law: Law
    first: int
    tokens: list[float]
    """Of first, first + 1, ... sequences: batch times weight, in the factor of `Law.weight`."""
    beyond: float
    """Weight of all states with a queue, which count as full."""

    def met(self) -> Met:
        """Return the batch that tokens meet."""
        tokens = [*self.tokens]
        tokens[-1] += (self.first + len(tokens) - 1) * self.beyond
        squares = sum(map(mul, count(self.first), tokens))
        gone = list(accumulate(tokens))
        running, last = self.law.running * self.law.weight, len(gone) - 1
        found = [float(self.first + min(bisect_left(gone, q * running), last)) for q in QUANTILES]
        return Met(mean=squares / running, quantiles=tuple(found))


def states_of(step: Step, requests: Requests, rates: tuple[float, float], capacity: int) -> States:
    """Sum the chain of arrivals, of two *rates* the first: n leave at n / stay(n) times it.

    A queue for places drains at the second, the largest stable rate.

    From none on, or from the likeliest state on both ways where that is far.
    """
    rate, limit = rates
    stay = step.each(rate * decoding_share(step, requests, rate), rate * step.prefill)
    far = capacity > _NEAR and stay(_NEAR) >= _NEAR
    mode = _mode(stay, capacity) if far else 0
    first, weights = _downward(stay, mode)
    weight = most = 1.0
    n = float(mode)
    while n < capacity:
        n += 1.0
        weight *= stay(n) / n
        weights.append(weight)
        if weight > most:
            most = weight
        elif weight <= NEGLIGIBLE * most:
            break
    while len(weights) > 1 and max(weights[:2]) <= NEGLIGIBLE * most:
        first += 1
        del weights[0]
    at_capacity = weights[-1] if first + len(weights) - 1 == capacity else 0.0
    tokens = list(map(mul, count(first), weights))
    sums = sum(weights), sum(tokens), at_capacity
    law = law_from(sums, rate, limit, capacity)
    return States(law=law, first=first, tokens=tokens, beyond=law.weight - sums[0])


def _downward(stay: Callable[[float], float], mode: int) -> tuple[int, list[float]]:
    """Return the first state that matters below *mode*, and the weights from it up to *mode*."""
    down, weight = [1.0], 1.0
    for n in range(mode, 0, -1):
        weight *= n / stay(n)
        down.append(weight)
        if weight <= NEGLIGIBLE:
            break
    down.reverse()
    return mode + 1 - len(down), down


def _mode(stay: Callable[[float], float], capacity: int) -> int:
    """Return the most likely number in system: the last to leave no faster than arrivals."""
    high = 1
    while high <= capacity and stay(high) >= high:
        high *= 2
    low, high = high // 2, min(high - 1, capacity)
    while low < high:
        middle = (low + high + 1) // 2
        if stay(middle) >= middle:
            low = middle
        else:
            high = middle - 1
    return low
