"""A synthetic fleet for the operator: GPU nodes, Models and ModelDeployments, by a seed.

Every second node has A100s cut into slices, the others whole H100s; instance types are set, so
that offers have prices. Each ModelDeployment draws its model, load, lengths and target, so that
hardly two of them ask the same.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any, Final

from rightslice.kube.crd.definition import API_VERSION
from tools.testbed.nodes import GpuNode

NAMESPACES: Final = 20
MODELS: Final = (
    "facebook/opt-1.3b", "mistralai/Mistral-7B-Instruct-v0.3", "meta-llama/Meta-Llama-3-8B",
    "Qwen/Qwen2.5-7B-Instruct", "Qwen/Qwen2.5-0.5B-Instruct",
)  # fmt: skip
CUT: Final = {
    "nvidia.com/mig-1g.5gb": 16,
    "nvidia.com/mig-2g.10gb": 12,
    "nvidia.com/mig-3g.20gb": 6,
}
WHOLE: Final = {"nvidia.com/gpu": 8}
REGION: Final = {"topology.kubernetes.io/region": "us-east-1"}
TYPE: Final = "node.kubernetes.io/instance-type"


def gpu_nodes(count: int) -> list[GpuNode]:
    """Return *count* nodes, cut ones and whole ones in turn."""
    return [
        GpuNode(name=f"cut-{n}", resources=CUT, count=8,
                labels={TYPE: "p4d.24xlarge", **REGION})
        if n % 2 == 0 else
        GpuNode(name=f"whole-{n}", resources=WHOLE, count=8, product="NVIDIA-H100-80GB-HBM3",
                memory_mib=81559, labels={TYPE: "p5.48xlarge", **REGION})
        for n in range(count)
    ]  # fmt: skip


def models() -> Iterator[dict[str, Any]]:
    """Yield every Model, in every namespace."""
    for number in range(NAMESPACES):
        for name, source in zip(model_names(), MODELS, strict=True):
            metadata = {
                "namespace": f"team-{number}",
                "name": name,
                "uid": f"model-{number}-{name}",
            }
            yield {"apiVersion": API_VERSION, "kind": "Model", "metadata": metadata,
                   "spec": {"source": source}}  # fmt: skip


def model_names() -> list[str]:
    """Return what the Models are called."""
    return [one.rpartition("/")[2].lower().replace(".", "-") for one in MODELS]


def model_deployments(count: int, mode: str, seed: int = 7) -> Iterator[dict[str, Any]]:
    """Yield *count* ModelDeployments over all namespaces."""
    chosen = random.Random(seed)  # noqa: S311 - repeatable, not secret
    for number in range(count):
        metadata = {"namespace": f"team-{number % NAMESPACES}", "name": f"m-{number}",
                    "uid": f"uid-{number}", "generation": 1}  # fmt: skip
        yield {"apiVersion": API_VERSION, "kind": "ModelDeployment", "metadata": metadata,
               "spec": _spec(chosen, mode)}  # fmt: skip


def _spec(chosen: random.Random, mode: str) -> dict[str, Any]:
    return {
        "model": chosen.choice(model_names()),
        "load": {"concurrency": chosen.randint(1, 48)},
        "input": chosen.choice([128, 256, 512, "lognormal(256,0.5)"]),
        "output": chosen.choice([64, 128, 256]),
        "slo": {"tpot": f"{chosen.choice([40, 50, 60, 80])}ms"},
        "replicas": {"min": 1, "max": 4},
        "priority": chosen.randint(0, 3),
        "confidence": "50%",
        "engine": {"version": "0.19.0"},
        "mode": mode,
    }
