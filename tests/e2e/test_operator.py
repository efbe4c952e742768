"""The operator's real process on a real control plane, with the rights that the chart gives it."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pytest

from rightslice.kube.crd.definition import API_VERSION
from tests.e2e.conftest import eventually
from tools.crds import FOLDER
from tools.testbed import nodes
from tools.testbed.control_plane import ControlPlane, free_port
from tools.testbed.nodes import GpuNode

SLICES = {"nvidia.com/mig-1g.5gb": 1, "nvidia.com/mig-2g.10gb": 1, "nvidia.com/mig-3g.20gb": 3}
MODELS = {
    "opt": {"source": "facebook/opt-1.3b"},
    "mistral": {"source": "RedHatAI/Mistral-7B-Instruct-v0.3-quantized.w8a16"},
    "llama": {"source": "meta-llama/Meta-Llama-3-8B"},
}
KINDS = "deployments,replicasets,pods,services,pdb,configmaps,secrets,nodes,models"


@dataclass
class Process:
    """A running operator."""

    plane: ControlPlane
    arguments: tuple[str, ...]
    log: Path
    running: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, or start it again."""
        command = [
            sys.executable, "-m", "rightslice", "operator", *self.arguments,
            f"--health-port={free_port()}", "--host=127.0.0.1",
        ]  # fmt: skip
        with self.log.open("ab") as out:
            self.running = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it, gently or not."""
        if self.running is not None:
            self.running.send_signal(number)
            self.running.wait(20)
            self.running = None


@pytest.fixture(scope="module")
def account(plane: ControlPlane) -> Iterator[Path]:
    """Return a kubeconfig with the rights of the chart's operator, and nothing more."""
    plane.kubectl("apply", "--server-side", "-f", str(FOLDER))
    plane.kubectl("create", "namespace", "rightslice")
    chart = str(FOLDER.parent)
    text = plane.helm(
        "template", "op", chart, "-n", "rightslice", "--show-only=templates/operator.yaml",
        "--set=operator.enabled=true,operator.ceiling=enforce",
    )  # fmt: skip
    plane.kubectl("apply", "-f", "-", stdin=text)
    plane.kubectl("-n", "rightslice", "scale", "deploy", "--all", "--replicas=0")
    nodes.create(plane, GpuNode(name="card-0", resources=SLICES))
    eventually(lambda: _is_settled_node(plane, "card-0"), 60)
    yield plane.service_account("rightslice", "op-rightslice-operator")
    nodes.delete(plane, "card-0")


@pytest.fixture
def operator(
    plane: ControlPlane, account: Path, tmp_path: Path
) -> Iterator[Callable[..., Process]]:
    """Return how to start an operator, once nothing of other tests is left; it is ended."""
    started: list[Process] = []
    eventually(lambda: not _left_over(plane), 120)

    def start(*arguments: str) -> Process:
        given = (f"--kubeconfig={account}", "--namespace=rightslice", *arguments)
        one = Process(plane, given, tmp_path / "operator.log")
        one.start()
        started.append(one)
        return one

    yield start
    for one in started:
        one.end()
        text = one.log.read_text()
        assert "Traceback" not in text, text[-4000:]
        assert "Forbidden" not in text, text[-4000:]


def _is_settled_node(plane: ControlPlane, name: str) -> bool:
    """Whether the controllers have labelled a new node, and taken their taint off it."""
    found = json.loads(plane.kubectl("get", "node", name, "-o", "json"))
    labels = found["metadata"]["labels"]
    return "beta.kubernetes.io/os" in labels and not found["spec"].get("taints")


def _left_over(plane: ControlPlane) -> list[str]:
    """Return what tests before this one asked of the card: objects and pods that are not gone."""
    served = plane.kubectl("get", "modeldeployments", "-A", "-o", "name").split()
    where = "--field-selector=spec.nodeName=card-0"
    return served + plane.kubectl("get", "pods", "-A", where, "-o", "name").split()


def _apply(plane: ControlPlane, namespace: str, kind: str, name: str, spec: object) -> None:
    body = {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec}
    plane.kubectl("-n", namespace, "apply", "-f", "-", stdin=json.dumps(body))


def _serve(
    plane: ControlPlane, namespace: str, name: str, *, concurrency: int = 1, **changed: object
) -> None:
    """Make, or change, a ModelDeployment of the model *name*."""
    spec = {
        "model": name, "load": {"concurrency": concurrency}, "input": 128, "output": 128,
        "slo": {"tpot": "100ms"}, "confidence": "50%", **changed,
    }  # fmt: skip
    _apply(plane, namespace, "ModelDeployment", name, spec)


def _get(plane: ControlPlane, namespace: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        plane.kubectl("-n", namespace, "get", "mdep", name, "-o", "json")
    )
    status: dict[str, Any] = found.get("status", {})
    return status


def _ready(plane: ControlPlane, namespace: str) -> list[str]:
    pods = json.loads(plane.kubectl("-n", namespace, "get", "pods", "-o", "json"))["items"]
    return [
        next(iter(pod["spec"]["containers"][0]["resources"]["limits"]))
        for pod in pods
        if pod["metadata"].get("deletionTimestamp") is None
        and any(
            one["type"] == "Ready" and one["status"] == "True"
            for one in pod["status"].get("conditions", [])
        )
    ]


def _objects(plane: ControlPlane, namespace: str) -> dict[str, Any]:
    """Return everything of *namespace*, and the nodes, without what changes by itself."""
    found = json.loads(plane.kubectl("-n", namespace, "get", KINDS, "-o", "json"))["items"]
    kept = {}
    for one in found:
        one["metadata"].pop("managedFields", None)
        one["metadata"].pop("resourceVersion", None)
        if one["kind"] in ("Node", "Model"):
            one.pop("status", None)
        kept[f"{one['kind']}/{one['metadata']['name']}"] = one
    return kept


def _models(plane: ControlPlane, namespace: str) -> None:
    for name, spec in MODELS.items():
        _apply(plane, namespace, "Model", name, spec)


def test_three_models_share_one_card_in_advise(
    plane: ControlPlane, namespace: str, operator: Callable[..., Process]
) -> None:
    """Each gets a slice of its own in its status; nothing else of the cluster changes."""
    _models(plane, namespace)
    for name in MODELS:
        _serve(plane, namespace, name, mode="enforce")
    before = _objects(plane, namespace)
    operator("--ceiling=advise")
    eventually(lambda: all("recommendation" in _get(plane, namespace, one) for one in MODELS), 40)
    found = {name: _get(plane, namespace, name) for name in MODELS}
    offers = {name: one["recommendation"]["offer"]["resource"] for name, one in found.items()}
    assert all(one.startswith("nvidia.com/mig-") for one in offers.values())
    assert all(one["conditions"][3]["reason"] == "NotEnforced" for one in found.values())
    time.sleep(2)
    assert _objects(plane, namespace) == before
    events = plane.kubectl("-n", namespace, "get", "events")
    assert events.count("Recommended") == 3
    read = plane.kubectl("-n", namespace, "get", "models")
    assert read.count("True") == 3
    plane.kubectl("-n", namespace, "delete", "mdep", "--all")


class Watch:
    """Counts ready pods several times a second, in a thread of its own."""

    def __init__(self, plane: ControlPlane, namespace: str) -> None:
        self.fewest = 10**6
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(plane, namespace))

    def _run(self, plane: ControlPlane, namespace: str) -> None:
        while not self._ended.is_set():
            self.fewest = min(self.fewest, len(_ready(plane, namespace)))
            time.sleep(0.05)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()


def test_a_raised_load_moves_make_before_break(
    plane: ControlPlane, namespace: str, operator: Callable[..., Process]
) -> None:
    """Pods bind; a raised load moves them to bigger slices, never fewer ready than guaranteed."""
    _models(plane, namespace)
    _serve(plane, namespace, "opt", mode="enforce", slo={"tpot": "30ms"})
    process = operator("--ceiling=enforce", "--settle=2")
    eventually(lambda: len(_ready(plane, namespace)) == 1, 40)
    small = _ready(plane, namespace)
    with Watch(plane, namespace) as watch:
        _serve(plane, namespace, "opt", mode="enforce", slo={"tpot": "30ms"}, concurrency=128)
        eventually(lambda: _settled(plane, namespace, "opt"), 40)
        big = _ready(plane, namespace)
        assert big == ["nvidia.com/mig-3g.20gb"]
        assert big != small
        # Killed in the midst of the way back, and started again: it goes on.
        _serve(plane, namespace, "opt", mode="enforce", slo={"tpot": "30ms"}, concurrency=1)
        time.sleep(3)
        process.end(signal.SIGKILL)
        process.start()
        eventually(lambda: _ready(plane, namespace) == small, 90)
        eventually(lambda: _settled(plane, namespace, "opt"), 40)
    assert watch.fewest >= 1
    eventually(lambda: len(_names(plane, namespace, "deploy")) == 1)
    plane.kubectl("-n", namespace, "delete", "mdep", "--all")
    eventually(lambda: not _ready(plane, namespace), 60)


def _settled(plane: ControlPlane, namespace: str, name: str) -> bool:
    found = json.loads(plane.kubectl("-n", namespace, "get", "mdep", name, "-o", "json"))
    status = found.get("status", {})
    conditions = {one["type"]: one["status"] for one in status.get("conditions", [])}
    seen = status.get("observedGeneration") == found["metadata"]["generation"]
    return bool(seen and conditions.get("Settled") == "True" and conditions["Available"] == "True")


def test_three_models_run_on_one_card_in_enforce(
    plane: ControlPlane, namespace: str, operator: Callable[..., Process]
) -> None:
    """Deployments appear, the real scheduler binds their pods, and deleting takes them along."""
    _models(plane, namespace)
    for name in MODELS:
        _serve(plane, namespace, name, mode="enforce")
    operator("--ceiling=enforce")
    eventually(lambda: all(_settled(plane, namespace, one) for one in MODELS), 60)
    held = [_get(plane, namespace, one)["current"]["resource"] for one in MODELS]
    assert sorted(_ready(plane, namespace)) == sorted(held)
    columns = plane.kubectl("-n", namespace, "get", "mdep")
    assert columns.count("True") == 3
    plane.kubectl("-n", namespace, "delete", "mdep", "--all")
    eventually(lambda: not plane.kubectl("-n", namespace, "get", "deploy", "-o", "name"), 60)


def test_two_operators_and_four_kills_leave_one_deployment(
    plane: ControlPlane, namespace: str, operator: Callable[..., Process]
) -> None:
    """One acts, the other takes over when it is killed; nothing is made twice or left behind."""
    _models(plane, namespace)
    chosen = random.Random(8)  # noqa: S311 - repeatable, not secret
    both = [operator("--ceiling=enforce", "--settle=0") for _ in range(2)]
    for turn in range(4):
        concurrency = 128 if turn % 2 else 1
        _serve(
            plane, namespace, "opt", mode="enforce", slo={"tpot": "30ms"}, concurrency=concurrency
        )
        time.sleep(chosen.random() * 3)
        both[turn % 2].end(signal.SIGKILL)
        both[turn % 2].start()
    eventually(lambda: _settled(plane, namespace, "opt"), 90)
    assert _ready(plane, namespace) == ["nvidia.com/mig-3g.20gb"]
    eventually(lambda: len(_names(plane, namespace, "deploy")) == 1, 60)
    assert _names(plane, namespace, "svc") == ["service/opt"]
    assert len(_names(plane, namespace, "pdb")) == 1
    plane.kubectl("-n", namespace, "delete", "mdep", "--all")
    eventually(lambda: not _ready(plane, namespace), 60)


def test_what_belongs_to_others_is_left_alone(
    plane: ControlPlane, namespace: str, operator: Callable[..., Process]
) -> None:
    """A Service of the same name stays as it is, and an event says so."""
    _models(plane, namespace)
    plane.kubectl("-n", namespace, "create", "service", "clusterip", "opt", "--tcp=80")
    get = ("-n", namespace, "get", "svc", "opt", "-o", "json")
    before = plane.kubectl(*get)
    _serve(plane, namespace, "opt", mode="enforce")
    operator("--ceiling=enforce")
    events = ("-n", namespace, "get", "events")
    eventually(lambda: "Service opt belongs to somebody else" in plane.kubectl(*events), 60)
    assert plane.kubectl(*get) == before
    assert _names(plane, namespace, "deploy") == []
    plane.kubectl("-n", namespace, "delete", "mdep", "--all")


def _names(plane: ControlPlane, namespace: str, kind: str) -> list[str]:
    return plane.kubectl("-n", namespace, "get", kind, "-o", "name").split()
