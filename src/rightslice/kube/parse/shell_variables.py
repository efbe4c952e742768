"""What a shell script has set so far: variables, arrays, arguments, functions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from rightslice.kube.parse.shell_words import unknown

_ASSIGNMENT: Final = re.compile(r"([A-Za-z_]\w*)(\+?)=(.*)", re.ASCII | re.DOTALL)
_MOST_RUNS: Final = 200
"""Scripts inside scripts and calls of functions: a function that calls itself ends here."""
_LARGEST_SUM: Final = 10**15
LONGEST_VALUE: Final = 65_536
"""Characters of a value: a script that doubles one in a loop ends here, not in our memory."""


@dataclass(kw_only=True)
class Variables:
    """Grows while a script is read."""

    values: dict[str, str] = field(default_factory=dict)
    arrays: dict[str, list[str]] = field(default_factory=dict)
    """``@`` and ``*`` are the arguments."""
    functions: dict[str, str] = field(default_factory=dict)
    """Bodies, which are read where they are called."""

    runs: list[int] = field(default_factory=lambda: [_MOST_RUNS])
    """Scripts and functions that may still be read, one count for all copies."""

    @classmethod
    def of(cls, values: Mapping[str, str], arguments: Sequence[str]) -> Variables:
        """Return variables of an environment and the arguments of a script."""
        return cls(values=dict(values)).copied(arguments)

    def copied(self, arguments: Sequence[str]) -> Variables:
        """Return a copy for a script or a function that is called with *arguments*."""
        return replace(
            self,
            values=dict(self.values),
            arrays={**self.arrays, "@": list(arguments), "*": list(arguments)},
            functions=dict(self.functions),
        )

    def value(self, name: str) -> str:
        """Return the value of *name*, the unknown mark where there is none."""
        value = self.values.get(name)
        if value is None:
            array = self.arrays.get(name)
            return array[0] if array else unknown(name)
        return value

    def positional(self, name: str) -> str:
        """Return the argument called *name* (``1`` to ``9``), else the unknown mark."""
        given = self.arrays["@"]
        place = int(name) if name.isdecimal() else 0
        return given[place - 1] if 1 <= place <= len(given) else unknown(name)

    def arithmetic(self, inside: str) -> str:
        """Return a sum of products of whole numbers and variables, or the unknown mark."""
        total = 0
        for term in inside.replace("$", "").split("+"):
            product = 1
            for factor in term.split("*"):
                name = factor.strip().strip("{}")
                value = name if name.isdecimal() else self.values.get(name, "")
                if not (value.isascii() and value.isdecimal() and len(value) < 12):
                    return unknown(f"(({inside[:40]}))")
                product *= int(value)
            total += product
        return str(total) if total < _LARGEST_SUM else unknown(f"(({inside[:40]}))")

    def assign(self, one: str) -> bool:
        """Carry out *one* when it is an assignment, and say whether it was."""
        match = _ASSIGNMENT.fullmatch(one)
        if match is None:
            return False
        before = self.values.get(match[1], "") if match[2] else ""
        self.values[match[1]] = (before + match[3])[:LONGEST_VALUE]
        return True
