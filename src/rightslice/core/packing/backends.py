"""What each way of cutting cards on Kubernetes can do: one table that plan and repack consult.

The facts are read in each project's own source: NVIDIA/mig-parted@bd7160f pkg/types/mig_config.go;
openshift/instaslice-operator pkg/scheduler/plugins/mig/mig.go (Filter, 2026);
kubernetes-sigs/dra-driver-nvidia-gpu cmd/gpu-kubelet-plugin/mig.go (2026-08). Known gap: gates of
a cluster are not read; whoever asks names the back end.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from rightslice.core.catalog.mig import MigGrid


class Backend(Enum):
    """Who creates slices and hands them to pods."""

    DEVICE_PLUGIN = "device-plugin"
    """NVIDIA's device plugin, cards cut by mig-manager from a node label."""
    NVIDIA_SMI = "nvidia-smi"
    """The device plugin, cards cut by commands on the node."""
    DAS = "das"
    """Dynamic Accelerator Slicer (InstaSlice): a slice is made when a pod asks."""
    DRA = "dra"
    """Dynamic Resource Allocation by NVIDIA's driver."""
    DRA_TAINT_RULES = "dra-taint-rules"
    """The same where the gate DRADeviceTaintRules is on: placements can be hidden."""


class Steering(Enum):
    """What of a placement can be chosen from outside."""

    NONE = "none"
    """The back end's own rule decides."""
    GPU = "gpu"
    """Which GPU; where on it, the back end's own rule decides."""
    START = "start"
    """The GPU and the start slot."""


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """What one back end can do."""

    backend: Backend
    steering: Steering
    creates_on_demand: bool
    """A slice is made when a pod asks for it; else it must exist before."""
    needs_drained_node: bool
    """Changing one card resets the others of its node."""
    tells_placements: bool
    """A cluster under it says which slice stands where."""
    rule: str
    """How it places what cannot be steered."""
    source: str

    @property
    def note(self) -> str:
        """What a plan must say of its placements; empty where they are as drawn."""
        if self.steering is Steering.START:
            return ""
        of = "the GPU and the start slot" if self.steering is Steering.NONE else "the start slot"
        return f"{of} of a slice is not guaranteed: {self.rule}"


_MIG_PARTED: Final = "NVIDIA/mig-parted@bd7160f pkg/types/mig_config.go; gpu-operator #2376"
_DRIVER: Final = "NVIDIA MIG user guide: -cgi profile:start; NVIDIA/k8s-device-plugin #992"
_DAS: Final = "openshift/instaslice-operator pkg/scheduler/plugins/mig/mig.go, Filter"
_DRA: Final = (
    "kubernetes-sigs/dra-driver-nvidia-gpu cmd/gpu-kubelet-plugin/mig.go; kubernetes/kubernetes"
    " #138765"
)
TABLE: Final = (
    Capabilities(
        backend=Backend.DEVICE_PLUGIN,
        steering=Steering.NONE,
        creates_on_demand=False,
        needs_drained_node=True,
        tells_placements=False,
        rule="mig-parted takes counts and creates in its own order, and the plugin hands out any"
        " slice of the profile",
        source=_MIG_PARTED,
    ),
    Capabilities(
        backend=Backend.NVIDIA_SMI,
        steering=Steering.START,
        creates_on_demand=False,
        needs_drained_node=False,
        tells_placements=False,
        rule="the command names the start",
        source=_DRIVER,
    ),
    Capabilities(
        backend=Backend.DAS,
        steering=Steering.NONE,
        creates_on_demand=True,
        needs_drained_node=False,
        tells_placements=True,
        rule="its scheduler takes a node's first GPU with room, at the lowest legal start, and"
        " deletes claims made for the pod before",
        source=_DAS,
    ),
    Capabilities(
        backend=Backend.DRA,
        steering=Steering.GPU,
        creates_on_demand=True,
        needs_drained_node=False,
        tells_placements=True,
        rule="the scheduler takes the first device of the list that matches",
        source=_DRA,
    ),
    Capabilities(
        backend=Backend.DRA_TAINT_RULES,
        steering=Steering.START,
        creates_on_demand=True,
        needs_drained_node=False,
        tells_placements=True,
        rule="every placement but the planned ones is tainted",
        source=f"{_DRA}; KEP-5055",
    ),
)


def capabilities(backend: Backend) -> Capabilities:
    """Return what *backend* can do.

    >>> capabilities(Backend.DEVICE_PLUGIN).needs_drained_node
    True
    """
    return next(each for each in TABLE if each.backend is backend)


def why_not(backend: Backend, grid: MigGrid, profile: str) -> str | None:
    """Return why *backend* cannot hand out *profile* of *grid*, or None when it can.

    DAS keeps eight slots a card, sizes of 1, 2, 4 and 8 of them, and reads no more of a name than
    ``1g.5gb`` (pkg/scheduler/plugins/mig/mig.go: extractProfileNames, gpuAllocatedSlices).
    """
    found = grid.profile(profile)
    if backend is not Backend.DAS:
        return None
    if "+" in profile or "-" in profile:
        return f"DAS drops the end of {profile}'s name: pods would get another profile"
    if grid.slots is None or grid.slots > 8 or found.memory_slots not in (1, 2, 4, 8):
        return f"DAS knows cards of at most 8 slots, {grid.name} has {grid.slots or 'unknown'}"
    return None
