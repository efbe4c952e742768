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
from rightslice.core.fit.constants import FittedConstants
from rightslice.core.fit.entry import Entry
from rightslice.core.perf import tables
from rightslice.core.perf.arrays import Array, Index, Mask
from rightslice.core.perf.capacity import SURE, longest
from rightslice.core.perf.rates import Schedule
from rightslice.core.perf.result import PerfConstants
from rightslice.core.perf.work import ServedAs, work_of
from rightslice.core.sizing.columns import of_servers
from rightslice.core.sizing.kv_cache import kv_value_bytes
from rightslice.core.sizing.result import Phase
from rightslice.core.sizing.startup import Startup
from rightslice.core.sizing.sweep import PHASE_CODES, Sizings, sweep
from rightslice.errors import InputError


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
        devices=tuple(entry.offer.device for entry in entries),
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
    devices: tuple[Device, ...]
    """Of each entry."""
    starts: Index
    """First row of each entry."""
    entry: Index
    variant: Index
    """Place of the row's flags among the sets of its entry."""
    sizings: Sizings

    @property
    def count(self) -> int:
        """How many entries there are."""
        return len(self.devices)

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
    def is_known(self) -> Mask:
        """Whether an entry that starts at all can be predicted."""
        return self._tables[1]

    @property
    def known(self) -> Known:
        """Return the servers that can be predicted."""
        return self._tables[0]

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
    def _tables(self) -> tuple[Known, Mask]:
        columns = self.sizings.columns
        fitting = np.flatnonzero(self.sizings.fits)
        kinds = [_served(startup) for startup in columns.kinds]
        places: dict[tuple[int, ServedAs, bool], int] = {}
        servers: list[tables.Server] = []
        owners, at = list[int](), np.zeros(len(self.entry), np.intp)
        constants: dict[str, PerfConstants] = {}
        for row in fitting.tolist():
            entry, (served, schedule) = int(self.entry[row]), kinds[columns.kind[row]]
            key = entry, served, schedule.is_eager
            if key not in places:
                places[key] = len(servers)
                device = self.devices[entry]
                servers.append(
                    tables.Server(device, served, schedule, self._perf(device, constants))
                )
                owners.append(entry)
            at[row] = places[key]
        return self._known(servers, owners, at)

    def _perf(self, device: Device, known: dict[str, PerfConstants]) -> PerfConstants:
        question, gpu = self.question, device.gpu_name
        if gpu not in known:
            known[gpu] = self.constants.of(question.engine, question.model, gpu)
        return known[gpu]

    def _known(
        self, servers: list[tables.Server], owners: list[int], at: Index
    ) -> tuple[Known, Mask]:
        """Return the table of those *servers* whose devices' figures are known."""
        is_known = np.ones(self.count, bool)
        try:
            table = tables.servers_of(servers) if servers else None
        except InputError:
            can = [_can_be_predicted(server) for server in servers]
            is_known[[owner for owner, known in zip(owners, can, strict=True) if not known]] = False
            at = (np.cumsum(can) - 1)[at]
            servers = [server for server, known in zip(servers, can, strict=True) if known]
            table = tables.servers_of(servers) if servers else None
        shapes = None if table is None else tables.shapes_of(table.work, [self.question.traffic])
        chunks = self.sizings.columns.max_num_batched_tokens.astype(np.float64)
        return Known(servers=table, shapes=shapes, at=at, chunks=chunks), is_known


@dataclass(frozen=True, kw_only=True, eq=False)
class Known:
    """Servers that can be predicted, and the requests that they get; None where there is none."""

    servers: tables.Servers | None
    shapes: tables.Shapes | None
    at: Index
    """Place of each row's server in the table."""
    chunks: Array
    """``max-num-batched-tokens`` of each row."""

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


def _can_be_predicted(server: tables.Server) -> bool:
    try:
        tables.servers_of([server])
    except InputError:
        return False
    return True
