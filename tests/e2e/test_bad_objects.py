"""Bad objects and the operator's real process: conditions, never a traceback or a crash loop."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rightslice.kube.crd.definition import API_VERSION
from tests.e2e.operating import (
    ACCOUNT,
    NAMESPACE,
    apply,
    found,
    gpu_nodes,
    install_rights,
    make_models,
    running,
    serve,
    until_settled,
)
from tests.e2e.waiting import eventually
from tests.fuzz.fleets import EDGES
from tests.unit.kube.crd.specs import fuzzed, spec
from tools.testbed.api import Api
from tools.testbed.control_plane import ControlPlane
from tools.testbed.nodes import GpuNode

SPECS = 2000
BROKEN: dict[str, dict[str, Any]] = {
    "no-layers": {"config": {"model_type": "llama", "hidden_size": 2048}},
    "zero-heads": {
        "config": {
            "model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 2048,
            "num_attention_heads": 0, "num_hidden_layers": 16, "intermediate_size": 8192,
            "vocab_size": 128256,
        },
    },
    "not-json": {"configMap": {"name": "files", "key": "broken.json"}},
    "no-file": {"configMap": {"name": "files", "key": "none.json"}},
    "no-map": {"configMap": {"name": "nobody"}},
    "unknown": {"catalog": "facebook/opt-1.4b"},
    "empty": {"config": {}},
}  # fmt: skip
NODES = (
    GpuNode(name="good-0", resources={"nvidia.com/mig-1g.5gb": 2, "nvidia.com/mig-3g.20gb": 1}),
    GpuNode(name="odd-0", resources={"nvidia.com/gpu": 4}, product="NVIDIA-X9000"),
    GpuNode(name="odd-1", resources={"nvidia.com/mig-9g.99gb": 4}),
    GpuNode(
        name="odd-2", resources={"nvidia.com/gpu": 8},
        labels={"nvidia.com/gpu.replicas": "many", "nvidia.com/gpu.memory": "none"},
    ),
)  # fmt: skip


@pytest.fixture(scope="module")
def account(plane: ControlPlane) -> Iterator[Path]:
    """Return a kubeconfig with the operator's rights, in a cluster with odd nodes."""
    install_rights(plane)
    with gpu_nodes(plane, *NODES):
        yield plane.service_account(NAMESPACE, ACCOUNT)


def _conditions(plane: ControlPlane, namespace: str, kind: str) -> dict[str, dict[str, Any]]:
    """Return the first condition of each object of *kind* that has one."""
    return {
        one["metadata"]["name"]: one["status"]["conditions"][0]
        for one in found(plane, namespace, kind)
        if one.get("status", {}).get("conditions")
    }


def test_broken_models_and_odd_nodes_end_in_conditions(
    plane: ControlPlane, account: Path, namespace: str, tmp_path: Path
) -> None:
    """Each says what to change; what is right beside them is served all the same."""
    make_models(plane, namespace)
    plane.kubectl("-n", namespace, "create", "configmap", "files", "--from-literal=broken.json={")
    for name, architecture in BROKEN.items():
        given = {"source": f"somebody/{name}", "architecture": architecture}
        apply(plane, namespace, "Model", name, given)
        serve(plane, namespace, f"on-{name}", model=name)
    serve(plane, namespace, "opt")
    serve(plane, namespace, "nobodys", model="nobody")
    serve(plane, namespace, "hasty", model="opt", slo={"tpot": "0.001us"})
    wanted = len(BROKEN) + 3
    with running(account, tmp_path / "operator.log", "--ceiling=enforce", "--settle=0") as process:
        until_settled(plane, namespace, "opt")
        eventually(lambda: len(_conditions(plane, namespace, "mdep")) == wanted, 30)
        models = _conditions(plane, namespace, "mdl")
        for name in BROKEN:
            assert (models[name]["status"], bool(models[name]["message"])) == ("False", True)
            one = _conditions(plane, namespace, "mdep")[f"on-{name}"]
            assert (one["type"], one["status"]) == ("Accepted", "False"), one
            assert one["message"], name
        message = _conditions(plane, namespace, "mdep")["nobodys"]["message"]
        assert f"there is no Model nobody in {namespace}" in message
        assert process.running is not None
        assert process.running.poll() is None
    plane.kubectl("-n", namespace, "delete", "mdep,mdl", "--all")


def test_two_thousand_specs_are_refused_or_told(
    plane: ControlPlane, account: Path, namespace: str, tmp_path: Path
) -> None:
    """The API server refuses, or the operator's status says; one process lives through all."""
    make_models(plane, namespace)
    api = Api(plane)
    path = f"/apis/{API_VERSION}/namespaces/{namespace}/modeldeployments"
    accepted = 0
    with running(account, tmp_path / "operator.log", "--ceiling=advise") as process:
        for seed in range(SPECS):
            body = {
                "apiVersion": API_VERSION, "kind": "ModelDeployment",
                "metadata": {"name": f"fuzz-{seed}"}, "spec": _spec(seed),
            }  # fmt: skip
            reply = api.call("POST", path, body)
            assert reply.status in (201, 400, 422), reply.body
            assert reply.status == 201 or reply.body["message"]
            accepted += reply.status == 201
        api.close()
        assert 200 < accepted < SPECS, accepted
        eventually(lambda: len(_conditions(plane, namespace, "mdep")) == accepted, 120)
        for one in found(plane, namespace, "mdep"):
            told = [each.get("message") for each in one["status"]["conditions"][:2]]
            assert any(told) or one["spec"]["mode"] == "off", one
        assert process.running is not None
        assert process.running.poll() is None
    plane.kubectl("-n", namespace, "delete", "mdep", "--all", "--wait=false")


def _spec(seed: int) -> dict[str, Any]:
    """Return a fuzzed spec, or one at the ends of what the API server lets pass."""
    if seed % 3:
        return fuzzed(seed)
    names = sorted(EDGES)
    edges = {names[seed % len(names)], names[seed // 7 % len(names)]}
    return spec(**{name: EDGES[name][seed % len(EDGES[name])] for name in edges})
