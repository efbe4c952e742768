"""Admission on a real API server: the chart installed, the webhook running with its own rights."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from tests.e2e.conftest import eventually
from tests.fuzz.pods import mutated_pod
from tests.unit.kube.admission.worlds import talk_pod
from tools.testbed import nodes
from tools.testbed.api import Api, Reply
from tools.testbed.control_plane import ControlPlane
from tools.testbed.nodes import GpuNode
from tools.testbed.release import Release

SLICES = {"nvidia.com/mig-1g.5gb": 2, "nvidia.com/mig-2g.10gb": 1, "nvidia.com/mig-3g.20gb": 1}
WHOLE = "1 x nvidia.com/gpu"
PODS = 300
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def release(plane: ControlPlane) -> Iterator[Release]:
    """Return the chart, installed with its defaults but for the confidence of the talk."""
    nodes.create(plane, GpuNode(name="webhooks", resources={}))
    with Release.running(plane, {"confidence": "50%"}, "admission") as running:
        yield running
    nodes.delete(plane, "webhooks")


class Place:
    """A namespace in enforce, and a node of slices that only its pods ask for."""

    def __init__(self, plane: ControlPlane, api: Api, namespace: str) -> None:
        self.plane, self.api, self.namespace = plane, api, namespace
        self.node = f"slices-{next(_numbers)}"
        plane.kubectl("label", "namespace", namespace, "rightslice.dev/mode=enforce")
        nodes.create(plane, GpuNode(name=self.node, resources=SLICES))
        eventually(self.is_followed)

    def is_followed(self) -> bool:
        """Whether the webhook enforces here and sees the node."""
        reply = self.create(talk_pod(), dry_run=True)
        return any("becomes" in one for one in reply.warnings)

    def create(self, pod: dict[str, Any], *, dry_run: bool = False) -> Reply:
        """Create *pod* for this node."""
        pod["metadata"] |= {"name": f"pod-{next(_numbers)}"}
        pod["spec"] |= {"nodeSelector": {"kubernetes.io/hostname": self.node}}
        return self.api.create_pod(self.namespace, pod, dry_run=dry_run)

    def bound_to(self, reply: Reply) -> str:
        """Return the node of a created pod; empty while it waits."""
        name = reply.body["metadata"]["name"]
        path = "-o=jsonpath={.spec.nodeName}"
        return self.plane.kubectl("-n", self.namespace, "get", "pod", name, path)


@pytest.fixture
def place(release: Release, plane: ControlPlane, namespace: str) -> Iterator[Place]:
    """Return a fresh place; its pods and its node are gone afterwards."""
    with closing(Api(plane)) as api:
        made = Place(plane, api, namespace)
        yield made
    plane.kubectl("-n", namespace, "delete", "pods", "--all", "--force", "--grace-period=0")
    nodes.delete(plane, made.node)


def _resources(reply: Reply) -> dict[str, Any]:
    assert reply.status == 201, reply.body
    found: dict[str, Any] = reply.body["spec"]["containers"][0]["resources"]
    return found


def _both(resource: str) -> dict[str, Any]:
    return {"limits": {resource: "1"}, "requests": {resource: "1"}}


def _limited(concurrency: int) -> dict[str, Any]:
    """Return the talk's pod as the API server takes it unpatched: with limits."""
    pod = talk_pod(concurrency)
    resources = pod["spec"]["containers"][0]["resources"]
    resources["limits"] = dict(resources["requests"])
    return pod


def test_the_talks_pod_is_bound_with_the_slice_of_the_talk(place: Place) -> None:
    """Published with requests only: patched into both, and the real scheduler binds it."""
    reply = place.create(talk_pod())
    assert _resources(reply) == _both("nvidia.com/mig-2g.10gb")
    assert any(f"{WHOLE} becomes 1 x nvidia.com/mig-2g.10gb" in one for one in reply.warnings)
    eventually(lambda: place.bound_to(reply) == place.node)


def test_the_published_form_is_refused_without_the_webhook(place: Place) -> None:
    """The API server wants limits for GPUs: the patch is what makes the pod valid."""
    pod = talk_pod()
    pod["metadata"]["annotations"] = {"rightslice.dev/mode": "off"}
    reply = place.create(pod)
    assert reply.status == 422
    assert "Limit must be set" in reply.body["message"]


def test_a_higher_load_comes_out_bigger(place: Place) -> None:
    """Twice the clients: 3g.20gb, bound as well."""
    reply = place.create(talk_pod(128))
    assert _resources(reply) == _both("nvidia.com/mig-3g.20gb")
    eventually(lambda: place.bound_to(reply) == place.node)


def test_an_impossible_load_gets_the_largest_and_a_warning(place: Place) -> None:
    """With the number that refuses it."""
    reply = place.create(talk_pod(5000))
    assert _resources(reply) == _both("nvidia.com/mig-3g.20gb")
    assert any("is the largest" in one and "5000" in one for one in reply.warnings)


def test_with_no_slice_free_the_pod_stays_and_is_told(place: Place) -> None:
    """Two take what would hold it; the third keeps its request."""
    bound = [place.create(talk_pod()), place.create(talk_pod())]
    taken = {name for reply in bound for name in _resources(reply)["limits"]}
    assert taken == {"nvidia.com/mig-2g.10gb", "nvidia.com/mig-3g.20gb"}
    third = place.create(_limited(64))
    assert _resources(third) == _both("nvidia.com/gpu")
    assert any(f"{WHOLE} stays" in one for one in third.warnings)
    eventually(lambda: all(place.bound_to(one) == place.node for one in bound))


def test_pods_created_together_are_not_promised_one_slice(place: Place) -> None:
    """A Deployment of two: each is bound to a slice of its own."""
    pod_spec = _limited(64)["spec"] | {"nodeSelector": {"kubernetes.io/hostname": place.node}}
    template = {"metadata": {"labels": {"app": "twins"}}, "spec": pod_spec}
    spec = {"replicas": 2, "selector": {"matchLabels": {"app": "twins"}}, "template": template}
    metadata = {"name": "twins", "namespace": place.namespace}
    path = f"/apis/apps/v1/namespaces/{place.namespace}/deployments"
    body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}
    assert place.api.call("POST", path, body).status == 201
    get = ("-n", place.namespace, "get", "pods", "-o=jsonpath={.items[*].spec.nodeName}")
    eventually(lambda: place.plane.kubectl(*get).split() == [place.node] * 2)
    events = place.plane.kubectl("-n", place.namespace, "get", "events", "-o", "json")
    told = [one for one in json.loads(events)["items"] if one["reason"] == "Resized"]
    assert {one["involvedObject"]["kind"] for one in told} == {"ReplicaSet"}


def test_what_the_api_server_accepts_it_accepts_with_the_webhook(place: Place) -> None:
    """Hundreds of damaged pods, each asked for with the webhook and without it."""
    chance = random.Random(7)  # noqa: S311 - a fixed seed repeats the run
    changed = 0
    for _ in range(PODS):
        pod = mutated_pod(chance)
        off = json.loads(json.dumps(pod))
        off["metadata"].setdefault("annotations", {})["rightslice.dev/mode"] = "off"
        without = place.api.create_pod(place.namespace, off, dry_run=True)
        reply = place.api.create_pod(place.namespace, pod, dry_run=True)
        if without.status == 201:
            assert reply.status == 201, (reply.body, pod)
            changed += reply.body["spec"]["containers"] != without.body["spec"]["containers"]
    assert changed > PODS // 10


def _volume(plane: ControlPlane, namespace: str, mode: str, host: str) -> str:
    """Make a volume for *host*, and a claim that is bound to it, as a binder leaves them."""
    name = f"models-{next(_numbers)}"
    storage = {"storage": "1Gi"}
    affinity = {"required": {"nodeSelectorTerms": [{"matchExpressions": [
        {"key": "kubernetes.io/hostname", "operator": "In", "values": [host]}]}]}}  # fmt: skip
    volume = {
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name},
        "spec": {"accessModes": [mode], "capacity": storage, "nodeAffinity": affinity,
                 "nfs": {"server": "10.0.0.9", "path": "/models"},
                 "claimRef": {"namespace": namespace, "name": name}},
    }  # fmt: skip
    claim = {
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": namespace,
                     "annotations": {"pv.kubernetes.io/bind-completed": "yes"}},
        "spec": {"accessModes": [mode], "resources": {"requests": storage},
                 "storageClassName": "", "volumeName": name},
    }  # fmt: skip
    for one in (volume, claim):
        plane.kubectl("apply", "-f", "-", stdin=json.dumps(one))
    status = json.dumps({"status": {"phase": "Bound", "accessModes": [mode], "capacity": storage}})
    plane.kubectl("-n", namespace, "patch", "pvc", name, "--subresource=status", "--type=merge",
                  "-p", status)  # fmt: skip
    return name


def _mounting(claim: str) -> dict[str, Any]:
    pod = _limited(64)
    pod["spec"]["volumes"] = [{"name": "m", "persistentVolumeClaim": {"claimName": claim}}]
    return pod


def test_a_volume_decides_which_slices_will_do(place: Place) -> None:
    """A shared volume of this node is no obstacle; one of another node, or of one pod, is."""
    here = _volume(place.plane, place.namespace, "ReadWriteMany", place.node)
    eventually(lambda: "Resized" in str(place.create(_mounting(here), dry_run=True).body))
    reply = place.create(_mounting(here))
    assert _resources(reply) == _both("nvidia.com/mig-2g.10gb")
    eventually(lambda: place.bound_to(reply) == place.node)
    alone = _volume(place.plane, place.namespace, "ReadWriteOnce", place.node)
    eventually(
        lambda: "one node at a time" in str(place.create(_mounting(alone), dry_run=True).warnings)
    )
    away = _volume(place.plane, place.namespace, "ReadWriteMany", "another-node")
    eventually(
        lambda: (
            "no node that the pod may use"
            in str(place.create(_mounting(away), dry_run=True).warnings)
        )
    )
    assert _resources(place.create(_mounting(away))) == _both("nvidia.com/gpu")
