"""A vLLM server's arguments -> its flags by their full names, and the model given without one.

Rules of vLLM's parser (vllm/utils/argparse_utils.py): ``--a=b`` and ``--a b`` alike, ``_`` is
``-`` in names, the last of repeated flags wins, a beginning that only one flag has is that flag,
``--no-x`` turns a switch off.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Final

from rightslice.kube.parse.shell_words import readable
from rightslice.kube.parse.vllm_flags import ALL, SHORT, SWITCHES

_TRUE: Final = frozenset({"true", "1", "yes", "on"})
_FALSE: Final = frozenset({"false", "0", "no", "off"})
_NEGATIVE_NUMBER: Final = re.compile(r"-\d+(\.\d+)?")
_ATTACHED: Final = re.compile(r"(-O|-tp|-pp|-dp|-q)(=)?(\d.*|=.*)")


@dataclass(frozen=True, kw_only=True)
class Flags:
    """What a server is started with."""

    values: Mapping[str, str] = field(default_factory=dict)
    """Full name -> value as given; a switch is ``true`` or ``false``."""
    positional: str | None = None
    """The first word that belongs to no flag."""
    notes: tuple[tuple[str, str], ...] = ()
    """What was read with good will: the flag, and in what way."""

    def get(self, name: str) -> str | None:
        """Return the value of flag *name*, None when it is not given."""
        return self.values.get(name)

    def is_on(self, name: str) -> bool:
        """Whether switch *name* is on."""
        return (self.values.get(name) or "").lower() in _TRUE


def read_flags(arguments: Sequence[str]) -> Flags:
    """Read *arguments* as vLLM's own parser would.

    >>> flags = read_flags(["m", "--max_model_len=8", "--max-num-seq", "4", "-tp", "2"])
    >>> flags.positional, dict(flags.values)
    ('m', {'max-model-len': '8', 'max-num-seqs': '4', 'tensor-parallel-size': '2'})
    """
    notes: list[tuple[str, str]] = []
    values: dict[str, str] = {}
    positional: str | None = None
    words = _separated(arguments, notes)
    index = 0
    while index < len(words):
        one = words[index]
        index += 1
        if not _is_flag(one):
            if positional is None and one != "--":
                positional = one
            continue
        written, value = _parts(one)
        name = _full_name(written, notes)
        if value is None and name not in SWITCHES:
            taken = _values_after(words, index, name)
            value = words[index] if taken else "true"
            index += taken
        elif value is None:
            value = "true"
            if index < len(words) and words[index].lower() in ("true", "false"):
                value = words[index].lower()  # argparse would take it for the model
                index += 1
        _set(values, name, value, notes)
    return Flags(values=values, positional=positional, notes=tuple(notes))


def _set(values: dict[str, str], name: str, value: str, notes: list[tuple[str, str]]) -> None:
    if name.startswith("no-") and name not in ALL:
        name, value = name[3:], "false" if value.lower() in _TRUE else value
    if len(value) > 2 and value[0] == value[-1] and value[0] in "\"'":
        notes.append((name, f"--{name}: read without the quotes that stand inside the text"))
        value = value[1:-1]
    if values.get(name, value) != value:
        notes.append((name, f"--{name} is given twice; the last, {readable(value)}, holds"))
    values[name] = value


def _is_flag(one: str) -> bool:
    return one.startswith("-") and len(one) > 1 and one != "--" and not (
        _NEGATIVE_NUMBER.fullmatch(one)
    )  # fmt: skip


def _parts(one: str) -> tuple[str, str | None]:
    """Return the name as written and the value that hangs on it, if one does."""
    attached = _ATTACHED.fullmatch(one)
    if attached is not None and not one.startswith("--"):
        return attached[1], attached[3].removeprefix("=")
    name, equals, value = one.partition("=")
    return name, value if equals else None


def _full_name(written: str, notes: list[tuple[str, str]]) -> str:
    if written in SHORT:
        return SHORT[written]
    name = written.lstrip("-").replace("_", "-")
    if name in ALL or "." in name:
        return name
    meant = _meant(name)
    if meant is not None:
        notes.append((meant, f"--{name} read as --{meant}, the only flag that begins so"))
        return meant
    return name


@cache
def _known() -> tuple[str, ...]:
    return tuple(sorted(ALL))


def _meant(name: str) -> str | None:
    """Return the flag of which *name* is an unambiguous beginning."""
    if len(name) < 3:
        return None
    starting = [known for known in _known() if known.startswith(name)]
    return starting[0] if len(starting) == 1 else None


def _values_after(words: Sequence[str], index: int, name: str) -> int:
    """Return how many words belong to the flag before *index*."""
    count = 0
    while index + count < len(words) and not _is_flag(words[index + count]):
        count += 1
        if name not in _SEVERAL:
            break
    return count


_SEVERAL: Final = frozenset(
    {"served-model-name", "lora-modules", "cuda-graph-sizes", "cudagraph-capture-sizes",
     "middleware", "prompt-adapters", "ignore-patterns"}
)  # fmt: skip
"""Flags that take every word up to the next flag (nargs + or *)."""


def _separated(arguments: Sequence[str], notes: list[tuple[str, str]]) -> list[str]:
    """Take apart list items that hold a flag and its value, or several flags, in one text."""
    words: list[str] = []
    for one in arguments:
        head = re.split(r"[\s=]", one, maxsplit=1)[0]
        joined = one.startswith("--") and len(head) < len(one) and one[len(head)].isspace()
        several = one.startswith("--") and not joined and re.search(r"\s--[a-z]", one)
        if not (joined or (several and "{" not in one)):
            words.append(one.strip() if one.startswith("--") else one)
            continue
        try:
            pieces = shlex.split(one)
        except ValueError:
            pieces = one.split()
        name = head.lstrip("-").replace("_", "-")
        notes.append((name, f"{one[:60]!r} is one item of the list; read as {len(pieces)} words"))
        words += pieces
    return words


def given_as_text(flags: Flags) -> dict[str, str]:
    """Return the flags for people: what is not known as the ``$NAME`` it stands for."""
    return {name: readable(value) for name, value in flags.values.items()}


def looks_like_vllm(flags: Flags) -> bool:
    """Whether the names alone say that these are a vLLM server's flags."""
    own = sum(name in _OWN for name in flags.values)
    return own >= 2 or (own == 1 and ("model" in flags.values or flags.positional is not None))


_OWN: Final = frozenset(
    {"gpu-memory-utilization", "max-num-seqs", "max-num-batched-tokens", "enforce-eager",
     "max-model-len", "tensor-parallel-size", "kv-cache-dtype", "enable-chunked-prefill",
     "pipeline-parallel-size", "kv-cache-memory-bytes"}
)  # fmt: skip
