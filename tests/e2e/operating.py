"""What tests of the operator share: its process, the objects it is given, and a watch of pods."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rightslice.kube.cluster.dra_read import CLAIMS_NOTE
from rightslice.kube.crd.definition import API_VERSION
from rightslice.kube.operate.view import OWNER_LABEL
from tests.e2e.waiting import eventually
from tools.crds import FOLDER
from tools.testbed import nodes
from tools.testbed.control_plane import ControlPlane, free_port
from tools.testbed.nodes import GpuNode

CHART = FOLDER.parent
NAMESPACE = "operator"
"""Where its ServiceAccount and its Lease are."""
RELEASE = "e2e"
ACCOUNT = f"{RELEASE}-rightslice-operator"
MODELS = {
    "opt": {"source": "facebook/opt-1.3b"},
    "mistral": {"source": "RedHatAI/Mistral-7B-Instruct-v0.3-quantized.w8a16"},
    "llama": {"source": "meta-llama/Meta-Llama-3-8B"},
}
TERMINATED = "because it is being terminated"
"""Said of creations in the namespace of a test that has ended."""
Serving = frozenset[tuple[str, int]]
"""What serves at one moment: resources that pods hold, with the number of such pods."""


def install_rights(
    plane: ControlPlane, ceiling: str = "enforce", values: Sequence[str] = ()
) -> None:
    """Give the cluster the resources, and the operator's ServiceAccount the chart's rights."""
    plane.kubectl("apply", "--server-side", "-f", str(FOLDER))
    plane.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
    with suppress(subprocess.CalledProcessError):  # there already
        plane.kubectl("create", "namespace", NAMESPACE)
    text = plane.helm(
        "template", RELEASE, str(CHART), "-n", NAMESPACE, "--show-only=templates/operator.yaml",
        f"--set={','.join(('operator.enabled=true', f'operator.ceiling={ceiling}', *values))}",
    )  # fmt: skip
    plane.kubectl("apply", "-f", "-", stdin=text)
    plane.kubectl("-n", NAMESPACE, "scale", "deploy", "--all", "--replicas=0")


@dataclass
class Process:
    """The operator's process: `rightslice operator`, with a kubeconfig and *arguments*."""

    kubeconfig: Path
    log: Path
    arguments: tuple[str, ...] = ("--ceiling=enforce", "--settle=0")
    running: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        """Return what is run, on a port that nobody uses now."""
        return [
            sys.executable, "-m", "rightslice", "operator", f"--kubeconfig={self.kubeconfig}",
            f"--namespace={NAMESPACE}", "--host=127.0.0.1", f"--health-port={free_port()}",
            *self.arguments,
        ]  # fmt: skip

    def start(self) -> None:
        """Start it, or start it again."""
        with self.log.open("ab") as out:
            self.running = subprocess.Popen(self.command(), stdout=out, stderr=subprocess.STDOUT)

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it, gently or not."""
        if self.running is not None:
            self.running.send_signal(number)
            self.running.wait(20)
            self.running = None

    def told(self) -> str:
        """Return what it wrote."""
        return self.log.read_text("utf-8") if self.log.exists() else ""


@contextmanager
def running(
    kubeconfig: Path, log: Path, *arguments: str, refused_is_fine: bool = False
) -> Iterator[Process]:
    """Run an operator; it ends with the block, and never wrote a traceback or lacked a right."""
    given = arguments or ("--ceiling=enforce", "--settle=0")
    one = Process(kubeconfig=kubeconfig, log=log, arguments=given)
    one.start()
    try:
        yield one
    finally:
        one.end()
    text = one.told()
    assert "Traceback" not in text, text[-4000:]
    refused = [one for one in text.splitlines() if "orbidden" in one and " INFO " not in one]
    assert refused_is_fine or not [one for one in refused if TERMINATED not in one], refused


@contextmanager
def gpu_nodes(plane: ControlPlane, *given: GpuNode) -> Iterator[None]:
    """Make the only GPU nodes of the cluster; they, and what runs on them, go with the block."""
    plane.kubectl("delete", "nodes", "-l", "nvidia.com/gpu.present", "--wait=false")
    eventually(lambda: not _left_over(plane), 120)
    for one in given:
        nodes.create(plane, one)
    names = [one.name for one in given]
    eventually(lambda: all(_is_settled(plane, name) for name in names), 60)
    try:
        yield
    finally:
        nodes.delete(plane, *names)


def _left_over(plane: ControlPlane) -> str:
    """Return the ModelDeployments of tests that have ended."""
    try:
        return plane.kubectl("get", "modeldeployments", "-A", "-o", "name")
    except subprocess.CalledProcessError:  # no such resource: not installed
        return ""


def _is_settled(plane: ControlPlane, name: str) -> bool:
    """Whether the controllers have labelled a new node, and taken their taint off it."""
    found = json.loads(plane.kubectl("get", "node", name, "-o", "json"))
    return "beta.kubernetes.io/os" in found["metadata"]["labels"] and not found["spec"].get(
        "taints"
    )


def apply(plane: ControlPlane, namespace: str, kind: str, name: str, spec: object) -> None:
    """Make or change an object of ours."""
    body = {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec}
    plane.kubectl("-n", namespace, "apply", "-f", "-", stdin=json.dumps(body))


def make_models(plane: ControlPlane, namespace: str) -> None:
    """Make the three models of the talk."""
    for name, spec in MODELS.items():
        apply(plane, namespace, "Model", name, spec)


def serve(
    plane: ControlPlane, namespace: str, name: str, *, concurrency: int = 1, **changed: object
) -> None:
    """Make, or change, a ModelDeployment of the model *name*, to be enforced."""
    spec = {
        "model": name, "load": {"concurrency": concurrency}, "input": 128, "output": 128,
        "slo": {"tpot": "100ms"}, "confidence": "50%", "mode": "enforce", **changed,
    }  # fmt: skip
    apply(plane, namespace, "ModelDeployment", name, spec)


def found(plane: ControlPlane, namespace: str, kind: str, name: str = "") -> Any:  # noqa: ANN401 - decoded JSON
    """Return one object, or the items of a list."""
    arguments = ["-n", namespace, "get", kind, *([name] if name else []), "-o", "json"]
    decoded = json.loads(plane.kubectl(*arguments))
    return decoded if name else decoded["items"]


def is_settled(plane: ControlPlane, namespace: str, name: str) -> bool:
    """Whether what runs is what is recommended for the spec as it is now, and is ready."""
    one = found(plane, namespace, "mdep", name)
    status = one.get("status", {})
    holds = {each["type"]: each["status"] for each in status.get("conditions", [])}
    seen = status.get("observedGeneration") == one["metadata"]["generation"]
    return bool(seen and holds.get("Settled") == "True" and holds["Available"] == "True")


def until_settled(plane: ControlPlane, namespace: str, *names: str, seconds: float = 120) -> None:
    """Wait until all of *names* are settled; fail with their statuses when they are not."""
    try:
        eventually(lambda: all(is_settled(plane, namespace, one) for one in names), seconds)
    except AssertionError as error:
        error.add_note(plane.kubectl("-n", namespace, "get", "mdep", "-o", "yaml"))
        error.add_note(plane.kubectl("-n", namespace, "get", "deploy,pods", "-o", "wide"))
        raise


def held_by(pod: Mapping[str, Any]) -> tuple[str, int]:
    """Return what a pod of the operator's holds: an extended resource, or what its claim asks."""
    limits = pod["spec"]["containers"][0]["resources"].get("limits")
    if limits:
        ((name, count),) = limits.items()
    else:
        name, _, count = pod["metadata"]["annotations"][CLAIMS_NOTE].partition("=")
    return name, int(count)


@dataclass
class PodWatch:
    """The ready pods of a namespace, as a watch of the API server tells of every change.

    From `arm` on, `fewest` is the smallest number of ready pods of a ModelDeployment that ever was;
    `seen` is what served it, moment after moment.
    """

    plane: ControlPlane
    namespace: str
    fewest: dict[str, int] = field(default_factory=dict)
    seen: dict[str, list[Serving]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    _ready: dict[str, tuple[str, str, int]] = field(default_factory=dict)
    _armed: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def arm(self) -> None:
        """Count from now on."""
        with self._lock:
            self._armed = True
            self._count()

    def serving(self, owner: str) -> Serving:
        """Return what serves *owner* now."""
        with self._lock:
            return self._serving(owner)

    @contextmanager
    def following(self) -> Iterator[PodWatch]:
        """Watch until the block ends."""
        context = ssl.create_default_context(cafile=str(self.plane.authority))
        pki = self.plane.folder / "pki"
        context.load_cert_chain(pki / "admin.crt", pki / "admin.key")
        connection = http.client.HTTPSConnection("127.0.0.1", self.plane.port, context=context)
        path = f"/api/v1/namespaces/{self.namespace}/pods"
        connection.request("GET", path)
        listed = json.loads(connection.getresponse().read())
        version = listed["metadata"]["resourceVersion"]
        for pod in listed["items"]:
            self._take("ADDED", pod)
        connection.request("GET", f"{path}?watch=1&resourceVersion={version}")
        reply = connection.getresponse()
        thread = threading.Thread(target=self._follow, args=(reply,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            assert not self.problems, self.problems
            assert connection.sock is not None
            connection.sock.shutdown(socket.SHUT_RDWR)
            thread.join(10)
            reply.close()
            connection.close()

    def _follow(self, reply: http.client.HTTPResponse) -> None:
        for line in reply:
            event = json.loads(line)
            if event["type"] not in ("ADDED", "MODIFIED", "DELETED"):
                self.problems.append(str(event))
                return
            with self._lock:
                self._take(event["type"], event["object"])
                self._count()

    def _take(self, event: str, pod: Mapping[str, Any]) -> None:
        metadata = pod["metadata"]
        owner = metadata.get("labels", {}).get(OWNER_LABEL, "")
        self._ready.pop(metadata["name"], None)
        ready = any(
            one["type"] == "Ready" and one["status"] == "True"
            for one in pod["status"].get("conditions", [])
        )
        is_there = event != "DELETED" and metadata.get("deletionTimestamp") is None
        if owner and ready and is_there:
            self._ready[metadata["name"]] = owner, *held_by(pod)

    def _serving(self, owner: str) -> Serving:
        pods = Counter(
            f"{count} {name}" for one, name, count in self._ready.values() if one == owner
        )
        return frozenset(pods.items())

    def _count(self) -> None:
        if not self._armed:
            return
        owners = {owner for owner, _, _ in self._ready.values()} | set(self.fewest)
        for owner in owners:
            now = self._serving(owner)
            pods = sum(count for _, count in now)
            self.fewest[owner] = min(pods, self.fewest.get(owner, pods))
            story = self.seen.setdefault(owner, [])
            if not story or story[-1] != now:
                story.append(now)
