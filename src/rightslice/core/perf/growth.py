"""Weights of the states of birth-death chains, many servers at once, by blocks.

A block is a matrix: one column a server, one row a batch. Servers of like reach share a block, and
a block has rows for the batches that matter to any of its servers. Which ones these are is told
from the slope of the weights about the likeliest batch, and checked once the weights are there.
States that `queueing` leaves out as negligible are left out here too, so both give the same
figures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from rightslice.core.perf.arrays import Array, Index, array_of, column
from rightslice.core.perf.law import NEGLIGIBLE, decoding_share
from rightslice.core.perf.operation import QUANTILES
from rightslice.core.perf.roofline import Step
from rightslice.core.perf.shapes import Requests

_START: Final = 1e-200
"""Weight of the first state: leaves exp(1,150) above it before an overflow."""
_FEW: Final = 1000
"""Weights grow by less than exp(rows), so up to here they are multiplied, else added in logs."""
_DEPTH: Final = 15.0
"""Logs below the likeliest state at which rows end: further than `NEGLIGIBLE` by e."""
_SPARE: Final = 2.0
"""Rows beyond those told from slopes."""
_HALVINGS: Final = 7
_BLOCK: Final = 80_000
"""Weights worked out together: their matrices stay in a core's cache."""
_LEAST: Final = 8_000
"""Fewer weights than this are not parted: a block costs as much as the weights that it spares."""
_LONGER: Final = 1.8
"""What reaches this much further than a block's first server goes to the next one."""
_FAR: Final = 65_535
"""Further than this servers are not told apart: short numbers are sorted faster."""
_LANES: Final = 8
"""Rows that are multiplied up side by side."""
_STEPS: Final = (4, 2, 1)
"""Steps that find one of so many."""


@dataclass(frozen=True, kw_only=True)
class Growth:
    """The weight of a batch n of each server over that of one sequence less: its stay over n.

    fixed/n + m/n (linear + sqrt((streamed(m)/m + cache)^2 + compute^2)), with m of n sequences in
    each stage of the pipeline and every time multiplied by the rate of requests.
    """

    fixed: Array
    linear: Array
    weights: Array
    cache: Array
    compute: Array
    """Squared."""
    experts: tuple[tuple[Array, float], ...]
    stages: int

    def columns(self, index: Index) -> Growth:
        """Return the servers at *index*."""
        return Growth(
            fixed=self.fixed[index],
            linear=self.linear[index],
            weights=self.weights[index],
            cache=self.cache[index],
            compute=self.compute[index],
            experts=tuple([(size[index], untouched) for size, untouched in self.experts]),
            stages=self.stages,
        )

    def at(self, batches: Array) -> Array:
        """Return the growth to *batches*: one a server, or a column of them for all servers."""
        shape = np.broadcast_shapes(batches.shape, self.fixed.shape)
        return self.into(batches, np.empty(shape), np.empty(shape))

    def into(self, batches: Array, found: Array, spare: Array) -> Array:
        """Return the same, put into *found*; *spare*, of the same shape, is lost."""
        stage = batches if self.stages == 1 else np.maximum(batches / self.stages, 1.0)
        np.multiply(self.weights, 1 / stage, out=found)
        for size, untouched in self.experts:
            found += np.multiply(size, (1 - untouched**stage) / stage, out=spare)
        found += self.cache
        found *= found
        found += self.compute
        np.sqrt(found, out=found)
        found += self.linear
        if self.stages > 1:
            found *= stage / batches
        found += np.multiply(self.fixed, 1 / batches, out=spare)
        return found

    def span(self, capacity: Array) -> tuple[Array, Array]:
        """Return about the first and the last batch that matter to each server."""
        low, high = np.zeros(len(capacity)), capacity
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            rises = self.at(middle) > 1
            low, high = np.where(rises, middle, low), np.where(rises, high, middle)
        mode = np.maximum((low + high) / 2, 0.5)
        top, apart = np.log(self.at(mode)), np.maximum(mode / 16, 0.5)
        slope = (top - np.log(self.at(mode + apart))) / apart
        reach = np.sqrt(2 * _DEPTH / slope)
        first = np.maximum(np.floor(mode - reach) - _SPARE, 0.0)
        half, whole = np.log(self.at(mode + reach / 2)), np.log(self.at(mode + reach))
        drop = -(top + 4 * half + whole) / 6
        reach = np.maximum(reach, _DEPTH / np.maximum(drop, 1e-3))
        return first, np.minimum(np.ceil(mode + reach) + _SPARE, capacity)

    def summed(
        self, capacity: Array, ratio: Array, sums: Callable[[Block], tuple[Array, ...]]
    ) -> tuple[Array, ...]:
        """Return *sums* of the states of every server.

        Beyond the *capacity*, a weight is *ratio* of that with one request less waiting.
        """
        first, last = self.span(capacity)
        reach = np.minimum(last, _FAR)
        order = np.argsort(reach.astype(np.uint16), kind="stable")
        scratch, parts = Scratch(), []
        for index in _blocks(order, reach[order]):
            here = self.columns(index)
            ends = int(first[index].min()), int(last[index].max())
            parts.append(sums(_block(here, (capacity[index], ratio[index]), ends, scratch)))
        found = np.empty((len(parts[0]), len(order)))
        for row, each in zip(found, zip(*parts, strict=True), strict=True):
            row[order] = np.concatenate(each)
        return tuple(found)


def growth_of(step: Step, requests: Requests, rate: Array) -> Growth:
    """Return how weights grow under *rate* requests a second."""
    rates = column(rate)
    scale = rates * decoding_share(step, requests, rates)

    def scaled(seconds: float) -> Array:
        return array_of(scale * seconds)

    return Growth(
        fixed=array_of(scale * (step.overhead + step.all_reduce) + rates * step.prefill),
        linear=scaled(step.host_per_sequence + step.all_reduce_per_sequence),
        weights=scaled(step.weights),
        cache=scaled(step.memory_per_sequence),
        compute=scaled(step.compute_per_sequence) ** 2,
        experts=tuple([(scaled(size), untouched) for size, untouched in step.experts]),
        stages=step.stages,
    )


def _blocks(order: Index, reach: Array) -> Iterator[Index]:
    """Yield servers in blocks of like *reach*, the shortest first."""
    start = 0
    while start < len(order):
        most = max(_LONGER * reach[start] + _SPARE, _LEAST / (len(order) - start))
        end = max(int(np.searchsorted(reach, most, side="right")), start + 1)
        end = min(end, start + max(_BLOCK // int(reach[end - 1] + 1), 1))
        yield order[start:end]
        start = end


class Scratch:
    """Two arrays that all blocks use in turn: fresh ones cost more than what is put into them."""

    def __init__(self) -> None:
        """Begin without any."""
        self._flat = np.empty((2, 0))

    def matrices(self, rows: int, columns: int) -> tuple[Array, Array]:
        """Return two matrices whose contents are of no use; those returned before are lost."""
        size = rows * columns
        if self._flat.shape[1] < size:
            self._flat = np.empty((2, size))
        one, other = self._flat[:, :size].reshape(2, rows, columns)
        return one, other


@dataclass(frozen=True, kw_only=True)
class Block:
    """The weights of like servers: up to a factor each, those that are negligible zero."""

    weights: Array
    spare: Array
    """Of the same shape, for what is made of them."""
    first: int
    """The batch of the first row."""
    capacity: Array
    shown: Index
    """Servers whose capacity is among the rows."""
    rows: Index
    """The row of it."""
    ratio: Array
    """Of a full server's queue: one more request waiting over one less."""

    @property
    def batches(self) -> Array:
        """The batch of each row."""
        return np.arange(self.first, self.first + len(self.weights), dtype=np.float64)


def _block(
    growth: Growth, full: tuple[Array, Array], ends: tuple[int, int], scratch: Scratch
) -> Block:
    """Return the weights from about the first to the last of *ends*, and of all that matter."""
    (capacity, ratio), (first, last) = full, ends
    most = int(capacity.max())
    while True:
        last = first - 1 - (first - 1 - last) // _LANES * _LANES
        batches = np.arange(first + 1.0, last + 1.0)
        found, spare = scratch.matrices(last - first + 1, len(capacity))
        found[0] = _START
        growth.into(batches[:, None], found[1:], spare[1:])
        beyond = int(np.searchsorted(batches, capacity.min(), side="right"))
        found[1 + beyond :] *= batches[beyond:, None] <= capacity
        weights = _products(found)
        is_likely = weights > NEGLIGIBLE * weights.max(axis=0)
        is_open = (is_likely[-1] & (last < capacity)).any() or (first and is_likely[0].any())
        if not is_open:
            break
        first, last = 0, min(2 * last, most)
    is_kept = is_likely.copy()
    is_kept[1:] |= is_likely[:-1]
    is_kept[:-1] |= is_likely[1:]
    weights *= is_kept
    at = capacity.astype(np.intp) - first
    shown = np.flatnonzero(at < len(weights))
    return Block(
        weights=weights,
        spare=spare,
        first=first,
        capacity=capacity,
        shown=shown,
        rows=at[shown],
        ratio=ratio,
    )


def _products(growth: Array) -> Array:
    """Return the products of all rows up to each, up to a factor a column; *growth* is lost."""
    if len(growth) <= _FEW:
        return _running(np.multiply, growth)
    with np.errstate(divide="ignore"):
        logs = _running(np.add, np.log(growth))
    scaled: Array = np.exp(logs - logs.max(axis=0))
    return scaled


def _running(operation: np.ufunc, rows: Array) -> Array:
    """Put into each row what *operation* makes of all rows up to it: faster than ``accumulate``.

    The rows are whole groups of `_LANES`.
    """
    lanes = rows.reshape(-1, _LANES, rows.shape[1])
    for lane in range(1, _LANES):
        operation(lanes[:, lane], lanes[:, lane - 1], out=lanes[:, lane])
    for group in range(1, len(lanes)):
        operation(lanes[group], lanes[group - 1, -1], out=lanes[group])
    return rows


def sums(block: Block) -> tuple[Array, ...]:
    """Return the sum of the weights, of them times their batch, and the weight of a full server."""
    full = np.zeros(len(block.capacity))
    full[block.shown] = block.weights[block.rows, block.shown]
    return block.weights.sum(axis=0), _weighed(block.weights, block.batches), full


def sums_and_met(block: Block) -> tuple[Array, ...]:
    """Return `sums`, then the mean and the percentiles of the batch that tokens meet.

    With a queue, all states beyond count as full.
    """
    total, batches, full = sums(block)
    queued = full / (1 - block.ratio)
    running = batches + block.capacity * (queued - full)
    weights = block.weights
    weights[block.rows, block.shown] = queued[block.shown]
    tokens = np.multiply(weights, block.batches[:, None], out=block.spare)
    squares = _weighed(tokens, block.batches)
    gone = _running(np.add, tokens)
    levels = np.array([q * running for q in QUANTILES])
    quantiles = _passed(gone, levels) + block.first
    return total, batches, full, squares / running, *quantiles


def _passed(gone: Array, levels: Array) -> Array:
    """Return how many rows of *gone*, ascending, are below each of *levels*, rows of them.

    Counted by groups, then by halving within one.
    """
    rows, columns = gone.shape
    groups, flat = gone[_LANES - 1 :: _LANES], gone.ravel()
    each = np.arange(columns)
    passed = np.array([np.count_nonzero(groups < level, axis=0) for level in levels])
    passed *= _LANES * columns
    passed += each
    for step in _STEPS:
        probe = np.minimum(passed + (step - 1) * columns, each + (rows - 1) * columns)
        passed += (flat[probe] < levels) * (step * columns)
    found: Array = np.minimum(passed // columns, rows - 1).astype(np.float64)
    return found


def _weighed(weights: Array, batches: Array) -> Array:
    """Return each column's sum over the batches: no BLAS, whose threads contend for cores."""
    summed: Array = np.einsum("ij,i->j", weights, batches)
    return summed
