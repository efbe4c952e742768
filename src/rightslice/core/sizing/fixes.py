"""The fewest changes that make a server fit, and the largest settings that still do.

One change is tried before two, two before three; among as many, what costs least. Each lever is
then pushed back as far as the server still fits, and the answer is sized again: it is sufficient,
and one step less of any change is not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations
from typing import Any

from rightslice.core.catalog.device import Device
from rightslice.core.sizing.kv_cache import sequences_that_fit
from rightslice.core.sizing.levers import Lever, Trial, levers
from rightslice.core.sizing.memory import size_startup
from rightslice.core.sizing.result import Fits, Fix, Sizing
from rightslice.core.sizing.startup import Startup, startup_of

_MOST_CHANGES = 3
_MOST_SEQUENCES = 16_384
"""Above what any release accepts in practice; the search for the largest stops here."""


@dataclass(frozen=True, kw_only=True)
class _Pull:
    """A lever and how far it is pulled."""

    lever: Lever
    step: int


def smallest_fix(startup: Startup, alternatives: Sequence[Device] = ()) -> Fix | None:
    """Return the fewest changes that make the server fit, or None when no three do.

    None is also returned when it fits as it is. *alternatives* are devices to be had instead.
    """
    sizing = size_startup(startup)
    if _fits(sizing):
        return None
    every, judge = levers(sizing, alternatives), partial(_sized, startup)
    for count in range(1, _MOST_CHANGES + 1):
        for chosen in _cheapest_first(every, count):
            fix = _fix(_trial(startup), chosen, judge)
            if fix is not None:
                return fix
    return None


def all_single_fixes(startup: Startup, alternatives: Sequence[Device] = ()) -> tuple[Fix, ...]:
    """Return every single change that makes the server fit, what costs least first."""
    sizing = size_startup(startup)
    if _fits(sizing):
        return ()
    chosen = _cheapest_first(levers(sizing, alternatives), 1)
    found = (_fix(_trial(startup), single, partial(_sized, startup)) for single in chosen)
    return tuple(fix for fix in found if fix is not None)


def largest_max_model_len(startup: Startup) -> int | None:
    """Return the longest ``max-model-len`` that starts, up to the model's own; None: none does."""

    def starts(length: int) -> bool:
        return _fits(_sized(startup, _trial(startup, max_model_len=length)))

    return _largest(starts, startup.model.max_position)


def largest_max_num_seqs(startup: Startup) -> int | None:
    """Return the most sequences of ``max-model-len`` tokens that run at once; None: not even one.

    ``max-num-seqs`` is set to that number: more rows to sample leave a smaller pool.
    """

    def holds(count: int) -> bool:
        sizing = _sized(startup, _trial(startup, max_num_seqs=count))
        room = sequences_that_fit(sizing, sizing.flags.max_model_len)
        return _fits(sizing) and room >= count

    return _largest(holds, _MOST_SEQUENCES)


def _trial(startup: Startup, **flags: int) -> Trial:
    """Return the server of *startup* with *flags* in place of its own."""
    changed: dict[str, Any] = {**flags}
    server = replace(startup.server, **changed)
    return Trial(model=startup.model, device=startup.device, server=server)


def _sized(startup: Startup, trial: Trial) -> Sizing:
    """Return *trial* sized beside the neighbours of *startup*, under its release."""
    tried = startup_of(
        trial.model,
        trial.device,
        trial.server,
        engine=startup.engine,
        coefficients=startup.coefficients,
    )
    return size_startup(replace(tried, neighbours_bytes=startup.neighbours_bytes))


def _largest(holds: Callable[[int], bool], limit: int) -> int | None:
    if not holds(1):
        return None
    low, high = 1, limit
    while low < high:
        middle = (low + high + 1) // 2
        if holds(middle):
            low = middle
        else:
            high = middle - 1
    return low


def _fits(sizing: Sizing) -> bool:
    return isinstance(sizing.verdict, Fits)


def _cheapest_first(every: Sequence[Lever], count: int) -> list[tuple[Lever, ...]]:
    """Return the sets of *count* levers, one a flag, by what they cost together."""
    sets = (
        chosen
        for chosen in combinations(every, count)
        if len({lever.flag for lever in chosen}) == count
    )
    return sorted(sets, key=lambda chosen: sum(lever.rank for lever in chosen))


def _fix(trial: Trial, chosen: Sequence[Lever], judge: Callable[[Trial], Sizing]) -> Fix | None:
    pulls = _enough(trial, chosen, judge)
    if pulls is None:
        return None
    for place, pull in sorted(enumerate(pulls), key=lambda item: -item[1].lever.rank):
        others = [other for index, other in enumerate(pulls) if index != place]
        least = _least(pull, partial(_judged, trial, others, judge))
        pulls[place] = _Pull(lever=pull.lever, step=least)
    return Fix(
        changes=tuple(pull.lever.change(pull.step) for pull in pulls),
        cost="; ".join(pull.lever.cost(pull.lever.values[pull.step]) for pull in pulls),
        sizing=judge(_pulled(trial, pulls)),
    )


def _enough(
    trial: Trial, chosen: Sequence[Lever], judge: Callable[[Trial], Sizing]
) -> list[_Pull] | None:
    """Return steps at which it fits: the strongest, or any of levers that cut both ways."""
    rising = [_Pull(lever=lever, step=len(lever.values) - 1) for lever in chosen if lever.rising]
    for pulls in _with_scanned(rising, [lever for lever in chosen if not lever.rising]):
        if _fits(judge(_pulled(trial, pulls))):
            return pulls
    return None


def _with_scanned(pulls: list[_Pull], scanned: Sequence[Lever]) -> Iterator[list[_Pull]]:
    if not scanned:
        yield pulls
        return
    first, *rest = scanned
    for step in range(len(first.values)):
        yield from _with_scanned([*pulls, _Pull(lever=first, step=step)], rest)


def _judged(
    trial: Trial, others: Sequence[_Pull], judge: Callable[[Trial], Sizing], pull: _Pull
) -> bool:
    return _fits(judge(_pulled(trial, [*others, pull])))


def _pulled(trial: Trial, pulls: Sequence[_Pull]) -> Trial:
    for pull in pulls:
        trial = pull.lever.put(trial, pull.step)
    return trial


def _least(pull: _Pull, fits: Callable[[_Pull], bool]) -> int:
    """Return the smallest step of *pull*'s lever that still fits."""
    if not pull.lever.rising:
        steps = range(pull.step + 1)
        return next(step for step in steps if fits(_Pull(lever=pull.lever, step=step)))
    low, high = 0, pull.step
    while low < high:
        middle = (low + high) // 2
        if fits(_Pull(lever=pull.lever, step=middle)):
            high = middle
        else:
            low = middle + 1
    return low
