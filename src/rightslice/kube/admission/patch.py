"""The JSON patch of a pod: its GPU request, node selector, annotations and flags.

Every patch is applied to the pod here, and what comes out is checked by the rules by which the API
server would refuse it, before it is sent (kubernetes/kubernetes pkg/apis/core/validation: an
extended resource needs a whole number, and a limit that equals its request).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import jsonpatch

from rightslice.errors import InputError
from rightslice.kube.admission.offers import is_gpu
from rightslice.kube.cluster.quantity import parse_quantity
from rightslice.kube.parse.decoded import at, items, mapping
from rightslice.records import Json

Operation = dict[str, Json]
LONGEST_ANNOTATIONS: Final = 256 * 1024
"""Bytes of all annotations (apimachinery pkg/api/validation, TotalAnnotationSizeLimitB)."""
_KEY: Final = str.maketrans({"~": "~0", "/": "~1"})


@dataclass(frozen=True, kw_only=True)
class Change:
    """What is to become of a pod; empty parts stay as they are."""

    annotations: Mapping[str, str] = field(default_factory=dict)
    gone: tuple[str, ...] = ()
    """Annotations to remove where they are: those of an earlier decision."""
    container: int | None = None
    """Index of the serving container."""
    resource: str = ""
    """What its GPU resources are replaced by; empty: they stay."""
    count: int = 1
    node_selector: Mapping[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    """Added to the serving container's ``args``."""


def operations(pod: Mapping[str, object], change: Change) -> list[Operation]:
    """Return the JSON patch (RFC 6902) that makes *change* to *pod*.

    Only what differs is touched, so that a pod that is as wanted gets an empty patch.
    """
    patch: list[Operation] = []
    _set_keys(patch, pod, ("metadata", "annotations"), change.annotations)
    notes = mapping(at(pod, "metadata", "annotations"))
    patch += [
        {"op": "remove", "path": pointer("metadata", "annotations", one)}
        for one in change.gone
        if one in notes
    ]
    _set_keys(patch, pod, ("spec", "nodeSelector"), change.node_selector)
    if change.container is None:
        return patch
    base = ("spec", "containers", str(change.container))
    if change.resource:
        _replace_gpu(patch, pod, base, change)
    end = pointer(*base, "args", "-")
    patch += [{"op": "add", "path": end, "value": one} for one in change.arguments]
    return patch


def _replace_gpu(
    patch: list[Operation], pod: Mapping[str, object], base: Sequence[str], change: Change
) -> None:
    container = items(at(pod, "spec", "containers"))[int(base[2])]
    for part in ("limits", "requests"):
        present = mapping(at(container, "resources", part))
        gone = (name for name in present if is_gpu(name) and name != change.resource)
        patch += [{"op": "remove", "path": pointer(*base, "resources", part, one)} for one in gone]
    wanted = {change.resource: str(change.count)}
    for part in ("limits", "requests"):
        _set_keys(patch, pod, (*base, "resources", part), wanted)


def _set_keys(
    patch: list[Operation],
    pod: Mapping[str, object],
    path: Sequence[str],
    wanted: Mapping[str, str],
) -> None:
    """Add the operations that set keys of the object at *path*, making it where it is absent."""
    if not wanted:
        return
    inside: object = pod
    for depth, key in enumerate(path):
        inside = items(inside)[int(key)] if isinstance(inside, list) else mapping(inside).get(key)
        if not isinstance(inside, dict | list):
            patch.append({"op": "add", "path": pointer(*path[: depth + 1]), "value": {}})
            inside = {}
    there = mapping(inside)
    for key, value in wanted.items():
        if not _same(there.get(key), value):
            patch.append({"op": "add", "path": pointer(*path, key), "value": value})


def _same(present: object, wanted: str) -> bool:
    return present == wanted or (isinstance(present, int) and str(present) == wanted)


def pointer(*keys: str) -> str:
    """Return the JSON pointer (RFC 6901) of *keys*.

    >>> pointer("metadata", "annotations", "rightslice.dev/offer")
    '/metadata/annotations/rightslice.dev~1offer'
    """
    return "".join(f"/{key.translate(_KEY)}" for key in keys)


def patched(pod: Mapping[str, object], patch: Sequence[Operation]) -> dict[str, object]:
    """Return a copy of *pod* with *patch* applied.

    Raises:
        InputError: when it does not apply.
    """
    try:
        result = jsonpatch.apply_patch(copy.deepcopy(dict(pod)), list(patch), in_place=True)
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException) as error:
        raise InputError(f"the patch does not apply: {error}") from None
    return dict(result)


def notes_problem(pod: Mapping[str, object]) -> str | None:
    """Return why the API server would refuse the annotations of *pod*, or None."""
    notes = mapping(at(pod, "metadata", "annotations"))
    size = sum(len(f"{key}{value}".encode(errors="replace")) for key, value in notes.items())
    if size > LONGEST_ANNOTATIONS:
        return f"its annotations would take {size} of {LONGEST_ANNOTATIONS} bytes"
    return None


def resource_problem(pod: Mapping[str, object]) -> str | None:
    """Return why the API server would refuse the GPU resources of *pod*, or None."""
    for container in (*items(at(pod, "spec", "containers")),
                      *items(at(pod, "spec", "initContainers"))):  # fmt: skip
        name = mapping(container).get("name")
        limits = mapping(at(container, "resources", "limits"))
        requests = mapping(at(container, "resources", "requests"))
        for resource in {*limits, *requests}:
            if "/" not in resource or resource.split("/")[0].endswith("kubernetes.io"):
                continue
            if resource not in limits:
                return f"container {name}: {resource} has a request and no limit"
            try:
                limit = parse_quantity(limits[resource])
                request = parse_quantity(requests.get(resource, limits[resource]))
            except InputError as error:
                return f"container {name}: {resource}: {error}"
            if limit != request:
                return f"container {name}: {resource} has a request that is not its limit"
            if limit.denominator != 1:
                return f"container {name}: {resource} is no whole number"
    return None
