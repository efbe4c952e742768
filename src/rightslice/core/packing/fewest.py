"""The fewest cards for a list that changes by one slice at a time, proven, in microseconds.

The pattern model's linear relaxation has few optimal bases; each is solved once and then tried
by one matrix product. Rounding a basis down leaves a residue from a small set of lists, whose
exact optimum is remembered; where rounding does not meet the linear bound, the integer model
decides. So every answer is the exact optimum, as `offline.pack` finds it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from rightslice.core.catalog.mig import MigGrid, ProfileName
from rightslice.core.packing.geometry import largest_multisets
from rightslice.core.packing.solver import IntegerModel
from rightslice.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_SECONDS: Final = 10.0
"""A guard: these models take milliseconds."""

_NOISE: Final = 1e-7
"""Rounding noise of a linear optimum, in cards."""

_HELD_BACK: Final = 2
"""Cards of each pattern that rounding leaves to the exact residue, so that it rarely misses."""


class FewestCards:
    """Counts the cards that lists of these profiles need, and remembers what it learned."""

    def __init__(self, grid: MigGrid, names: frozenset[str]) -> None:
        import numpy as np  # noqa: PLC0415 - numpy loads where it is used

        self.profiles: tuple[ProfileName, ...] = tuple(sorted(ProfileName(name) for name in names))
        rows = [dict(pattern) for pattern in largest_multisets(grid, names)]
        self._patterns: NDArray[np.int64] = np.array(
            [[row.get(name, 0) for name in self.profiles] for row in rows], dtype=np.int64
        )
        # Columns of the covering model: the patterns, then one surplus a profile.
        self._columns: NDArray[np.float64] = np.hstack(
            [self._patterns.T.astype(float), -np.eye(len(self.profiles))]
        )
        self._bases: list[list[int]] = []
        self._inverses: NDArray[np.float64] = np.zeros((0, len(self.profiles), len(self.profiles)))
        self._residues: dict[tuple[int, ...], int] = {}

    def count(self, demand: Mapping[ProfileName, int]) -> int:
        """Return the fewest cards that hold *demand*.

        Raises:
            InputError: when a profile is none of those that this counter knows.
        """
        unknown = [name for name, count in demand.items() if count and name not in self.profiles]
        if unknown:
            raise InputError(f"{unknown[0]} is none of {', '.join(self.profiles)}")
        return self.count_row([demand.get(name, 0) for name in self.profiles])

    def count_row(self, row: Sequence[int]) -> int:
        """Return the fewest cards for *row*: one count a profile, in the order of `profiles`."""
        import numpy as np  # noqa: PLC0415 - numpy loads where it is used

        wanted = np.array(row, dtype=np.int64)
        if not wanted.any():
            return 0
        basis, amounts = self._optimal_basis(wanted)
        used = [
            (column, amount)
            for column, amount in zip(basis, amounts, strict=True)
            if column < len(self._patterns)
        ]
        bound = math.ceil(sum(amount for _, amount in used) - _NOISE)
        whole = [
            (column, max(math.floor(amount + _NOISE) - _HELD_BACK, 0)) for column, amount in used
        ]
        left = wanted.copy()
        for column, cards in whole:
            left -= cards * self._patterns[column]
        found = sum(cards for _, cards in whole) + self._residue(
            tuple(np.maximum(left, 0).tolist())
        )
        return found if found == bound else self._solve(row)

    def _optimal_basis(self, wanted: NDArray[np.int64]) -> tuple[list[int], list[float]]:
        import numpy as np  # noqa: PLC0415 - numpy loads where it is used

        amounts = self._inverses @ wanted
        feasible = np.flatnonzero((amounts >= -_NOISE).all(axis=1))
        if feasible.size:
            first = int(feasible[0])
            return self._bases[first], amounts[first].tolist()
        basis = self._find_basis(wanted)
        inverse = np.linalg.inv(self._columns[:, basis])
        self._bases.append(basis)
        self._inverses = np.concatenate([self._inverses, inverse[None]])
        return basis, (inverse @ wanted).tolist()

    def _find_basis(self, wanted: NDArray[np.int64]) -> list[int]:
        """Return an optimal basis of the relaxation: its support, completed by tight columns."""
        import numpy as np  # noqa: PLC0415 - numpy loads where it is used
        from scipy.optimize import linprog  # noqa: PLC0415 - scipy loads where it is used

        size, every = len(self.profiles), len(self._columns[0])
        cost = np.array([1.0] * (every - size) + [0.0] * size)
        # HiGHS's simplex ends at a vertex, whose support is linearly independent.
        result = linprog(cost, A_eq=self._columns, b_eq=wanted, method="highs-ds")
        assert result.x is not None, result.message
        amounts = result.x.tolist()
        reduced = np.abs(cost - result.eqlin.marginals @ self._columns).tolist()
        order = sorted(range(every), key=lambda j: (amounts[j] <= _NOISE, reduced[j]))
        basis: list[int] = []
        for column in order:
            if np.linalg.matrix_rank(self._columns[:, [*basis, column]]) > len(basis):
                basis.append(column)
        return basis

    def _residue(self, row: tuple[int, ...]) -> int:
        if row not in self._residues:
            self._residues[row] = self._solve(row)
        return self._residues[row]

    def _solve(self, row: Sequence[int]) -> int:
        if not any(row):
            return 0
        model = IntegerModel()
        columns = [model.column(sum(row)) for _ in self._patterns]
        for index, count in enumerate(row):
            offers = self._patterns[:, index].tolist()
            terms = {x: float(n) for x, n in zip(columns, offers, strict=True) if n}
            model.at_least(terms, count)
        every = dict.fromkeys(columns, 1.0)
        solved = model.minimise(every, time_limit_seconds=_SECONDS, gap=0.0)
        assert solved is not None, "cards without number hold any slices"
        assert solved.gap == 0.0, "the pattern model was not solved to its optimum"
        return sum(solved.values)


@lru_cache(maxsize=64)
def fewest_cards(grid: MigGrid, names: frozenset[str]) -> FewestCards:
    """Return the shared counter of *grid* with the profiles *names*.

    Raises:
        InputError: when the grid is unknown or has no profile of that name.
    """
    return FewestCards(grid, names)
