"""Secrets out of what people wrote into their manifests: values of variables, of flags, of URLs.

A value is hidden when its name says that it is a secret (``HF_TOKEN``, ``--api-key``) or when it
looks like one (prefixes that vendors document: ``hf_``, ``sk-``, ``AKIA``, ``ghp_``, ``glpat-``,
``xox``; a JSON web token; a PEM key; user and password in a URL). What a Secret holds is not in a
manifest and is never read; names of Secrets stay. Known gap: a secret under an innocent name and
without such a shape.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

HIDDEN: Final = "(hidden)"
_WORDS: Final = (
    r"token|secret|passw(?:or)?d|passphrase|credentials?|api[-_]?key|access[-_]?key|private[-_]?key"
)
_NAME: Final = re.compile(
    r"token$|secret|passw(or)?d|passphrase|credential|(api|access|private)[-_]?key"
    r"|(^|[-_])(auth|pat|pwd)$",
    re.IGNORECASE,
)
_FLAG: Final = re.compile(rf"--?[\w-]{{0,40}}?(?:{_WORDS})", re.IGNORECASE)
_STATED: Final = re.compile(
    rf"(?P<name>(?:--[\w-]{{0,40}}?(?:{_WORDS})(?:\s{{0,3}}=\s{{0,3}}|\s{{1,3}})"
    rf"|(?<![\w-])[A-Za-z]\w{{0,40}}?(?:{_WORDS})=))"
    r"(?P<value>\"[^\"]{1,4000}\"|'[^']{1,4000}'|[^\s;&|\"'\\]{1,4000})",
    re.IGNORECASE,
)
_BEARER: Final = re.compile(r"(?P<name>(?:Bearer|Basic)\s{1,3})(?P<value>[\w.~+/=-]{8,4000})")
_URL: Final = re.compile(r"(?P<name>\w{1,12}://[^\s/:@]{0,100}:)(?P<value>[^\s/@]{1,200})(?=@)")
_SHAPES: Final = re.compile(
    r"(?<![A-Za-z0-9])(?:hf_\w{10,}|sk-[\w-]{16,}|AKIA[A-Z0-9]{12,}|gh[pousr]_\w{16,}|github_pat_\w{16,}"
    r"|glpat-[\w-]{16,}|xox[abprs]-[\w-]{8,}|nvapi-[\w-]{16,}"
    r"|eyJ[\w-]{8,2000}\.[\w-]{8,2000}\.[\w-]*)"
    r"|-----BEGIN [A-Z ]{0,30}KEY-----[\s\S]*?(?:-----END [A-Z ]{0,30}KEY-----|\Z)"
)
_REFERENCE: Final = re.compile(r"\"?'?\$[({]?\w+[)}]?'?\"?")


@dataclass
class Hider:
    """Hides, and keeps the places where it did."""

    places: list[str] = field(default_factory=list)

    def hide(self, value: object, where: str) -> object:
        """Return *value* without what looks like a secret; *where* names it in the list."""
        if isinstance(value, str):
            return self._text(value, where)
        if isinstance(value, list):
            return self._many(value, where)
        if isinstance(value, dict):
            if self._is_secret_variable(value):
                self.places.append(f"{where} {value['name']}")
                return {**value, "value": HIDDEN}
            return {key: self._member(key, item, where) for key, item in value.items()}
        return value

    def _member(self, key: str, value: object, where: str) -> object:
        return self.hide(value, where if key in _PASSED else f"{where} {key}")

    def _many(self, values: list[object], where: str) -> list[object]:
        shown: list[object] = []
        for value in values:
            before = shown[-1] if shown else None
            if (
                isinstance(value, str)
                and isinstance(before, str)
                and _FLAG.fullmatch(before)
                and not _REFERENCE.fullmatch(value)
            ):
                self.places.append(f"{where} {before}")
                shown.append(HIDDEN)
            else:
                named = mapping_name(value)
                shown.append(self.hide(value, f"{where} {named}" if named else where))
        return shown

    def _text(self, value: str, where: str) -> str:
        text = value
        for pattern in (_STATED, _BEARER, _URL):
            text = pattern.sub(_without_value, text)
        text = _SHAPES.sub(HIDDEN, text)
        if text != value:
            self.places.append(where)
        return text

    @staticmethod
    def _is_secret_variable(value: Mapping[str, object]) -> bool:
        name, given = value.get("name"), value.get("value")
        if not isinstance(name, str) or not isinstance(given, str) or not given:
            return False
        return _NAME.search(name) is not None and not _REFERENCE.fullmatch(given)


_PASSED: Final = frozenset({"spec", "template", "metadata"})


def mapping_name(value: object) -> str:
    """Return the name of a container, for messages; "" for anything else."""
    if isinstance(value, dict) and "value" not in value and isinstance(value.get("name"), str):
        return str(value["name"])
    return ""


def _without_value(match: re.Match[str]) -> str:
    if _REFERENCE.fullmatch(match["value"]):
        return match[0]
    return f"{match['name']}{HIDDEN}"
