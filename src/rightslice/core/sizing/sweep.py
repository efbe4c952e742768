"""Memory of one model under many configurations at once: what `memory.size` says, in arrays.

Start-ups are sorted into kinds. What is not a number (parallelism, number formats, graphs on or
off, a whole card or a slice) makes the kind: weights, non-torch memory and the layout of the cache
are worked out once for each. The rest is arithmetic on arrays, by the very formulas that
`memory.size` uses (`amounts`), so that both agree to the byte; texts are left to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from rightslice.core.catalog.estimate import normal_quantile
from rightslice.core.sizing.activation import profile_phases
from rightslice.core.sizing.amounts import Spread, raised, rounded
from rightslice.core.sizing.budget import (
    PHASES,
    Budget,
    headroom,
    margins,
    pool_left,
    probability,
)
from rightslice.core.sizing.columns import Columns
from rightslice.core.sizing.configuration import excesses, refused_parallelism
from rightslice.core.sizing.graphs import graph_bytes, non_torch_memory
from rightslice.core.sizing.kv_cache import (
    BlockLayout,
    max_concurrency,
    stage_layouts,
    tokens_logged,
)
from rightslice.core.sizing.memory import loaded_weights, warm_up_ratio, weights_band
from rightslice.core.sizing.parameters import StageWeights
from rightslice.core.sizing.result import Phase
from rightslice.core.sizing.startup import Startup, Step

if TYPE_CHECKING:
    from rightslice.core.sizing.amounts import Reals, Wholes

FITS: Final = -1
"""Phase code of what starts; others are places in `PHASE_CODES`."""
PHASE_CODES: Final = tuple(Phase)
_CODES: Final = {phase: code for code, phase in enumerate(PHASE_CODES)}


@dataclass(frozen=True, slots=True, eq=False)
class Bands:
    """A `Band` of each configuration."""

    low: Wholes
    expected: Wholes
    high: Wholes

    def at_least(self, confidence: float) -> Wholes:
        """Return what each value stays at or above with probability *confidence*."""
        share = normal_quantile(confidence) / normal_quantile(0.95)
        return self.expected - raised((self.expected - self.low) * share)


@dataclass(frozen=True, kw_only=True, eq=False)
class Sizings:
    """What `memory.size` answers for each of many configurations, without the words."""

    columns: Columns
    weights: Bands
    activation: Bands
    non_torch: Bands
    graphs: Bands
    kv_bytes: Bands
    kv_blocks: Bands
    kv_tokens: Bands
    full_length_requests: Reals
    phase: Wholes
    """`FITS`, or the place in `PHASE_CODES` of the phase in which it dies."""
    short_by_bytes: Wholes
    """0 where it fits, and where the configuration itself is refused."""
    headroom_bytes: Wholes
    """0 where it does not fit."""
    probability: Reals
    """That it starts, given the bands; 0 where it does not fit."""

    @property
    def fits(self) -> NDArray[np.bool_]:
        """Whether each server starts."""
        fits: NDArray[np.bool_] = self.phase == FITS
        return fits

    def sequences_that_fit(self, tokens: int | Wholes, *, confidence: float = 0.5) -> Wholes:
        """Return how many sequences of *tokens* each pool holds, as `kv_cache` does for one."""
        blocks = np.maximum(0, self.kv_blocks.at_least(confidence))
        each = np.broadcast_to(np.asarray(tokens, np.int64), blocks.shape)
        found = self.columns.max_num_seqs.copy()
        for startup, members in self.columns.by_kind():
            first = stage_layouts(startup.model, startup.flags, startup.engine)[0]
            if first.groups:
                layout = first.stepping(self.columns.max_num_batched_tokens[members])
                found[members] = blocks[members] // layout.blocks_of(each[members])
        return found


def sweep(columns: Columns) -> Sizings:
    """Return the memory of every one of the configurations in *columns*, in their order."""
    ranks = [rank for kind in columns.by_kind() for rank in _ranks(columns, *kind)]
    tables: list[Wholes] = [np.zeros((_ROWS, 0), np.int64)]
    requests: list[Reals] = [np.zeros(0)]
    for given in (False, True):
        alike = [rank for rank in ranks if _pool_is_given(rank.startup) is given]
        if alike:
            table, fitting = _answered(columns, alike)
            tables.append(table)
            requests.append(fitting)
    table, fitting = np.concatenate(tables, axis=1), np.concatenate(requests)
    order = np.argsort(table[_MEMBER])
    table = table[:, order]
    return Sizings(
        columns=columns,
        **{name: _bands(table, first) for name, first in _TERMS.items()},
        full_length_requests=fitting[order],
        phase=table[_PHASE],
        short_by_bytes=table[_SHORT],
        headroom_bytes=table[_HEADROOM],
        probability=_probabilities(table[_SCORE]),
    )


_TERMS: Final = {
    name: 3 * place
    for place, name in enumerate(
        ("weights", "activation", "non_torch", "graphs", "kv_bytes", "kv_blocks", "kv_tokens")
    )
}
"""First of three rows of a table: low, expected and high."""
_POOL: Final = _TERMS["kv_bytes"]
"""Behind the terms that are taken from it, before the blocks and the tokens that it makes."""
_BLOCKS: Final = _TERMS["kv_blocks"] + 1
_PHASE, _SHORT, _HEADROOM, _SCORE, _MEMBER = range(21, 26)
_ROWS: Final = 26


@dataclass(frozen=True, slots=True, eq=False)
class _Rank:
    """One pipeline stage of all configurations of a kind."""

    startup: Startup
    members: Wholes
    weights: StageWeights
    layout: BlockLayout[Wholes]
    step: Step[Wholes]


def _ranks(columns: Columns, startup: Startup, members: Wholes) -> Iterator[_Rank]:
    if not len(members):
        return
    stages = loaded_weights(startup)
    layouts = stage_layouts(startup.model, startup.flags, startup.engine)
    tokens = columns.max_num_batched_tokens[members]
    step = Step(columns.max_num_seqs[members], tokens, columns.max_model_len[members])
    for weights, layout in zip(stages, layouts, strict=True):
        yield _Rank(startup, members, weights, layout.stepping(tokens), step)


def _answered(columns: Columns, ranks: list[_Rank]) -> tuple[Wholes, Reals]:
    """Return the table of configurations whose pools are all given, or all not."""
    engine = ranks[0].startup.engine
    table, more = _terms(ranks)
    members = table[_MEMBER]
    pool_is_given = _pool_is_given(ranks[0].startup)
    requested = raised(columns.memory_bytes[members] * columns.gpu_memory_utilization[members])
    terms = tuple(_bands(table, first) for first in range(0, _POOL, 3))
    if pool_is_given:
        table[_POOL : _POOL + 3] = columns.kv_cache_memory_bytes[members]
    else:
        left = pool_left(requested, terms, graphs_in_budget=engine.graphs_in_budget)
        table[_POOL : _POOL + 3] = left
    fitting = _count(ranks, table)
    binding = _binding(members, table[_BLOCKS])
    table, more = table[:, binding], more[:, binding]
    weights, activation, non_torch, graphs, pool = (
        _bands(table, first) for first in range(0, _POOL + 3, 3)
    )
    members = table[_MEMBER]
    budget: Budget[Wholes, Spread[Wholes]] = Budget(
        free_bytes=columns.memory_bytes[members] - columns.neighbours_bytes[members],
        requested_bytes=requested[binding],
        pool_is_given=pool_is_given,
        graphs_in_budget=engine.graphs_in_budget,
        weights=weights,
        activation=activation,
        sampler_bytes=more[_SAMPLER],
        non_torch=non_torch,
        graphs=graphs,
        context=_bands(more, 0),
        pool=pool,
        needed_bytes=more[_NEEDED],
        warm_up_bytes=more[_WARM_UP],
    )
    _judge(budget, table, more[_REFUSED] > 0)
    return table, fitting[binding]


_SAMPLER, _WARM_UP, _NEEDED, _REFUSED = range(3, 7)
_MORE: Final = 7
"""Rows that only the verdict needs; the first three are the context."""


def _terms(ranks: list[_Rank]) -> tuple[Wholes, Wholes]:
    count = sum(len(rank.members) for rank in ranks)
    table, more = np.zeros((_ROWS, count), np.int64), np.zeros((_MORE, count), np.int64)
    start = 0
    for rank in ranks:
        place = slice(start, start := start + len(rank.members))
        startup, known = rank.startup, rank.startup.coefficients
        non_torch, _ = non_torch_memory(startup)
        table[0:3, place] = _column(weights_band(rank.weights, known))
        phases = profile_phases(startup, rank.weights, rank.step)
        table[3:6, place] = phases.band
        table[6:9, place] = _column(non_torch)
        table[9:12, place] = graph_bytes(startup, rank.weights, rank.step)
        table[_MEMBER, place] = rank.members
        more[0:3, place] = _column(known.context)
        more[_SAMPLER, place] = phases.sampler
        more[_WARM_UP, place] = rounded(phases.sampler * warm_up_ratio(rank.weights, known))
        more[_NEEDED, place] = rank.layout.needed(rank.step.length)
        more[_REFUSED, place] = _refused(rank)
    return table, more


def _refused(rank: _Rank) -> NDArray[np.bool_]:
    startup, step = rank.startup, rank.step
    refused = np.full(len(rank.members), refused_parallelism(startup) is not None)
    for excess in excesses(startup.model, startup.flags, step):
        refused |= excess > 0
    return refused


def _count(ranks: list[_Rank], table: Wholes) -> Reals:
    """Fill in blocks and tokens of every pool, and return the requests of full length."""
    fitting, start = np.zeros(table.shape[1]), 0
    for rank in ranks:
        place = slice(start, start := start + len(rank.members))
        lengths, engine = rank.step.length, rank.startup.engine
        for pool in range(_POOL, _POOL + 3):
            blocks = rank.layout.blocks(table[pool, place])
            table[pool + 3, place] = blocks
            table[pool + 6, place] = tokens_logged(rank.layout, blocks, lengths, engine)
        fitting[place] = max_concurrency(rank.layout, table[_BLOCKS, place], lengths, engine)
    return fitting


def _binding(members: Wholes, blocks: Wholes) -> Wholes:
    """Return the place of the first stage with the fewest blocks of each configuration."""
    order = np.lexsort((np.arange(len(members)), blocks, members))
    ordered = members[order]
    first = np.ones(len(order), bool)
    first[1:] = ordered[1:] != ordered[:-1]
    binding: Wholes = order[first]
    return binding


def _judge(
    budget: Budget[Wholes, Spread[Wholes]], table: Wholes, refused: NDArray[np.bool_]
) -> None:
    """Fill in the verdict: the first check that fails, and what the worst lacks."""
    phase = np.full(len(refused), FITS)
    shortest, surest = np.full(len(refused), -(2**62)), np.full(len(refused), 2**62)
    for margin in margins(budget):
        fails = (margin.left_bytes < 0) & (phase == FITS)
        phase[fails] = _CODES[PHASES[margin.check]]
        shortest = np.maximum(shortest, -margin.left_bytes)
        surest = np.minimum(surest, margin.score)
    fits = (phase == FITS) & ~refused
    phase[refused] = _CODES[Phase.CONFIG]
    table[_PHASE] = phase
    table[_SHORT] = np.where(fits | refused, 0, shortest)
    table[_HEADROOM] = np.where(fits, headroom(budget), 0)
    table[_SCORE] = np.where(fits, surest, _NEVER)


_NEVER: Final = -1


def _probabilities(scores: Wholes) -> Reals:
    found, place = np.unique(scores, return_inverse=True)
    each = [0.0 if score == _NEVER else probability(score) for score in found.tolist()]
    return np.array(each, float)[place]


def _pool_is_given(startup: Startup) -> bool:
    return startup.flags.kv_cache_memory_bytes is not None


def _bands(table: Wholes, first: int) -> Bands:
    return Bands(table[first], table[first + 1], table[first + 2])


def _three(band: Spread[int]) -> tuple[int, int, int]:
    return band.low, band.expected, band.high


def _column(band: Spread[int]) -> Wholes:
    return np.array(_three(band), np.int64)[:, None]
