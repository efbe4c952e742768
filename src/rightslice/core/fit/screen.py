"""Many offers with all their sets of flags at once: what `judge` finds one by one, in arrays.

A row is one offer with one set of flags. Memory comes from `sizing.sweep`, latencies from
`perf.sweep`, both by the formulas of a single server. Rows whose figures lie within rounding of a
limit, and offers with unknown figures, are left to `judge`, so that both always agree. Imported
only where many offers are judged: numpy loads with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np

from rightslice.core.catalog.question import Question
from rightslice.core.catalog.traffic import ClosedLoop
from rightslice.core.fit.constants import FittedConstants
from rightslice.core.fit.entry import Entry
from rightslice.core.fit.result import Constraint
from rightslice.core.fit.rows import Rows, rows_of_entries
from rightslice.core.fit.trial import MOST_REPLICAS, PROGRESS
from rightslice.core.perf import sweep
from rightslice.core.perf.arrays import ARRAYS, Array, Index, Mask, array_of, column, rows_of
from rightslice.core.perf.capacity import surely
from rightslice.core.perf.queueing import STABLE_UTILIZATION, stable_rate
from rightslice.core.perf.tables import Points

CLOSE: Final = 1e-6
"""Nearer to a limit than this, arrays and single numbers might round to different answers."""
_FEW_REPLICAS: Final = 4
"""More counts of replicas than this are tried one after the other, by halving."""
_HELD: Final = 0
_CODES: Final = dict(PROGRESS)
_MEMORY: Final = _CODES[Constraint.MEMORY]
_CONCURRENCY: Final = _CODES[Constraint.CONCURRENCY]
_REPLICAS: Final = _CODES[Constraint.REPLICAS]
_REFUSED_CONFIG: Final = -1
"""Rank of a configuration that vLLM refuses: behind every other refusal."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Standings:
    """What came of every entry; a refused one has no replicas."""

    variant: Index
    """Place of the set of flags that holds the load; -1 where none does."""
    replicas: Index
    headroom_ratio: Array
    is_sure: Mask
    """False where figures are too near a limit: `judge` tells."""

    def rows(self) -> list[tuple[int, int, float, bool]]:
        """Return the same entry by entry, as plain numbers."""
        columns = self.variant, self.replicas, self.headroom_ratio, self.is_sure
        return list(zip(*(column.tolist() for column in columns), strict=True))


class _Run(NamedTuple):
    """Rows under their part of the load, and the places that it needs."""

    rows: Index
    wanted: Array
    alive: Index
    """Of them, those that may hold it, as predicted."""
    swept: sweep.Swept | None
    unstable: Index
    """Of them, those that have the places, and a rate beyond what is promised."""


class _Met(NamedTuple):
    """What came of rows: a constraint's rank or `_HELD`, room to the targets, how sure."""

    code: Index
    room: Array
    is_near: Mask


class Screen:
    """Entries of one question, sized and predicted."""

    def __init__(
        self, question: Question, entries: Sequence[Entry], constants: FittedConstants
    ) -> None:
        """Size and predict every row.

        Raises:
            InputError: when a count is too large for exact arithmetic.
        """
        self.question = question
        self.rows: Rows = rows_of_entries(question, entries, constants)
        self._known: dict[float, _Met] = {}

    def standings(self, confidence: float) -> Standings:
        """Return what came of every entry at *confidence*."""
        rows, question = self.rows, self.question
        starts, met = self._starts(confidence), self._first_met(confidence)
        found = _firsts(rows, starts & (met.code == _HELD))
        is_sure = ~_any(rows, np.flatnonzero(starts & met.is_near))
        chosen = rows.row(found)
        replicas = np.where(found >= 0, question.min_replicas, 0)
        room = np.where(found >= 0, met.room[chosen], 0.0)
        if question.max_replicas > question.min_replicas:
            left = np.flatnonzero(starts & (found < 0)[rows.entry])
            more = self._more(left, confidence)
            best = _fewest_first(rows, left, more.replicas)
            each = np.flatnonzero(best >= 0)
            found[each] = rows.variant[left[best[each]]]
            replicas[each] = more.replicas[best[each]]
            room[each] = more.room[best[each]]
            is_sure &= ~_any(rows, left[more.is_near])
        return Standings(variant=found, replicas=replicas, headroom_ratio=room, is_sure=is_sure)

    def refusals(self, standings: Standings, confidence: float) -> tuple[Index, Mask]:
        """Return the set of flags whose refusal `judge` reports, and how sure that is.

        Of the entries that *standings*, at the same confidence, say are refused; others do not
        count.
        """
        rows, question = self.rows, self.question
        starts, met = self._starts(confidence), self._first_met(confidence)
        rank = np.where(starts, met.code, np.where(rows.is_refused, _REFUSED_CONFIG, _MEMORY))
        missing, near = np.zeros(len(rank)), starts & met.is_near
        if question.max_replicas > question.min_replicas:
            left = np.flatnonzero(starts & (standings.variant < 0)[rows.entry])
            everywhere = self._at(left, np.full(len(left), MOST_REPLICAS), confidence)
            near[left] |= everywhere.is_near
            left = left[everywhere.code == _HELD]
            rank[left] = _REPLICAS
            unclear = left[_several(rows, left)]
            enough = self._beyond(unclear, confidence)
            missing[unclear] = enough.replicas
            near[unclear] |= enough.is_near
        order = np.lexsort((rows.variant, -missing, rank, rows.entry))
        last = np.append(rows.entry[order][1:] != rows.entry[order][:-1], [True])
        return rows.variant[order[last]], rows.is_known & ~_any(rows, np.flatnonzero(near))

    def held_loads(self, variants: Index, confidence: float) -> tuple[Array, Mask]:
        """Return the load that a replica of each entry holds with its *variants*; 0 if none.

        And whether that replica starts with this confidence.
        """
        chosen, found = self.rows.row(variants), np.zeros(len(variants))
        alive = np.flatnonzero(self.rows.predicted[chosen])
        if alive.size:
            search = sweep.largest_rates
            if isinstance(self.question.traffic.load, ClosedLoop):
                search = sweep.largest_clients
            rows = chosen[alive]
            points = self.rows.known.points(rows, self._places(confidence)[rows])
            found[alive] = search(points, self.question.slo, confidence=confidence)
        return found, self._starts(confidence)[chosen]

    def _starts(self, confidence: float) -> Mask:
        return self.rows.predicted & (self.rows.sizings.probability >= confidence)

    def _places(self, confidence: float) -> Array:
        expected, low = self.rows.places
        return array_of(surely(column(expected), column(low), confidence, ARRAYS))

    @cached_property
    def _most_places(self) -> Array:
        return self._places(min(0.5, self.question.confidence))

    @cached_property
    def _every(self) -> Index:
        return np.flatnonzero(self.rows.predicted)

    @cached_property
    def _most(self) -> int:
        """Replicas up to which every row is worked out in one go."""
        fewest, most = self.question.min_replicas, self.question.max_replicas
        return most if most - fewest <= _FEW_REPLICAS else fewest

    @cached_property
    def _first(self) -> _Run:
        """Every row with each count of replicas up to `_most`, one count after the other."""
        counts = np.arange(self.question.min_replicas, self._most + 1)
        rows = np.tile(self._every, len(counts))
        return self._run(rows, np.repeat(counts, len(self._every)))

    def _first_of(self, confidence: float) -> _Met:
        if confidence not in self._known:
            self._known[confidence] = self._met(self._first, confidence)
        return self._known[confidence]

    def _first_met(self, confidence: float) -> _Met:
        """Return what comes of every row with the fewest replicas allowed."""
        count, every = len(self.rows.entry), self._every
        code, room, near = np.full(count, _MEMORY), np.zeros(count), np.zeros(count, bool)
        code[every], room[every], near[every] = (
            each[: len(every)] for each in self._first_of(confidence)
        )
        return _Met(code, room, near)

    def _run(self, rows: Index, replicas: Index) -> _Run:
        load = self.question.traffic.load
        wanted = np.ones(len(rows))
        if isinstance(load, ClosedLoop):
            wanted = np.ceil(load.concurrency / replicas)
        alive = np.flatnonzero(self._most_places[rows] >= wanted)
        none = alive[:0]
        if not alive.size:
            return _Run(rows, wanted, alive, None, none)
        known, places = self.rows.known, self.rows.places[0][rows[alive]]
        if isinstance(load, ClosedLoop):
            swept = sweep.clients(known.points(rows[alive], places), wanted[alive])
            return _Run(rows, wanted, alive, swept, none)
        rate = load.requests_per_second / replicas[alive]
        first, kind = known.alike(rows[alive], places, rate)
        points, rate = known.points(rows[alive[first]], places[first]), rate[first]
        is_calm = _may_be_stable(points, rate)
        within = is_calm[kind]
        if not within.any():
            return _Run(rows, wanted, none, None, alive)
        calm = np.flatnonzero(is_calm)
        each = (np.cumsum(is_calm) - 1)[kind[within]]
        found = rows_of(sweep.rates(points.rows(calm), rate[calm], self.question.slo), each)
        return _Run(rows, wanted, alive[within], found, alive[~within])

    def _met(self, run: _Run, confidence: float) -> _Met:
        count = len(run.rows)
        code, room = np.full(count, _CONCURRENCY), np.zeros(count)
        near = np.zeros(count, bool)
        has_places = self._places(confidence)[run.rows] >= run.wanted
        unstable = run.unstable[has_places[run.unstable]]
        code[unstable] = _CODES[Constraint.STABILITY]
        if run.swept is None:
            return _Met(code, room, near)
        alive = run.alive
        broken, close = np.full(len(alive), _HELD), np.zeros(len(alive), bool)
        worst = np.zeros(len(alive))
        for constraint, ratio in reversed(self._ratios(run.swept, confidence)):
            broken = np.where(ratio > 1, _CODES[constraint], broken)
            close |= np.abs(ratio - 1) < CLOSE
            if constraint is not Constraint.STABILITY:
                worst = np.maximum(worst, ratio)
        enough = has_places[alive]
        code[alive] = np.where(enough, broken, _CONCURRENCY)
        near[alive] = enough & close
        room[alive] = 1 - worst
        return _Met(code, room, near)

    def _ratios(self, swept: sweep.Swept, confidence: float) -> list[tuple[Constraint, Array]]:
        """Return figures over their limits, in the order in which `Trial` asks for them."""
        slo = self.question.slo
        tpot, ttft = swept.upper(slo, confidence)
        found = []
        if not isinstance(self.question.traffic.load, ClosedLoop):
            used = array_of(swept.state.utilization) / STABLE_UTILIZATION
            found.append((Constraint.STABILITY, used))
        if slo.tpot_seconds is not None:
            found.append((Constraint.TPOT, tpot / slo.tpot_seconds))
        if slo.ttft_seconds is not None:
            found.append((Constraint.TTFT, ttft / slo.ttft_seconds))
        return found

    def _more(self, rows: Index, confidence: float) -> _Enough:
        """Return the fewest replicas allowed that hold each row's load; 0 where none do."""
        question = self.question
        most = np.full(len(rows), question.max_replicas)
        met = self._at(rows, most, confidence)
        held = np.flatnonzero(met.code == _HELD)
        low = np.full(len(held), question.min_replicas)
        fewest = self._fewest(rows[held], low, most[held], confidence)
        replicas, room, near = np.zeros(len(rows), np.intp), met.room, met.is_near
        replicas[held] = fewest.replicas
        searched = fewest.replicas < question.max_replicas
        room[held[searched]] = fewest.room[searched]
        near[held] |= fewest.is_near
        return _Enough(replicas, room, near)

    def _at(self, rows: Index, replicas: Index, confidence: float) -> _Met:
        if not rows.size or replicas.max() > self._most:
            return self._met(self._run(rows, replicas), confidence)
        every, known = self._every, self._first_of(confidence)
        at = (replicas - self.question.min_replicas) * len(every) + np.searchsorted(every, rows)
        return _Met(known.code[at], known.room[at], known.is_near[at])

    def _beyond(self, rows: Index, confidence: float) -> _Enough:
        """Return the fewest replicas, more than are allowed, that hold: twice as many each time."""
        few = np.full(len(rows), self.question.max_replicas)
        enough = np.minimum(2 * few, MOST_REPLICAS)
        near, left = np.zeros(len(rows), bool), np.arange(len(rows))
        while left.size:
            met = self._at(rows[left], enough[left], confidence)
            near[left] |= met.is_near
            left = left[(met.code != _HELD) & (enough[left] < MOST_REPLICAS)]
            few[left] = enough[left]
            enough[left] = np.minimum(2 * few[left], MOST_REPLICAS)
        found = self._fewest(rows, few, enough, confidence)
        return found._replace(is_near=found.is_near | near)

    def _fewest(self, rows: Index, few: Index, enough: Index, confidence: float) -> _Enough:
        """Return the fewest replicas that hold: more than *few*, at most *enough*, by halving."""
        room, near = np.zeros(len(rows)), np.zeros(len(rows), bool)
        few, enough = few.copy(), enough.copy()
        while (left := np.flatnonzero(enough - few > 1)).size:
            middle = (few[left] + enough[left]) // 2
            met = self._at(rows[left], middle, confidence)
            held = met.code == _HELD
            near[left] |= met.is_near
            enough[left] = np.where(held, middle, enough[left])
            few[left] = np.where(held, few[left], middle)
            room[left] = np.where(held, met.room, room[left])
        return _Enough(enough, room, near)


def _may_be_stable(points: Points, rate: Array) -> Mask:
    """Whether each rate is within what is promised, or too near to it to tell."""
    if points.step.misfit is not None:
        return np.ones(len(rate), bool)
    limit = array_of(stable_rate(points.step, points.requests, column(points.places)))
    may: Mask = rate <= limit * STABLE_UTILIZATION * (1 + 10 * CLOSE)
    return may


class _Enough(NamedTuple):
    replicas: Index
    room: Array
    is_near: Mask


def _firsts(rows: Rows, held: Mask) -> Index:
    """Return the first set of flags of each entry among rows *held*; -1 where there is none."""
    found = np.full(rows.count, len(rows.entry))
    np.minimum.at(found, rows.entry[held], rows.variant[held])
    return np.where(found < len(rows.entry), found, -1)


def _fewest_first(rows: Rows, left: Index, replicas: Index) -> Index:
    """Return the place in *left* of each entry's row with fewest replicas; -1: none holds."""
    found = np.full(rows.count, -1)
    held = np.flatnonzero(replicas > 0)
    order = held[np.lexsort((rows.variant[left[held]], replicas[held]))][::-1]
    found[rows.entry[left[order]]] = order
    return found


def _several(rows: Rows, chosen: Index) -> Mask:
    """Whether each of *chosen* rows has another one of its entry among them."""
    return np.bincount(rows.entry[chosen], minlength=rows.count)[rows.entry[chosen]] > 1


def _any(rows: Rows, marked: Index) -> Mask:
    """Return the entries that have a row among those *marked*."""
    found = np.zeros(rows.count, bool)
    found[rows.entry[marked]] = True
    return found
