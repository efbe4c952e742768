"""Clusters with ModelDeployments, and a player of what the operator does to them.

The operator's own pieces decide: watches in any order (`Sight`, `ClusterState`), then `decide_all`.
Deployments, scheduler and kubelets are played: a pod binds to the first node that has its GPU.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, Final

from rightslice.edge.catalog_files import Catalog
from rightslice.edge.cluster import devices
from rightslice.edge.cluster.models import config_files, read_model
from rightslice.edge.cluster.node_prices import card_price
from rightslice.edge.cluster.recommenders import Recommenders
from rightslice.edge.cluster.state import ClusterState
from rightslice.edge.constants import fitted_constants
from rightslice.entry.operator.sight import Sight
from rightslice.kube.admission.settings import Mode
from rightslice.kube.crd.decode import encode
from rightslice.kube.operate.ask import Release
from rightslice.kube.operate.decide import Decision, decide_all
from rightslice.kube.operate.gather import object_key
from rightslice.kube.operate.transition import Action, Apply, Delete, Scale
from rightslice.kube.operate.view import REVISION_LABEL, World
from tests.unit.kube.snapshot.objects import node

API: Final = "rightslice.dev/v1alpha1"
NOW: Final = dt.datetime(2026, 11, 23, tzinfo=dt.UTC)
Manifest = dict[str, Any]
SEEN: Final = ("ModelDeployment", "Deployment")
MIRRORED: Final = ("Node", "Pod", "Namespace", "ResourceQuota", "LimitRange")


@lru_cache(maxsize=1)
def catalog() -> Catalog:
    """Return the catalogue."""
    return Catalog()


@lru_cache(maxsize=1)
def answers() -> Recommenders:
    """Return the core's answers, each worked out once."""
    return Recommenders(fitted_constants())


def model(
    name: str = "opt", source: str = "facebook/opt-1.3b", space: str = "a", **spec: object
) -> Manifest:
    """Return a Model."""
    metadata = {"namespace": space, "name": name, "uid": f"m-{name}", "generation": 1}
    spec = {"source": source, **spec}
    return {"apiVersion": API, "kind": "Model", "metadata": metadata, "spec": spec}


def served(name: str, space: str = "a", **changed: object) -> Manifest:
    """Return a ModelDeployment as the API server stores it."""
    metadata = {"namespace": space, "name": name, "uid": f"u-{name}", "generation": 1}
    spec = {
        "model": "opt", "load": {"concurrency": 64}, "input": 128, "output": 128,
        "slo": {"tpot": "30ms"}, "confidence": "50%", "mode": "advise", **changed,
    }  # fmt: skip
    return {"apiVersion": API, "kind": "ModelDeployment", "metadata": metadata, "spec": spec}


def operator(ceiling: str = "enforce", settle: float = 600) -> Manifest:
    """Return the chart's Deployment of the operator, as far as it says how decisions are made."""
    labels = {
        "app.kubernetes.io/name": "rightslice", "app.kubernetes.io/component": "operator",
    }  # fmt: skip
    container = {
        "name": "operator", "image": "rightslice:0.1.0",
        "args": ["operator", f"--ceiling={ceiling}", f"--settle={settle:g}"],
    }  # fmt: skip
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"namespace": "rightslice", "name": "op", "labels": labels},
        "spec": {"replicas": 1, "template": {"spec": {"containers": [container]}}},
    }


def gpu_node(name: str, resources: dict[str, int], cards: int = 8) -> Manifest:
    """Return a Ready node."""
    return node(name, resources, count=cards)


def seen(objects: Iterable[Manifest], *, ceiling: str = "enforce", settle: float = 600) -> World:
    """Return the world as the operator's mirror has it after *objects* came in this order."""
    state = ClusterState(find_gpu=catalog().gpu, now=lambda: 0.0)
    files = {}
    models = {}
    every = list(objects)
    for one in every:
        if one["kind"] in MIRRORED:
            state.put(one["kind"], one)
        elif one["kind"] == "ConfigMap":
            files[object_key(one)] = config_files(one)
    if any(one["kind"] == "ResourceSlice" for one in every):
        for kind in devices.KINDS:
            state.replace_all(kind, [one for one in every if one["kind"] == kind])
    for one in every:
        if one["kind"] == "Model":
            models[object_key(one)] = read_model(one, catalog(), lambda *place: files.get(place))
    return World(
        cluster=state.cluster(),
        hardware=dict(state.hardware),
        models={key: one.model for key, one in models.items()},
        release=Release(find=catalog().engine),
        recommend=answers().by(()),
        recommends={
            key: answers().by(one.calibrations) for key, one in models.items() if one.calibrations
        },
        card_price=lambda each: card_price(catalog(), each),
        ceiling=Mode(ceiling),
        settle_seconds=settle,
    )


def decisions(objects: Sequence[Manifest], **rules: Any) -> tuple[Decision, ...]:  # noqa: ANN401 - of `seen`
    """Return what the operator decides after its watches told *objects* in this order."""
    sight = Sight()
    for one in objects:
        if one["kind"] in SEEN:
            sight.take(one["kind"], one)
    return decide_all(sight.served.values(), seen(objects, **rules), NOW)


def played(objects: Sequence[Manifest], rounds: int = 4, **rules: Any) -> list[Manifest]:  # noqa: ANN401 - of `seen`
    """Return *objects* after the operator decided and acted so often, with statuses and pods."""
    found: list[Manifest] = json.loads(json.dumps(list(objects)))
    for _ in range(rounds):
        for decision in decisions(found, **rules):
            for one in found:
                if one["kind"] == "ModelDeployment" and object_key(one) == decision.key:
                    one["status"] = json.loads(json.dumps(encode(decision.status)))
            for action in decision.actions:
                _act(found, decision.key[0], action)
        _run_pods(found)
    return found


def _act(objects: list[Manifest], namespace: str, action: Action) -> None:
    if isinstance(action, Apply):
        made = json.loads(json.dumps(action.manifest))
        _remove(objects, made["kind"], (namespace, made["metadata"]["name"]))
        objects.append(made)
    elif isinstance(action, Scale):
        for one in objects:
            if one["kind"] == "Deployment" and object_key(one) == (namespace, action.name):
                one["spec"]["replicas"] = action.replicas
    elif isinstance(action, Delete):
        _remove(objects, "Deployment", (namespace, action.name))


def _remove(objects: list[Manifest], kind: str, key: tuple[str, str]) -> None:
    objects[:] = [one for one in objects if one["kind"] != kind or object_key(one) != key]


def _run_pods(objects: list[Manifest]) -> None:
    """Give every Deployment of ours its pods anew, bound where there is room."""
    objects[:] = [
        one for one in objects
        if one["kind"] != "Pod" or "pod-template-hash" not in one["metadata"].get("labels", {})
    ]  # fmt: skip
    free = {
        one["metadata"]["name"]: {
            name: int(amount)
            for name, amount in one["status"]["allocatable"].items()
            if name.startswith("nvidia.com/")
        }
        for one in objects
        if one["kind"] == "Node"
    }
    for one in [each for each in objects if each["kind"] == "Deployment"]:
        if REVISION_LABEL in one["metadata"].get("labels", {}):
            pods = [_pod(one, number, free) for number in range(one["spec"]["replicas"])]
            ready = sum("nodeName" in pod["spec"] for pod in pods)
            one["status"] = {"replicas": len(pods), "readyReplicas": ready}
            objects += pods


def _pod(deployment: Manifest, number: int, free: dict[str, dict[str, int]]) -> Manifest:
    name, template = deployment["metadata"]["name"], deployment["spec"]["template"]
    ((resource, count),) = template["spec"]["containers"][0]["resources"]["limits"].items()
    where = next((one for one, left in free.items() if left.get(resource, 0) >= int(count)), None)
    if where is not None:
        free[where][resource] -= int(count)
    owner = {"kind": "ReplicaSet", "name": f"{name}-5f", "controller": True}
    metadata = {
        "namespace": deployment["metadata"]["namespace"], "name": f"{name}-5f-{number}",
        "ownerReferences": [owner],
        "labels": {**template["metadata"]["labels"], "pod-template-hash": "5f"},
        "annotations": template["metadata"].get("annotations", {}),
    }  # fmt: skip
    spec = {**template["spec"], **({} if where is None else {"nodeName": where})}
    status = {"phase": "Pending" if where is None else "Running"}
    return {"kind": "Pod", "metadata": metadata, "spec": spec, "status": status}
