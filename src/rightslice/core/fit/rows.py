"""Offers times sets of flags as rows of arrays: sized, and ready to be predicted.

Rows of one offer lie together, in the order in which flags are tried. Imported only by `screen`:
numpy loads with it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rightslice.core.catalog.device import Device
from rightslice.core.catalog.estimate import normal_quantile
from rightslice.core.catalog.question import Question
from rightslice.core.catalog.share import sharing_key
from rightslice.core.fit.constants import FittedConstants
from rightslice.core.fit.entry import Entry
from rightslice.core.perf import tables
from rightslice.core.perf.arrays import Array, Index, Mask
from rightslice.core.perf.capacity import SURE, longest
from rightslice.core.perf.rates import Schedule, is_known
from rightslice.core.perf.result import PerfConstants
from rightslice.core.perf.work import ServedAs, work_of
from rightslice.core.sizing.columns import of_servers
from rightslice.core.sizing.kv_cache import kv_value_bytes
from rightslice.core.sizing.result import Phase
from rightslice.core.sizing.startup import Startup
from rightslice.core.sizing.sweep import PHASE_CODES, Sizings, sweep


def rows_of_entries(
    question: Question, entries: Sequence[Entry], constants: FittedConstants
) -> Rows:
    """Return every entry with every set of its flags, sized.

    Raises:
        InputError: when a count is too large for exact arithmetic.
    """
    counts = [len(entry.servers) for entry in entries]
    columns = of_servers(
        question.model,
        [(entry.offer.device, server) for entry in entries for server in entry.servers],
        engine=question.engine,
        coefficients=constants.memory,
    )
    starts = np.concatenate(([0], np.cumsum(counts)[:-1])).astype(np.intp)
    entry = np.repeat(np.arange(len(entries)), counts)
    return Rows(
        question=question,
        constants=constants,
        entries=entries,
        starts=starts,
        entry=entry,
        variant=np.arange(len(entry)) - starts[entry],
        sizings=sweep(columns),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Rows:
    """Rows of *count* entries."""

    question: Question
    constants: FittedConstants
    entries: Sequence[Entry]
    starts: Index
    """First row of each entry."""
    entry: Index
    variant: Index
    """Place of the row's flags among the sets of its entry."""
    sizings: Sizings

    @property
    def count(self) -> int:
        """How many entries there are."""
        return len(self.entries)

    def row(self, variants: Index) -> Index:
        """Return the row of each entry with the set of flags at *variants*; its first for -1."""
        return self.starts + np.maximum(variants, 0)

    @cached_property
    def is_refused(self) -> Mask:
        """Whether vLLM refuses the row's configuration."""
        refused: Mask = self.sizings.phase == PHASE_CODES.index(Phase.CONFIG)
        return refused

    @cached_property
    def predicted(self) -> Mask:
        """Whether the row starts, and every figure for its latency is known."""
        return self.sizings.fits & self.is_known[self.entry]

    @cached_property
    def places(self) -> tuple[Array, Array]:
        """Sequences that each row runs at once: expected, and with 95 % probability."""
        inputs, outputs = self.question.traffic.input, self.question.traffic.output
        columns = self.sizings.columns
        mean = inputs.mean + outputs.mean
        spare = normal_quantile(SURE) * math.sqrt(inputs.variance + outputs.variance)
        is_served = self.sizings.fits & (columns.max_model_len >= longest(inputs, outputs))
        expected, low = (
            np.where(
                is_served, np.minimum(self._fitting(mean, spare, sure), columns.max_num_seqs), 0
            ).astype(np.float64)
            for sure in (0.5, 0.95)
        )
        return expected, low

    def _fitting(self, mean: float, spare: float, confidence: float) -> Index:
        """Return what `capacity` counts, from above, until no row changes."""
        count = self.sizings.sequences_that_fit(math.ceil(mean), confidence=confidence)
        while spare:
            each = np.ceil(mean + spare / np.sqrt(np.maximum(count, 1))).astype(np.int64)
            fewer = self.sizings.sequences_that_fit(each, confidence=confidence)
            fewer = np.where(count > 0, np.minimum(fewer, count), count)
            if (fewer == count).all():
                break
            count = fewer
        return count

    @cached_property
    def is_known(self) -> Mask:
        """Whether every figure of an entry's device that prediction needs is known."""
        return np.array(
            [is_known(entry.offer.device, entry.offer.tensor_parallel) for entry in self.entries]
        )

    @cached_property
    def known(self) -> Known:
        """The servers that can be predicted."""
        columns = self.sizings.columns
        places: dict[tuple[int, int], int] = {}
        servers: list[tables.Server] = []
        kinds = [_served(startup) for startup in columns.kinds]
        at = np.zeros(len(self.entry), np.intp)
        rows = np.flatnonzero(self.predicted)
        constants: dict[str, PerfConstants] = {}
        for row, entry, kind in zip(
            rows.tolist(), self.entry[rows].tolist(), columns.kind[rows].tolist(), strict=True
        ):
            device = self.entries[entry].offer.device
            at[row] = places.setdefault((entry, kind), len(servers))
            if at[row] == len(servers):
                served, schedule = kinds[kind]
                perf = self._perf(device, constants)
                servers.append(tables.Server(device, served, schedule, perf))
        table = tables.servers_of(servers) if servers else None
        shapes = None if table is None else tables.shapes_of(table.work, [self.question.traffic])
        chunks = self.sizings.columns.max_num_batched_tokens.astype(np.float64)
        return Known(servers=table, shapes=shapes, at=at, chunks=chunks)

    def _perf(self, device: Device, known: dict[str, PerfConstants]) -> PerfConstants:
        board = f"{device.gpu_name}:{sharing_key(device.share)}"
        if board not in known:
            known[board] = self.constants.on(self.question, device)
        return known[board]


@dataclass(frozen=True, kw_only=True, eq=False)
class Known:
    """Servers that can be predicted, and the requests that they get; None where there is none."""

    servers: tables.Servers | None
    shapes: tables.Shapes | None
    at: Index
    """Place of each row's server in the table."""
    chunks: Array
    """``max-num-batched-tokens`` of each row."""

    def alike(self, rows: Index, places: Array, load: Array) -> tuple[Index, Index]:
        """Return one of *rows* of each kind that is served alike, and the kind of every row."""
        keys = self.at[rows], self.chunks[rows], places, load
        order = np.lexsort(keys)
        differs = np.zeros(len(order), bool)
        for key in keys:
            differs[1:] |= key[order][1:] != key[order][:-1]
        kind = np.empty(len(order), np.intp)
        kind[order] = np.cumsum(differs)
        return order[np.flatnonzero(np.append([True], differs[1:]))], kind

    def points(self, rows: Index, places: Array) -> tables.Points:
        """Return *rows*, which start and can be predicted, with as many *places*."""
        assert self.servers is not None
        assert self.shapes is not None
        servers = self.servers.rows(self.at[rows]).with_chunks(self.chunks[rows])
        return tables.points(servers, self.shapes, places)


def _served(startup: Startup) -> tuple[ServedAs, Schedule]:
    flags = startup.flags
    served = ServedAs(
        tensor_parallel=flags.tensor_parallel,
        kv_bytes_per_value=kv_value_bytes(flags),
        quantization=startup.quantization,
    )
    work = work_of(startup.model, served)
    return served, Schedule(
        work=work, chunk_tokens=1, stages=flags.pipeline_parallel, is_eager=flags.enforce_eager
    )
