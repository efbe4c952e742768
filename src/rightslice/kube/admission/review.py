"""An AdmissionReview in, an AdmissionReview out (admission.k8s.io/v1). Every pod is allowed.

The patch is applied and checked here before it is sent; when what comes out is not what was meant,
the reply has no patch and a warning in its place.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from rightslice.errors import InputError
from rightslice.kube.admission.decide import Decision, Outcome, World, decide
from rightslice.kube.admission.patch import (
    Change,
    Operation,
    notes_problem,
    operations,
    patched,
    pointer,
    resource_problem,
)
from rightslice.kube.admission.settings import Mode
from rightslice.kube.manifest import GROUP
from rightslice.kube.parse.decoded import at, items, mapping, text
from rightslice.records import Json

API_VERSION: Final = "admission.k8s.io/v1"
OFFER: Final = f"{GROUP}/offer"
OUTCOME: Final = f"{GROUP}/outcome"
REASON: Final = f"{GROUP}/reason"
ASSUMED: Final = f"{GROUP}/assumed"
PREVIOUS: Final = f"{GROUP}/previous-request"
DECISION: Final = f"{GROUP}/decision"
"""The uid of the request in which the pod got what it asks for now."""
_DECISION_PATH: Final = pointer("metadata", "annotations", DECISION)
FLAGS_SET: Final = f"{GROUP}/flags-set"
WRITTEN: Final[Mapping[str, str]] = {
    OUTCOME: "what came of the pod, one of the outcomes below",
    OFFER: "the offer that holds its load, or the largest one",
    REASON: "why that offer, with its numbers; or why the pod was left as it is",
    ASSUMED: "what stood in for what the pod does not say",
    PREVIOUS: "in Enforce: what the pod asked for before",
    DECISION: "in Enforce: the uid of the admission request that changed it",
    FLAGS_SET: "in Enforce, with `flags: set`: the flags that were added to its arguments",
}
"""Every annotation that the webhook writes, and what it says."""
_LONGEST_WARNING: Final = 250
"""Characters; longer ones may be cut by clients (kubernetes.io "Admission webhook good practices":
120 where possible; ours hold a reason with its numbers)."""
_LONGEST_ANNOTATION: Final = 2000
_SILENT: Final = (Outcome.OFF, Outcome.NOT_A_SERVER, Outcome.NOT_READY)
"""Outcomes that leave no mark on the pod."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the API server asks: a pod that is being created, or another object."""

    uid: str
    pod: Mapping[str, object]
    is_pod: bool
    namespace: str
    owner: Mapping[str, object]
    """The pod's controller reference, {} without one."""
    is_dry_run: bool


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What becomes of a pod: the same for every pod of one template, while the cluster is."""

    decision: Decision
    patch: tuple[Operation, ...] = ()
    """Applied and checked."""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Reviewed:
    """A reply, and what it rests on."""

    request: Request
    decision: Decision
    response: Mapping[str, Json]
    """The AdmissionReview to send."""
    has_patch: bool


def read_request(given: Mapping[str, object]) -> Request:
    """Return what an AdmissionReview asks.

    Raises:
        InputError: when *given* is no AdmissionReview: it has no request with a uid.
    """
    asked = mapping(given.get("request"))
    uid = text(asked.get("uid"))
    if uid is None:
        raise InputError("not an AdmissionReview: request.uid is missing")
    pod = mapping(asked.get("object"))
    owners = items(at(pod, "metadata", "ownerReferences"))
    owner = next((one for one in map(mapping, owners) if one.get("controller") is True), {})
    return Request(
        uid=uid,
        pod=pod,
        is_pod=at(asked, "kind", "kind") == "Pod" and asked.get("operation", "CREATE") == "CREATE",
        namespace=text(asked.get("namespace")) or text(at(pod, "metadata", "namespace")) or "",
        owner=owner,
        is_dry_run=asked.get("dryRun") is True,
    )


def review(given: Mapping[str, object], world: World) -> Reviewed:
    """Return the reply to an AdmissionReview of a pod that is being created.

    Raises:
        InputError: when *given* is no AdmissionReview: it has no request with a uid.
    """
    request = read_request(given)
    return reply(request, judged(request, world))


def judged(request: Request, world: World) -> Verdict:
    """Return what becomes of the pod of *request*; any other object passes."""
    if not request.is_pod:
        return Verdict(decision=Decision(outcome=Outcome.NOT_A_SERVER, mode=world.settings.mode))
    decision = decide(request.pod, request.namespace, world)
    settled = world.is_again and decision.outcome is Outcome.RIGHT and not decision.flags
    patch, problem = ([], None) if settled else _checked_patch(request.pod, decision, request.uid)
    warnings = (*_warnings(decision), *(() if problem is None else (problem,)))
    return Verdict(
        decision=decision,
        patch=tuple(patch),
        warnings=tuple(_cut(one, _LONGEST_WARNING) for one in warnings),
    )


def reply(request: Request, verdict: Verdict) -> Reviewed:
    """Return the reply to *request*; a patch that names the request it is of names this one."""
    response: dict[str, Json] = {"uid": request.uid, "allowed": True}
    if verdict.patch:
        patch = [
            {**one, "value": request.uid} if one["path"] == _DECISION_PATH and "value" in one
            else one
            for one in verdict.patch
        ]  # fmt: skip
        response["patchType"] = "JSONPatch"
        response["patch"] = base64.b64encode(json.dumps(patch).encode()).decode()
    if verdict.warnings:
        response["warnings"] = list(verdict.warnings)
    return Reviewed(
        request=request,
        decision=verdict.decision,
        response={"apiVersion": API_VERSION, "kind": "AdmissionReview", "response": response},
        has_patch=bool(verdict.patch),
    )


def change_of(decision: Decision, uid: str) -> Change:
    """Return what *decision*, of request *uid*, makes of its pod.

    Notes are always written, the GPU request is replaced only in Enforce. Notes of an earlier
    decision that this one does not make (a pod made from another's manifest) are removed.
    """
    if decision.outcome in _SILENT:
        return Change()
    notes = {OUTCOME: decision.outcome.value}
    if decision.reasons:
        notes[REASON] = _cut("; ".join(decision.reasons), _LONGEST_ANNOTATION)
    if decision.assumed:
        notes[ASSUMED] = _cut("; ".join(decision.assumed), _LONGEST_ANNOTATION)
    if decision.candidate is not None:
        notes[OFFER] = decision.candidate.offer.name
    if decision.flags:
        notes[FLAGS_SET] = " ".join(decision.flags)
    proposed = decision.proposed
    if decision.mode is not Mode.ENFORCE:
        return Change(annotations=notes, gone=_stale(notes))
    if proposed is None:
        return Change(
            annotations=notes,
            gone=_stale(notes),
            container=decision.container,
            arguments=decision.flags,
        )
    notes |= {PREVIOUS: decision.current or "", DECISION: uid}
    return Change(
        annotations=notes,
        gone=_stale(notes),
        container=decision.container,
        resource=proposed.resource,
        count=proposed.count,
        node_selector=proposed.selector,
        arguments=decision.flags,
    )


def _stale(notes: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(one for one in WRITTEN if one not in notes)


def _checked_patch(
    pod: Mapping[str, object], decision: Decision, uid: str
) -> tuple[list[Operation], str | None]:
    """Return the patch, or an empty one and why: never a pod that the API server would refuse."""
    try:
        patch = operations(pod, change_of(decision, uid))
        if not patch:
            return [], None
        result = patched(pod, patch)
        before, after = resource_problem(pod), resource_problem(result)
        longer = notes_problem(result)
    except (InputError, IndexError, ValueError) as error:
        return [], f"rightslice leaves this pod as it is: {error}"
    if longer is not None:
        return [], f"rightslice leaves this pod as it is: {longer}"
    if after is not None and decision.mode is Mode.ENFORCE and decision.proposed is not None:
        return [], f"rightslice leaves this pod as it is: {after}"
    if after is not None and before is None:
        return [], f"rightslice leaves this pod as it is: {after}"
    return patch, None


def _warnings(decision: Decision) -> tuple[str, ...]:
    if decision.outcome in (Outcome.OFF, Outcome.NOT_A_SERVER, Outcome.RIGHT):
        return decision.warnings
    reason = decision.reasons[0] if decision.reasons else ""
    proposed = decision.proposed
    wanted = "" if proposed is None else f"{proposed.count} x {proposed.resource}"
    match decision.outcome:
        case Outcome.RESIZED if decision.mode is Mode.ENFORCE:
            line = f"rightslice: {decision.current} becomes {wanted}: {reason}"
        case Outcome.RESIZED:
            line = f"rightslice: {wanted} would do in place of {decision.current}: {reason}"
        case Outcome.LARGEST:
            taken = f"{wanted or decision.current} is the largest"
            line = f"rightslice: no offer of this cluster holds the load; {taken}: {reason}"
        case Outcome.NOTHING_HOLDS:
            line = f"rightslice: {decision.current} stays, no offer of this cluster holds: {reason}"
        case Outcome.NOT_READY:
            line = f"rightslice: passed unchanged, create the pod again later: {reason}"
        case Outcome.NO_ROOM:
            line = f"rightslice: {decision.current} stays: {reason}"
        case Outcome.LEFT_ALONE:
            line = f"rightslice: left alone: {reason}"
        case _:
            line = f"rightslice: not sized: {reason}"
    return (line, *decision.warnings)


def _cut(written: str, longest: int) -> str:
    return written if len(written) <= longest else f"{written[: longest - 3]}..."
