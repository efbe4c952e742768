"""A stand-in for NVIDIA's mig-manager and device plugin, by the label protocol that they document.

It follows ``nvidia.com/mig.config`` of each node that has ``nvidia.com/gpu.deploy.mig-manager``:
when the value changes it sets ``nvidia.com/mig.config.state`` to ``pending``, looks the name up in
``config.yaml`` of its ConfigMap, and then either has the node hand out the resources of that
configuration and says ``success``, or says ``failed`` (NVIDIA/mig-parted
deployments/container/reconfigure-mig.sh, cmd/nvidia-mig-manager/main.go). Cards are cut by the
driver's own rule; what mig-parted cannot reach fails. An annotation makes it err.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Final, Self

import yaml

from rightslice.core.catalog.mig import ProfileName
from rightslice.core.packing.driver import parted_layout
from rightslice.edge.catalog_files import Catalog
from tools.testbed.api import Api
from tools.testbed.control_plane import ControlPlane

LABEL: Final = "nvidia.com/mig.config"
STATE: Final = "nvidia.com/mig.config.state"
DEPLOYED: Final = "nvidia.com/gpu.deploy.mig-manager"
ERRS: Final = "testbed/mig-manager"
"""Annotation of a node: ``fails`` and ``hangs`` for configurations whose name starts with
``rightslice``, ``fails-always``, ``lies`` (success, and nothing is handed out)."""
POLL_SECONDS: Final = 0.1


def labels(config: str) -> dict[str, str]:
    """Return the labels of a node that the GPU operator looks after, cut as *config*."""
    return {DEPLOYED: "true", LABEL: config, STATE: "success"}


@dataclass
class MigManager:
    """Runs in a thread until its context ends."""

    plane: ControlPlane
    namespace: str
    name: str
    """Of the ConfigMap."""
    seconds: float = 0.3
    """What a change takes."""
    changes: list[tuple[str, str, str]] = field(default_factory=list)
    """Node, configuration, and what came of it."""
    disturbed: list[str] = field(default_factory=list)
    """Pods with a GPU that still ran on a node when its cards were cut."""
    _told: dict[str, str] = field(default_factory=dict)
    _ended: threading.Event = field(default_factory=threading.Event)
    _catalog: Catalog = field(default_factory=Catalog)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        with closing(Api(self.plane)) as api:
            while not self._ended.wait(POLL_SECONDS):
                reply = api.call("GET", f"/api/v1/nodes?labelSelector={DEPLOYED}%3Dtrue")
                for node in reply.body.get("items", []):
                    self._look(api, node)

    def _look(self, api: Api, node: Mapping[str, Any]) -> None:
        metadata = node["metadata"]
        name, wanted = metadata["name"], metadata["labels"].get(LABEL, "")
        first = name not in self._told and metadata["labels"].get(STATE) == "success"
        if first or self._told.get(name) == wanted:
            self._told[name] = wanted
            return
        self._told[name] = wanted
        _label(api, name, "pending")
        ours = wanted.startswith("rightslice")
        errs = metadata.get("annotations", {}).get(ERRS, "")
        if errs == "hangs" and ours:
            self.changes.append((name, wanted, "hangs"))
            return
        self._ended.wait(self.seconds)
        found = self._resources(api, node, wanted)
        fails = errs == "fails-always" or (errs == "fails" and ours)
        if found is None or fails:
            self.changes.append((name, wanted, "failed"))
            _label(api, name, "failed")
            return
        self.disturbed += _gpu_pods(api, name)
        _hand_out(api, node, {} if errs == "lies" and ours else found)
        self.changes.append((name, wanted, "success"))
        _label(api, name, "success")

    def _resources(self, api: Api, node: Mapping[str, Any], wanted: str) -> Counter[str] | None:
        """Return what the node hands out under the configuration; None when that cannot be."""
        path = f"/api/v1/namespaces/{self.namespace}/configmaps/{self.name}"
        files = api.call("GET", path).body.get("data", {})
        config = yaml.safe_load(files.get("config.yaml", "{}")).get("mig-configs", {}).get(wanted)
        if config is None:
            return None
        given = node["metadata"]["labels"]
        grid = self._catalog.gpu(given["nvidia.com/gpu.product"]).mig
        assert grid is not None
        cards = range(int(given["nvidia.com/gpu.count"]))
        total: Counter[str] = Counter()
        for entry in config:
            for _ in cards if entry["devices"] == "all" else entry["devices"]:
                if not entry["mig-enabled"]:
                    total["nvidia.com/gpu"] += 1
                    continue
                counts = {ProfileName(name): n for name, n in entry["mig-devices"].items()}
                if parted_layout(grid, counts) is None:
                    return None
                total.update({f"nvidia.com/mig-{name}": n for name, n in counts.items()})
        return total


def _label(api: Api, node: str, state: str) -> None:
    api.call("PATCH", f"/api/v1/nodes/{node}", {"metadata": {"labels": {STATE: state}}})


def _hand_out(api: Api, node: Mapping[str, Any], found: Mapping[str, int]) -> None:
    """Let the node hand out *found* and nothing else of NVIDIA's, as a new device plugin would."""
    before = node["status"]["allocatable"]
    given = {name: "0" for name in before if name.startswith("nvidia.com/")}
    given |= {name: str(count) for name, count in found.items()}
    body = {"status": {"capacity": given, "allocatable": given}}
    api.call("PATCH", f"/api/v1/nodes/{node['metadata']['name']}/status", body)


def _gpu_pods(api: Api, node: str) -> list[str]:
    found = api.call("GET", f"/api/v1/pods?fieldSelector=spec.nodeName%3D{node}").body["items"]
    return [
        one["metadata"]["name"]
        for one in found
        if one["status"].get("phase") not in ("Succeeded", "Failed")
        and any(
            name.startswith("nvidia.com/")
            for container in one["spec"]["containers"]
            for name in container.get("resources", {}).get("limits", {})
        )
    ]
