"""The operator's own process on a real API server: seconds, share of a core, memory."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import httpx2
from lightkube import Client
from lightkube.config.kubeconfig import KubeConfig
from lightkube.generic_resource import create_namespaced_resource
from lightkube.types import OnErrorAction, OnErrorResult
from parts.operator_fleet import NAMESPACES, gpu_nodes, model_deployments, models

from rightslice.kube.crd.definition import MODEL_DEPLOYMENT, VERSION
from rightslice.kube.manifest import GROUP
from tools.crds import FOLDER
from tools.testbed.api import Api
from tools.testbed.control_plane import ControlPlane, free_port

PATH: Final = f"/apis/{GROUP}/{VERSION}/namespaces"
CHANGES: Final = 10
LONGEST_SECONDS: Final = 900.0


class Statuses:
    """Which generation each status speaks of, by a watch in a thread of its own."""

    def __init__(self, plane: ControlPlane) -> None:
        self.seen: dict[tuple[str, str], dict[str, Any]] = {}
        config = KubeConfig.from_file(plane.admin)
        self._client = Client(config=config)
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        with suppress(httpx2.HTTPError):  # the API server has ended
            self._follow()

    def _follow(self) -> None:
        kind = create_namespaced_resource(
            GROUP, VERSION, MODEL_DEPLOYMENT.kind, MODEL_DEPLOYMENT.plural
        )
        again = OnErrorResult(OnErrorAction.RETRY, 0.2)
        for _, one in self._client.watch(kind, namespace="*", on_error=lambda _e, _n: again):
            metadata: Any = one.metadata
            status: Any = one.get("status") or {}
            self.seen[metadata.namespace, metadata.name] = {
                "generation": status.get("observedGeneration", 0),
                "settled": any(
                    each["type"] == "Settled" and each["status"] == "True"
                    for each in status.get("conditions", [])
                ),
            }

    def count(self, *, settled: bool) -> int:
        """Return how many have a status, or have settled."""
        found = list(self.seen.values())
        return sum(bool(one["settled"] if settled else one["generation"]) for one in found)

    def wait(self, done: Callable[[], bool]) -> float:
        """Return the seconds until *done*."""
        began = time.monotonic()
        while not done():
            if time.monotonic() - began > LONGEST_SECONDS:
                raise TimeoutError(
                    f"not so after {LONGEST_SECONDS:g} s: {self.count(settled=False)}"
                )
            time.sleep(0.02)
        return time.monotonic() - began


def measure_live(folder: Path, size: tuple[int, int, str], rest_seconds: float) -> dict[str, float]:
    """Return what the process takes over *size*: ModelDeployments, nodes and mode."""
    served, nodes, mode = size
    with ControlPlane.started(folder / "plane") as plane, closing(Api(plane)) as api:
        _prepare(plane, api, served, nodes, mode)
        statuses = Statuses(plane)
        began = time.monotonic()
        with _operator(plane, folder / "operator.log", mode) as process:
            statuses.wait(lambda: statuses.count(settled=False) >= served)
            found = {"first pass, s": time.monotonic() - began}
            if mode == "enforce":
                statuses.wait(lambda: statuses.count(settled=True) >= 0.95 * served)
                found["95 % of them run, s"] = time.monotonic() - began
            _wait_for_rest(process)
            found |= _at_rest(process, rest_seconds)
            found |= _changes(plane, statuses, mode, served)
            found["resident MiB, at most"] = _status_mib(process, "VmHWM")
            text = (folder / "operator.log").read_text()
            assert "Traceback" not in text, text[-2000:]
    return found


def _prepare(plane: ControlPlane, api: Api, served: int, nodes: int, mode: str) -> None:
    plane.kubectl("apply", "--server-side", "-f", str(FOLDER))
    plane.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
    for node in gpu_nodes(nodes):
        assert api.call("POST", "/api/v1/nodes", node.manifest()).status == 201
        api.call("PATCH", f"/api/v1/nodes/{node.name}/status", node.status())
    for number in range(NAMESPACES):
        api.call("POST", "/api/v1/namespaces", {"metadata": {"name": f"team-{number}"}})
    for plural, objects in (
        ("models", models()), ("modeldeployments", model_deployments(served, mode)),
    ):  # fmt: skip
        for one in objects:
            one["metadata"].pop("uid")
            reply = api.call("POST", f"{PATH}/{one['metadata']['namespace']}/{plural}", one)
            assert reply.status == 201, reply.body


@contextmanager
def _operator(plane: ControlPlane, log: Path, mode: str) -> Iterator[subprocess.Popen[bytes]]:
    port = free_port()
    command = [
        sys.executable, "-m", "rightslice", "operator", f"--kubeconfig={plane.admin}",
        f"--ceiling={mode}", f"--health-port={port}", "--host=127.0.0.1",
    ]  # fmt: skip
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
    try:
        yield process
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as reply:
            (log.parent / "metrics.txt").write_bytes(reply.read())
    finally:
        process.terminate()
        process.wait(30)


def _cpu_seconds(process: subprocess.Popen[bytes]) -> float:
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _status_mib(process: subprocess.Popen[bytes], name: str) -> float:
    text = Path(f"/proc/{process.pid}/status").read_text()
    line = next(line for line in text.splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) / 1024


def _wait_for_rest(process: subprocess.Popen[bytes]) -> None:
    """Wait until it uses less than a tenth of a core for three seconds."""
    for _ in range(100):
        before = _cpu_seconds(process)
        time.sleep(3.0)
        if _cpu_seconds(process) - before < 0.3:
            return


def _at_rest(process: subprocess.Popen[bytes], seconds: float) -> dict[str, float]:
    before = _cpu_seconds(process)
    time.sleep(seconds)
    share = (_cpu_seconds(process) - before) / seconds
    return {
        "at rest, % of a core": 100 * share,
        "at rest, resident MiB": _status_mib(process, "VmRSS"),
    }


def _changes(plane: ControlPlane, statuses: Statuses, mode: str, served: int) -> dict[str, float]:
    """Return the seconds from a change of a spec to its status, one after another."""
    seconds = []
    for one in list(model_deployments(served, mode))[:CHANGES]:
        metadata = one["metadata"]
        key = metadata["namespace"], metadata["name"]
        path = f"{PATH}/{key[0]}/modeldeployments/{key[1]}"
        load = {"concurrency": one["spec"]["load"]["concurrency"] + 7}
        with closing(Api(plane)) as api:
            api.call("PATCH", path, {"spec": {"load": load}})
        seconds.append(statuses.wait(lambda: statuses.seen[key]["generation"] >= 2))  # noqa: B023 - called in this turn
        time.sleep(0.5)
    seconds.sort()
    return {"one change told, s": seconds[len(seconds) // 2], "at most, s": seconds[-1]}
