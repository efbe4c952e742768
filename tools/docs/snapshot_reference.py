"""The table of what a snapshot holds, from the table that it is taken by."""

from __future__ import annotations

import re

from rightslice.kube.snapshot.kinds import FIELDS, KINDS

_TEMPLATE = re.compile(r"(?P<template>.*[tT]emplate)\.(metadata|spec)\..*")


def snapshot_kinds() -> None:
    """Print one row for each kind: what it is read for, and which fields are kept."""
    print("| kind | resource | read for | fields |\n|---|---|---|---|")
    for kind in KINDS:
        fields = ", ".join(_shown(FIELDS[kind.name]))
        print(f"| {kind.name} | `{kind.address}` | {kind.why} | {fields} |")


def _shown(fields: tuple[str, ...]) -> list[str]:
    """Return *fields*, those of one parent together; a pod template is trimmed as a Pod is."""
    parents: dict[str, list[str]] = {}
    templates: dict[str, None] = {}
    for path in fields:
        match = _TEMPLATE.fullmatch(path)
        if match is not None:
            templates[f"`{match['template']}` as of a Pod"] = None
            continue
        parent, _, last = path.rpartition(".")
        parents.setdefault(parent, []).append(last)
    own = [_together(parent, many) for parent, many in parents.items()]
    return [*own, *templates]


def _together(parent: str, many: list[str]) -> str:
    members = many[0] if len(many) == 1 else f"{{{', '.join(many)}}}"
    return f"`{parent}.{members}`" if parent else f"`{members}`"
