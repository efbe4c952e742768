"""Which modules a quantizer left alone: exact names, parts of names, globs and patterns.

Quantizers name modules in their own trees (``model.``, ``backbone.``, ``language_model.model.``);
the outer prefix is cut on both sides before names are compared.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import translate
from typing import Final

from rightslice.errors import FieldError

_PREFIX: Final = re.compile(
    r"^(?:(?:model|language_model|backbone|transformer|decoder|gpt_neox)\.)+(?=\w)"
)
_OUTER: Final = ("", "model.", "language_model.model.", "model.language_model.")
_GLOB: Final = re.compile(r"[*?\[]")


def inner_name(module: str) -> str:
    """Return *module* without its outer prefix.

    >>> inner_name("model.language_model.layers.3.mlp.gate")
    'layers.3.mlp.gate'
    """
    return _PREFIX.sub("", module)


class IgnoreList:
    """The modules that stay in 16 bit."""

    def __init__(self, entries: Sequence[str], *, where: str, field: str) -> None:
        names = [inner_name(entry) for entry in entries if not entry.startswith("re:")]
        self._globs = tuple(re.compile(translate(name)) for name in names if _GLOB.search(name))
        self._names = frozenset(name for name in names if not _GLOB.search(name))
        self._patterns = tuple(
            _compiled(entry.removeprefix("re:"), where, field)
            for entry in entries
            if entry.startswith("re:")
        )

    def __bool__(self) -> bool:
        return bool(self._names or self._globs or self._patterns)

    def has(self, module: str) -> bool:
        """Whether *module*, or something that holds it, is on the list."""
        pieces = module.split(".")
        spans = {
            ".".join(pieces[first:last])
            for first in range(len(pieces))
            for last in range(first + 1, len(pieces) + 1)
        }
        if not self._names.isdisjoint(spans):
            return True
        heads = [".".join(pieces[:last]) for last in range(1, len(pieces) + 1)]
        if any(glob.match(head) for glob in self._globs for head in heads):
            return True
        return any(pattern.match(outer + module) for pattern in self._patterns for outer in _OUTER)


def _compiled(pattern: str, where: str, field: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise FieldError(where, field, f"re:{pattern} is not a regular expression: {error}") from (
            error
        )
