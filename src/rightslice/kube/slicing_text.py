"""What the README of a plan says of cutting cards, by back end; mig-manager's part is there itself.

Where a manifest needs a GPU's UUID, which a plan cannot know, it names a shell variable, and
``envsubst`` (GNU gettext) fills in the variables that ``GPUS`` lists.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import assert_never

from rightslice.core.packing.backends import Backend, capabilities
from rightslice.core.plan.result import CardPlan, Plan
from rightslice.kube import files
from rightslice.kube.uuids import uuid_reference, uuid_variable


@dataclass(frozen=True, kw_only=True)
class SlicingText:
    """One back end's parts of the README."""

    kubernetes: str = "1.30"
    """The release that its manifests need."""
    contents: tuple[tuple[str, str], ...] = ()
    """Files, and what they are."""
    steps: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    fills_uuids: bool = False
    """Whether workloads name GPUs by variables."""


def slicing_text(backend: Backend, plan: Plan) -> SlicingText:
    """Return the parts of the README that depend on who cuts the cards of *plan*."""
    cut = [card for card in plan.cards if card.layout]
    note = capabilities(backend).note
    notes = (f"On this back end {note}",) if cut and note else ()
    match backend:
        case Backend.DEVICE_PLUGIN:
            return SlicingText()
        case Backend.NVIDIA_SMI:
            return _nvidia_smi(cut) if cut else SlicingText()
        case Backend.DAS:
            return _das(cut, notes) if cut else SlicingText()
        case Backend.DRA:
            return SlicingText(
                kubernetes="1.36",
                steps=(_uuids(cut),) if cut else (),
                notes=(*notes, *_dra_notes()),
                fills_uuids=True,
            )
        case Backend.DRA_TAINT_RULES:
            return _taints(cut)
        case _:
            assert_never(backend)


def _nvidia_smi(cut: Sequence[CardPlan]) -> SlicingText:
    nodes = list(dict.fromkeys(card.node for card in cut))
    lines = [f"ssh {node} sudo sh -s < {files.smi_file(node)}" for node in nodes]
    restart = (
        "kubectl delete pod -n gpu-operator -l app=nvidia-device-plugin-daemonset"
        " --field-selector spec.nodeName={node}"
    )
    lines += [restart.format(node=node) for node in nodes]
    step = (
        "Cut the cards\n\nEach script gives a node's cards their slices at the planned starts. It"
        " leaves what is right, makes what is missing and removes what is not planned; the driver"
        " refuses to remove a slice in use, and the script ends there. It can be run again. The"
        " device plugin is restarted since it lists slices only when it starts. A node with the"
        " label `nvidia.com/mig.config` is mig-manager's: remove the label, or it cuts the cards"
        " again. Slices are gone after a reboot: run the script again then.\n\n" + _shell(lines)
    )
    return SlicingText(
        contents=(
            (files.smi_file("NODE"), "commands that cut each node's cards, with start slots"),
        ),
        steps=(step,),
    )


def _das(cut: Sequence[CardPlan], notes: tuple[str, ...]) -> SlicingText:
    step = (
        "Look at the placements\n\nDAS makes a slice when a pod asks for it, so nothing is cut"
        f" before. `{files.DAS_CLAIMS}` has the placements that the plan drew in the form of DAS's"
        " own AllocationClaims; compare them with what it allots. Do not apply them: DAS deletes a"
        " pod's claims when it schedules the pod.\n\n"
        + _shell(["kubectl get allocationclaims -n das-operator -o yaml"])
    )
    known = (
        "DAS and the GPU operator must not both cut cards: with DAS the operator runs with"
        " `MIG_PARTED_MODE_CHANGE_ONLY=true`"
    )
    return SlicingText(
        contents=((files.DAS_CLAIMS, "where the plan expects each replica; not to be applied"),),
        steps=(step,) if cut else (),
        notes=(*notes, known),
    )


def _taints(cut: Sequence[CardPlan]) -> SlicingText:
    if not cut:
        return SlicingText(kubernetes="1.36", notes=tuple(_dra_notes()), fills_uuids=True)
    step = (
        "Hide what is not planned\n\nEach rule taints one placement that the plan does not use, so"
        " the scheduler has no other left. They need the feature gate `DRADeviceTaintRules` and"
        " the API `resource.k8s.io/v1beta2` (both off by default in 1.36). Pools are called after"
        " nodes, and devices after the GPU's minor number: put your nodes' names in their place."
        " Delete the rules before the cards are planned anew. Kubernetes 1.36.0 to 1.36.2 must not"
        " have them: its scheduler passes new rules over, and ends when a ResourceSlice changes"
        " beside one (kubernetes/kubernetes#139651, mended in 1.36.3).\n\n"
        + _shell([f"kubectl apply -f {files.TAINT_RULES}"])
    )
    return SlicingText(
        kubernetes="1.36",
        contents=((files.TAINT_RULES, "taints on every placement that the plan does not use"),),
        steps=(_uuids(cut), step),
        notes=tuple(_dra_notes()),
        fills_uuids=True,
    )


def _dra_notes() -> Iterator[str]:
    yield (
        "Slices are made on demand only where the driver's gate DynamicMIG is on; without it they"
        " must exist, and claims take those that do"
    )
    yield (
        "Kueue 0.19 admits claims by ResourceClaimTemplate with `exactly` only, not with"
        " `firstAvailable`"
    )


def _uuids(cut: Sequence[CardPlan]) -> str:
    lines = ["# nvidia-smi --query-gpu=index,uuid --format=csv,noheader tells them on each node"]
    lines += [f"export {uuid_variable(card.node, card.card)}=GPU-..." for card in cut]
    names = " ".join(uuid_reference(card.node, card.card) for card in cut)
    lines.append(f"GPUS='{names}'")
    return (
        "Name the GPUs\n\nClaims are limited to the planned GPUs by their UUIDs, which a plan"
        " cannot know. Put yours in place of the dots.\n\n" + _shell(lines)
    )


def _shell(lines: Sequence[str]) -> str:
    return "```sh\n" + "\n".join(lines) + "\n```\n"
