"""A mixed-integer linear model, row by row, solved by HiGHS through scipy.

All columns are integers from zero to their limit. The answer carries the solver's proven bound.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from rightslice.errors import UnavailableError

Terms = Mapping[int, float]

_LIMIT_REACHED = 1
_INFEASIBLE = 2


@dataclass(frozen=True, kw_only=True)
class Solved:
    """The best point found, and how far from the best possible it may be."""

    values: tuple[int, ...]
    objective: float
    bound: float
    gap: float


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
        import numpy as np  # noqa: PLC0415 - numpy loads where it is used
        from scipy.optimize import Bounds, LinearConstraint, milp  # noqa: PLC0415 - the same
        from scipy.sparse import csr_array  # noqa: PLC0415 - the same

        if not self.upper:
            return Solved(values=(), objective=0.0, bound=0.0, gap=0.0)
        cost = np.zeros(len(self.upper))
        for column, coefficient in objective.items():
            cost[column] = coefficient
        entries = [
            (row, column, coefficient)
            for row, (terms, _, _) in enumerate(self.rows)
            for column, coefficient in terms.items()
        ]
        matrix = csr_array(
            ([e[2] for e in entries], ([e[0] for e in entries], [e[1] for e in entries])),
            shape=(len(self.rows), len(self.upper)),
        )
        low, high = [row[1] for row in self.rows], [row[2] for row in self.rows]
        result = milp(
            cost,
            integrality=np.ones(len(self.upper), dtype=np.int8),
            bounds=Bounds(0, np.array(self.upper)),
            constraints=[LinearConstraint(matrix, low, high)] if self.rows else [],
            options={"time_limit": max(time_limit_seconds, 0.01), "mip_rel_gap": gap},
        )
        if result.x is None:
            if result.status == _INFEASIBLE:
                return None
            raise UnavailableError(
                f"the solver found no plan in {time_limit_seconds:g} s; allow it more time"
                if result.status == _LIMIT_REACHED
                else f"the solver failed: {result.message}"
            )
        found = float(result.fun)
        bound = float(result.mip_dual_bound) if math.isfinite(result.mip_dual_bound) else -math.inf
        return Solved(
            values=tuple(round(value) for value in result.x),
            objective=found,
            bound=min(bound, found),
            gap=relative_gap(found, bound),
        )

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
