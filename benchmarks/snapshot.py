"""How long a large cluster takes: objects into a snapshot, its file, the fleet, the plan.

Columns: nodes, pods, seconds for each part, MiB of the file. Half of the nodes have eight whole
A100s, half the same cards cut into slices; a fifth of the pods are vLLM servers of ten replicas.
Run: ``python benchmarks/snapshot.py``; ``--nodes 2000 --pods 10000`` for the long form.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from rightslice.edge.catalog_files import Catalog
from rightslice.edge.cluster.snapshot import read_snapshot, snapshot_text, sources_of
from rightslice.edge.constants import fitted_constants
from rightslice.kube.snapshot.compare import Asking, plan_cluster
from rightslice.kube.snapshot.fleet import Rules, fleet_of
from rightslice.kube.snapshot.value import snapshot_of

_T = TypeVar("_T")
REPLICAS = 10
QUESTIONS = 8
CUT = {"nvidia.com/mig-1g.5gb": "16", "nvidia.com/mig-2g.10gb": "8", "nvidia.com/mig-3g.20gb": "8"}


def timed(work: Callable[[], _T]) -> tuple[float, _T]:
    """Return the seconds that *work* takes, and its result."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def nodes(count: int) -> list[dict[str, Any]]:
    """Return *count* nodes of eight A100s, every other one cut."""
    found = []
    for index in range(count):
        given: dict[str, str] = CUT if index % 2 else {"nvidia.com/gpu": "8"}
        labels: dict[str, str] = {
            "nvidia.com/gpu.product": "NVIDIA-A100-SXM4-40GB",
            "nvidia.com/gpu.count": "8",
            "node.kubernetes.io/instance-type": "p4d.24xlarge",
            **{f"feature.node.kubernetes.io/cpu-{n}": "true" for n in range(60)},
        }
        usual = {"cpu": "96", "memory": "1Ti", "pods": "110"}
        found.append(
            {
                "kind": "Node",
                "metadata": {"name": f"node-{index:05}", "labels": labels},
                "status": {
                    "allocatable": usual | given,
                    "conditions": [{"type": "Ready", "status": "True"}],
                    "images": [{"names": [f"image-{n}"], "sizeBytes": n} for n in range(40)],
                },
            }
        )
    return found


def server(index: int, on: list[str]) -> list[dict[str, Any]]:
    """Return a Deployment of vLLM and its pods on the nodes *on*."""
    metadata = {"namespace": f"team-{index % 20}", "name": f"server-{index}"}
    question = index % QUESTIONS
    notes = {
        "rightslice.dev/load-concurrency": str(2 * (question + 1)),
        "rightslice.dev/input-tokens": "256",
        "rightslice.dev/output-tokens": "128",
        "rightslice.dev/slo-tpot": "40ms",
    }
    container = {
        "name": "vllm",
        "image": "vllm/vllm-openai:v0.10.1",
        "args": ["--model", "facebook/opt-1.3b", "--max-model-len", "2048"],
        "resources": {"limits": {"nvidia.com/gpu": "1"}},
    }
    spec = {"containers": [container]}
    template = {"metadata": {"annotations": notes}, "spec": spec}
    owner = {"kind": "ReplicaSet", "name": f"server-{index}-5f", "controller": True}
    made = {"kind": "Deployment", "metadata": metadata,
            "spec": {"replicas": len(on), "template": template}}  # fmt: skip
    return [made, *(
        {"kind": "Pod", "metadata": {
            **metadata, "name": f"server-{index}-5f-{number}", "annotations": notes,
            "labels": {"pod-template-hash": "5f"}, "ownerReferences": [owner]},
         "spec": {**spec, "nodeName": node}, "status": {"phase": "Running"}}
        for number, node in enumerate(on)
    )]  # fmt: skip


def other(index: int, node: str) -> dict[str, Any]:
    """Return a pod without a GPU, as large as usual ones."""
    requests = {"cpu": "100m", "memory": "128Mi"}
    container = {
        "name": "app", "image": f"app:{index}", "resources": {"requests": requests},
        "env": [{"name": f"V{n}", "value": "x" * 40} for n in range(20)],
        "volumeMounts": [{"name": "v", "mountPath": f"/{n}"} for n in range(5)],
    }  # fmt: skip
    metadata = {"namespace": f"team-{index % 20}", "name": f"app-{index}"}
    spec = {"containers": [container], "nodeName": node}
    return {"kind": "Pod", "metadata": metadata, "spec": spec, "status": {"phase": "Running"}}


def cluster(node_count: int, pod_count: int) -> list[dict[str, Any]]:
    """Return the objects of a cluster."""
    objects = nodes(node_count)
    whole = [one["metadata"]["name"] for one in objects if "nvidia.com/gpu" in str(one["status"])]
    seats = [name for name in whole for _ in range(8)]
    servers = min(pod_count // 5, len(seats)) // REPLICAS
    for index in range(servers):
        objects += server(index, seats[index * REPLICAS : (index + 1) * REPLICAS])
    for index in range(pod_count - servers * REPLICAS):
        objects.append(other(index, f"node-{index % node_count:05}"))
    return objects


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=200)
    parser.add_argument("--pods", type=int, default=1000)
    given = parser.parse_args()
    sources = sources_of(Catalog(), {})
    asking = Asking(constants=fitted_constants(), today=dt.datetime.now(tz=dt.UTC).date())
    objects = cluster(given.nodes, given.pods)
    text = json.dumps({"kind": "List", "items": objects})
    parse_seconds, _ = timed(lambda: json.loads(text))
    take_seconds, snapshot = timed(lambda: snapshot_of(objects))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "state.json"
        write_seconds, _ = timed(lambda: file.write_text(snapshot_text(snapshot), encoding="utf-8"))
        read_seconds, again = timed(lambda: read_snapshot(file))
        size = file.stat().st_size
    assert again == snapshot
    fleet_seconds, fleet = timed(lambda: fleet_of(snapshot, sources, Rules()))
    plan_seconds, answer = timed(lambda: plan_cluster(snapshot, sources, Rules(), asking))
    print(f"{given.nodes} nodes, {given.pods} pods, {len(fleet.fleet.workloads)} servers")
    print(f"kubectl's JSON        {len(text) / 2**20:8.2f} MiB, parsed in {parse_seconds:.2f} s")
    print(f"snapshot              {take_seconds:8.2f} s")
    print(f"its file              {size / 2**20:8.2f} MiB")
    print(f"written, read         {write_seconds:8.2f} s, {read_seconds:.2f} s")
    print(f"fleet                 {fleet_seconds:8.2f} s")
    print(f"plan (fleet included) {plan_seconds:8.2f} s, {len(answer.plan.not_placed)} not placed")


if __name__ == "__main__":
    main()
