"""The Helm chart's life on a real API server: upgrade, rollback, and going without a trace."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.e2e.conftest import eventually
from tools.testbed import nodes
from tools.testbed.control_plane import ControlPlane
from tools.testbed.release import Release

PASSING = ("events", "leases", "endpointslices", "pods", "controllerrevisions",
           "customresourcedefinitions", "apiservices")  # fmt: skip
"""Kinds whose objects come and go on their own, or go a while after their owner; and custom
resources' definitions, which Helm never deletes, since every object of theirs would go too."""


@pytest.fixture(scope="module", autouse=True)
def worker(plane: ControlPlane) -> Iterator[None]:
    """Give the webhook's own pods a node."""
    nodes.create(plane, nodes.GpuNode(name="life-worker", resources={}))
    yield
    nodes.delete(plane, "life-worker")


def outcome(plane: ControlPlane, namespace: str) -> str:
    """Return what the webhook writes on a pod that it cannot size; empty without a review."""
    container = {"name": "vllm", "image": "vllm/vllm-openai:v0.24.0",
                 "args": ["--model=facebook/opt-1.3b"],
                 "resources": {"limits": {"nvidia.com/gpu": 1}}}  # fmt: skip
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "probe"},
           "spec": {"containers": [container]}}  # fmt: skip
    path = "-o=jsonpath={.metadata.annotations.rightslice\\.dev/outcome}"
    arguments = ("-n", namespace, "create", "--dry-run=server", "-f", "-", path)
    return plane.kubectl(*arguments, stdin=json.dumps(pod))


def names(plane: ControlPlane) -> set[str]:
    """Return the name of every object of the cluster, but those that pass on their own."""
    kinds = plane.kubectl("api-resources", "--verbs=list,delete", "-o=name").split()
    wanted = ",".join(one for one in kinds if one.split(".")[0] not in PASSING)
    path = "{range .items[*]}{.kind} {.metadata.namespace}/{.metadata.name}{'\\n'}{end}"
    found = plane.kubectl("get", wanted, "-A", f"-o=jsonpath={path}").splitlines()
    return set(found)


def test_an_upgrade_keeps_trust_and_rolls_the_pods(plane: ControlPlane, namespace: str) -> None:
    """New values roll the Deployment, two replicas always there; certificate and trust stay."""
    release = Release(plane, namespace="chart-upgrade")
    try:
        release.install()
        release.start(release.service_port)
        eventually(lambda: outcome(plane, namespace) == "NotUnderstood")
        secret, bundle = release.secret(), release.bundle()
        assert bundle
        changed = {"mode": "enforce", "podLabels": {"tier": "infra"}, "replicas": 3}
        release.upgrade(changed)
        assert (release.secret(), release.bundle()) == (secret, bundle)
        assert "--mode=enforce" in release.arguments()
        get = ("-n", release.namespace, "get", "deployment", release.deployment)
        assert plane.kubectl(*get, "-o=jsonpath={.status.updatedReplicas}") == "3"
        assert outcome(plane, namespace) == "NotUnderstood"
        plane.helm("rollback", release.name, "1", "-n", release.namespace, "--wait")
        assert (release.secret(), release.bundle()) == (secret, bundle)
    finally:
        release.remove()


def test_uninstalling_leaves_nothing(plane: ControlPlane) -> None:
    """After `helm uninstall` the cluster has the objects it had before, the Secret included."""
    plane.kubectl("create", "namespace", "chart-leaves")
    eventually(lambda: "default" in plane.kubectl("-n", "chart-leaves", "get", "serviceaccount"))
    release = Release(plane, namespace="chart-leaves")
    before = names(plane)
    release.install()
    release.start(release.service_port)
    added = names(plane) - before
    assert {one.split()[0] for one in added} == {
        "ClusterRole", "ClusterRoleBinding", "Deployment", "MutatingWebhookConfiguration",
        "NetworkPolicy", "PodDisruptionBudget", "ReplicaSet", "Role", "RoleBinding", "Secret",
        "Service", "ServiceAccount",
    }  # fmt: skip
    release.processes[0].program.stop()
    release.uninstall()
    eventually(lambda: not (names(plane) - before))
    release.remove()
