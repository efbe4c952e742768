"""What clusters print, in the form of the real thing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rightslice.core.packing.live import LiveState
from rightslice.edge.catalog_files import Catalog
from rightslice.edge.live.read import read_live

Object = dict[str, Any]
Reader = Callable[..., LiveState]

READY = {
    "startTime": "2026-11-20T10:00:00Z",
    "phase": "Running",
    "conditions": [
        {"type": "Ready", "status": "True", "lastTransitionTime": "2026-11-20T10:02:00Z"}
    ],
    "containerStatuses": [{"name": "vllm", "restartCount": 0}],
}


def pod(name: str, owner: str = "", **changes: Any) -> Object:  # noqa: ANN401 - any field
    """Return a pod of namespace search, of the Deployment *owner* if one is named."""
    metadata: Object = {"name": name, "namespace": "search", "labels": {"app": owner or name}}
    if owner:
        metadata["labels"]["pod-template-hash"] = "5d9f"
        metadata["ownerReferences"] = [
            {"kind": "ReplicaSet", "name": f"{owner}-5d9f", "controller": True}
        ]
    metadata.update(changes.pop("metadata", {}))
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": READY, **changes}


def budget(app: str, desired: int) -> Object:
    """Return a PodDisruptionBudget of the pods labelled *app*, as the cluster completed it."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": app, "namespace": "search"},
        "spec": {"minAvailable": desired, "selector": {"matchLabels": {"app": app}}},
        "status": {"desiredHealthy": desired, "currentHealthy": desired + 1},
    }


def listed(*objects: Object) -> str:
    """Return *objects* as kubectl prints several kinds at once."""
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})


@pytest.fixture
def read(tmp_path: Path) -> Reader:
    """Return a function from the text of a source, and its file's name, to the state."""

    def call(text: str, name: str = "cluster.json", gpu: str | None = None) -> LiveState:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return read_live(path, Catalog(), gpu=gpu)

    return call


@pytest.fixture
def made() -> dict[str, Callable[..., Any]]:
    """Return the builders of objects."""
    return {"pod": pod, "budget": budget, "listed": listed}
