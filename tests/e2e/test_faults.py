"""Whatever the webhook does, no pod is blocked, and none waits longer than the timeout."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest

from tests.e2e.conftest import eventually
from tests.e2e.faulty import Fault, faulty
from tools.testbed import nodes
from tools.testbed.api import Api
from tools.testbed.control_plane import ControlPlane
from tools.testbed.nodes import GpuNode
from tools.testbed.release import Release

TIMEOUT_SECONDS = 2.0
SLACK_SECONDS = 0.75
"""For the API server's own work on a busy machine."""
PODS = 4


def _pod(name: str) -> dict[str, Any]:
    container = {"name": "vllm", "image": "vllm/vllm-openai:v0.6.3",
                 "args": ["--model", "facebook/opt-1.3b"],
                 "resources": {"limits": {"nvidia.com/gpu": 1}}}  # fmt: skip
    metadata = {"name": name, "annotations": {
        "rightslice.dev/load-concurrency": "8", "rightslice.dev/slo-tpot": "50ms",
        "rightslice.dev/input-tokens": "128", "rightslice.dev/output-tokens": "128"}}  # fmt: skip
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata,
            "spec": {"containers": [container]}}  # fmt: skip


def _spec(pod: Any) -> Any:  # noqa: ANN401 - decoded JSON is of any type
    return pod["spec"]["containers"][0]["resources"]


@pytest.mark.parametrize(
    "fault",
    [one for one in Fault if one is not Fault.WRONG_PATCH],
    ids=lambda fault: str(fault.name).lower(),
)
def test_no_fault_blocks_a_pod(plane: ControlPlane, namespace: str, fault: Fault) -> None:
    """Every pod is created as it was asked for, within the timeout of two seconds."""
    with faulty(plane, namespace, fault), closing(Api(plane)) as api:
        replies = [api.create_pod(namespace, _pod(f"p-{n}")) for n in range(PODS)]
    assert [one.status for one in replies] == [201] * PODS
    assert all(_spec(one.body) == _spec(replies[0].body) for one in replies)
    assert _spec(replies[0].body)["limits"] == {"nvidia.com/gpu": "1"}
    assert not any("rightslice.dev/outcome" in one.body["metadata"]["annotations"]
                   for one in replies)  # fmt: skip
    assert max(one.seconds for one in replies) < TIMEOUT_SECONDS + SLACK_SECONDS


@pytest.mark.parametrize("fault", [Fault.SILENT, Fault.SLOW], ids=["silent", "slow"])
def test_the_timeout_is_what_bounds_a_hanging_webhook(
    plane: ControlPlane, namespace: str, fault: Fault
) -> None:
    """It is really called: a pod waits the two seconds, and no more."""
    with faulty(plane, namespace, fault), closing(Api(plane)) as api:
        seconds = api.create_pod(namespace, _pod("waits")).seconds
    assert TIMEOUT_SECONDS - 0.1 < seconds < TIMEOUT_SECONDS + SLACK_SECONDS


def test_a_patch_that_does_not_apply_is_not_forgiven(plane: ControlPlane, namespace: str) -> None:
    """The one mistake that failurePolicy Ignore does not cover: so each patch is tried first."""
    with faulty(plane, namespace, Fault.WRONG_PATCH), closing(Api(plane)) as api:
        assert api.create_pod(namespace, _pod("broken")).status == 500


def test_pods_without_gpus_never_wait(plane: ControlPlane, namespace: str) -> None:
    """The match conditions keep them from a webhook that hangs."""
    pod = _pod("plain")
    pod["spec"]["containers"][0]["resources"] = {"limits": {"cpu": "1"}}
    with faulty(plane, namespace, Fault.SILENT), closing(Api(plane)) as api:
        reply = api.create_pod(namespace, pod)
    assert reply.status == 201
    assert reply.seconds < 1.0


def test_the_real_webhook_killed_and_back(plane: ControlPlane, namespace: str) -> None:
    """SIGKILL under way: pods pass unchanged; a new process on the same port takes over."""
    nodes.create(plane, GpuNode(name="webhooks", resources={}))
    with Release.running(plane, {}, "faults") as release, closing(Api(plane)) as api:
        port = release.processes[0].port
        eventually(lambda: api.create_pod(namespace, _pod("a"), dry_run=True).warnings)
        release.processes[0].program.process.kill()
        release.processes[0].program.process.wait()
        reply = api.create_pod(namespace, _pod("b"))
        assert (reply.status, reply.warnings) == (201, ())
        release.start(port)
        eventually(lambda: api.create_pod(namespace, _pod("c"), dry_run=True).warnings)
    nodes.delete(plane, "webhooks")
