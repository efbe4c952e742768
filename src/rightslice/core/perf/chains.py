"""The birth-death chains of many servers at once: what `queueing` sums for one, by columns.

One row a server, one column a batch. Rows come in blocks of like load, and a block has columns for
the states that matter to any of its rows: a few batches, evenly spread in logs, show where weights
are. States that `queueing` leaves out as negligible are left out here too, so both give the same
figures.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

import numpy as np

from rightslice.core.perf.arrays import Array, Index, Mask, array_of, column, rows_of
from rightslice.core.perf.operation import QUANTILES
from rightslice.core.perf.queueing import (
    NEGLIGIBLE,
    Law,
    Met,
    decoding_share,
    law_from,
    stable_rate,
)
from rightslice.core.perf.roofline import Step
from rightslice.core.perf.shapes import Requests

_START: Final = 1e-200
"""Weight of the first state: leaves exp(1,150) above it before an overflow."""
_FEW: Final = 1000
"""Weights grow by less than exp(columns), so up to here they are multiplied, else added in logs."""
_DEPTH: Final = 16.0
"""Logs below the likeliest state at which columns end: further than `NEGLIGIBLE` by e^2."""
_NEAR: Final = 1.2
_FAR: Final = 1.5
"""Ratios of batches looked at, to find columns and to put like rows together."""
_IDLE: Final = 1e-3
"""Share of the stable rate at which rows without an answer are computed."""
_UPRIGHT: Final = (slice(None), None)


@dataclass(frozen=True, kw_only=True)
class Chains:
    """Servers that run up to *capacity* sequences, at least one each."""

    step: Step
    requests: Requests
    capacity: Array

    def rows(self, index: Index) -> Chains:
        """Return the chains at *index*."""
        return Chains(
            step=rows_of(self.step, index),
            requests=rows_of(self.requests, index),
            capacity=self.capacity[index],
        )

    def slowed(self, factor: Array) -> Chains:
        """Return the same servers with every time *factor* times as long."""
        return replace(self, step=self.step.slowed(column(factor)))

    def settled(self, sequences: Array) -> Chains:
        """Return the same servers as calibration corrects them while *sequences* run."""
        return replace(self, step=self.step.settled(column(sequences)))

    def stay(self, rate: Array) -> Callable[[float], float]:
        """Return the time that n requests stay, times the rate: n over it is the outflow."""
        share = decoding_share(self.step, self.requests, column(rate))
        return self.step.each(column(rate) * share, column(rate) * self.step.prefill)

    def _upright_stay(self, rate: Array) -> Callable[[float], float]:
        step = rows_of(replace(self.step, misfit=None), _UPRIGHT)  # type: ignore[arg-type]  # a new axis is an index too
        requests = rows_of(self.requests, _UPRIGHT)  # type: ignore[arg-type]  # as above
        return Chains(step=step, requests=requests, capacity=self.capacity).stay(rate[:, None])

    def reach(self, rate: Array) -> Array:
        """Return about the largest batch that matters, to put rows of like columns together."""
        limit = array_of(stable_rate(self.step, self.requests, column(self.capacity)))
        stays = _Stays(stay=self._upright_stay(calm(rate, limit)), capacity=self.capacity)
        matters, _ = stays.matter(grid := _grid(int(self.capacity.max()), _FAR))
        last: Array = (matters * grid).max(axis=1)
        return last

    def states(self, rate: Array) -> States:
        """Return the states under *rate* requests a second, each below its largest stable one."""
        stays = _Stays(stay=self._upright_stay(rate), capacity=self.capacity)
        first, last = stays.columns()
        weights, is_whole = stays.weights(first, last)
        if not is_whole:
            first = 0
            weights, _ = stays.weights(0, int(self.capacity.max()))
        at = self.capacity - first
        each, width = np.arange(len(rate)), weights.shape[1]
        is_shown = at < width
        full = np.where(is_shown, weights[each, np.where(is_shown, at, 0).astype(np.intp)], 0.0)
        sums = (
            column(weights.sum(axis=1)),
            column(_weighed(weights, np.arange(first, first + width, dtype=np.float64))),
            column(full),
        )
        leaving = rate * self.capacity / stays.at_capacity()
        law = law_from(sums, column(rate), column(leaving), column(self.capacity))
        return States(law=law, weights=weights, first=first, capacity=self.capacity)


def calm(rate: Array, limit: Array) -> Array:
    """Return *rate* where it is stable, and elsewhere one that takes few columns."""
    return np.where(rate < limit, rate, limit * _IDLE)


@dataclass(frozen=True, kw_only=True)
class _Stays:
    """How weights grow from batch to batch, a row a server."""

    stay: Callable[[float], float]
    capacity: Array

    def growth(self, batches: Array) -> Array:
        """Return the weight of each of *batches*, columns, over that of one sequence less."""
        growth = array_of(self.stay(column(batches)))
        growth /= batches
        return growth

    def at_capacity(self) -> Array:
        """Return the stay on a full server."""
        return array_of(self.stay(column(self.capacity[:, None])))[:, 0]

    def matter(self, grid: Array) -> tuple[Mask, Mask]:
        """Return which batches of *grid* matter, a row a server, and where no batch at all does."""
        logs = np.log(self.growth(grid))
        heights = np.empty_like(logs)
        heights[:, 0] = logs[:, 0]
        heights[:, 1:] = np.diff(grid) / 2 * (logs[:, 1:] + logs[:, :-1])
        np.cumsum(heights, axis=1, out=heights)
        heights[grid > self.capacity[:, None]] = -np.inf
        floor = np.maximum(heights.max(axis=1), 0.0) - _DEPTH
        return heights > floor[:, None], floor < 0

    def columns(self) -> tuple[int, int]:
        """Return the first and last batch that matter to any row."""
        grid = _grid(int(self.capacity.max()), _NEAR)
        matters, is_idle = self.matter(grid)
        shown = np.flatnonzero(matters.any(axis=0))
        last = shown[-1] + 1 if shown.size else 1
        first = 0 if is_idle.any() else int(grid[max(shown[0] - 1, 0)])
        return first, int(grid[min(last, len(grid) - 1)])

    def weights(self, first: int, last: int) -> tuple[Array, bool]:
        """Return the weights of *first* to *last* sequences, and whether no other state matters."""
        batches = np.arange(first + 1.0, last + 1.0)
        growth = self.growth(batches)
        if last > self.capacity.min():
            growth[batches > self.capacity[:, None]] = 0.0
        weights = _products(growth)
        least = NEGLIGIBLE * weights.max(axis=1)
        is_likely = weights > least[:, None]
        is_kept = is_likely.copy()
        is_kept[:, 1:] |= is_likely[:, :-1]
        is_kept[:, :-1] |= is_likely[:, 1:]
        weights *= is_kept
        is_open = is_likely[:, -1] & (last < self.capacity)
        return weights, not (is_open.any() or (first > 0 and is_likely[:, 0].any()))


def _products(growth: Array) -> Array:
    """Return weights, one more than *growth* tells, up to a factor."""
    rows, width = growth.shape
    weights = np.empty((rows, width + 1))
    if width <= _FEW:
        weights[:, 0] = _START
        weights[:, 1:] = growth
        return np.multiply.accumulate(weights, axis=1, out=weights)
    weights[:, 0] = 0.0
    np.log(growth, out=weights[:, 1:])
    np.cumsum(weights, axis=1, out=weights)
    scaled: Array = np.exp(weights - weights.max(axis=1)[:, None])
    return scaled


def _weighed(weights: Array, batches: Array) -> Array:
    """Return each row's sum over the batches: without BLAS, whose threads contend for cores."""
    sums: Array = np.einsum("ij,j->i", weights, batches)
    return sums


@lru_cache(maxsize=64)
def _grid(last: int, ratio: float) -> Array:
    """Return batches from one to *last*, ever further apart."""
    count = int(np.log(max(last, 1)) / np.log(ratio)) + 1
    powers = np.round(ratio ** np.arange(count))
    grid: Array = np.unique(np.append(powers, float(last)))
    return grid


@dataclass(frozen=True, kw_only=True)
class States:
    """The law of each server, and the weights it was made from: columns from *first* on."""

    law: Law
    weights: Array
    first: int
    capacity: Array

    def met(self) -> Met:
        """Return the batch that tokens meet: with a queue, all states beyond count as full."""
        weights, width = self.weights, self.weights.shape[1]
        at = self.capacity - self.first
        queued = np.flatnonzero(at < width)
        if queued.size:
            places = at[queued].astype(np.intp)
            is_full = weights[queued, places] > 0
            whole = array_of(self.law.full) * array_of(self.law.weight)
            weights = weights.copy()
            weights[queued, places] = np.where(is_full, whole[queued], 0.0)
        batches = np.arange(self.first, self.first + width, dtype=np.float64)
        tokens = weights * batches
        gone = np.cumsum(tokens, axis=1)
        running = array_of(self.law.running) * array_of(self.law.weight)
        last = width - 1 - (weights[:, ::-1] > 0).argmax(axis=1)
        quantiles = [
            column(
                np.minimum(np.count_nonzero(gone < (q * running)[:, None], axis=1), last)
                + float(self.first)
            )
            for q in QUANTILES
        ]
        mean = _weighed(tokens, batches) / running
        return Met(mean=column(mean), quantiles=tuple(quantiles))

    def usual(self) -> Met:
        """Return the mean batch for all that tokens meet, where no percentile of it is asked."""
        running = self.law.running
        return Met(mean=running, quantiles=(running,) * len(QUANTILES))
