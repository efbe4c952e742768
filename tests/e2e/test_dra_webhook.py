"""The webhook on nodes that publish their GPUs under DRA: no device plugin, and no label of it.

The chart's DeviceClasses stand for ``nvidia.com/mig-<profile>``, so that the pod that the webhook
patches is the same as on any other node; the scheduler allocates against the shared counters.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from rightslice.edge.catalog_files import Catalog
from tests.e2e.conftest import eventually
from tests.unit.kube.admission.worlds import talk_pod
from tools.testbed import dra, nodes
from tools.testbed.api import Api, Reply
from tools.testbed.control_plane import ControlPlane
from tools.testbed.dra import DraNode
from tools.testbed.nodes import GpuNode
from tools.testbed.release import Release

NODE = "dra-webhook"
PROFILES = ["1g.5gb", "2g.10gb", "3g.20gb", "7g.40gb"]
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def release(plane: ControlPlane) -> Iterator[Release]:
    """Return the chart with DeviceClasses, and a node of one A100 beside it."""
    card = DraNode(node=NODE, grid=Catalog().mig_gpu("A100-40GB"), product="NVIDIA A100-SXM4-40GB")
    nodes.create(plane, GpuNode(name="webhooks", resources={}))
    nodes.create(plane, GpuNode(name=NODE, resources={}))
    dra.publish(plane, [*dra.driver_classes(), *card.slices()])
    values = {"confidence": "50%", "dra": {"profiles": PROFILES}}
    with Release.running(plane, values, "dra-webhook") as running:
        yield running
    dra.withdraw(plane, [*dra.driver_classes(), *card.slices()])
    nodes.delete(plane, "webhooks", NODE)


@pytest.fixture
def place(release: Release, plane: ControlPlane, namespace: str) -> Iterator[Place]:
    """Return a fresh namespace in enforce; its pods are gone afterwards, and their claims."""
    with closing(Api(plane)) as api:
        yield Place(plane, api, namespace)
    # Those that wait go first: deleted while the scheduler gives them what the others leave, they
    # were seen to leave the card taken in its memory (kube-scheduler 1.36.2).
    for which in ("--field-selector=spec.nodeName=", "--all"):
        plane.kubectl("-n", namespace, "delete", "pods", which, "--force", "--grace-period=0")
    eventually(lambda: not plane.kubectl("-n", namespace, "get", "resourceclaims", "-o", "name"))


class Place:
    """A namespace in enforce, and the node."""

    def __init__(self, plane: ControlPlane, api: Api, namespace: str) -> None:
        self.plane, self.api, self.namespace = plane, api, namespace
        plane.kubectl("label", "namespace", namespace, "rightslice.dev/mode=enforce")
        eventually(self.is_followed)

    def is_followed(self) -> bool:
        """Whether the webhook enforces here and sees the whole card."""
        reply = self.create(talk_pod(), dry_run=True)
        return any("becomes" in one for one in reply.warnings)

    def create(self, pod: dict[str, Any], *, dry_run: bool = False) -> Reply:
        """Create *pod* for this node, with limits, which the API server wants."""
        pod["metadata"] |= {"name": f"pod-{next(_numbers)}"}
        pod["spec"] |= {"nodeSelector": {"kubernetes.io/hostname": NODE}}
        resources = pod["spec"]["containers"][0]["resources"]
        resources["limits"] = dict(resources["requests"])
        return self.api.create_pod(self.namespace, pod, dry_run=dry_run)

    def bound(self) -> list[str]:
        """Return the pods that the scheduler has bound."""
        path = "-o=jsonpath={range .items[?(@.spec.nodeName)]}{.metadata.name}{' '}{end}"
        return self.plane.kubectl("-n", self.namespace, "get", "pods", path).split()

    def devices(self) -> list[str]:
        """Return the devices that claims were given."""
        claims = self.plane.kubectl("-n", self.namespace, "get", "resourceclaims", "-o", "json")
        return sorted(
            result["device"]
            for claim in json.loads(claims)["items"]
            for result in claim["status"]["allocation"]["devices"]["results"]
        )


def _asked(reply: Reply) -> str:
    assert reply.status == 201, reply.body
    resources: dict[str, dict[str, str]] = reply.body["spec"]["containers"][0]["resources"]
    assert resources["limits"] == resources["requests"]
    return next(iter(resources["limits"]))


def test_the_talks_pod_gets_its_slice_by_a_device_class(place: Place) -> None:
    """The same patch as on a node with a device plugin; the scheduler allocates the slice."""
    reply = place.create(talk_pod())
    assert _asked(reply) == "nvidia.com/mig-2g.10gb"
    eventually(lambda: len(place.bound()) == 1)
    assert place.devices() == ["gpu-0-mig-2g10gb-14-0"]


def test_no_pod_is_given_what_the_counters_no_longer_hold(place: Place) -> None:
    """Pods come until the card is full: each patched one is bound, the others stay as they were."""
    asked = [_asked(place.create(talk_pod())) for _ in range(6)]
    patched = [one for one in asked if one != "nvidia.com/gpu"]
    assert asked == patched + ["nvidia.com/gpu"] * (6 - len(patched))
    assert patched == ["nvidia.com/mig-2g.10gb"] * 3
    eventually(lambda: len(place.bound()) == 3)
    assert place.devices() == [f"gpu-0-mig-2g10gb-14-{start}" for start in (0, 2, 4)]


def test_a_slice_that_blocks_the_card_is_counted(place: Place) -> None:
    """A load for more than a slice, with one slice taken: the whole card is not promised."""
    place.create(talk_pod())
    eventually(lambda: len(place.bound()) == 1)
    big = place.create(talk_pod(400), dry_run=True)
    assert _asked(big) != "nvidia.com/mig-7g.40gb"
    assert big.warnings
