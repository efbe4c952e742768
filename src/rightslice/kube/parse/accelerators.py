"""Which accelerator a container asks for: the resource's name, how many, and on which side.

Resource names from the vendors' device plugins: NVIDIA/k8s-device-plugin (``nvidia.com/gpu``,
``gpu.shared``, ``mig-*``), ROCm/k8s-device-plugin, intel/intel-device-plugins-for-kubernetes,
HabanaAI, GKE (``google.com/tpu``), AWS Neuron, Project-HAMi/HAMi docs (other vendors), Volcano.
Memory and core shares beside a device (``nvidia.com/gpumem``) are not the device.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from rightslice.kube.parse.decoded import items, mapping, text, word

_DEVICES: Final = (
    re.compile(r"nvidia\.com/mig-\S+"),
    re.compile(r"nvidia\.com/(gpu|pgpu|vgpu|gpu\.shared|gpu-\w+|[A-Z]\S*)"),
    re.compile(r"amd\.com/(gpu|\S*[gc]pu\S*)"),
    re.compile(r"gpu\.intel\.com/(xe|i915)(_\w+)?|habana\.ai/gaudi\d*"),
    re.compile(r"(cloud-tpus\.google|google)\.com/(tpu|v\d\S*)|aws\.amazon\.com/neuron(core|device)?"),
    re.compile(r"(huawei\.com|ascend\S*)/\S*[Aa]scend\S*|huawei\.com/npu\S*"),
    re.compile(r"\S+/(vgpu-number|gpu-number|mig-\d+g\.\S+|v?gpus?|vgcu|gcu|npu|v?xpu|dcu(num)?|v?mlu"
               r"\d*|sgpu|rngd|atom|qaic|spyre\S*|tpu|gaudi|neuron\w*)", re.IGNORECASE),
    re.compile(r"gpu"),
)  # fmt: skip
_SHARES: Final = re.compile(r"mem|cores?$|core\.|percent|priority|vcuda|bandwidth", re.IGNORECASE)
_NEURON_CORE: Final = "aws.amazon.com/neuroncore"


@dataclass(frozen=True, kw_only=True)
class Request:
    """One accelerator resource of a container."""

    resource: str
    count: int
    stated_in: str
    """``limits``, ``requests`` or ``both``."""


def read_request(resources: object) -> tuple[Request | None, str | None]:
    """Return the accelerator that a container's *resources* ask for, and what is wrong with it."""
    sides = {side: _named(mapping(resources).get(side)) for side in ("limits", "requests")}
    names = [*dict.fromkeys([*sides["limits"], *sides["requests"]])]
    ranked = sorted((rank, place, name) for place, name in enumerate(names)
                    for rank in [_rank(name)] if rank is not None)  # fmt: skip
    if not ranked:
        return None, None
    name = ranked[0][2]
    stated = [side for side in ("limits", "requests") if name in sides[side]]
    counts = {side: sides[side][name] for side in stated}
    amount = counts[stated[0]]
    count = _count(amount)
    if count is None:
        return None, f"{name}: {amount!r} is not a whole number of devices"
    if count == 0:
        return None, None
    where = "both" if len(stated) == 2 else stated[0]
    others = [one for one in names if one != name and _rank(one) is not None]
    problem = f"{', '.join(others)} is asked for as well" if others else None
    if len(set(map(_count, counts.values()))) > 1:
        problem = f"{name} differs between limits and requests, which Kubernetes refuses"
    return Request(resource=name, count=count, stated_in=where), problem


def claims(pod: Mapping[str, object], container: Mapping[str, object]) -> tuple[str, ...]:
    """Return the DRA claims that *container* holds (``resource.k8s.io``), by their pod names."""
    resources = mapping(container.get("resources"))
    names = [text(mapping(one).get("name")) for one in items(resources.get("claims"))]
    known = {text(mapping(one).get("name")) for one in items(pod.get("resourceClaims"))}
    return tuple(name for name in names if name is not None and (name in known or not known))


def _named(side: object) -> dict[str, object]:
    return {name.strip(): amount for name, amount in mapping(side).items()}


def _rank(name: str) -> int | None:
    if name != _NEURON_CORE and _SHARES.search(name.rsplit("/", 1)[-1]):
        return None
    for rank, pattern in enumerate(_DEVICES):
        if pattern.fullmatch(name):
            return rank
    return None


def _count(amount: object) -> int | None:
    written = word(amount)
    if written is None or not re.fullmatch(r"[0-9]{1,6}", written.strip(), re.ASCII):
        return None
    return int(written)
