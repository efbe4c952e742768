"""A mixed-integer linear model, row by row, solved by HiGHS through scipy.

All columns are integers from zero to their limit. The answer carries the solver's proven bound.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rightslice.errors import UnavailableError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray
    from scipy.sparse import csr_array

Terms = Mapping[int, float]
Limits = tuple["ArrayLike", "ArrayLike"]
"""The least and the most that each column may be."""

_LIMIT_REACHED = 1
_INFEASIBLE = 2


@dataclass(frozen=True, kw_only=True)
class Solved:
    """The best point found, and how far from the best possible it may be."""

    values: tuple[int, ...]
    objective: float
    bound: float
    gap: float


@dataclass(frozen=True, kw_only=True)
class Limited:
    """What a search found in its time."""

    values: tuple[int, ...] | None
    """None: no point yet."""
    objective: float
    bound: float
    is_cut_off: bool
    """Whether the time ended the search."""


@dataclass(frozen=True, kw_only=True)
class Relaxed:
    """The least point when fractions are allowed."""

    values: NDArray[np.float64]
    objective: float
    reduced_costs: NDArray[np.float64]
    """What the objective rises by at least for each unit of a column that is at zero."""


@dataclass
class IntegerModel:
    """Columns and rows of one model; several objectives may be tried on it."""

    upper: list[float] = field(default_factory=list)
    rows: list[tuple[Terms, float, float]] = field(default_factory=list)

    def column(self, upper: float) -> int:
        """Add an integer variable of 0 to *upper* and return its number."""
        self.upper.append(upper)
        return len(self.upper) - 1

    def at_least(self, terms: Terms, low: float) -> None:
        """Demand that the sum of *terms* is at least *low*."""
        self.rows.append((terms, low, math.inf))

    def at_most(self, terms: Terms, high: float) -> None:
        """Demand that the sum of *terms* is at most *high*."""
        self.rows.append((terms, -math.inf, high))

    def exactly(self, terms: Terms, value: float) -> None:
        """Demand that the sum of *terms* is *value*."""
        self.rows.append((terms, value, value))

    def minimise(self, objective: Terms, *, time_limit_seconds: float, gap: float) -> Solved | None:
        """Return the least point within *gap*, or None when no point meets the rows.

        Raises:
            UnavailableError: when the time ran out before any point was found.
        """
        if not self.upper:
            return Solved(values=(), objective=0.0, bound=0.0, gap=0.0)
        found = self.search(
            objective, ([0.0] * len(self.upper), self.upper), time_limit_seconds, gap
        )
        if found is None:
            return None
        if found.values is None:
            raise UnavailableError(
                f"the solver found no plan in {time_limit_seconds:g} s; allow it more time"
            )
        return Solved(
            values=found.values,
            objective=found.objective,
            bound=min(found.bound, found.objective),
            gap=relative_gap(found.objective, found.bound),
        )

    def search(
        self, objective: Terms, limits: Limits, time_limit_seconds: float, gap: float = 0.0
    ) -> Limited | None:
        """Return the least point between *limits*, or the best in the time; None without any.

        Raises:
            UnavailableError: when the solver failed.
        """
        import numpy as np  # noqa: PLC0415 - numpy loads where it is used
        from scipy.optimize import Bounds, LinearConstraint, milp  # noqa: PLC0415 - the same

        matrix, low, high = self._matrix()
        result = milp(
            self._costs(objective),
            integrality=np.ones(len(self.upper), dtype=np.int8),
            bounds=Bounds(np.array(limits[0]), np.array(limits[1])),
            constraints=[LinearConstraint(matrix, low, high)] if self.rows else [],
            options={"time_limit": max(time_limit_seconds, 0.01), "mip_rel_gap": gap},
        )
        if result.status == _INFEASIBLE:
            return None
        if result.x is None and result.status != _LIMIT_REACHED:
            raise UnavailableError(f"the solver failed: {result.message}")
        bound = result.mip_dual_bound
        return Limited(
            values=None if result.x is None else tuple(round(value) for value in result.x),
            objective=math.inf if result.x is None else float(result.fun),
            bound=float(bound) if bound is not None and math.isfinite(bound) else -math.inf,
            is_cut_off=result.status == _LIMIT_REACHED,
        )

    def relax(self, objective: Terms) -> Relaxed | None:
        """Return the least point when fractions are allowed, or None when no point exists."""
        import numpy as np  # noqa: PLC0415 - numpy loads where it is used
        from scipy.optimize import linprog  # noqa: PLC0415 - the same
        from scipy.sparse import vstack  # noqa: PLC0415 - the same

        matrix, low, high = self._matrix()
        even = low == high
        under, over = ~even & np.isfinite(high), ~even & np.isfinite(low)
        result = linprog(  # type: ignore[call-overload]  # takes sparse rows; its stubs do not say so
            self._costs(objective),
            A_ub=vstack([matrix[under], -matrix[over]]),
            b_ub=np.concatenate([high[under], -low[over]]),
            A_eq=matrix[even],
            b_eq=low[even],
            bounds=np.column_stack([np.zeros(len(self.upper)), self.upper]),
            method="highs",
        )
        if result.x is None:
            return None
        return Relaxed(
            values=result.x, objective=float(result.fun), reduced_costs=result.lower.marginals
        )

    def _costs(self, objective: Terms) -> NDArray[np.float64]:
        import numpy as np  # noqa: PLC0415 - numpy loads where it is used

        cost = np.zeros(len(self.upper))
        for column, coefficient in objective.items():
            cost[column] = coefficient
        return cost

    def _matrix(self) -> tuple[csr_array, NDArray[np.float64], NDArray[np.float64]]:
        import numpy as np  # noqa: PLC0415 - numpy loads where it is used
        from scipy.sparse import csr_array  # noqa: PLC0415 - the same

        columns = [column for terms, _, _ in self.rows for column in terms]
        values = [value for terms, _, _ in self.rows for value in terms.values()]
        ends = np.cumsum([0, *(len(terms) for terms, _, _ in self.rows)])
        matrix = csr_array((values, columns, ends), shape=(len(self.rows), len(self.upper)))
        low, high = [row[1] for row in self.rows], [row[2] for row in self.rows]
        return matrix, np.array(low, dtype=float), np.array(high, dtype=float)

    def duals(self, objective: Terms) -> tuple[float, ...]:
        """Return the price of each row's low end in the linear relaxation without upper limits.

        All rows must be of the kind `at_least`, and the relaxation must have an optimum.
        """
        from scipy.optimize import linprog  # noqa: PLC0415 - scipy loads where it is used

        cost = [objective.get(column, 0.0) for column in range(len(self.upper))]
        rows = [
            [-terms.get(column, 0.0) for column in range(len(cost))] for terms, _, _ in self.rows
        ]
        result = linprog(cost, A_ub=rows, b_ub=[-low for _, low, _ in self.rows], method="highs")
        assert result.x is not None, result.message
        return tuple(-float(price) for price in result.ineqlin.marginals)


def relative_gap(value: float, bound: float) -> float:
    """Return how far *value* is from *bound*, as a share of *value*; rounding noise is none.

    >>> relative_gap(100.0, 99.0)
    0.01
    """
    distance = abs(value - bound)
    if distance <= 1e-6 * max(1.0, abs(value)):
        return 0.0
    return distance / max(abs(value), 1e-9)
