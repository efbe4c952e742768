"""The certificate that the webhook makes for itself, on a real API server."""

from __future__ import annotations

import base64
import datetime as dt
import itertools
import json
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509

from rightslice.edge.cluster.authority import Authority, Subject
from tests.e2e.conftest import eventually
from tools.testbed import nodes
from tools.testbed.control_plane import ControlPlane
from tools.testbed.release import Release, Webhook

OUTCOME = "-o=jsonpath={.metadata.annotations.rightslice\\.dev/outcome}"
SKEW = dt.timedelta(minutes=5)
"""An authority's certificates begin five minutes ago, for clocks that are behind."""


@pytest.fixture(scope="module")
def worker(plane: ControlPlane) -> Iterator[str]:
    """Return the name of a node for the webhook's own pods."""
    nodes.create(plane, nodes.GpuNode(name="certificates-worker", resources={}))
    yield "certificates-worker"
    nodes.delete(plane, "certificates-worker")


_numbers = itertools.count(1)


@pytest.fixture
def release(plane: ControlPlane, worker: str) -> Iterator[Release]:
    """Return a release whose processes the test starts."""
    made = Release(plane, namespace=f"release-{next(_numbers)}", wait=False)
    try:
        made.install()
        yield made
    finally:
        made.remove()


def fill(release: Release, life: dt.timedelta, host: str | None = None) -> bytes:
    """Put a pair that lasts *life* from now into the Secret, and return its certificate."""
    authority = Authority("earlier", life)
    signed = authority.sign(Subject(common_name="server", names=(host or release.host,)))
    files = {"tls.crt": signed.certificate, "tls.key": signed.key, "ca.crt": authority.certificate}
    data = {name: base64.b64encode(content).decode() for name, content in files.items()}
    patch = json.dumps({"data": data})
    release.plane.kubectl(
        "-n", release.namespace, "patch", "secret", "rightslice-webhook-tls", "-p", patch
    )
    return signed.certificate


def handshake(release: Release, webhook: Webhook) -> bytes:
    """Return what a new connection is shown, checked by what the configuration trusts now."""
    trusted = base64.b64decode(release.bundle()).decode()
    context = ssl.create_default_context(cadata=trusted)
    with (
        socket.create_connection(("127.0.0.1", webhook.port), timeout=5) as plain,
        context.wrap_socket(plain, server_hostname=release.host) as secured,
    ):
        found = secured.getpeercert(binary_form=True)
    assert found is not None
    return ssl.DER_cert_to_PEM_cert(found).encode()


def reviewed(plane: ControlPlane, namespace: str) -> str:
    """Return the outcome that the webhook writes on a pod; empty when no review came back."""
    container = {
        "name": "vllm",
        "image": "vllm/vllm-openai:v0.24.0",
        "args": ["--model=facebook/opt-1.3b"],
        "resources": {"limits": {"nvidia.com/gpu": 1}},
    }
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "probe"},
           "spec": {"containers": [container]}}  # fmt: skip
    return plane.kubectl(
        "-n", namespace, "create", "--dry-run=server", "-f", "-", OUTCOME, stdin=json.dumps(pod)
    )


def test_the_first_start_makes_secret_and_trust(release: Release, namespace: str) -> None:
    """An empty Secret becomes a pair that the API server trusts, and reviews come back."""
    assert release.secret() == {}
    webhook = release.start(release.service_port)
    secret = release.secret()
    assert set(secret) == {"tls.crt", "tls.key", "ca.crt"}
    assert release.bundle() == secret["ca.crt"]
    assert handshake(release, webhook) == base64.b64decode(secret["tls.crt"])
    eventually(lambda: reviewed(release.plane, namespace) == "NotUnderstood")


def test_two_replicas_that_start_at_once_end_with_one_pair(release: Release) -> None:
    """Whoever writes first wins; the other takes what was written."""
    both = [release.launch(), release.launch()]
    eventually(lambda: all(one.is_ready for one in both))
    wanted = base64.b64decode(release.secret()["tls.crt"])
    assert [handshake(release, one) for one in both] == [wanted, wanted]
    assert sum("a new serving certificate was written" in one.log for one in both) == 1


def test_a_renewal_fails_no_review(release: Release, namespace: str) -> None:
    """With a third of its life left the pair is renewed, while pods are created all the time."""
    almost = dt.timedelta(seconds=SKEW.total_seconds() / 2 + 18)  # due in twelve seconds
    before = fill(release, almost)
    first = release.start(release.service_port, "--renewal-check=1")
    second = release.start(None, "--renewal-check=1")
    eventually(lambda: reviewed(release.plane, namespace) != "")
    reviews, shown = [], []

    def all_renewed() -> bool:
        reviews.append(reviewed(release.plane, namespace))
        shown.append({handshake(release, first), handshake(release, second)})
        return shown[-1] == {base64.b64decode(release.secret()["tls.crt"])} != {before}

    eventually(all_renewed, 60)
    assert shown[0] == {before}
    assert set(reviews) == {"NotUnderstood"}
    assert len(reviews) > 20


def test_a_pair_that_has_expired_is_replaced_at_the_start(release: Release, namespace: str) -> None:
    """Nobody has to do anything when the webhook was down for too long."""
    expired = fill(release, -SKEW / 2)
    webhook = release.start(release.service_port)
    shown = handshake(release, webhook)
    assert shown != expired
    left = x509.load_pem_x509_certificate(shown).not_valid_after_utc - dt.datetime.now(dt.UTC)
    assert left > dt.timedelta(days=89)
    eventually(lambda: reviewed(release.plane, namespace) == "NotUnderstood")


@pytest.mark.parametrize("broken", ["tls.crt", "tls.key", "ca.crt"])
def test_a_damaged_secret_is_made_anew(release: Release, broken: str) -> None:
    """Whatever of the pair does not load, the whole pair is replaced."""
    fill(release, dt.timedelta(days=80))
    patch = json.dumps({"data": {broken: base64.b64encode(b"garbage").decode()}})
    release.plane.kubectl(
        "-n", release.namespace, "patch", "secret", "rightslice-webhook-tls", "-p", patch
    )
    webhook = release.start()
    assert handshake(release, webhook) == base64.b64decode(release.secret()["tls.crt"])


@pytest.mark.parametrize(
    ("kind", "name", "told"),
    [
        ("rolebinding", "rightslice-webhook", "no certificate could be made: secrets"),
        ("secret", "rightslice-webhook-tls", "is missing: helm upgrade makes it again"),
        ("clusterrolebinding", "rightslice-webhook", "mutatingwebhookconfigurations"),
    ],
)
def test_missing_rights_end_the_start_with_their_name(
    release: Release, kind: str, name: str, told: str
) -> None:
    """Without a right or its Secret the process ends with code 3 and says which is missing."""
    release.plane.kubectl("-n", release.namespace, "delete", kind, name)
    webhook = release.launch()
    assert webhook.program.process.wait(20) == 3
    assert webhook.log.startswith("error: ") or "\nerror: " in webhook.log
    assert told in webhook.log
    assert "Traceback" not in webhook.log


def test_a_mounted_secret_is_followed(plane: ControlPlane, worker: str, namespace: str) -> None:
    """A turn of the kubelet's link shows the new pair, and reviews go on."""
    authority = Authority("mounted", dt.timedelta(days=1))
    bundle = base64.b64encode(authority.certificate).decode()
    values = {"tls": {"source": "secret", "caBundle": bundle}}
    release = Release(plane, namespace="release-mounted", values=values, wait=False)
    mounted = plane.folder / "mounted"
    try:
        release.install()
        old = mount(mounted, release, authority, 1)
        webhook = release.start(release.service_port, f"--certificates={mounted}")
        assert handshake(release, webhook) == old
        new = mount(mounted, release, authority, 2)
        eventually(lambda: handshake(release, webhook) == new)
        assert reviewed(plane, namespace) == "NotUnderstood"
    finally:
        release.remove()


def mount(folder: Path, release: Release, authority: Authority, version: int) -> bytes:
    """Write a pair as the kubelet writes a Secret's next version."""
    signed = authority.sign(Subject(common_name=f"version {version}", names=(release.host,)))
    inside = folder / f"..{version}"
    inside.mkdir(parents=True)
    (inside / "tls.crt").write_bytes(signed.certificate)
    (inside / "tls.key").write_bytes(signed.key)
    turned = folder / "..data_tmp"
    turned.symlink_to(inside.name)
    turned.replace(folder / "..data")
    for name in ("tls.crt", "tls.key"):
        if not (folder / name).exists():
            (folder / name).symlink_to(f"..data/{name}")
    return signed.certificate


def test_a_pair_for_another_service_is_not_taken(release: Release) -> None:
    """A Secret left by another release serves another name: it is replaced."""
    other = fill(release, dt.timedelta(days=80), "other.svc")
    assert handshake(release, release.start()) != other


def test_the_secret_holds_nothing_that_kubectl_shows(release: Release) -> None:
    """The private key is in the Secret alone: no log and no event has it."""
    webhook = release.start()
    key = base64.b64decode(release.secret()["tls.key"]).decode()
    lines = [one for one in key.splitlines() if "-----" not in one]
    described = subprocess.run(
        [str(release.plane.assets / "kubectl"), "--kubeconfig", str(release.plane.admin),
         "-n", release.namespace, "describe", "all,secrets,events"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert not any(one in described or one in webhook.log for one in lines)
