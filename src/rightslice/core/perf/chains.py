"""The birth-death chains of many servers at once: what `queueing` sums for one, by columns.

One row a server, one column a batch. Step times do not depend on the rate, so they are worked out
once and serve every rate tried; a slowed server's are the same times a factor. States that
`queueing` leaves out as negligible are left out here too, so both give the same figures.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from rightslice.core.perf.arrays import ARRAYS, Array, Index, array_of, column, rows_of
from rightslice.core.perf.operation import QUANTILES
from rightslice.core.perf.queueing import NEGLIGIBLE, Law, Met, decoding_share, law_from
from rightslice.core.perf.roofline import Step
from rightslice.core.perf.shapes import Requests

_START: Final = 1e-150
"""Weight of the empty state: leaves exp(1,050) above it before an overflow."""
_FEW: Final = 1000
"""Weights grow by less than exp(capacity), so up to here they are multiplied, else added in
logs."""


@dataclass(frozen=True, kw_only=True)
class Chains:
    """Servers and their times of every batch up to the largest capacity."""

    step: Step
    requests: Requests
    capacity: Array
    seconds: Array
    """Of a step, a row a server and a column a batch from one on."""

    @classmethod
    def of(cls, step: Step, requests: Requests, capacity: Array) -> Chains:
        """Return the chains of servers that run *capacity* sequences, at least one each."""
        batches = np.arange(1.0, float(capacity.max(initial=1.0)) + 1)
        upright = rows_of(step, (slice(None), None))  # type: ignore[arg-type]  # a new axis is an index too
        seconds = array_of(upright.seconds(column(batches)))
        return cls(
            step=step,
            requests=requests,
            capacity=capacity,
            seconds=np.broadcast_to(seconds, (len(capacity), len(batches))),
        )

    def rows(self, index: Index) -> Chains:
        """Return the chains at *index*, no wider than they need."""
        capacity = self.capacity[index]
        widest = int(capacity.max(initial=1.0))
        return Chains(
            step=rows_of(self.step, index),
            requests=rows_of(self.requests, index),
            capacity=capacity,
            seconds=self.seconds[index, :widest],
        )

    def slowed(self, factor: Array) -> Chains:
        """Return the same servers with every time *factor* times as long."""
        return replace(
            self,
            step=self.step.slowed(column(factor)),
            seconds=self.seconds * factor[:, None],
        )

    def settled(self, sequences: Array) -> Chains:
        """Return the same servers as calibration corrects them while *sequences* run."""
        if self.step.misfit is None:
            return self
        factor = array_of(self.step.misfit.factor(column(sequences), ARRAYS))
        slow = self.slowed(factor)
        return replace(slow, step=replace(slow.step, misfit=None))

    def states(self, rate: Array) -> States:
        """Return the states under *rate* requests a second, each below its largest stable one."""
        step = self.step
        tokens = array_of(decoding_share(step, self.requests, column(rate)))
        prefill = array_of(step.prefill)
        batches = np.arange(1.0, self.seconds.shape[1] + 1)
        stay = self.seconds * (rate * tokens)[:, None] + (rate * prefill)[:, None]
        weights = _products(stay / batches, self.capacity)
        top = weights.max(axis=1)
        likely = weights > (NEGLIGIBLE * top)[:, None]
        kept = likely.copy()
        kept[:, 1:] |= likely[:, :-1]
        kept[:, :-1] |= likely[:, 1:]
        weights = np.where(kept, weights, 0.0) / top[:, None]
        at = self.capacity.astype(np.intp)
        each = np.arange(len(rate))
        full = self.capacity / (tokens * self.seconds[each, at - 1] + prefill)
        sums = (
            column(weights.sum(axis=1)),
            column(weights[:, 1:] @ batches),
            column(weights[each, at]),
        )
        law = law_from(sums, column(rate), column(full), column(self.capacity))
        return States(law=law, weights=weights, capacity=at)


def _products(growth: Array, capacity: Array) -> Array:
    """Return weights of 0, 1, ... sequences that grow by *growth*, none beyond the capacity."""
    rows, width = growth.shape
    beyond = np.arange(1, width + 1) > capacity[:, None]
    weights = np.empty((rows, width + 1))
    if width <= _FEW:
        weights[:, 0] = _START
        weights[:, 1:] = np.where(beyond, 0.0, growth)
        return np.multiply.accumulate(weights, axis=1)
    weights[:, 0] = 0.0
    weights[:, 1:] = np.where(beyond, -np.inf, np.log(growth))
    logs = np.cumsum(weights, axis=1)
    scaled: Array = np.exp(logs - logs.max(axis=1)[:, None])
    return scaled


@dataclass(frozen=True, kw_only=True)
class States:
    """The law of each server, and the weights it was made from: columns of 0, 1, ... sequences."""

    law: Law
    weights: Array
    capacity: Index

    def met(self) -> Met:
        """Return the batch that tokens meet: with a queue, all states beyond count as full."""
        law, each = self.law, np.arange(len(self.weights))
        shares = self.weights / array_of(law.weight)[:, None]
        is_full = shares[each, self.capacity] > 0
        full = np.where(is_full, array_of(law.full), shares[each, self.capacity])
        shares[each, self.capacity] = full
        batches = np.arange(float(self.weights.shape[1]))
        tokens = shares * batches
        gone, running = np.cumsum(tokens, axis=1), array_of(law.running)
        last = self.weights.shape[1] - 1 - (self.weights[:, ::-1] > 0).argmax(axis=1)
        quantiles = [
            column(np.minimum((gone < (q * running)[:, None]).sum(axis=1), last) * 1.0)
            for q in QUANTILES
        ]
        return Met(mean=column(tokens @ batches / running), quantiles=tuple(quantiles))
