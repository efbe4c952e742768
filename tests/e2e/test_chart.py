"""The Helm chart on a real API server: it installs where security is restricted, and serves."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import eventually
from tools.testbed import nodes
from tools.testbed.control_plane import ControlPlane
from tools.testbed.release import CHART, Release

WRITES = """
import os, sys
def hook(event, given):
    if event == "open" and isinstance(given[2], int):
        if given[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            sys.stderr.write(f"writes {given[0]}\\n")
sys.addaudithook(hook)
"""
"""What Python runs at its start in the test of a read-only root."""
LARGEST_BYTES = 640 * 1024 * 1024
"""The chart's memory limit."""


@pytest.fixture(scope="module", autouse=True)
def worker(plane: ControlPlane) -> Iterator[None]:
    """Give the webhook's own pods two nodes, and vLLM pods slices."""
    slices = {"nvidia.com/mig-1g.5gb": 2, "nvidia.com/mig-2g.10gb": 2, "nvidia.com/mig-3g.20gb": 2}
    nodes.create(plane, nodes.GpuNode(name="chart-worker", resources={}))
    nodes.create(plane, nodes.GpuNode(name="chart-slices", resources=slices))
    yield
    nodes.delete(plane, "chart-worker", "chart-slices")


@pytest.fixture(scope="module")
def release(plane: ControlPlane, worker: None) -> Iterator[Release]:
    """Return one running release for the tests that only look."""
    values = {"confidence": "50%"}
    with Release.running(plane, values, namespace="chart-looks") as running:
        yield running


def server(name: str, model: str = "facebook/opt-1.3b") -> dict[str, object]:
    """Return a vLLM pod that says its load."""
    notes = {"slo-tpot": "30ms", "load-concurrency": "64", "input-tokens": "128",
             "output-tokens": "128"}  # fmt: skip
    container = {
        "name": "vllm",
        "image": "vllm/vllm-openai:v0.6.3",
        "args": [f"--model={model}"],
        "resources": {"limits": {"nvidia.com/mig-3g.20gb": 1}},
    }
    metadata = {
        "name": name,
        "annotations": {f"rightslice.dev/{key}": value for key, value in notes.items()},
    }
    spec = {"containers": [container]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def created(plane: ControlPlane, namespace: str, pod: dict[str, object]) -> dict[str, str]:
    """Create *pod* as a dry run and return the annotations that it comes back with."""
    path = "-o=jsonpath={.metadata.annotations}"
    arguments = ("-n", namespace, "create", "--dry-run=server", "-f", "-", path)
    found = json.loads(plane.kubectl(*arguments, stdin=json.dumps(pod)))
    return {str(key): str(value) for key, value in found.items()}


def test_pods_are_admitted_where_security_is_restricted(
    plane: ControlPlane, release: Release
) -> None:
    """The API server enforces PodSecurity restricted there, and both pods are ready."""
    get = ("-n", release.namespace, "get", "deployment", release.deployment)
    assert plane.kubectl(*get, "-o=jsonpath={.status.readyReplicas}") == "2"
    refused = ("-n", release.namespace, "run", "plain", "--image=plain", "--restart=Never")
    with pytest.raises(subprocess.CalledProcessError) as caught:
        plane.kubectl(*refused)
    assert 'violates PodSecurity "restricted' in caught.value.stderr


def test_the_installed_webhook_reviews_pods(
    plane: ControlPlane, release: Release, namespace: str
) -> None:
    """In advise, the default, the pod comes back with what would do and why."""
    eventually(lambda: "rightslice.dev/offer" in created(plane, namespace, server("one")))
    found = created(plane, namespace, server("one"))
    assert found["rightslice.dev/outcome"] == "Resized"
    assert found["rightslice.dev/offer"] == "A100-SXM-40GB 2g.10gb"
    assert "previous-request" not in str(found)


def test_pods_without_gpus_are_not_sent(
    plane: ControlPlane, release: Release, namespace: str
) -> None:
    """Match conditions keep the webhook out of every other pod's way."""
    before = release.processes[0].get("/metrics")[1]
    plain = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "plain"},
             "spec": {"containers": [{"name": "main", "image": "plain"}]}}  # fmt: skip
    plane.kubectl("-n", namespace, "create", "-f", "-", stdin=json.dumps(plain))
    off = server("off")
    off["metadata"] = {"name": "off", "annotations": {"rightslice.dev/mode": "off"}}
    plane.kubectl("-n", namespace, "create", "-f", "-", stdin=json.dumps(off))
    count = "rightslice_admission_duration_seconds_count"
    after = release.processes[0].get("/metrics")[1]
    assert [one for one in before.splitlines() if one.startswith(count)] == [
        one for one in after.splitlines() if one.startswith(count)
    ]


def test_a_namespace_is_switched_by_its_label(
    plane: ControlPlane, release: Release, namespace: str
) -> None:
    """Enforce for one namespace, off for the same one: no restart, no upgrade."""
    plane.kubectl("label", "namespace", namespace, "rightslice.dev/mode=enforce")
    previous = "rightslice.dev/previous-request"
    eventually(lambda: previous in created(plane, namespace, server("one")))
    plane.kubectl("label", "namespace", namespace, "rightslice.dev/mode=off", "--overwrite")
    eventually(lambda: "rightslice.dev/outcome" not in created(plane, namespace, server("one")))


def test_memory_stays_under_its_limit(
    plane: ControlPlane, release: Release, namespace: str
) -> None:
    """After some dozens of reviews the process has never held half of what the chart allows."""
    for number in range(20):
        created(plane, namespace, server(f"pod-{number}", f"facebook/opt-{number % 2 + 1}.3b"))
    assert release.processes[0].peak_bytes < LARGEST_BYTES / 2


def test_a_replica_that_ends_serves_until_others_know(release: Release) -> None:
    """On SIGTERM it is unready at once, still answers while Endpoints follow, and ends with 0."""
    leaving = release.start(None, "--drain=3")
    leaving.program.process.terminate()
    eventually(lambda: leaving.get("/readyz")[0] == 503)
    with socket.create_connection(("127.0.0.1", leaving.port), timeout=5):
        assert leaving.get("/healthz")[0] == 200
    assert leaving.program.process.wait(20) == 0
    assert "Traceback" not in leaving.log


def test_its_certificates_are_all_it_writes(
    release: Release, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The chart's root file system is read-only: an audit hook sees no other file opened so."""
    (tmp_path / "sitecustomize.py").write_text(WRITES, "utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    watched = release.start()
    written = [one.split()[1] for one in watched.log.splitlines() if one.startswith("writes ")]
    watched.program.stop()
    assert written
    assert {str(Path(one).parent) for one in written} == {
        str(release.plane.folder / watched.program.name)
    }


def test_two_releases_do_not_meet(plane: ControlPlane, release: Release) -> None:
    """A second release of the same name is refused by Helm, with the object that is there."""
    with pytest.raises(subprocess.CalledProcessError) as caught:
        plane.helm("install", release.name, str(CHART), "-n", "default", "--dry-run=server")
    assert "invalid ownership metadata" in caught.value.stderr
