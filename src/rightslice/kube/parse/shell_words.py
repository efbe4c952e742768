"""Words of a command line: scripts among them, and the mark of what cannot be known."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

UNKNOWN: Final = "\ue000"
"""Opens the mark of what cannot be known; a private-use character, so no manifest holds it."""
_CLOSE: Final = "\ue001"
_MARK: Final = re.compile(f"{UNKNOWN}([^{_CLOSE}]*){_CLOSE}")

SHELLS: Final = frozenset({"sh", "bash", "ash", "dash", "zsh", "ksh"})


def unknown(what: str) -> str:
    """Return the mark of something that only a running shell knows."""
    return f"{UNKNOWN}{'_'.join(what.split())}{_CLOSE}"  # one word, however it is expanded


def is_unknown(value: str) -> bool:
    """Whether *value* holds a mark of `unknown`."""
    return UNKNOWN in value


def readable(value: str) -> str:
    """Return *value* as people write it: the marks as the ``$NAME`` they stand for."""
    return _MARK.sub(lambda mark: f"${mark[1]}", value)


def basename(path: str) -> str:
    """Return what follows the last slash."""
    return path.rsplit("/", 1)[-1]


def script_of(words: Sequence[str]) -> tuple[str, list[str]] | None:
    """Return the script that *words* hand to ``sh -c`` and its arguments, or None.

    >>> script_of(["/bin/bash", "-lc", "--", "vllm serve m"])
    ('vllm serve m', [])
    """
    for index, one in enumerate(words):
        if basename(one) not in SHELLS:
            continue
        after = index + 1
        takes_script = False
        while after < len(words) and words[after].startswith(("-", "+")):
            option = words[after]
            takes_script |= not option.startswith("--") and "c" in option[1:]
            after += 1
            if option.endswith("o") and not option.startswith("--") and after < len(words):
                after += 1  # -o pipefail
        if takes_script and after < len(words):
            return words[after], list(words[after + 2 :])
    return None
