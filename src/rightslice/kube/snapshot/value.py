"""The snapshot itself: objects cut down to what is read, in one order, and what is missing.

Trimming keeps the fields of `kinds.FIELDS`. Pods without an accelerator keep only what they take
of their node; Deployments and their like are kept when they make pods with one, serve with vLLM, or
run our operator. A ConfigMap is kept where a Model names it, and of it only what the Model reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from rightslice.errors import InputError
from rightslice.kube.manifest import GROUP
from rightslice.kube.operate.gather import is_operator
from rightslice.kube.parse.accelerators import read_request
from rightslice.kube.parse.decoded import at, items, mapping, text, walk
from rightslice.kube.snapshot.hide import Hider
from rightslice.kube.snapshot.kinds import FIELDS, NAMES, OTHER_POD
from rightslice.kube.snapshot.settings import renamed, with_shown_settings

Decoded = Mapping[str, object]
API_VERSION: Final = f"{GROUP}/v1alpha1"
KIND: Final = "Snapshot"
_ANNOTATIONS: Final = (
    f"{GROUP}/", "karpenter.sh/do-not-disrupt", "cluster-autoscaler.kubernetes.io/safe-to-evict",
    "leaderworkerset.sigs.k8s.io/size", "kaito.sh/runtime",
)  # fmt: skip
"""Annotations that are read, by how they begin; all others are left out."""
_LABELS_LEFT_OUT: Final = "feature.node.kubernetes.io/"
"""Hundreds a node, by node feature discovery; none is read."""
QUANTIZATION_FILE: Final = "hf_quant_config.json"
"""What is read beside a ConfigMap's config.json, where it is there."""
_CALIBRATION: Final = "calibration.json"
_OURS: Final = "ModelDeployment"
_SELECTIVE: Final = frozenset({"Deployment", "StatefulSet", "LeaderWorkerSet"})
_Tree = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class NotRead:
    """A kind that could not be listed."""

    object_kind: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """One moment of a cluster."""

    objects: Mapping[str, tuple[Decoded, ...]] = field(default_factory=dict)
    """By kind, sorted by namespace and name."""
    not_read: tuple[NotRead, ...] = ()
    """Kinds that could not be listed, and why."""
    hidden: tuple[str, ...] = ()
    """Where something that looks like a secret was left out."""
    taken_at: str | None = None
    """UTC, ISO 8601; None for one made from files, whose age nobody knows."""

    def of(self, kind: str) -> tuple[Decoded, ...]:
        """Return the objects of *kind*."""
        return self.objects.get(kind, ())


def snapshot_of(
    objects: Iterable[Decoded], *, not_read: Iterable[NotRead] = (), taken_at: str | None = None
) -> Snapshot:
    """Return *objects* as a snapshot: trimmed, secrets hidden, sorted; other kinds are passed over.

    Taking the snapshot of a snapshot's objects changes nothing.
    """
    hider = Hider()
    found: dict[str, dict[tuple[str, str], Decoded]] = {}
    every = list(objects)
    files = files_named(one for one in every if one.get("kind") == "Model")
    for one in every:
        kind = text(one.get("kind"))
        if kind not in NAMES or kind is None:
            continue
        given = _with_files(one, files) if kind == "ConfigMap" else one
        trimmed = None if given is None else _trimmed(kind, given, hider)
        if trimmed is not None:
            found.setdefault(kind, {})[_place(trimmed)] = trimmed
    _keep_settings(found, every)
    return Snapshot(
        objects={kind: tuple(alike[key] for key in sorted(alike))
                 for kind, alike in sorted(found.items())},
        not_read=tuple(sorted(not_read, key=lambda one: one.object_kind)),
        hidden=tuple(dict.fromkeys(hider.places)),
        taken_at=taken_at,
    )  # fmt: skip


def _keep_settings(
    found: dict[str, dict[tuple[str, str], Decoded]], given: Iterable[Decoded]
) -> None:
    """Let Deployments be of the settings that are shown, where a part of these was hidden."""
    shown = found.get(_OURS, {})
    digests = renamed(shown, {_place(one): one for one in given if one.get("kind") == _OURS})
    made = found.get("Deployment", {}) if digests else {}
    for place, one in made.items():
        made[place] = with_shown_settings(one, digests)


def files_named(models: Iterable[Decoded]) -> dict[tuple[str, str], frozenset[str]]:
    """Return the files that *models* read, by namespace and name of their ConfigMap."""
    found: dict[tuple[str, str], frozenset[str]] = {}
    for one in models:
        architecture = at(one, "spec", "architecture", "configMap")
        named: list[tuple[object, str, tuple[str, ...]]] = [
            (architecture, "config.json", (QUANTIZATION_FILE,))
        ]
        named += [(each, _CALIBRATION, ()) for each in items(at(one, "spec", "calibrations"))]
        for each, default, beside in named:
            name = text(at(each, "name"))
            if name is not None:
                place = _place(one)[0], name
                keys = {text(at(each, "key")) or default, *beside}
                found[place] = found.get(place, frozenset()) | keys
    return found


def _with_files(given: Decoded, files: Mapping[tuple[str, str], frozenset[str]]) -> Decoded | None:
    """Return a ConfigMap with nothing but the *files* that are read; None when none is."""
    names = files.get(_place(given))
    if names is None:
        return None
    data = {key: item for key, item in mapping(given.get("data")).items() if key in names}
    return {**given, "data": data}


def document_of(snapshot: Snapshot) -> dict[str, object]:
    """Return *snapshot* as the data of its file."""
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "takenAt": snapshot.taken_at,
        "notRead": [{"kind": one.object_kind, "reason": one.reason} for one in snapshot.not_read],
        "hidden": list(snapshot.hidden),
        "items": [one for every in snapshot.objects.values() for one in every],
    }


def read_document(data: Mapping[str, object], *, where: str) -> Snapshot:
    """Return the snapshot that *data* of a file describes.

    Raises:
        InputError: when it is of another version, or its parts are not what they should be.
    """
    if data.get("apiVersion") != API_VERSION:
        raise InputError(
            f"{where}: apiVersion {data.get('apiVersion')!r} of a Snapshot is not known;"
            f" {API_VERSION} is read here: take it again with `rightslice snapshot`"
        )
    listed = data.get("items")
    if not isinstance(listed, list):
        raise InputError(f"{where}: items: a list of Kubernetes objects is wanted")
    for index, one in enumerate(listed):
        if text(mapping(one).get("kind")) is None or text(at(one, "metadata", "name")) is None:
            raise InputError(f"{where}: items[{index}]: kind and metadata.name are wanted")
    lacking = [
        NotRead(
            object_kind=text(at(one, "kind")) or "?", reason=text(at(one, "reason")) or "not said"
        )
        for one in items(data.get("notRead"))
    ]
    taken = snapshot_of(listed, not_read=lacking, taken_at=text(data.get("takenAt")))
    hidden = tuple(str(one) for one in items(data.get("hidden")))
    return Snapshot(
        objects=taken.objects,
        not_read=taken.not_read,
        hidden=tuple(dict.fromkeys((*hidden, *taken.hidden))),
        taken_at=taken.taken_at,
    )


def _trimmed(kind: str, given: Decoded, hider: Hider) -> Decoded | None:
    if kind in _SELECTIVE and not (_is_of_interest(given) or is_operator(given)):
        return None
    fields = FIELDS[kind]
    if kind == "Pod" and not _is_of_interest(given):
        fields = OTHER_POD
    kept = mapping(_selected(given, _tree(fields)))
    kept = {"apiVersion": given.get("apiVersion") or "v1", "kind": kind, **kept}
    if kind == "Node":
        return _with_labels(kept)
    if fields is OTHER_POD:
        return kept
    namespace, name = _place(kept)
    where = " ".join(one for one in (kind, f"{namespace}/{name}" if namespace else name) if one)
    return mapping(hider.hide(kept, where))


def _is_of_interest(given: Decoded) -> bool:
    """Whether its pods ask for an accelerator, or anything in it speaks of vLLM."""
    for part in walk(given.get("spec")):
        if items(part.get("resourceClaims")):
            return True
        if "resources" in part and read_request(part["resources"])[0] is not None:
            return True
        if "image" in part or "command" in part or "args" in part:
            said = [part.get("image"), *items(part.get("command")), *items(part.get("args"))]
            if any("vllm" in one for one in said if isinstance(one, str)):
                return True
    return False


@lru_cache(maxsize=64)
def _tree(fields: tuple[str, ...]) -> _Tree:
    tree: _Tree = {}
    for path in fields:
        *above, last = path.split(".")
        inside = tree
        for key in above:
            inside = inside.setdefault(key, {})
        inside[last] = None
    return tree


def _selected(value: object, tree: _Tree | None) -> object:
    """Return what *tree* names of *value*, without empty parts; None keeps all below."""
    if tree is None:
        return value
    if isinstance(value, list):
        return [_selected(one, tree) for one in value]
    kept: dict[str, object] = {}
    inside = mapping(value)
    for key, below in tree.items():
        if key not in inside:
            continue
        part = _annotations(inside[key]) if key == "annotations" else _selected(inside[key], below)
        if part is not None and part not in ({}, []):
            kept[key] = part
    return kept


def _annotations(given: object) -> dict[str, object]:
    return {key: item for key, item in mapping(given).items() if key.startswith(_ANNOTATIONS)}


def _with_labels(node: dict[str, object]) -> Decoded:
    metadata = mapping(node.get("metadata"))
    labels = {
        key: item
        for key, item in mapping(metadata.get("labels")).items()
        if not key.startswith(_LABELS_LEFT_OUT)
    }
    return {**node, "metadata": {**metadata, "labels": labels}}


def _place(given: Decoded) -> tuple[str, str]:
    metadata = mapping(given.get("metadata"))
    return text(metadata.get("namespace")) or "", text(metadata.get("name")) or ""
