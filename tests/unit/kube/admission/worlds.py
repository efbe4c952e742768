"""Clusters and pods for the tests of admission."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from rightslice.core.fit.constants import FittedConstants
from rightslice.edge.catalog_files import Catalog
from rightslice.edge.constants import fitted_constants
from rightslice.kube.admission.decide import World, recommend_with
from rightslice.kube.admission.reading import reader
from rightslice.kube.admission.settings import Mode, Settings
from rightslice.kube.cluster.hardware import hardware_of
from rightslice.kube.cluster.read import read_cluster
from rightslice.kube.parse.question import Defaults, Lookups

A100 = "NVIDIA-A100-SXM4-40GB"
SLICES = {
    "nvidia.com/mig-1g.5gb": "2", "nvidia.com/mig-2g.10gb": "1", "nvidia.com/mig-3g.20gb": "1",
}  # fmt: skip


@lru_cache(maxsize=1)
def constants() -> FittedConstants:
    """Return the shipped constants."""
    return fitted_constants()


def node(
    name: str, resources: dict[str, str], *, product: str = A100, **labels: str
) -> dict[str, object]:
    """Return a Ready node that hands out *resources*."""
    return {
        "metadata": {"name": name, "labels": {"nvidia.com/gpu.product": product, **labels}},
        "status": {
            "allocatable": {"cpu": "96", "memory": "1Ti", "pods": "110", **resources},
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }


def world(
    *nodes: dict[str, object], mode: Mode = Mode.ENFORCE, **objects: list[dict[str, Any]]
) -> World:
    """Return a world of *nodes*, namespace ``n`` and other *objects* by kind, at 50 %."""
    known: list[dict[str, Any]] = [{"metadata": {"name": "n"}}]
    given: dict[str, list[dict[str, Any]]] = {"Node": list(nodes), "Namespace": known, **objects}
    cluster = read_cluster(given).cluster
    catalog = Catalog()
    defaults = Defaults(confidence=0.5)
    return World(
        cluster=cluster,
        hardware={one.name: hardware_of(one, catalog.gpu) for one in cluster.nodes},
        settings=Settings(mode=mode, defaults=defaults),
        read=reader(Lookups(model=catalog.model, engine=catalog.engine), defaults),
        recommend=recommend_with(constants()),
    )


def talk_pod(concurrency: int = 64, annotations: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the pod of the talk: a shell string with server and benchmark, requests only."""
    script = (
        "vllm serve facebook/opt-1.3b & sleep 60; python3 benchmark_serving.py"
        " --model facebook/opt-1.3b --random-input-len=128 --random-output-len=128"
        f" --max-concurrency={concurrency}"
    )
    container = {
        "name": "vllm",
        "image": "vllm/vllm-openai:v0.6.3",
        "env": [{"name": "TPOT", "value": "30"}],
        "command": ["/bin/sh", "-c"],
        "args": [script],
        "resources": {"requests": {"nvidia.com/gpu": 1}},
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "opt",
            **({"annotations": dict(annotations or {})} if annotations else {}),
        },
        "spec": {"containers": [container]},
    }
