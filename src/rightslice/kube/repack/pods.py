"""Pods of ModelDeployments, as moves look at them; what is under way stands on the replacement."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from rightslice.errors import InputError
from rightslice.kube.cluster.demand import pod_requests
from rightslice.kube.cluster.dra_read import noted_claims
from rightslice.kube.cluster.filters import NodeFilter
from rightslice.kube.crd.decode import decode, encode
from rightslice.kube.crd.deployment import PodMove
from rightslice.kube.manifest import GROUP, OWNER_LABEL, REVISION_LABEL
from rightslice.kube.operate.objects import deployment_name
from rightslice.kube.operate.view import PART_LABEL, Key, Part
from rightslice.kube.parse.decoded import at, items, mapping, text
from rightslice.kube.repack.step import MoveStep

MOVE: Final = f"{GROUP}/move"
"""Annotation of a replacement: the move that it is made for. And a label, while that is on."""
HASH_LABEL: Final = "pod-template-hash"
"""By which a ReplicaSet knows its pods: one that gets it is adopted (kubernetes
pkg/controller/controller_ref_manager.go, ClaimPods)."""
COST: Final = "controller.kubernetes.io/pod-deletion-cost"
"""Of ready pods a ReplicaSet ends the one with the least first (KEP-2255)."""
LEAST_COST: Final = "-2147483648"
_ENDED: Final = ("Succeeded", "Failed")


@dataclass(frozen=True, kw_only=True)
class MoveNote:
    """One move: which pod, from which card to which."""

    pod: str
    """Its name; the namespace is the replacement's."""
    uid: str
    hash: str
    """The label by which its ReplicaSet knows it."""
    template: str
    """The claim template that pins the replacement to its card."""
    former: str
    """UUID of the card that it leaves."""
    wanted: str
    """And of the one that it goes to."""
    reason: str
    """What the move is for."""

    def as_move(self, step: MoveStep, since: str, message: str = "") -> PodMove:
        """Return what the status of a ModelDeployment says of it."""
        told = f"{self.reason}; {message}" if message else self.reason
        return PodMove(
            step=step, pod=self.pod, former=self.former, wanted=self.wanted, since=since,
            message=told[:1024],
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class OwnPod:
    """One pod of a ModelDeployment."""

    owner: Key
    name: str
    uid: str
    revision: str
    part: Part
    template_hash: str
    """"" for a replacement that no ReplicaSet has adopted."""
    is_bound: bool
    is_ready: bool
    is_going: bool
    created: str
    needs_milli: Mapping[str, int]
    """What it asks its node for, in thousandths rounded up: CPU, memory, a place among the pods."""
    filter: NodeFilter
    """What it says of nodes."""
    claims: bool
    """Whether its device comes by a claim of ours."""
    is_marked: bool
    """Whether its ReplicaSet ends it before the others."""
    chooses_nodes: bool = False
    """Whether only nodes of some labels will do: it stays where it is."""
    note: MoveNote | None = None
    """Of a replacement whose move is under way."""

    @property
    def called(self) -> str:
        """Namespace and name."""
        return f"{self.owner[0]}/{self.name}"

    @property
    def deployment(self) -> str:
        """Name of its Deployment."""
        return deployment_name(self.owner[1], self.revision, self.part)


def read_own_pod(pod: Mapping[str, object]) -> OwnPod | None:
    """Return a pod of a ModelDeployment; None for any other, and for one that ended."""
    metadata = mapping(pod.get("metadata"))
    labels, notes = mapping(metadata.get("labels")), mapping(metadata.get("annotations"))
    owner, revision, part = (
        text(labels.get(name)) for name in (OWNER_LABEL, REVISION_LABEL, PART_LABEL)
    )
    spec = mapping(pod.get("spec"))
    known = part in [one.value for one in Part]
    if owner is None or revision is None or not known or at(pod, "status", "phase") in _ENDED:
        return None
    return OwnPod(
        owner=(text(metadata.get("namespace")) or "", owner),
        name=text(metadata.get("name")) or "",
        uid=text(metadata.get("uid")) or "",
        revision=revision,
        part=Part(part),
        template_hash=text(labels.get(HASH_LABEL)) or "",
        is_bound=at(pod, "spec", "nodeName") is not None,
        is_ready=any(
            at(one, "type") == "Ready" and at(one, "status") == "True"
            for one in items(at(pod, "status", "conditions"))
        ),
        is_going=metadata.get("deletionTimestamp") is not None,
        created=text(metadata.get("creationTimestamp")) or "",
        needs_milli=_needs(pod),
        filter=NodeFilter.of({name: one for name, one in spec.items() if name != "nodeName"}),
        claims=bool(noted_claims(pod)),
        is_marked=COST in notes,
        chooses_nodes=bool(mapping(at(pod, "spec", "nodeSelector"))),
        note=_note(notes.get(MOVE)) if MOVE in labels else None,
    )


def _needs(pod: Mapping[str, object]) -> dict[str, int]:
    try:
        return {name: math.ceil(many * 1000) for name, many in pod_requests(pod).items() if many}
    except InputError:
        return {}


def _note(written: object) -> MoveNote | None:
    try:
        return decode(MoveNote, json.loads(written)).value if isinstance(written, str) else None
    except ValueError:
        return None


def write_note(note: MoveNote) -> str:
    """Return the annotation's value."""
    return json.dumps(encode(note), separators=(",", ":"))
