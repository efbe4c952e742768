"""The Helm chart on the test bed, with the webhook's real process behind it.

kwok plays the kubelet for the chart's pods, so that `helm install --wait` sees a Deployment that
becomes ready. The process that would run in them runs on this machine, with the arguments of the
installed Deployment and the rights of the chart's ServiceAccount. One thing differs from a cluster
with a pod network: the Service is made an ExternalName for localhost.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from tools.testbed.control_plane import ControlPlane, Program, StartError, free_port

CHART = Path(__file__).parents[2] / "charts" / "rightslice"
READY_SECONDS = 30.0
WAIT = "--timeout=60s"


@dataclass(frozen=True, kw_only=True)
class Webhook:
    """One running webhook process."""

    program: Program
    port: int
    health_port: int

    def get(self, path: str) -> tuple[int, str]:
        """Return status and text of a path of the health server; 0 where nobody answers."""
        url = f"http://127.0.0.1:{self.health_port}{path}"
        try:
            with urllib.request.urlopen(url, timeout=5) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    @property
    def is_ready(self) -> bool:
        """Whether it has listed the cluster."""
        return self.get("/readyz")[0] == 200

    @property
    def log(self) -> str:
        """What it wrote."""
        return self.program.log.read_text(encoding="utf-8", errors="replace")

    @property
    def peak_bytes(self) -> int:
        """The most memory that it has held, as the kernel counts it (VmHWM)."""
        status = Path(f"/proc/{self.program.process.pid}/status").read_text(encoding="ascii")
        line = next(one for one in status.splitlines() if one.startswith("VmHWM"))
        return int(line.split()[1]) * 1024


@dataclass
class Release:
    """One release of the chart, and the processes that stand for its pods."""

    plane: ControlPlane
    namespace: str = "rightslice"
    name: str = "rightslice"
    values: Mapping[str, object] = field(default_factory=dict)
    wait: bool = True
    """Whether Helm waits for the Deployment: without, nothing but the process has to be there."""
    service_port: int = field(default_factory=free_port)
    processes: list[Webhook] = field(default_factory=list)

    @classmethod
    @contextmanager
    def running(
        cls, plane: ControlPlane, values: Mapping[str, object], namespace: str = "rightslice"
    ) -> Iterator[Release]:
        """Install, start one process, wait until it is ready; stop and uninstall at the end."""
        release = cls(plane, namespace=namespace, values=values)
        try:
            release.install()
            release.start(release.service_port)
            yield release
        finally:
            release.remove()

    @property
    def deployment(self) -> str:
        """Name of the chart's Deployment, Service and ServiceAccount."""
        return f"{self.name}-webhook"

    @property
    def host(self) -> str:
        """The name that the API server calls."""
        return f"{self.deployment}.{self.namespace}.svc"

    def install(self) -> None:
        """`helm install --wait` in a namespace that enforces PodSecurity restricted."""
        security = "pod-security.kubernetes.io/enforce"
        metadata = {"name": self.namespace, "labels": {security: "restricted"}}
        manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
        self.plane.kubectl("apply", "-f", "-", stdin=json.dumps(manifest))
        self._helm("install", self.values)
        self._to_localhost()

    def upgrade(self, values: Mapping[str, object]) -> None:
        """`helm upgrade --wait` to *values*."""
        self._helm("upgrade", values)

    def uninstall(self) -> None:
        """`helm uninstall --wait`."""
        self.plane.helm("uninstall", self.name, "-n", self.namespace, "--wait", WAIT)

    def remove(self) -> None:
        """Stop the processes, uninstall, and delete the namespace, whatever of them is there."""
        for one in self.processes:
            one.program.stop()
        self.processes.clear()
        self.plane.helm("uninstall", self.name, "-n", self.namespace, "--ignore-not-found")
        self.plane.kubectl(
            "delete", "namespace", self.namespace, "--ignore-not-found", "--wait=false"
        )

    def arguments(self, deployment: str = "") -> list[str]:
        """Return the arguments of the container that a Deployment of the chart runs."""
        path = "-o=jsonpath={.spec.template.spec.containers[0].args}"
        name = deployment or self.deployment
        found = self.plane.kubectl("-n", self.namespace, "get", "deployment", name, path)
        return [str(one) for one in json.loads(found)]

    def start_operator(self) -> Program:
        """Start the operator as the chart's pod would; the values have it enabled."""
        name = f"{self.name}-operator"
        account = self.plane.service_account(self.namespace, name)
        own = (f"--kubeconfig={account}", "--host=127.0.0.1", f"--health-port={free_port()}")
        log = self.plane.folder / f"{self.namespace}-{name}.log"
        with log.open("ab") as out:
            command = [sys.executable, "-m", "rightslice", *self.arguments(name), *own]
            process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
        return Program(name, process, log)

    def start(self, port: int | None = None, *further: str) -> Webhook:
        """Start a process as the chart's pod would, and wait until it is ready.

        Raises:
            StartError: it ends, or is not ready within half a minute; with the end of its log.
        """
        webhook = self.launch(port, *further)
        deadline = time.monotonic() + READY_SECONDS
        while not webhook.is_ready:
            if webhook.program.process.poll() is not None:
                raise webhook.program.failure(f"ended with {webhook.program.process.returncode}")
            if time.monotonic() > deadline:
                raise StartError(f"not ready after {READY_SECONDS:g} s:\n{webhook.log[-2000:]}")
            time.sleep(0.05)
        return webhook

    def launch(self, port: int | None = None, *further: str) -> Webhook:
        """Start a process without waiting; *further* arguments go before those of the chart."""
        number = len(self.processes)
        folder = self.plane.folder / f"{self.namespace}-{self.name}-{number}"
        port, health_port = port or free_port(), free_port()
        account = self.plane.service_account(self.namespace, self.deployment)
        own = (
            f"--certificates={folder}", f"--kubeconfig={account}", "--host=127.0.0.1",
            f"--port={port}", f"--health-port={health_port}", "--drain=0.2", *further,
        )  # fmt: skip
        log = self.plane.folder / f"{folder.name}.log"
        with log.open("ab") as out:
            command = [sys.executable, "-m", "rightslice", *self.arguments(), *own]
            process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
        webhook = Webhook(
            program=Program(folder.name, process, log), port=port, health_port=health_port
        )
        self.processes.append(webhook)
        return webhook

    def secret(self) -> dict[str, str]:
        """Return the data of the certificate's Secret, base64 as it stands there."""
        path = "-o=jsonpath={.data}"
        found = self.plane.kubectl(
            "-n", self.namespace, "get", "secret", "rightslice-webhook-tls", path
        )
        return {name: str(text) for name, text in json.loads(found or "{}").items()}

    def bundle(self) -> str:
        """Return the authorities that the webhook configuration trusts, base64."""
        path = "-o=jsonpath={.webhooks[0].clientConfig.caBundle}"
        return self.plane.kubectl("get", "mutatingwebhookconfiguration", self.name, path)

    def _helm(self, verb: str, values: Mapping[str, object]) -> None:
        file = self.plane.folder / f"{self.namespace}-{self.name}-values.yaml"
        webhook = values.get("webhook", {})
        assert isinstance(webhook, dict)
        given = {**values, "webhook": {"servicePort": self.service_port, **webhook}}
        file.write_text(yaml.safe_dump(given), encoding="utf-8")
        waits = ("--wait", WAIT) if self.wait else ()
        self.plane.helm(verb, self.name, str(CHART), "-n", self.namespace, "-f", str(file), *waits)

    def _to_localhost(self) -> None:
        spec = {"type": "ExternalName", "externalName": "localhost",
                "clusterIP": None, "clusterIPs": None}  # fmt: skip
        self.plane.kubectl(
            "-n", self.namespace, "patch", "service", self.deployment, "--type=merge",
            "-p", json.dumps({"spec": spec}),
        )  # fmt: skip
