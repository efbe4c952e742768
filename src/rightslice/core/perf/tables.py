"""Tables of servers, of request lengths, and of both: what `sweep` predicts for, row by row.

`Servers` hold what device, tensor parallelism, cache format and flags decide, `Shapes` what request
lengths make of a step, `Points` rows of both with the places that memory leaves. All rows are of
one model and have the same number of pipeline stages. Imported only where many are predicted at
once: numpy loads with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from rightslice.core.catalog.device import Device
from rightslice.core.catalog.traffic import Traffic
from rightslice.core.perf.anchors import padded
from rightslice.core.perf.arrays import (
    ARRAYS,
    Array,
    Index,
    array_of,
    column,
    filled,
    joined,
    rows_of,
    stacked,
)
from rightslice.core.perf.bands import Doubt, doubt_on
from rightslice.core.perf.rates import Figures, Rates, Schedule, figures_of, link_of, rates_from
from rightslice.core.perf.result import PerfConstants
from rightslice.core.perf.roofline import Prompts, Step, prompts_of, schedule_of, step_under
from rightslice.core.perf.shapes import Requests, context_over, pairs_of, requests_of
from rightslice.core.perf.work import ServedAs, Work
from rightslice.core.sizing.result import Sizing


class Server(NamedTuple):
    """What decides the speed of one server beside the lengths of its requests."""

    device: Device
    served: ServedAs
    schedule: Schedule
    constants: PerfConstants


def server_of(sizing: Sizing, constants: PerfConstants) -> Server:
    """Return what decides the speed of a sized server."""
    served, schedule = schedule_of(sizing)
    return Server(sizing.device, served, schedule, constants)


@dataclass(frozen=True, kw_only=True)
class Servers:
    """A table of servers of one model, one row each."""

    work: Work
    """Of the first; the windows of the layers are the same in all."""
    rates: Rates
    doubt: Doubt

    def __len__(self) -> int:
        """Return the number of servers."""
        return len(array_of(self.rates.weights))

    def rows(self, index: Index) -> Servers:
        """Return the servers at *index*, in its order, as often as it names them."""
        return replace(self, rates=rows_of(self.rates, index), doubt=rows_of(self.doubt, index))

    def with_chunks(self, chunk_tokens: Array) -> Servers:
        """Return the same servers with another ``max-num-batched-tokens`` each."""
        return replace(self, rates=replace(self.rates, chunk_tokens=column(chunk_tokens)))


def servers_of(servers: Sequence[Server]) -> Servers:
    """Return the table of *servers*, all of one model; equal ones are best given once.

    Raises:
        InputError: when a device's bandwidth, FLOP/s or (for several GPUs) link is unknown.
    """
    rates = _rates_of(servers)
    doubts: dict[tuple[int, int], Doubt] = {}
    for s in servers:
        key = id(s.device), id(s.constants)
        if key not in doubts:
            doubts[key] = doubt_on(s.device, s.constants)
    first = servers[0].schedule
    untouched = tuple(1 - part.share_per_token for part in first.work.experts)
    anchors = padded([s.constants.anchors for s in servers])
    table = replace(
        rates,
        stages=first.stages,
        untouched=untouched,
        anchors=None if anchors is None else stacked(anchors),
    )
    doubt = stacked([doubts[id(s.device), id(s.constants)] for s in servers])
    return Servers(work=first.work, rates=table, doubt=doubt)


def _rates_of(servers: Sequence[Server]) -> Rates:
    """Return the rates of *servers* without their anchors: those of like work at once."""
    alike: dict[tuple[object, ...], list[int]] = {}
    for place, (_, served, schedule, constants) in enumerate(servers):
        cut = schedule.chunk_tokens, schedule.stages, schedule.is_eager
        key = served, id(schedule.work), *cut, id(constants)
        alike.setdefault(key, []).append(place)
    boards, parts = _Boards([server.device for server in servers], servers[0].constants), []
    for places in alike.values():
        _, served, schedule, constants = servers[places[0]]
        devices = [servers[place].device for place in places]
        figures = boards.figures(devices, served.tensor_parallel, constants)
        part = rates_from(figures, served, constants, schedule)
        parts.append(filled(replace(part, anchors=None), len(places)))
    order = np.array([place for places in alike.values() for place in places])
    return rows_of(joined(parts), np.argsort(order))


class _Boards:
    """The figures of devices; each is looked at once."""

    def __init__(self, devices: Sequence[Device], constants: PerfConstants) -> None:
        """Look at *devices*, each as if it were alone.

        Raises:
            InputError: when the bandwidth or the FLOP/s of one are unknown.
        """
        self._places: dict[int, int] = {}
        found: list[Figures] = []
        for device in devices:
            if self._places.setdefault(id(device), len(found)) == len(found):
                found.append(figures_of(device, 1, constants))
        self._alone = np.array([(each.bandwidth, each.turns) for each in found])
        self._formats = tuple(found[0].flops)
        self._flops = np.array([tuple(each.flops.values()) for each in found])

    def figures(
        self, devices: Sequence[Device], tensor_parallel: int, constants: PerfConstants
    ) -> Figures:
        """Return the figures of *devices* as arrays, each in groups of *tensor_parallel*.

        Raises:
            InputError: when a link is needed and unknown.
        """
        at = np.array([self._places[id(device)] for device in devices])
        hop, link = link_of(devices[0], tensor_parallel, constants)
        if tensor_parallel > 1:
            links = [link_of(device, tensor_parallel, constants) for device in devices]
            hop, link = (column(each) for each in np.array(links).T)
        bandwidth, turns = (column(each) for each in self._alone[at].T)
        flops = [column(each) for each in self._flops[at].T]
        return Figures(
            bandwidth=bandwidth,
            flops=dict(zip(self._formats, flops, strict=True)),
            turns=turns,
            hop=hop,
            link=link,
        )


class Shapes(NamedTuple):
    """A table of request lengths, one row each, for the layers of one model."""

    requests: Requests
    prompts: Prompts

    def rows(self, index: Index) -> Shapes:
        """Return the lengths at *index*, in its order, as often as it names them."""
        return Shapes(rows_of(self.requests, index), rows_of(self.prompts, index))


def shapes_of(work: Work, traffics: Sequence[Traffic]) -> Shapes:
    """Return the table of the lengths of *traffics*; equal ones are best given once."""
    return Shapes(
        stacked([requests_of(traffic) for traffic in traffics]),
        stacked([prompts_of(work, traffic) for traffic in traffics]),
    )


def fixed_shapes(
    work: Work, inputs: Array, outputs: Array, *, prefix_hit_ratio: float = 0.0
) -> Shapes:
    """Return the table of requests of so many *inputs* and *outputs* tokens, all alike in a row."""
    windows = [part.window_tokens for part in work.contexts]
    start, span, none = column(inputs * 1.0), column(outputs * 1.0), column(inputs * 0.0)
    requests = Requests(
        input_tokens=start,
        input_variation=none,
        input_excess=(none,) * 4,
        output_tokens=span,
        output_variation=none,
        output_quantiles=(span,) * 4,
    )
    prompts = Prompts(
        contexts=tuple(context_over(start, span, window, ARRAYS) for window in windows),
        pairs=tuple(pairs_of(start, prefix_hit_ratio, window, ARRAYS) for window in windows),
        held=context_over(start, span, None, ARRAYS),
        tokens=start * (1 - prefix_hit_ratio),
        input_tokens=start,
        output_tokens=span,
    )
    return Shapes(requests, prompts)


@dataclass(frozen=True, kw_only=True)
class Points:
    """Servers with requests and places, row by row."""

    step: Step
    requests: Requests
    doubt: Doubt
    places: Array
    """Sequences that run at once; a server with none serves nothing."""

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.places)

    def rows(self, index: Index) -> Points:
        """Return the rows at *index*."""
        return Points(
            step=rows_of(self.step, index),
            requests=rows_of(self.requests, index),
            doubt=rows_of(self.doubt, index),
            places=self.places[index],
        )


def points(servers: Servers, shapes: Shapes, places: Array) -> Points:
    """Return rows of *servers* under *shapes*: as many as *places*, or one for all of them."""
    rows = len(places)
    whole = np.zeros(rows, dtype=np.intp)
    if len(servers) != rows:
        servers = servers.rows(whole)
    if len(array_of(shapes.prompts.tokens)) != rows:
        shapes = shapes.rows(whole)
    return Points(
        step=step_under(servers.rates, shapes.prompts, ARRAYS),
        requests=shapes.requests,
        doubt=servers.doubt,
        places=places * 1.0,
    )


def places_within(
    kv_tokens: Array, max_num_seqs: Array, tokens_per_request: Array | float
) -> Array:
    """Return how many sequences run at once in a pool of *kv_tokens*: whole ones, none below 0."""
    fitting = np.floor(np.maximum(kv_tokens, 0.0) / tokens_per_request)
    return np.minimum(fitting, max_num_seqs)
