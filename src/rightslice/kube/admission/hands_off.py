"""What else decides about a pod's devices: then nothing of it is changed.

Each rule is a way in which a changed request could leave a pod worse off than it came: a scheduler
or queue of another kind that counts what was asked for, devices picked by hand, features that
slices lack.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from rightslice.kube.admission.offers import VENDOR, is_gpu
from rightslice.kube.cluster.filters import beyond_these
from rightslice.kube.cluster.volumes import without_claims
from rightslice.kube.parse.decoded import at, items, mapping, word
from rightslice.kube.parse.values import Parsed

_QUEUE: Final = "kueue.x-k8s.io/"
"""Labels and annotations of pods whose workload Kueue has admitted (kubernetes-sigs/kueue)."""
_MIRROR: Final = "kubernetes.io/config.mirror"
_PICKS: Final[Mapping[str, tuple[str, ...]]] = {
    "NVIDIA_VISIBLE_DEVICES": (),
    "CUDA_VISIBLE_DEVICES": ("0",),
}
"""Variables by which a container picks devices itself, and the values that any device has."""
_NOT_ON_SLICES: Final[Mapping[str, str]] = {
    "enable-sleep-mode": "its memory pool does not start on MIG slices (vllm-project/vllm#42448)",
}


def hands_off(pod: Mapping[str, object], index: int, parsed: Parsed) -> str | None:
    """Return why nothing of *pod* may be changed, or None; its volume claims are looked at later.

    Args:
        pod: the pod.
        index: of its serving container.
        parsed: what it was read as.
    """
    spec = mapping(pod.get("spec"))
    serving = mapping(items(spec.get("containers"))[index])
    containers = [*items(spec.get("containers")), *items(spec.get("initContainers"))]
    if sum(any(map(is_gpu, asked_resources(one))) for one in containers) != 1:
        return "more than one container asks for GPUs: which part is whose is not known here"
    found = next((one for one in map(_unknown_resource, containers) if one is not None), None)
    if found is not None:
        return f"it asks for {found} as well: what that means beside the GPU is not known here"
    if len(set(filter(is_gpu, asked_resources(serving)))) > 1:
        return "it asks for GPUs under two names: which one is meant is not known here"
    if items(spec.get("resourceClaims")):
        return "it has ResourceClaims: its devices come from DRA"
    return (
        _counted_elsewhere(pod)
        or _picks_devices(serving, parsed)
        or beyond_these(without_claims(spec))
    )


def asked_resources(container: object) -> set[str]:
    """Return the names of all resources in a container's requests and limits."""
    resources = mapping(mapping(container).get("resources"))
    return {*mapping(resources.get("limits")), *mapping(resources.get("requests"))}


def _unknown_resource(container: object) -> str | None:
    names = sorted(asked_resources(container))
    return next((one for one in names if one.startswith(VENDOR) and not is_gpu(one)), None)


def _counted_elsewhere(pod: Mapping[str, object]) -> str | None:
    notes = {
        **mapping(at(pod, "metadata", "labels")),
        **mapping(at(pod, "metadata", "annotations")),
    }
    if any(name.startswith(_QUEUE) for name in notes):
        return "Kueue has counted what it asks for"
    if _MIRROR in notes:
        return "it mirrors a static pod, which the kubelet runs as it is"
    return None


def _picks_devices(serving: Mapping[str, object], parsed: Parsed) -> str | None:
    for variable in items(serving.get("env")):
        name, value = mapping(variable).get("name"), word(mapping(variable).get("value"))
        harmless = _PICKS.get(name) if isinstance(name, str) else None
        if harmless is not None and value not in harmless:
            return f"the environment variable {name} picks devices by hand"
    for flag, why in _NOT_ON_SLICES.items():
        if parsed.flags.get(flag) not in (None, "false"):
            return f"--{flag}: {why}"
    return None
