"""A cluster to look at: real control plane, a small fleet, the chart, vLLM pods and models.

    .venv/bin/python -m tools.testbed.demo [--once]

`make demo-cluster` runs it. It prints each pod as it was written and as it was admitted, with the
reason, and the node that the real scheduler chose; then three ModelDeployments, which the operator
serves, as `kubectl rightslice status` shows them. Then the cluster stays, with a kubeconfig to play
with, until Ctrl-C; with --once it ends at once.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tools.testbed import assets, nodes
from tools.testbed.control_plane import ControlPlane, StartError
from tools.testbed.nodes import GpuNode
from tools.testbed.release import Release

GIB = 1024
NAMESPACE = "llm"
MODELS = "models"
"""The namespace of what the operator serves."""
BOUND_SECONDS = 20.0
SETTLED_SECONDS = 40.0
API = "rightslice.dev/v1alpha1"
TYPE = "node.kubernetes.io/instance-type"
"""The label from which prices follow."""
FLEET = (
    GpuNode(
        name="a100-slices",
        count=2,
        labels={TYPE: "a2-highgpu-2g"},
        resources={"nvidia.com/mig-1g.5gb": 4, "nvidia.com/mig-2g.10gb": 2,
                   "nvidia.com/mig-3g.20gb": 2},
    ),
    GpuNode(
        name="h100-whole",
        product="NVIDIA-H100-80GB-HBM3",
        memory_mib=80 * GIB,
        count=2,
        mig_strategy="none",
        labels={TYPE: "a3-highgpu-2g"},
        resources={"nvidia.com/gpu": 2},
    ),
    GpuNode(
        name="a100-time-sliced",
        mig_strategy="none",
        labels={"nvidia.com/gpu.replicas": "4", "nvidia.com/gpu.sharing-strategy": "time-slicing"},
        resources={"nvidia.com/gpu": 4},
        taints=({"key": "time-sliced", "value": "true", "effect": "NoSchedule"},),
    ),
    GpuNode(name="worker", resources={}),
)  # fmt: skip
"""Two A100 40GB cut into slices, two whole H100 and an A100 that four pods share; and a node for
the webhook's own pods."""


@dataclass(frozen=True, kw_only=True)
class Server:
    """A vLLM pod as its owner writes it."""

    name: str
    model: str
    image: str = "vllm/vllm-openai:v0.24.0"
    concurrency: int = 16
    tpot: str = "30ms"

    def manifest(self) -> dict[str, object]:
        """Return the Pod: one GPU, its load and its target."""
        notes = {"load-concurrency": str(self.concurrency), "slo-tpot": self.tpot,
                 "input-tokens": "512", "output-tokens": "128"}  # fmt: skip
        metadata = {
            "name": self.name,
            "annotations": {f"rightslice.dev/{key}": value for key, value in notes.items()},
        }
        container = {
            "name": "vllm",
            "image": self.image,
            "args": [f"--model={self.model}", "--max-model-len=2048"],
            "resources": {"limits": {"nvidia.com/gpu": 1}},
        }
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata,
                "spec": {"containers": [container]}}  # fmt: skip


SERVERS = (
    Server(name="opt-small-load", model="facebook/opt-1.3b"),
    Server(name="llama-8b", model="meta-llama/Llama-3.1-8B-Instruct", concurrency=32, tpot="20ms"),
    Server(name="latest-image", model="facebook/opt-1.3b", image="vllm/vllm-openai:latest"),
)
"""One that a slice holds, one that needs a card, and one that does not say its vLLM release."""


SERVED = (
    {"kind": "Model", "metadata": {"name": "opt"}, "spec": {"source": "facebook/opt-1.3b"}},
    {"kind": "Model", "metadata": {"name": "llama"},
     "spec": {"source": "meta-llama/Llama-3.1-8B-Instruct"}},
    {"kind": "ModelDeployment", "metadata": {"name": "chat"},
     "spec": {"model": "opt", "load": {"concurrency": 32}, "input": 128, "output": 128,
              "slo": {"tpot": "30ms"}, "mode": "enforce"}},
    {"kind": "ModelDeployment", "metadata": {"name": "assist"},
     "spec": {"model": "llama", "load": {"rate": "1/s"}, "input": 512, "output": 128,
              "slo": {"tpot": "60ms", "ttft": "2s"}, "mode": "enforce"}},
    {"kind": "ModelDeployment", "metadata": {"name": "busy"},
     "spec": {"model": "llama", "load": {"concurrency": 4000}, "input": 512, "output": 128,
              "slo": {"tpot": "60ms"}}},
)  # fmt: skip
"""Two that slices and a card hold, and one that nothing here does, which is only advised."""


def main(arguments: list[str]) -> int:
    """Run the demo; exit 3 with the reason when the programs or the cluster are not to be had."""
    told = Console(stderr=True, highlight=False)
    folder = Path(tempfile.mkdtemp(prefix="rightslice-demo-"))
    try:
        with told.status("building the control plane's programs (minutes, the first time only)"):
            assets.build()
        with ControlPlane.started(folder) as plane, ExitStack() as stopped:
            told.print(f"control plane: {plane.server}")
            release = Release(plane, values={"operator": {"enabled": True, "ceiling": "enforce"}})
            try:
                _show(plane, release, told)
                operator = release.start_operator()
                stopped.callback(operator.stop)
                _serve(plane, told)
                if "--once" not in arguments:
                    _stay(plane, told)
            finally:
                for one in release.processes:
                    one.program.stop()
    except (assets.MissingAssetsError, StartError) as error:
        told.print(f"error: {error}")
        return 3
    except subprocess.CalledProcessError as error:
        told.print(f"error: {' '.join(error.cmd)}: {error.stderr}")
        return 3
    except KeyboardInterrupt:
        told.print("stopped")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def _show(plane: ControlPlane, release: Release, told: Console) -> None:
    with told.status("nodes") as status:
        for node in FLEET:
            nodes.create(plane, node)
        status.update("chart")
        release.install()
        release.start(release.service_port)
        metadata = {"name": NAMESPACE, "labels": {"rightslice.dev/mode": "enforce"}}
        manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
        plane.kubectl("apply", "-f", "-", stdin=json.dumps(manifest))
        status.update("pods")
        _until_reviewed(plane)
        for server in SERVERS:
            pod = json.dumps(server.manifest())
            plane.kubectl("-n", NAMESPACE, "create", "-f", "-", stdin=pod)
        pods = _bound(plane)
    told.print(
        f"{len(FLEET)} nodes, the chart installed, namespace {NAMESPACE} in enforce; three pods:"
    )
    Console(width=max(Console().width, 120)).print(_table(pods))


def _serve(plane: ControlPlane, told: Console) -> None:
    """Make models and their deployments, wait until those in enforce run, and draw what is."""
    with told.status("models"):
        plane.kubectl("create", "namespace", MODELS)
        for one in SERVED:
            manifest = json.dumps({"apiVersion": API, **one})
            plane.kubectl("-n", MODELS, "apply", "-f", "-", stdin=manifest)
        _settle(plane)
    told.print(f"\nthe operator, on {len(SERVED)} Models and ModelDeployments in {MODELS}:")
    subprocess.run(_plugin(plane, "status", f"--namespace={MODELS}"), check=False)


def _settle(plane: ControlPlane) -> None:
    """Wait until every ModelDeployment is answered and the enforced ones run, or for a while."""
    deadline = time.monotonic() + SETTLED_SECONDS
    while time.monotonic() < deadline:
        found = json.loads(plane.kubectl("-n", MODELS, "get", "modeldeployments", "-o=json"))
        statuses = [(_at(one, "spec", "mode"), one.get("status", {})) for one in found["items"]]
        if all(
            status.get("readyReplicas") if mode == "enforce" else status.get("conditions")
            for mode, status in statuses
        ):
            return
        time.sleep(0.3)


def _plugin(plane: ControlPlane, *arguments: str) -> list[str]:
    module = [sys.executable, "-m", "rightslice.entry.kubectl"]
    return [*module, *arguments, f"--kubeconfig={plane.admin}"]


def _until_reviewed(plane: ControlPlane) -> None:
    """Wait until API server, default ServiceAccount, trust and webhook have found each other."""
    probe = json.dumps(SERVERS[0].manifest())
    path = "-o=jsonpath={.metadata.annotations.rightslice\\.dev/outcome}"
    deadline = time.monotonic() + BOUND_SECONDS
    while time.monotonic() < deadline:
        try:
            if plane.kubectl("-n", NAMESPACE, "create", "--dry-run=server", "-f", "-", path,
                             stdin=probe):  # fmt: skip
                return
        except subprocess.CalledProcessError as error:
            if "serviceaccount" not in error.stderr:
                raise
        time.sleep(0.2)
    raise StartError("the API server never called the webhook")


def _bound(plane: ControlPlane) -> list[dict[str, object]]:
    """Return the pods when each has a node, or after twenty seconds."""
    deadline = time.monotonic() + BOUND_SECONDS
    while True:
        found = json.loads(plane.kubectl("-n", NAMESPACE, "get", "pods", "-o=json"))["items"]
        if all("nodeName" in one["spec"] for one in found) or time.monotonic() > deadline:
            return list(found)
        time.sleep(0.2)


def _table(pods: list[dict[str, object]]) -> Table:
    table = Table(title=None, show_lines=True)
    for heading in ("pod", "asked for", "admitted with", "node", "outcome", "reason"):
        table.add_column(heading, overflow="fold")
    for server in SERVERS:
        pod = next(one for one in pods if _at(one, "metadata", "name") == server.name)
        notes = _at(pod, "metadata", "annotations")
        assert isinstance(notes, dict)
        containers = _at(pod, "spec", "containers")
        assert isinstance(containers, list)
        limits = containers[0]["resources"]["limits"]
        table.add_row(
            server.name,
            "1 nvidia.com/gpu",
            ", ".join(f"{count} {name}" for name, count in limits.items()),
            str(_at(pod, "spec", "nodeName") or "none"),
            str(notes.get("rightslice.dev/outcome", "not reviewed")),
            str(notes.get("rightslice.dev/reason", "")),
        )
    return table


def _at(given: object, *keys: str) -> object:
    for key in keys:
        given = given.get(key) if isinstance(given, dict) else None
    return given


def _stay(plane: ControlPlane, told: Console) -> None:
    told.print(
        f"\nThe cluster stays until Ctrl-C. In another terminal:\n"
        f"  export KUBECONFIG={plane.admin} PATH={plane.assets}:$PATH\n"
        f"  kubectl -n {NAMESPACE} get pods -o wide\n"
        f"  kubectl label namespace {NAMESPACE} rightslice.dev/mode=advise --overwrite\n"
        f"  kubectl rightslice -n {MODELS} explain chat\n"
        f"  kubectl rightslice -n {MODELS} whatif chat --concurrency 400"
    )
    while True:
        time.sleep(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
