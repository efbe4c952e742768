"""Clusters whose nodes a mig-manager looks after, and the pods on them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import replace

from rightslice.kube.operate.choose import timestamp
from rightslice.kube.operate.decide import Decision, decide_all
from rightslice.kube.operate.view import Key, Served, World
from rightslice.kube.relayout.demands import demands, spoken_for
from rightslice.kube.relayout.limits import Limits
from rightslice.kube.relayout.nodes import cuttable, sort_nodes
from rightslice.kube.relayout.plan import Around, NoRelayout, Relayout, plan
from rightslice.kube.relayout.pods import GpuPod, read_gpu_pod
from tests.unit.kube.admission.worlds import node
from tests.unit.kube.operate.worlds import NOW, served, world

LABELS = {
    "nvidia.com/gpu.deploy.mig-manager": "true",
    "nvidia.com/mig.config": "all-1g.5gb",
    "nvidia.com/mig.config.state": "success",
    "nvidia.com/mig.strategy": "mixed",
    "nvidia.com/gpu.count": "1",
}
SMALL = {"nvidia.com/mig-1g.5gb": "7"}


def cut_node(
    name: str, resources: Mapping[str, str] | None = None, **labels: str
) -> dict[str, object]:
    """Return a node that mig-manager looks after, cut into sevenths; ``gpu_count`` and the like."""
    given = {f"nvidia.com/{one.replace('_', '.')}": value for one, value in labels.items()}
    return node(name, dict(SMALL if resources is None else resources), **{**LABELS, **given})


def pod(
    name: str, on: str, resource: str = "nvidia.com/mig-1g.5gb", owner: str | None = None,
    **metadata: object,
) -> dict[str, object]:  # fmt: skip
    """Return a ready pod that holds one of *resource*; *owner*: its ModelDeployment."""
    labels = {}
    if owner is not None:
        labels = {
            "rightslice.dev/model-deployment": owner,
            "rightslice.dev/revision": "r1",
            "rightslice.dev/part": "guaranteed",
        }
    given = {"name": name, "namespace": "n", "uid": name, "labels": labels, **metadata}
    container = {"name": "vllm", "resources": {"limits": {resource: "1"}}}
    return {
        "metadata": given,
        "spec": {"nodeName": on, "containers": [container]},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
    }


def gpu_pods(pods: Sequence[Mapping[str, object]]) -> dict[str, tuple[GpuPod, ...]]:
    """Return *pods* by node."""
    found: dict[str, tuple[GpuPod, ...]] = {}
    for one in pods:
        read = read_gpu_pod(one)
        if read is not None:
            found[read.node] = (*found.get(read.node, ()), read)
    return found


def planned(
    *nodes: Mapping[str, object], pods: tuple[Mapping[str, object], ...] = (),
    asks: Sequence[Served] = (), stays: Mapping[Key, str] | None = None, to_save: bool = False,
) -> list[Relayout | NoRelayout]:  # fmt: skip
    """Return what is planned for those that wait of *asks* on *nodes*, most urgent first."""
    around = world(*nodes, pods=pods)
    given = {one.key: one for one in asks or (big(),)}
    decisions = decide_all(given.values(), around, NOW)
    return plans(decisions, given, around, gpu_pods(pods), stays or {}, to_save=to_save)


def plans(
    decisions: tuple[Decision, ...], given: Mapping[Key, Served], around: World,
    pods: Mapping[str, tuple[GpuPod, ...]], stays: Mapping[Key, str], *, to_save: bool = False,
) -> list[Relayout | NoRelayout]:  # fmt: skip
    """Return the plans that rest on these decisions."""
    limits, later = Limits(), NOW + dt.timedelta(minutes=5)
    can, refused = sort_nodes(
        cuttable(one, around.hardware.get(one.name), limits, timestamp(later))
        for one in around.cluster.nodes
    )
    every = demands(decisions, given, around, can, to_save=to_save)
    facts = Around(
        cluster=spoken_for(around.cluster, decisions), nodes=can, refused=refused,
        pods=dict(pods), stays=stays, limits=limits,
    )  # fmt: skip
    return [plan(one, facts, [it for it in every if it.key != one.key]) for one in every]


def big(name: str = "chat", **changed: object) -> Served:
    """Return a ModelDeployment whose load no seventh of a card holds."""
    given = {"load": {"concurrency": 64}, "mode": "enforce", **changed}
    return replace(served(name, **given))
