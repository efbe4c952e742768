"""The replacement of a pod, and the claim template that pins it to its card."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from rightslice.errors import InputError
from rightslice.kube.cluster.dra_read import DRIVER
from rightslice.kube.crd.definition import API_VERSION, MODEL_DEPLOYMENT
from rightslice.kube.gpu_ask import CLAIM
from rightslice.kube.manifest import Manifest, digest
from rightslice.kube.operate.view import Served
from rightslice.kube.parse.decoded import at, items, mapping
from rightslice.kube.repack.plan import NextMove
from rightslice.kube.repack.pods import MOVE, MoveNote, write_note

TEMPLATE_LABEL: Final = "rightslice.dev/pins"
"""Label of templates that pin a replacement: whose ModelDeployment they belong to."""


def move_name(move: NextMove) -> str:
    """Return the name of the replacement and its template: the same for the same move."""
    return f"{move.pod.deployment}-{digest(f'{move.pod.uid} {move.wanted}')}"


def note_of(move: NextMove) -> MoveNote:
    """Return what the replacement has to say of *move*."""
    return MoveNote(
        pod=move.pod.name, uid=move.pod.uid, hash=move.pod.template_hash,
        template=move_name(move), former=move.former, wanted=move.wanted, reason=move.reason,
    )  # fmt: skip


def pinned_template(template: Mapping[str, object], move: NextMove, owner: Served) -> Manifest:
    """Return *template*, the claim template of the pod's revision, for one card only.

    Raises:
        InputError: when it is not as we make them.
    """
    made: Any = json.loads(json.dumps(template.get("spec")))
    requests = items(at(made, "spec", "devices", "requests"))
    exactly = at(requests[0], "exactly") if len(requests) == 1 else None
    if not isinstance(exactly, dict):
        raise InputError("its claim template is not as rightslice makes them")
    expression = f"device.attributes['{DRIVER}'].parentUUID == '{move.wanted}'"
    selectors = [*items(exactly.get("selectors")), {"cel": {"expression": expression}}]
    exactly["selectors"] = selectors
    labels: Manifest = {TEMPLATE_LABEL: owner.name, "app.kubernetes.io/managed-by": "rightslice"}
    return {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceClaimTemplate",
        "metadata": _metadata(move, owner, labels),
        "spec": made,
    }


def replacement(deployment: Mapping[str, object], move: NextMove, owner: Served) -> Manifest:
    """Return a pod as *deployment* makes them, by the pinned template, outside its ReplicaSet."""
    template = mapping(at(deployment, "spec", "template"))
    spec: Any = json.loads(json.dumps(template.get("spec")))
    spec["resourceClaims"] = [{"name": CLAIM, "resourceClaimTemplateName": move_name(move)}]
    labels = {**mapping(at(template, "metadata", "labels")), MOVE: "under-way"}
    metadata = _metadata(move, owner, {name: str(value) for name, value in labels.items()})
    notes = mapping(at(template, "metadata", "annotations"))
    metadata["annotations"] = {
        **{name: str(value) for name, value in notes.items()},
        MOVE: write_note(note_of(move)),
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def _metadata(move: NextMove, owner: Served, labels: Mapping[str, Any]) -> Manifest:
    """Return metadata by which the object goes with its ModelDeployment, whatever becomes of us."""
    reference: Manifest = {
        "apiVersion": API_VERSION,
        "kind": MODEL_DEPLOYMENT.kind,
        "name": owner.name,
        "uid": owner.uid,
        "controller": False,
        "blockOwnerDeletion": False,
    }
    return {
        "name": move_name(move),
        "namespace": owner.namespace,
        "labels": dict(labels),
        "ownerReferences": [reference],
    }
