"""A kubelet that takes its time: pods of its nodes become ready some seconds after they are bound.

kwok's own stages make them ready at once, which hides what happens while a server loads.
"""

from __future__ import annotations

import datetime as dt
import itertools
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from tools.testbed.api import Api
from tools.testbed.control_plane import ControlPlane

PERIOD_SECONDS: Final = 0.1
_READY: Final = ("PodReadyToStartContainers", "Initialized", "ContainersReady", "Ready")
_addresses = itertools.count(1)


@dataclass
class SlowKubelet:
    """Makes pods of *nodes* ready after *delay_seconds*, and lets those that are deleted go."""

    plane: ControlPlane
    nodes: Sequence[str]
    delay_seconds: float
    _ended: threading.Event = field(default_factory=threading.Event)
    _bound: dict[str, dt.datetime] = field(default_factory=dict)

    @contextmanager
    def working(self) -> Iterator[None]:
        """Work until the block ends."""
        thread = threading.Thread(target=self._work, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join(10)

    def _work(self) -> None:
        api = Api(self.plane)
        while not self._ended.wait(PERIOD_SECONDS):
            for node in self.nodes:
                path = f"/api/v1/pods?fieldSelector=spec.nodeName={node}"
                for pod in api.call("GET", path).body["items"]:
                    self._look_after(api, pod)
        api.close()

    def _look_after(self, api: Api, pod: Mapping[str, Any]) -> None:
        metadata = pod["metadata"]
        path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
        now = dt.datetime.now(dt.UTC)
        bound = self._bound.setdefault(metadata["uid"], now)
        if metadata.get("deletionTimestamp"):
            api.call("DELETE", path, {"gracePeriodSeconds": 0})
            return
        has_loaded = (now - bound).total_seconds() >= self.delay_seconds
        if has_loaded and pod["status"]["phase"] == "Pending":
            api.call("PUT", f"{path}/status", {**pod, "status": _running(pod, now)})


def _running(pod: Mapping[str, Any], now: dt.datetime) -> dict[str, Any]:
    moment = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    address = f"10.250.0.{next(_addresses) % 250 + 1}"
    conditions = [{"type": one, "status": "True", "lastTransitionTime": moment} for one in _READY]
    kept = [one for one in pod["status"].get("conditions", []) if one["type"] not in _READY]
    containers = [
        {
            "name": one["name"], "image": one["image"], "imageID": "", "ready": True,
            "started": True, "restartCount": 0, "state": {"running": {"startedAt": moment}},
        }
        for one in pod["spec"]["containers"]
    ]  # fmt: skip
    return {
        "phase": "Running", "startTime": moment, "hostIP": "127.0.0.1", "podIP": address,
        "podIPs": [{"ip": address}], "conditions": [*kept, *conditions],
        "containerStatuses": containers,
    }  # fmt: skip
