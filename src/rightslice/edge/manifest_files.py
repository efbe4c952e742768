"""Kubernetes manifests that others wrote: every document of a YAML or JSON file, as plain data.

Read as kubectl reads them: several documents a file, the last of a repeated key wins, a ``List``
is left to whoever reads the objects. YAML 1.1 as in go-yaml; unknown tags are refused.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Final

from rightslice.edge.yaml_files import read_text
from rightslice.errors import InputError

_LARGEST_TEXT: Final = 1_000_000
"""Characters of YAML inside YAML: a ConfigMap holds 1 MiB at most."""
_DEEPEST: Final = 60
STANDARD_INPUT: Final = Path("-")


def read_manifests(path: Path) -> list[object]:
    """Return the documents of the file at *path*, or of standard input when it is ``-``.

    Raises:
        InputError: when there is no such file, or it is neither YAML nor JSON.
        UnavailableError: when the operating system will not read it.
    """
    if path == STANDARD_INPUT:
        return manifests_of(sys.stdin.read(), where="standard input")
    return manifests_of(read_text(path), where=str(path))


def manifests_of(text: str, *, where: str) -> list[object]:
    """Return the documents of *text*.

    Raises:
        InputError: when it is neither YAML nor JSON.
    """
    if text.lstrip()[:1] in ("{", "["):
        try:
            return [json.loads(text)]
        except (ValueError, RecursionError):
            pass  # flow YAML, perhaps
    return [document for document in _documents(text, where) if document is not None]


def decode_yaml(text: str) -> object:
    """Return the data of one YAML document that stands inside a manifest, None when it is none."""
    if len(text) > _LARGEST_TEXT:
        return None
    try:
        documents = _documents(text, "nested YAML")
    except InputError:
        return None
    return documents[0] if len(documents) == 1 else None


def _documents(text: str, where: str) -> list[object]:
    import yaml  # noqa: PLC0415 - yaml loads where it is used

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    depth = 0
    try:
        for event in yaml.parse(text, Loader=loader):
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > _DEEPEST:  # the C composer recurses without a limit
                raise InputError(f"{where}: is nested too deeply for a manifest")
        return list(yaml.load_all(text, Loader=loader))
    except yaml.YAMLError as error:
        raise InputError(f"{where}: {_problem(error, text)}") from None
    except (ValueError, OverflowError, LookupError, AttributeError, TypeError) as error:
        raise InputError(f"{where}: is not YAML: {error}") from None


def _problem(error: Exception, text: str) -> str:
    mark = getattr(error, "problem_mark", None)
    line = "" if mark is None else f"line {mark.line + 1}: "
    if "{{" in text:
        return f"{line}is a template, not YAML; render it first, as with `helm template`"
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    return f"{line}is not YAML: {problem}"
