"""The least point of an integer model whose linear relaxation is nearly whole already.

First the relaxation: its value is a bound. Then a small search near it: each column keeps its
whole part less a few, so that little is left to decide. Where that meets the bound, it is proven
the least. Otherwise the exact search, from which columns are left out whose reduced cost alone
exceeds what could still be gained (reduced cost fixing: Nemhauser and Wolsey, Integer and
Combinatorial Optimization, 1988, I.2.1). It runs in rounds of doubling time, with the best
point and the bound known after each, so a caller can show how far the proof is.
Known gap: scipy's HiGHS goes on from nothing in each round; at most half of the time is lost.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from rightslice.core.packing.solver import IntegerModel, Limited, Solved, Terms, relative_gap
from rightslice.errors import UnavailableError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_HELD_BACK: Final = 2
"""Of each column's whole part, left to the search near the relaxation; see `fewest`."""

_NOISE: Final = 1e-6
"""Rounding noise of a linear optimum."""

_FIRST_ROUND_SECONDS: Final = 1.0

_NEAR_SHARE: Final = 0.25
"""Part of the time for the search near the relaxation; nothing here reads a clock, so the parts
are fixed and their sum is the limit."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a search is."""

    best: float | None
    """The objective of the best point so far; None before there is one."""
    bound: float
    """No point is less."""

    @property
    def gap(self) -> float | None:
        """The relative distance between both, or None before there is a point."""
        return None if self.best is None else relative_gap(self.best, self.bound)


Report = Callable[[Progress], None]


def least_point(
    model: IntegerModel,
    objective: Terms,
    *,
    time_limit_seconds: float,
    report: Report | None = None,
) -> Solved | None:
    """Return the least point of *model*, or None when no point meets its rows.

    When the time runs out it is the best point found, with the proven bound.

    Raises:
        UnavailableError: when the time ran out before any point was found.
    """
    search = _Search(model, objective, report)
    if not search.relax():
        return None
    near = _NEAR_SHARE * time_limit_seconds
    if search.near(near):
        return search.solved()
    left, round_seconds = time_limit_seconds - near, _FIRST_ROUND_SECONDS
    while left > 0:
        seconds = min(left, round_seconds)
        if search.exact(seconds):
            return search.solved() if search.best is not None else None
        left, round_seconds = left - seconds, 2 * round_seconds
    if search.best is None:
        raise UnavailableError(
            f"the solver found no plan in {time_limit_seconds:g} s; allow it more time"
        )
    return search.solved()


class _Search:
    def __init__(self, model: IntegerModel, objective: Terms, report: Report | None) -> None:
        self._model, self._objective, self._report = model, objective, report
        self._is_whole = all(float(value).is_integer() for value in objective.values())
        self.best: Solved | None = None
        self._bound = -math.inf
        self._linear = -math.inf
        self._point: NDArray[np.float64]
        self._reduced: NDArray[np.float64]

    def relax(self) -> bool:
        """Solve the relaxation; return whether it has a point."""
        relaxed = self._model.relax(self._objective)
        if relaxed is None:
            return False
        self._point, self._reduced = relaxed.values, relaxed.reduced_costs
        self._linear = relaxed.objective
        self._raise_bound(relaxed.objective)
        return True

    def near(self, seconds: float) -> bool:
        """Search near the relaxation's point; return whether the best there is the least."""
        import numpy as np  # noqa: PLC0415 - numpy loads where it is used

        lightest = min((abs(value) for value in self._objective.values() if value), default=0.0)
        room = self._bound - self._linear if self._is_whole else lightest / 2
        low = np.maximum(np.floor(self._point + _NOISE) - _HELD_BACK, 0.0)
        high = np.where(self._reduced > room + _NOISE, np.ceil(self._point), self._model.upper)
        self._take(self._model.search(self._objective, (low, high), seconds))
        return self._is_closed()

    def exact(self, seconds: float) -> bool:
        """Search everything that could be better; return whether that ended."""
        import numpy as np  # noqa: PLC0415 - numpy loads where it is used

        high = np.array(self._model.upper, dtype=float)
        if self.best is not None:
            step = 1.0 if self._is_whole else 0.0
            room = self.best.objective - step - self._linear
            high = np.where(self._reduced > room + _NOISE, 0.0, high)
        found = self._model.search(self._objective, (np.zeros_like(high), high), seconds)
        if found is None:
            # Nothing is better than what there is.
            self._raise_bound(math.inf if self.best is None else self.best.objective)
            return True
        self._raise_bound(found.bound if self.best is None else min(found.bound, self._best()))
        self._take(found)
        return not found.is_cut_off or self._is_closed()

    def solved(self) -> Solved:
        """Return the best point with the bound."""
        assert self.best is not None
        bound = min(self._bound, self._best())
        return replace(self.best, bound=bound, gap=relative_gap(self._best(), bound))

    def _best(self) -> float:
        assert self.best is not None
        return self.best.objective

    def _is_closed(self) -> bool:
        return self.best is not None and relative_gap(self._best(), self._bound) == 0.0

    def _take(self, found: Limited | None) -> None:
        if found is not None and found.values is not None:
            point = Solved(
                values=found.values, objective=found.objective, bound=found.bound, gap=0.0
            )
            if self.best is None or point.objective < self._best():
                self.best = point
        if self._report is not None:
            best = None if self.best is None else self._best()
            self._report(Progress(best=best, bound=self._bound))

    def _raise_bound(self, bound: float) -> None:
        if self._is_whole and math.isfinite(bound):
            bound = math.ceil(bound - _NOISE)
        self._bound = max(self._bound, bound)
