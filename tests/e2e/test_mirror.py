"""The mirror follows a real API server, and finds it again after a restart."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable

from lightkube import AsyncClient
from lightkube.config.kubeconfig import KubeConfig

from rightslice.edge.catalog_files import Catalog
from rightslice.edge.cluster.mirror import Mirror
from rightslice.edge.cluster.state import ClusterState
from tools.testbed import nodes
from tools.testbed.control_plane import ControlPlane
from tools.testbed.nodes import GpuNode

RESOURCE = "nvidia.com/mig-1g.5gb"


async def _until(done: Callable[[], object], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, f"not so after {seconds:g} s"
        await asyncio.sleep(0.05)


def _pod() -> str:
    container = {"name": "c", "image": "i", "resources": {"limits": {RESOURCE: 2}}}
    spec = {"containers": [container], "nodeSelector": {"kubernetes.io/hostname": "mirrored"}}
    return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec})


async def test_nodes_pods_and_a_restart_are_followed(plane: ControlPlane, namespace: str) -> None:
    """What is free goes down with a bound pod and up without it; an outage is got over."""
    client = AsyncClient(config=KubeConfig.from_file(plane.admin))
    state = ClusterState(find_gpu=Catalog().gpu, now=time.monotonic)
    mirror = Mirror(client, state)
    task = asyncio.create_task(mirror.run())

    def free() -> int | None:
        found = (one for one in state.cluster().nodes if one.name == "mirrored")
        return next((int(one.free(RESOURCE)) for one in found), None)

    run = asyncio.to_thread
    try:
        await _until(lambda: mirror.is_ready)
        await run(nodes.create, plane, GpuNode(name="mirrored", resources={RESOURCE: 7}))
        await _until(lambda: free() == 7)
        await run(plane.kubectl, "-n", namespace, "apply", "-f", "-", stdin=_pod())
        await _until(lambda: free() == 5)
        await run(plane.restart_api_server)
        await run(plane.kubectl, "-n", namespace, "delete", "pod", "p", "--force")
        await _until(lambda: free() == 7 and mirror.problem is None, 60)
        await run(nodes.delete, plane, "mirrored")
        await _until(lambda: free() is None)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await client.close()
