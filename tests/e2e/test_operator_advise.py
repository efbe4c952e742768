"""Advise proves itself: every object of the cluster, before and after."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.apiproxy import door
from tests.e2e.operating import MODELS, found, gpu_nodes, make_models, running, serve
from tests.e2e.waiting import eventually
from tools.testbed.control_plane import ControlPlane
from tools.testbed.nodes import GpuNode

NODE = GpuNode(
    name="advised",
    resources={f"nvidia.com/mig-{one}": 1 for one in ("1g.5gb", "2g.10gb", "3g.20gb")},
)
PASSING = ("events", "leases")
"""Kinds that Advise writes: its events, and the Lease by which one operator leads."""
OURS = ("Model", "ModelDeployment")


def everything(plane: ControlPlane, namespace: str) -> Mapping[str, Any]:
    """Return every object of the cluster, and of all namespaces but those of other tests.

    Of Models and ModelDeployments the status is left out, with what counts its changes; of nodes
    and pods what their kubelet tells.
    """
    listed = plane.kubectl("api-resources", "--verbs=list,watch", "-o=name").split()
    kinds = ",".join(one for one in listed if one.split(".")[0] not in PASSING)
    kept = {}
    for one in json.loads(plane.kubectl("get", kinds, "-A", "-o", "json"))["items"]:
        metadata = one["metadata"]
        place = metadata["name"] if one["kind"] == "Namespace" else metadata.get("namespace", "")
        if place.startswith("test-") and place != namespace:
            continue
        if one["kind"] in (*OURS, "Node", "Namespace"):
            for name in ("managedFields", "resourceVersion"):
                metadata.pop(name, None)
            one.pop("status", None)
        kept[f"{one['kind']} {metadata.get('namespace')}/{metadata['name']}"] = one
    return kept


@contextmanager
def advising(
    plane: ControlPlane, namespace: str, kubeconfig: Path, log: Path, ceiling: str
) -> Iterator[None]:
    """Run an operator until it has said something of every ModelDeployment and moves no more."""
    with running(kubeconfig, log, f"--ceiling={ceiling}", "--settle=0", "--resync=5"):
        eventually(
            lambda: all(one.get("status", {}).get("conditions")
                        for one in found(plane, namespace, "mdep")), 60,
        )  # fmt: skip
        yield


@pytest.mark.parametrize("limits", [("advise", "enforce"), ("enforce", "advise")])
def test_nothing_changes_but_what_it_says(
    plane: ControlPlane, namespace: str, rights: Path, tmp_path: Path, limits: tuple[str, str]
) -> None:
    """By the objects, each to its resource version; and by the calls that it made."""
    ceiling, mode = limits
    with gpu_nodes(plane, NODE), door(plane, rights) as (opened, kubeconfig):
        make_models(plane, namespace)
        for name in MODELS:
            serve(plane, namespace, name, mode=mode)
        serve(plane, namespace, "none", mode=mode)
        before = everything(plane, namespace)
        assert len(before) > 100
        with advising(plane, namespace, kubeconfig, tmp_path / "operator.log", ceiling):
            serve(plane, namespace, "opt", mode=mode, concurrency=128)
            generation = before[f"ModelDeployment {namespace}/opt"]["metadata"]["generation"]
            eventually(
                lambda: found(plane, namespace, "mdep", "opt")["status"]["observedGeneration"]
                > generation, 60,
            )  # fmt: skip
            serve(plane, namespace, "opt", mode=mode)
        after = everything(plane, namespace)
    for one in (before, after):
        one[f"ModelDeployment {namespace}/opt"]["metadata"].pop("generation")
    assert after.keys() == before.keys()
    assert [name for name in before if before[name] != after[name]] == []
    assert opened.writes(200) == []
    assert opened.writes() == []
    assert {event["reason"] for event in found(plane, namespace, "events")} >= {"Recommended"}
