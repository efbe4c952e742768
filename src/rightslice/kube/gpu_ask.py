"""How a pod asks for its GPU, by who hands it out.

- Device plugin: an extended resource, alike in requests and limits.
- DAS: ``mig.das.com/<profile>``, the scheduler ``das-scheduler`` and the runtime class
  ``nvidia-legacy``, which is what DAS's webhook makes of ``nvidia.com/mig-<profile>``
  (openshift/instaslice-operator pkg/webhook, test/e2e); whole cards stay with the device plugin.
- DRA: a claim from the workload's own ResourceClaimTemplate (resource.k8s.io/v1).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, assert_never

from rightslice.core.catalog.resource import extended_resource
from rightslice.core.catalog.share import Exclusive, MigSlice, MpsShare, TimeSlice
from rightslice.core.packing.backends import Backend, why_not
from rightslice.kube.assignments import Assignment
from rightslice.kube.manifest import Manifest, short_name

CLAIM: Final = "gpu"
"""The pod's name of its claim, and the claim's name of its request."""


@dataclass(frozen=True, kw_only=True)
class GpuAsk:
    """The parts of a pod that ask for a GPU."""

    resources: Manifest = field(default_factory=dict)
    """Extended resources."""
    claims: tuple[str, ...] = ()
    """Claims of the container, by the pod's names of them."""
    pod: Manifest = field(default_factory=dict)
    """Fields of the pod's spec."""


def gpu_ask(assignment: Assignment, backend: Backend) -> GpuAsk:
    """Return how a replica of *assignment* asks *backend* for its GPU."""
    share = assignment.device.share
    match backend:
        case Backend.DEVICE_PLUGIN | Backend.NVIDIA_SMI:
            return _extended(assignment)
        case Backend.DAS:
            if not isinstance(share, MigSlice):
                return _extended(assignment)
            return GpuAsk(
                resources={f"mig.das.com/{share.profile}": str(ranks(assignment))},
                pod={"schedulerName": "das-scheduler", "runtimeClassName": "nvidia-legacy"},
            )
        case Backend.DRA | Backend.DRA_TAINT_RULES:
            template = template_name(assignment)
            return GpuAsk(
                claims=(CLAIM,),
                pod={"resourceClaims": [{"name": CLAIM, "resourceClaimTemplateName": template}]},
            )
        case _:
            assert_never(backend)


def why_not_asked(assignment: Assignment, backend: Backend) -> str | None:
    """Return why *backend* cannot hand out what *assignment* holds, or None when it can."""
    device = assignment.device
    if isinstance(device.share, MigSlice) and device.gpu.mig is not None:
        reason = why_not(backend, device.gpu.mig, device.share.profile)
        return None if reason is None else f"{assignment.name}: {reason}"
    is_dra = backend in (Backend.DRA, Backend.DRA_TAINT_RULES)
    if is_dra and not isinstance(device.share, Exclusive):
        is_mps = isinstance(device.share, MpsShare)
        what, gate = (
            ("MPS shares of", "MPSSupport") if is_mps else ("turns on", "TimeSlicingSettings")
        )
        return (
            f"{assignment.name}: {what} a card need the DRA driver's gate {gate}, which is not"
            " planned; keep node groups that share cards with the device plugin"
        )
    return None


def template_name(assignment: Assignment) -> str:
    """Return the name of a workload's claim template."""
    return short_name(f"{assignment.name}-{CLAIM}")


def ranks(assignment: Assignment) -> int:
    """Return how many devices a replica holds."""
    if isinstance(assignment.device.share, TimeSlice | MpsShare):
        return 1
    flags = assignment.sizing.flags
    return flags.tensor_parallel * flags.pipeline_parallel


def _extended(assignment: Assignment) -> GpuAsk:
    name = extended_resource(assignment.group.mig, assignment.device.share)
    return GpuAsk(resources={name: str(ranks(assignment))})
