"""Pods as people write them, in many forms, and damaged ones, from a random generator."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from typing import Any

MODELS = ("facebook/opt-1.3b", "Qwen/Qwen2.5-7B-Instruct", "meta-llama/Llama-3.1-8B-Instruct",
          "Qwen/Qwen2.5-0.5B-Instruct", "facebook/opt-125m", "no-one/knows-this")  # fmt: skip
RELEASES = ("v0.6.3", "v0.8.5", "v0.10.2", "latest", "nightly")
ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 2**63, 10**400, 1e308, float("nan"), 0.5, "", " ", "\x00", "\ue000x",
    "\ud800", "é", "$", "${", "$((", "`", "'", '"', "\\", "<<E", "--", "=", "--model", "--model=",
    "--max-model-len=99999999999999999999", "--gpu-memory-utilization=.", "1e9", "²", "500m", "1Gi",
    "vllm serve", 'sh -c \'sh -c "vllm serve"\'', 'eval "$0"', [], {}, [[]], [None], {"a": None},
    [{}], ["-c"], ["vllm", "serve"], "x" * 3000, "enforce", "set", "0.5", "nvidia.com/gpu",
)  # fmt: skip


def plain_pod(chance: random.Random) -> dict[str, Any]:
    """Return a valid pod that serves a model on a GPU, or one that looks like it."""
    containers = [_server(chance)]
    if chance.random() < 0.3:
        containers.append({"name": "proxy", "image": "envoy", "resources": {"limits": {"cpu": 1}}})
    chance.shuffle(containers)
    spec: dict[str, Any] = {"containers": containers}
    if chance.random() < 0.2:
        spec["initContainers"] = [{"name": "fetch", "image": "busybox", "command": ["true"]}]
    for part, value in _PARTS.items():
        if chance.random() < 0.06:
            spec[part] = copy.deepcopy(value)
    metadata = {"name": f"pod-{chance.randrange(10**9)}", "annotations": _annotations(chance)}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


_PARTS: dict[str, Any] = {
    "nodeSelector": {"nvidia.com/gpu.product": "NVIDIA-A100-SXM4-40GB"},
    "tolerations": [{"operator": "Exists"}],
    "schedulerName": "volcano",
    "schedulingGates": [{"name": "x.example/gate"}],
    "priority": None,
    "volumes": [{"name": "shm", "emptyDir": {"medium": "Memory"}}],
    "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
        "nodeSelectorTerms": [{"matchExpressions": [
            {"key": "kubernetes.io/os", "operator": "In", "values": ["linux"]}]}]}}},
}  # fmt: skip


def _annotations(chance: random.Random) -> dict[str, str]:
    forms = {
        "load-concurrency": ("1", "16", "64", "200", "5000", "many"),
        "input-tokens": ("128", "2k", "x"),
        "output-tokens": ("64", "512"),
        "slo-tpot": ("30ms", "8ms", "1s", "fast"),
        "slo-percentile": ("p95", "p200"),
        "isolation": ("none", "hardware", "some"),
        "mode": ("enforce", "advise", "of"),
        "flags": ("set", "keep", "yes"),
    }
    likely = {"load-concurrency", "input-tokens", "output-tokens", "slo-tpot"}
    return {
        f"rightslice.dev/{name}": chance.choices(values, [8, *[2] * (len(values) - 1)])[0]
        for name, values in forms.items()
        if chance.random() < (0.97 if name in likely else 0.15)
    }


def _server(chance: random.Random) -> dict[str, Any]:
    model = chance.choices(MODELS, [6, 3, 3, 3, 2, 1])[0]
    flags = [one for one in ("--max-model-len=2048", "--max-num-seqs", "--enforce-eager",
                             "--gpu-memory-utilization=0.85", "--tensor-parallel-size=2")
             if chance.random() < 0.2]  # fmt: skip
    flags = [word for one in flags for word in ([one, "64"] if one == "--max-num-seqs" else [one])]
    container: dict[str, Any] = {
        "name": "vllm",
        "image": f"vllm/vllm-openai:{chance.choices(RELEASES, [4, 4, 4, 1, 1])[0]}",
        "resources": _resources(chance),
    }
    match chance.randrange(4):
        case 0:
            container["command"] = ["/bin/sh", "-c"]
            container["args"] = [" ".join(["exec vllm serve", model, *flags])]
        case 1:
            container["command"] = ["vllm", "serve"]
            container["args"] = [model, *flags]
        case 2:
            container["command"] = ["python3", "-m", "vllm.entrypoints.openai.api_server"]
            container["args"] = ["--model", model, *flags]
        case _:
            container["args"] = ["--model", model, *flags]
    return container


def _resources(chance: random.Random) -> dict[str, Any]:
    names = ("nvidia.com/gpu", "nvidia.com/mig-1g.5gb", "nvidia.com/mig-3g.20gb", "amd.com/gpu",
             "nvidia.com/gpu.shared", "nvidia.com/gpumem")  # fmt: skip
    name = chance.choices(names, [16, 2, 2, 1, 1, 1])[0]
    count: Any = chance.choice((1, "1", 1, 2))
    limits = {name: count, "cpu": chance.choice((2, "500m")), "memory": "8Gi"}
    sides = chance.choice((("limits",), ("limits", "requests"), ("limits",), ("requests",)))
    return {side: dict(limits) for side in sides}


def mutated_pod(chance: random.Random, part: str = "spec") -> dict[str, Any]:
    """Return a plain pod; half of them with odd values put in places of its *part*."""
    pod = plain_pod(chance)
    if chance.random() < 0.5:
        for _ in range(chance.choice((1, 1, 2, 4))):
            _damage(pod[part] if part else pod, chance)
    return pod


def _damage(inside: Any, chance: random.Random) -> None:  # noqa: ANN401 - decoded JSON is of any type
    spots = list(_spots(inside))
    if not spots:
        return
    holder, key = chance.choice(spots)
    odd = copy.deepcopy(chance.choice(ODD))
    if isinstance(holder[key], str) and isinstance(odd, str) and chance.random() < 0.5:
        at = chance.randrange(len(holder[key]) + 1)
        odd = holder[key][:at] + odd + holder[key][at:]
    holder[key] = odd


def _spots(value: Any) -> Iterator[tuple[Any, Any]]:  # noqa: ANN401 - the same
    if not isinstance(value, dict | list):
        return
    for key, item in list(value.items() if isinstance(value, dict) else enumerate(value)):
        yield value, key
        yield from _spots(item)
