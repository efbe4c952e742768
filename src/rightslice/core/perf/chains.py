"""The birth-death chains of many servers at once: what `queueing` sums for one, in arrays."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from rightslice.core.perf.arrays import Array, Index, column, rows_of
from rightslice.core.perf.growth import growth_of, sums, sums_and_met
from rightslice.core.perf.law import Law, Met, law_from
from rightslice.core.perf.operation import QUANTILES
from rightslice.core.perf.roofline import Step
from rightslice.core.perf.shapes import Requests

_IDLE: Final = 1e-3
"""Share of the stable rate at which servers without an answer are computed."""


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

    def law(self, rate: Array, limit: Array) -> Law:
        """Return the laws under *rate* requests a second, each below its stable *limit*."""
        growth = growth_of(self.step, self.requests, rate)
        total, batches, full = growth.summed(self.capacity, rate / limit, sums)
        return self._law((rate, limit), (total, batches, full))

    def with_usual(self, rate: Array, limit: Array) -> tuple[Law, Met]:
        """Return the laws, and the mean batch for all that tokens meet: no percentile is asked."""
        law = self.law(rate, limit)
        return law, Met(mean=law.running, quantiles=(law.running,) * len(QUANTILES))

    def with_met(self, rate: Array, limit: Array) -> tuple[Law, Met]:
        """Return the laws, and the batches that tokens meet."""
        growth = growth_of(self.step, self.requests, rate)
        total, batches, full, mean, *quantiles = growth.summed(
            self.capacity, rate / limit, sums_and_met
        )
        met = Met(mean=column(mean), quantiles=tuple([column(each) for each in quantiles]))
        return self._law((rate, limit), (total, batches, full)), met

    def _law(self, rates: tuple[Array, Array], found: tuple[Array, Array, Array]) -> Law:
        total, batches, full = map(column, found)
        rate, limit = map(column, rates)
        return law_from((total, batches, full), rate, limit, column(self.capacity))


def calm(rate: Array, limit: Array) -> Array:
    """Return *rate* where it is stable, and elsewhere one that few sequences serve."""
    return np.where(rate < limit, rate, limit * _IDLE)
