"""A real Kubernetes control plane on loopback: etcd, API server, controllers, scheduler and kwok.

    with ControlPlane.started(folder) as plane:
        plane.kubectl("get", "nodes")

No container runtime is used. Every port is free at the start and bound to 127.0.0.1; whatever
happens, the programs end with the block, etcd last. kwok plays the kubelet for nodes that carry the
annotation `kwok.x-k8s.io/node: fake`.
"""

from __future__ import annotations

import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from tools.testbed import assets
from tools.testbed.pki import Pair, Pki

START_SECONDS = 90.0
STOP_SECONDS = 15.0
NO_STREAMED_LISTS = "WatchList=false"
"""The packaged etcd 3.5.1 reports no progress of watches: lists streamed by watches are refused,
and kwok, which asks for them, saw new nodes and pods up to a minute late."""
CONTROLLERS = (
    "deployment-controller", "replicaset-controller", "statefulset-controller", "job-controller",
    "serviceaccount-controller", "serviceaccount-token-controller", "garbage-collector-controller",
    "namespace-controller", "resourceclaim-controller", "endpointslice-controller",
    "horizontal-pod-autoscaler-controller", "disruption-controller", "resourcequota-controller",
    "root-ca-certificate-publisher-controller", "node-lifecycle-controller",
    "taint-eviction-controller", "clusterrole-aggregation-controller",
    "pod-garbage-collector-controller", "ttl-after-finished-controller",
)  # fmt: skip


class StartError(Exception):
    """A program ended or never answered; the text holds the end of its log."""


def free_port() -> int:
    """Return a TCP port that nobody listens on now."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Program:
    """One running program and its log."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def stop(self) -> None:
        """End it: SIGTERM, then SIGKILL when it does not listen."""
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def failure(self, what: str) -> StartError:
        """Return the error that says *what*, with the last lines of the log."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return StartError(f"{self.name} {what}:\n" + "\n".join(lines[-15:]))


@dataclass
class ControlPlane:
    """A running control plane: where it listens, how to speak to it, what it wrote.

    `admin` is a kubeconfig of group system:masters. `feature_gates` and `api_arguments` change the
    API server, for tests of gates that are off by default.
    """

    folder: Path
    assets: Path
    feature_gates: str = ""
    api_arguments: tuple[str, ...] = ()
    port: int = field(default_factory=free_port)
    programs: dict[str, Program] = field(default_factory=dict)

    @classmethod
    @contextmanager
    def started(
        cls, folder: Path, feature_gates: str = "", api_arguments: tuple[str, ...] = ()
    ) -> Iterator[ControlPlane]:
        """Start everything, wait until pods can be scheduled, and end everything at the end.

        Raises:
            tools.testbed.assets.MissingAssetsError: the programs have not been built.
            StartError: one of them ends, or does not answer within 90 seconds.
        """
        programs = assets.found()
        if programs is None:
            raise assets.MissingAssetsError("not built: run python -m tools.testbed.assets")
        folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            plane = cls(folder, programs, feature_gates, api_arguments)
            stack.callback(plane._stop)
            plane._start()
            yield plane

    @property
    def server(self) -> str:
        """Return the address of the API server."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def admin(self) -> Path:
        """Return the kubeconfig of the cluster's administrator."""
        return self.folder / "admin.kubeconfig"

    @property
    def authority(self) -> Path:
        """Return the certificate of the cluster's authority."""
        return self.folder / "pki" / "ca.crt"

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Run kubectl as the administrator and return what it printed.

        Raises:
            subprocess.CalledProcessError: kubectl failed; `stderr` has its words.
        """
        return self._run("kubectl", *arguments, stdin=stdin)

    def helm(self, *arguments: str) -> str:
        """Run helm as the administrator and return what it printed."""
        return self._run("helm", *arguments)

    def _run(self, program: str, *arguments: str, stdin: str | None = None) -> str:
        command = [str(self.assets / program), "--kubeconfig", str(self.admin), *arguments]
        ended = subprocess.run(
            command, input=stdin, capture_output=True, text=True, check=False, timeout=120
        )
        if ended.returncode != 0:
            error = subprocess.CalledProcessError(
                ended.returncode, [program, *arguments], ended.stdout, ended.stderr
            )
            error.add_note(ended.stderr)
            raise error
        return ended.stdout

    def kubeconfig(self, name: str, *, pair: Pair | None = None, token: str | None = None) -> Path:
        """Write a kubeconfig for a client certificate or a token, and return its path."""
        user: dict[str, str] = {}
        if pair is not None:
            user = {"client-certificate": str(pair.certificate), "client-key": str(pair.key)}
        elif token is not None:
            user = {"token": token}
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "testbed",
            "clusters": [
                {
                    "name": "testbed",
                    "cluster": {
                        "server": self.server,
                        "certificate-authority": str(self.authority),
                    },
                }
            ],
            "users": [{"name": name, "user": user}],
            "contexts": [{"name": "testbed", "context": {"cluster": "testbed", "user": name}}],
        }
        path = self.folder / f"{name}.kubeconfig"
        path.write_text(yaml.safe_dump(document), encoding="utf-8")
        return path

    def service_account(self, namespace: str, name: str) -> Path:
        """Return a kubeconfig with a fresh token of a ServiceAccount, so that its RBAC bites."""
        token = self.kubectl("-n", namespace, "create", "token", name, "--duration=2h").strip()
        return self.kubeconfig(f"{namespace}-{name}", token=token)

    def launch(self, name: str, *arguments: str) -> Program:
        """Start one of the built programs with its log in the folder; it ends with the block."""
        log = self.folder / f"{name}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [str(self.assets / name), *arguments],
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
            )
        self.programs[name] = Program(name, process, log)
        return self.programs[name]

    def restart_api_server(self) -> None:
        """End the API server and start it again on the same port and the same etcd."""
        self.programs["kube-apiserver"].stop()
        self._api_server()

    def _start(self) -> None:
        pki = Pki(self.folder / "pki")
        pki.token_keys()
        pki.sign("apiserver", "kube-apiserver")
        self.kubeconfig("admin", pair=pki.sign("admin", "admin", "system:masters"))
        self._etcd()
        self._api_server()
        for name in ("kube-controller-manager", "kube-scheduler"):
            config = self.kubeconfig(name, pair=pki.sign(name, f"system:{name}"))
            common = (
                f"--kubeconfig={config}", "--bind-address=127.0.0.1", "--leader-elect=false",
                f"--secure-port={free_port()}", f"--cert-dir={self.folder / name}",
            )  # fmt: skip
            self.launch(name, *common, *self._own_arguments(name))
        self.launch(
            "kwok", f"--kubeconfig={self.admin}", "--manage-all-nodes=false",
            "--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake",
            f"--config={self.assets / assets.STAGES}", "--node-lease-duration-seconds=40",
        )  # fmt: skip
        self._wait_for_default_account()

    def _own_arguments(self, name: str) -> tuple[str, ...]:
        gates = (f"--feature-gates={self.feature_gates}",) if self.feature_gates else ()
        if name == "kube-scheduler":
            return (*gates, "--kube-api-qps=400", "--kube-api-burst=800")
        pki = self.folder / "pki"
        return (
            *gates, f"--service-account-private-key-file={pki / 'sa.key'}",
            f"--root-ca-file={pki / 'ca.crt'}", "--use-service-account-credentials=true",
            "--node-monitor-grace-period=10m", "--kube-api-qps=400", "--kube-api-burst=800",
            f"--controllers={','.join(CONTROLLERS)}",
        )  # fmt: skip

    def _etcd(self) -> None:
        client, peer = free_port(), free_port()
        urls = f"http://127.0.0.1:{client}", f"http://127.0.0.1:{peer}"
        self._etcd_url = urls[0]
        program = self.launch(
            "etcd", f"--data-dir={self.folder / 'etcd'}", "--name=e", "--unsafe-no-fsync",
            f"--listen-client-urls={urls[0]}", f"--advertise-client-urls={urls[0]}",
            f"--listen-peer-urls={urls[1]}", f"--initial-advertise-peer-urls={urls[1]}",
            f"--initial-cluster=e={urls[1]}", "--log-level=warn",
        )  # fmt: skip
        self._wait_for(program, f"{urls[0]}/health")

    def _api_server(self) -> None:
        pki = self.folder / "pki"
        gates = ",".join(one for one in (NO_STREAMED_LISTS, self.feature_gates) if one)
        program = self.launch(
            "kube-apiserver", f"--etcd-servers={self._etcd_url}", "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1", f"--secure-port={self.port}",
            f"--tls-cert-file={pki / 'apiserver.crt'}",
            f"--tls-private-key-file={pki / 'apiserver.key'}",
            f"--client-ca-file={pki / 'ca.crt'}",
            f"--service-account-key-file={pki / 'sa.pub'}",
            f"--service-account-signing-key-file={pki / 'sa.key'}",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--service-cluster-ip-range=10.0.0.0/16", "--authorization-mode=RBAC",
            "--endpoint-reconciler-type=none", "--allow-privileged=true",
            "--enable-priority-and-fairness=false", f"--cert-dir={self.folder / 'apiserver'}",
            "--anonymous-auth=true", f"--feature-gates={gates}", *self.api_arguments,
        )  # fmt: skip
        self._wait_for_ready(program)

    def _wait_for(self, program: Program, url: str) -> None:
        def answers() -> bool:
            try:
                with urllib.request.urlopen(url, timeout=2) as reply:  # noqa: S310 - our own loopback address
                    return bool(reply.status == 200)
            except (urllib.error.URLError, OSError):
                return False

        self._until(program, answers)

    def _wait_for_ready(self, program: Program) -> None:
        def answers() -> bool:
            try:
                return self.kubectl("get", "--raw", "/readyz").strip() == "ok"
            except subprocess.CalledProcessError:
                return False

        self._until(program, answers)

    def _wait_for_default_account(self) -> None:
        def exists() -> bool:
            try:
                self.kubectl("-n", "default", "get", "serviceaccount", "default")
            except subprocess.CalledProcessError:
                return False
            return True

        self._until(self.programs["kube-controller-manager"], exists)

    def _until(self, program: Program, done: object) -> None:
        assert callable(done)
        deadline = time.monotonic() + START_SECONDS
        while not done():
            if program.process.poll() is not None:
                raise program.failure(f"ended with {program.process.returncode}")
            if time.monotonic() > deadline:
                raise program.failure(f"did not answer within {START_SECONDS:.0f} s")
            time.sleep(0.1)

    def _stop(self) -> None:
        for program in reversed(self.programs.values()):
            program.stop()
