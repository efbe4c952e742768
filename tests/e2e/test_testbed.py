"""The test bed is a real control plane: it schedules, refuses and allocates as one."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.e2e.conftest import eventually
from tools.testbed import nodes
from tools.testbed.control_plane import ControlPlane
from tools.testbed.nodes import GpuNode


def _pod(name: str, resource: str, count: int) -> str:
    limits = {resource: count}
    container = {"name": "main", "image": "vllm", "resources": {"limits": limits}}
    spec = {"containers": [container]}
    return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec})


def test_slices_are_scheduled_until_none_is_left(plane: ControlPlane, namespace: str) -> None:
    """The real scheduler binds what fits, and says of the rest that the slices are too few."""
    nodes.create(plane, GpuNode(name="bed-0", resources={"nvidia.com/mig-1g.5gb": 7}))
    plane.kubectl(
        "-n", namespace, "apply", "-f", "-", stdin=_pod("one", "nvidia.com/mig-1g.5gb", 1)
    )
    plane.kubectl(
        "-n", namespace, "apply", "-f", "-", stdin=_pod("all", "nvidia.com/mig-1g.5gb", 8)
    )
    get = ("-n", namespace, "get", "pod")
    eventually(lambda: plane.kubectl(*get, "one", "-o=jsonpath={.status.phase}") == "Running")
    message = "-o=jsonpath={.status.conditions[0].message}"
    eventually(lambda: "Insufficient nvidia.com/mig-1g.5gb" in plane.kubectl(*get, "all", message))
    nodes.delete(plane, "bed-0")


def test_requests_of_extended_resources_need_equal_limits(
    plane: ControlPlane, namespace: str
) -> None:
    """The API server refuses a GPU in requests alone: a patch has to set both."""
    pod = json.loads(_pod("requests", "nvidia.com/gpu", 1))
    resources = pod["spec"]["containers"][0]["resources"]
    resources["requests"] = resources.pop("limits")
    with pytest.raises(subprocess.CalledProcessError) as caught:
        plane.kubectl("-n", namespace, "create", "-f", "-", stdin=json.dumps(pod))
    assert "Limit must be set for non overcommitable resources" in caught.value.stderr


def test_a_service_account_has_no_rights_of_its_own(plane: ControlPlane, namespace: str) -> None:
    """RBAC is real: a fresh ServiceAccount may not list nodes."""
    plane.kubectl("-n", namespace, "create", "serviceaccount", "nobody")
    config = plane.service_account(namespace, "nobody")
    command = [str(plane.assets / "kubectl"), "--kubeconfig", str(config), "get", "nodes"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode != 0
    assert "Forbidden" in ended.stderr
