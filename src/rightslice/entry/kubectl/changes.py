"""What is to be changed, and the cluster as it would be then.

The API server is asked to try each object; where it is not to be asked (a file, no right to), the
change is made here, and only the rules that the operator checks itself are known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rightslice.edge.manifest_files import read_manifests
from rightslice.entry.kubectl.options import Reach
from rightslice.entry.kubectl.reading import no_such, trials
from rightslice.errors import FieldError, InputError
from rightslice.kube.crd.definition import API_VERSION, MODEL, MODEL_DEPLOYMENT
from rightslice.kube.operate.gather import object_key
from rightslice.kube.operate.view import Key
from rightslice.kube.parse.decoded import at, items, mapping, text
from rightslice.kube.snapshot.value import Snapshot, snapshot_of

if TYPE_CHECKING:
    from rightslice.edge.cluster.trial import Trials
    from rightslice.kube.operate.what_if import WhatIf

Manifest = dict[str, Any]
_TAKEN: Final = (MODEL.kind, MODEL_DEPLOYMENT.kind, "ConfigMap")
_EITHER: Final = {"load.concurrency": "load.rate", "load.rate": "load.concurrency"}
_NOT_ASKED: Final = "the API server was not asked: a file stands in its place"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is to be changed: one ModelDeployment by a patch, or objects of a file."""

    key: Key | None
    patch: Mapping[str, Any]
    """A merge patch."""
    documents: tuple[Manifest, ...] = ()

    @property
    def keys(self) -> frozenset[Key]:
        """The ModelDeployments that are changed or new."""
        given = {object_key(one) for one in self.documents if one["kind"] == MODEL_DEPLOYMENT.kind}
        return frozenset(given if self.key is None else {self.key})


def patch_of(values: Mapping[str, object]) -> dict[str, Any]:
    """Return the merge patch that sets each path of a spec; None leaves it as it is.

    >>> patch_of({"load.concurrency": 8, "priority": None})
    {'spec': {'load': {'concurrency': 8, 'rate': None}}}
    """
    given = {path: value for path, value in values.items() if value is not None}
    for path, other in _EITHER.items():
        if path in given:
            given.setdefault(other, None)
    spec: dict[str, Any] = {}
    for path, value in given.items():
        *above, last = path.split(".")
        inside = spec
        for name in above:
            inside = inside.setdefault(name, {})
        inside[last] = value
    return {"spec": spec} if spec else {}


def read_file(path: Path, namespace: str) -> tuple[Manifest, ...]:
    """Return the objects of the file at *path*; those that name no namespace are of *namespace*.

    Raises:
        InputError: when one is no Model, ModelDeployment or ConfigMap, or has no name.
        UnavailableError: when it cannot be read.
    """
    found = [_object(one, str(path), namespace) for one in _flat(read_manifests(path))]
    if not any(one["kind"] == MODEL_DEPLOYMENT.kind for one in found):
        raise FieldError(str(path), "", f"holds no {MODEL_DEPLOYMENT.kind} of {API_VERSION}")
    return tuple(found)


def _flat(documents: Iterable[object]) -> Iterable[object]:
    for one in documents:
        listed = mapping(one).get("items")
        yield from items(listed) if mapping(one).get("kind") == "List" else [one]


def _object(given: object, where: str, namespace: str) -> Manifest:
    kind, name = text(at(given, "kind")), text(at(given, "metadata", "name"))
    if kind not in _TAKEN:
        raise FieldError(where, "kind", f"{kind!r} must be one of {', '.join(_TAKEN)}")
    if kind != "ConfigMap" and at(given, "apiVersion") != API_VERSION:
        raise FieldError(where, "apiVersion", f"of a {kind} must be {API_VERSION}")
    if name is None:
        raise FieldError(where, "metadata.name", f"of a {kind} is missing")
    metadata = mapping(at(given, "metadata"))
    place = text(metadata.get("namespace")) or namespace
    return {**mapping(given), "metadata": {**metadata, "namespace": place}}


def changed_snapshot(
    asked: Asked, snapshot: Snapshot, reach: Reach
) -> tuple[Snapshot, tuple[str, ...]]:
    """Return *snapshot* with the change, and what the API server says to it.

    Raises:
        InputError: when the API server refuses it, with its words.
        UnknownNameError: when there is no ModelDeployment of that name.
        UnavailableError: when the API server cannot be reached.
    """
    there = {object_key(one): dict(one) for one in snapshot.of(MODEL_DEPLOYMENT.kind)}
    if asked.key is not None and asked.key not in there:
        raise no_such(asked.key, there)
    if reach.file is not None:
        return _replaced(snapshot, _made_here(asked, there)), (_NOT_ASKED,)
    with trials(reach) as server:
        made, told = _tried(asked, there, server)
    return _replaced(snapshot, made), tuple(told)


def _tried(
    asked: Asked, there: Mapping[Key, Manifest], server: Trials
) -> tuple[list[Manifest], list[str]]:
    """Return the objects as the API server would store them, and what it says."""
    made, told = list[Manifest](), list[str]()
    if asked.key is not None:
        if not asked.patch:
            return [], ["nothing is changed"]
        answer = server.patched(*asked.key, asked.patch)
        here = _made_here(asked, there)[0]
        spec = here["spec"] if answer.manifest is None else answer.manifest.get("spec")
        return [{**here, "spec": spec}], [answer.told]
    for one, here in zip(asked.documents, _made_here(asked, there), strict=True):
        if one["kind"] == "ConfigMap":
            made.append(here)
            continue
        answer = server.put(one)
        spec = here["spec"] if answer.manifest is None else answer.manifest.get("spec")
        made.append({**here, "spec": spec})
        told.append(answer.told)
    return made, told


def _made_here(asked: Asked, there: Mapping[Key, Manifest]) -> list[Manifest]:
    """Return the changed objects as they would be if nobody defaults or refuses anything."""
    if asked.key is not None:
        return [merged(there[asked.key], asked.patch)]
    made = []
    for one in asked.documents:
        known = there.get(object_key(one)) if one["kind"] == MODEL_DEPLOYMENT.kind else None
        metadata = {"generation": 1, "uid": "", **one["metadata"]}
        made.append(
            {**one, "metadata": metadata} if known is None else {**known, "spec": one.get("spec")}
        )
    return made


def merged(given: Manifest, patch: Mapping[str, Any]) -> Manifest:
    """Return *given* with a merge patch (RFC 7396) on it.

    >>> merged({"a": {"b": 1, "c": 2}}, {"a": {"b": None, "d": 3}})
    {'a': {'c': 2, 'd': 3}}
    """
    found = dict(given)
    for key, value in patch.items():
        if value is None:
            found.pop(key, None)
        elif isinstance(value, Mapping):
            inner = found.get(key)
            found[key] = merged(inner if isinstance(inner, dict) else {}, value)
        else:
            found[key] = value
    return found


def _replaced(snapshot: Snapshot, made: Iterable[Manifest]) -> Snapshot:
    """Return *snapshot* with the objects of *made* in place of those of the same name."""
    fresh = list(made)
    names = {(one["kind"], *object_key(one)) for one in fresh}
    kept = [
        one
        for kind, every in snapshot.objects.items()
        for one in every
        if (kind, *object_key(one)) not in names
    ]
    return snapshot_of([*kept, *fresh], not_read=snapshot.not_read, taken_at=snapshot.taken_at)


def refuse_invalid(found: WhatIf) -> None:
    """Raise when a changed object cannot be decided about as it is written.

    Raises:
        InputError: with every problem that the operator would tell.
    """
    wrong = [one.after for one in found.asked if one.after.outcome == "Invalid"]
    if wrong:
        raise InputError("; ".join(f"{one.name}: {one.reason}" for one in wrong))
