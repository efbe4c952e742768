"""Everything this package raises on purpose.

::

    RightsliceError                  catch this to catch us
    ├── InputError                   the caller can fix it   (exit 2, HTTP 422)
    │   ├── UnknownNameError         no such GPU, model, profile ...; names near matches
    │   └── FieldError               one field of one file: where, what is wrong, what is right
    └── UnavailableError             trying later or elsewhere may help   (exit 3, HTTP 503)

"It does not fit" and "nothing meets the SLO" are returned, not raised.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class RightsliceError(Exception):
    """The root of every error that this package raises on purpose."""


class InputError(RightsliceError):
    """Something that was given is wrong, and the message says what would be right."""


class UnknownNameError(InputError):
    """A name that the catalogue or the fleet does not have; near matches are named."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        self.kind = kind
        self.name = name
        names = {candidate.lower(): candidate for candidate in known}
        self.near = tuple(names[near] for near in get_close_matches(name.lower(), names, n=3))
        hint = f"; did you mean {', '.join(self.near)}?" if self.near else ""
        super().__init__(f"unknown {kind} {name!r}{hint}")


class FieldError(InputError):
    """One field of one file is wrong.

    Attributes:
        where: file, and line when it is known: ``fleet.yaml:12``.
        field: the path of the field: ``workloads[0].slo.tpot``.
    """

    def __init__(self, where: str, field: str, problem: str) -> None:
        self.where = where
        self.field = field
        self.problem = problem
        super().__init__(f"{where}: {field}: {problem}" if field else f"{where}: {problem}")


class UnavailableError(RightsliceError):
    """Something outside failed: a file system, a network, a solver that ran out of time."""
