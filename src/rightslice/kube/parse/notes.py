"""The record of one reading: what was assumed and what was refused, by field."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from rightslice.kube.parse.shell_words import is_unknown, readable

_PLACEHOLDER: Final = re.compile(
    r"\$\{[^}]*\}|\$\([^)]*\)|\$[A-Za-z_]\w*|\{\{.*\}\}|^<[^>]*>$|^\[\[.*\]\]$|^__\w+__$", re.ASCII
)
_LONGEST: Final = 300


@dataclass
class Notes:
    """Grows while one workload is read."""

    assumed: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    def assume(self, name: str, why: str) -> None:
        """Note that field *name* rests on *why*."""
        _add(self.assumed, name, why)

    def refuse(self, name: str, why: str) -> None:
        """Note that field *name* is said, but cannot be read, and *why*."""
        _add(self.refused, name, why)

    def known(self, name: str, value: str) -> str | None:
        """Return *value* of field *name*; None, with the refusal noted, where it is a stand-in."""
        if is_unknown(value):
            self.refuse(name, f"{readable(value)}: its value is not in the manifest")
            return None
        if _PLACEHOLDER.search(value):
            self.refuse(name, f"{value!r} is a placeholder that something else fills in")
            return None
        return value


def _add(notes: dict[str, str], name: str, why: str) -> None:
    why = why[:_LONGEST]
    if name not in notes:
        notes[name] = why
    elif why not in notes[name] and len(notes[name]) < 3 * _LONGEST:
        notes[name] += f"; {why}"
