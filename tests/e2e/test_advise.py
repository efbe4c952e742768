"""Advise changes nothing: every object of the cluster, compared with and without the webhook."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from tests.e2e.conftest import eventually
from tests.unit.kube.admission.worlds import talk_pod
from tools.testbed import nodes
from tools.testbed.api import Api
from tools.testbed.control_plane import ControlPlane
from tools.testbed.nodes import GpuNode
from tools.testbed.release import Release

RESOURCES = {"nvidia.com/gpu": 4, "nvidia.com/mig-2g.10gb": 1, "nvidia.com/mig-3g.20gb": 1}
OURS = "rightslice.dev/"
_OF_ONE_RUN = re.compile(
    r"uid|resourceVersion|\w*(Time|Timestamp)|managedFields|generateName|\w*IPs?|generation"
    r"|observedGeneration|containerID|(started|finished)At|(\S+/)?controller-uid"
    r"|pod-template-hash"
)
"""Fields that differ between two runs of the same."""
_RANDOM = re.compile(r"(kube-api-access|job)-[a-z0-9]{5}\b|(vllm)-[a-z0-9]{8,10}(-[a-z0-9]{5})?\b")
"""Names with letters drawn by lot, or hashed from a template that names the run's own node."""
_APART = ("Event", "Lease", "ComponentStatus")
"""What is told of the fleet, and what beats whether or not anything happens."""


def _node(namespace: str) -> str:
    return f"{namespace}-node"


def _limited_pod(namespace: str) -> dict[str, Any]:
    pod = talk_pod()
    resources = pod["spec"]["containers"][0]["resources"]
    resources["limits"] = dict(resources["requests"])
    pod["spec"]["nodeSelector"] = {"kubernetes.io/hostname": _node(namespace)}
    return pod


def _fleet(namespace: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield a pod, and a Deployment and a Job that make pods."""
    template = {"metadata": {"labels": {"app": "vllm"}}, "spec": _limited_pod(namespace)["spec"]}
    selector = {"matchLabels": {"app": "vllm"}}
    yield "api/v1/{}/pods", _limited_pod(namespace)
    yield "apis/apps/v1/{}/deployments", {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "vllm"},
        "spec": {"replicas": 2, "selector": selector, "template": template},
    }  # fmt: skip
    job = {"spec": {**_limited_pod(namespace)["spec"], "restartPolicy": "Never"}}
    yield "apis/batch/v1/{}/jobs", {
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "job"},
        "spec": {"template": job},
    }  # fmt: skip


def _without_run(value: Any, namespace: str) -> Any:  # noqa: ANN401 - decoded JSON is of any type
    """Return an object without what differs from run to run, and without our annotations."""
    if isinstance(value, dict):
        kept = {
            key: _without_run(item, namespace)
            for key, item in value.items()
            if not _OF_ONE_RUN.fullmatch(key) and not key.startswith(OURS)
        }
        return {key: item for key, item in kept.items() if item not in ({}, [])}
    if isinstance(value, list):
        return [_without_run(one, namespace) for one in value]
    if isinstance(value, str):
        return _RANDOM.sub(r"\1\2-x", value.replace(namespace, "fleet"))
    return value


def _everything(plane: ControlPlane, api: Api, namespace: str) -> dict[str, list[str]]:
    """Return every object of the namespace and of the cluster itself, by resource."""
    objects: dict[str, list[str]] = {}
    for path, kind in _listed(plane):
        for one in api.call("GET", path).body.get("items", ()):
            if _belongs({"kind": kind, **one}, namespace):
                text = json.dumps(_without_run(one, namespace), sort_keys=True)
                objects.setdefault(path, []).append(text)
    return {path: sorted(texts) for path, texts in objects.items()}


def _listed(plane: ControlPlane) -> Iterator[tuple[str, str]]:
    """Yield the path and the kind of everything that can be listed."""
    for line in plane.kubectl("api-resources", "--verbs=list", "--no-headers").splitlines():
        name, *_, version, _namespaced, kind = line.split()
        if kind not in _APART:
            yield f"/{'apis' if '/' in version else 'api'}/{version}/{name}", kind


def _belongs(one: dict[str, Any], namespace: str) -> bool:
    """Whether an object is neither of another namespace nor of the webhook's own release."""
    metadata = one["metadata"]
    of_release = metadata.get("labels", {}).get("app.kubernetes.io/name") == "rightslice"
    where = metadata.get("namespace", metadata["name"] if one["kind"] == "Namespace" else namespace)
    if one["kind"] == "Node":
        return str(metadata["name"]) == _node(namespace)
    of_release |= metadata["name"].endswith(".rightslice.dev")
    return where == namespace and not of_release


def _run(plane: ControlPlane, namespace: str) -> dict[str, list[str]]:
    """Make the fleet in *namespace*, wait until it runs, and return every object."""
    nodes.create(plane, GpuNode(name=_node(namespace), resources=RESOURCES))
    with closing(Api(plane)) as api:
        for path, body in _fleet(namespace):
            reply = api.call("POST", "/" + path.format(f"namespaces/{namespace}"), body)
            assert reply.status == 201, reply.body
        return _settled(plane, api, namespace)


def _settled(plane: ControlPlane, api: Api, namespace: str) -> dict[str, list[str]]:
    get = ("-n", namespace, "get", "pods", "-o=jsonpath={.items[*].status.phase}")
    eventually(lambda: len(plane.kubectl(*get).split()) == 4)
    eventually(lambda: set(plane.kubectl(*get).split()) <= {"Running", "Succeeded"}, 60)
    waits = ("-n", namespace, "get", "deployment", "vllm", "-o=jsonpath={.status.readyReplicas}")
    eventually(lambda: plane.kubectl(*waits) == "2")
    done = ("-n", namespace, "get", "job", "job", "-o=jsonpath={.status.succeeded}")
    eventually(lambda: plane.kubectl(*done) == "1", 60)
    found = _everything(plane, api, namespace)
    nodes.delete(plane, _node(namespace))
    return found


def difference(before: list[str], after: list[str]) -> list[str]:
    """Return what one list has and the other has not."""
    return [*(f"- {one}" for one in before if one not in after),
            *(f"+ {one}" for one in after if one not in before)]  # fmt: skip


def _is_advised(api: Api, namespace: str) -> bool:
    reply = api.create_pod(namespace, _limited_pod(namespace), dry_run=True)
    return any("would do" in one for one in reply.warnings)


@pytest.fixture
def namespaces(plane: ControlPlane) -> Iterator[tuple[str, str]]:
    """Return two fresh namespaces."""
    names = "fleet-without", "fleet-with"
    for name in names:
        plane.kubectl("create", "namespace", name)
    accounts = ("get", "serviceaccount", "-A", "-o=jsonpath={.items[*].metadata.namespace}")
    eventually(lambda: set(names) <= set(plane.kubectl(*accounts).split()))
    yield names
    plane.kubectl("delete", "namespace", *names, "--wait=false")


def test_advise_leaves_every_object_as_it_would_be(
    plane: ControlPlane, namespaces: tuple[str, str]
) -> None:
    """The same fleet twice; the annotations of the second are there, and nothing else differs."""
    without, with_webhook = namespaces
    before = _run(plane, without)
    nodes.create(plane, GpuNode(name="webhooks", resources={}))
    with Release.running(plane, {"confidence": "50%"}, "advised") as release:
        nodes.create(plane, GpuNode(name=_node(with_webhook), resources=RESOURCES))
        with closing(Api(plane)) as api:
            eventually(lambda: _is_advised(api, with_webhook))
        after = _run(plane, with_webhook)
        counted = release.processes[0].get("/metrics")[1]
        events = plane.kubectl(
            "-n", with_webhook, "get", "events", "-o=jsonpath={.items[*].reason}"
        )
    nodes.delete(plane, "webhooks")
    assert set(after) == set(before)
    found = [one for path in before for one in difference(before[path], after[path])]
    assert not found, "\n".join(found)
    kinds = {path.rsplit("/", 1)[1] for path in after}
    assert {"pods", "deployments", "replicasets", "jobs", "nodes", "namespaces"} <= kinds
    assert 'rightslice_admission_reviews_total{mode="advise",outcome="Resized"}' in counted
    assert "Resized" in events
