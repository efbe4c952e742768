"""What owns the pods is the server; what KServe or LeaderWorkerSet make is counted once."""

from __future__ import annotations

from typing import Any

from tests.unit.kube.snapshot.objects import LOAD, Objects, fleet, node, server


def _names(*given: dict[str, Any] | Objects) -> tuple[list[str], dict[str, tuple[str, ...]]]:
    found = fleet(node("a"), *given)
    return (
        [one.server.title for one in found.planned],
        {f"{one.object_kind} {one.name}": one.reasons for one in found.left_out},
    )


def test_pods_whose_owner_is_not_listed_are_one_server() -> None:
    """Without rights on Deployments the pods still tell what runs."""
    _, *pods = server("s", ["a", "a"])
    found = fleet(node("a"), pods)
    assert [(one.server.title, one.server.replicas) for one in found.planned] == [
        ("Deployment a/s", 2)
    ]


def test_a_server_scaled_to_nothing_is_listed() -> None:
    """Zero replicas hold nothing and are planned nothing."""
    planned, left = _names(server("s", [], replicas=0))
    assert planned == []
    assert left == {"Deployment s": ("it is scaled to 0 replicas",)}


def test_mode_off_and_other_vendors_are_left() -> None:
    """An owner who says off is not advised; what is no NVIDIA GPU is not planned."""
    _, left = _names(server("off", ["a"], notes={**LOAD, "mode": "off"}),
                     server("amd", ["a"], resource="amd.com/gpu"))  # fmt: skip
    assert left["Deployment off"] == ("its annotation rightslice.dev/mode is off",)
    assert left["Deployment amd"] == ("it asks for amd.com/gpu, which is no NVIDIA GPU",)


def test_an_inference_service_and_its_deployment_are_one() -> None:
    """The Deployment that KServe makes carries the service's name in a label."""
    made = server("chat-predictor", ["a"])
    made[0]["metadata"]["labels"] = {"serving.kserve.io/inferenceservice": "chat"}
    service = {
        "kind": "InferenceService",
        "metadata": {"name": "chat", "namespace": "a"},
        "spec": {"predictor": {"model": {"modelFormat": {"name": "vLLM"}}}},
    }
    planned, left = _names(service, made)
    assert planned == ["Deployment a/chat-predictor"]
    assert left == {}


def test_a_group_of_pods_is_one_server() -> None:
    """StatefulSets of a LeaderWorkerSet are its own; a group is more than the core plans."""
    label = {"leaderworkerset.sigs.k8s.io/name": "big"}
    made, *pods = server("big", ["a", "a"])
    for one in pods:
        one["metadata"]["labels"] = label
    group = {
        "kind": "LeaderWorkerSet",
        "metadata": made["metadata"],
        "spec": {"replicas": 1, "leaderWorkerTemplate": {
            "size": 2, "workerTemplate": made["spec"]["template"]}},
    }  # fmt: skip
    inner = {**made, "kind": "StatefulSet", "metadata": {**made["metadata"], "labels": label}}
    planned, left = _names(group, inner, pods)
    assert planned == []
    assert left == {"LeaderWorkerSet big": ("group_size: 2 pods form one server",)}


def test_priorities_are_the_pods() -> None:
    """What the priority admission wrote into the template goes before."""
    made = server("s", ["a"])
    made[0]["spec"]["template"]["spec"]["priority"] = 1000
    assert fleet(node("a"), made).fleet.workloads[0].priority == 1000


def test_ended_pods_hold_nothing() -> None:
    """A pod that succeeded is neither a holder nor a server."""
    _, pod = server("s", ["a"])
    pod["status"]["phase"] = "Succeeded"
    found = fleet(node("a"), pod)
    assert (found.planned, found.left_out, found.seen.held) == ((), (), ())


def test_what_is_not_followed_is_said() -> None:
    """How cards are cut now is not followed, nor a share of a shared card's memory."""
    labels = {"nvidia.com/gpu.replicas": "4"}
    sliced = node("l4", {"nvidia.com/gpu": 16}, product="NVIDIA-L4-SHARED", labels=labels)
    made = server("s", ["l4"])
    template = made[0]["spec"]["template"]["spec"]
    template["nodeSelector"] = {"nvidia.com/gpu.replicas": "4"}
    template["containers"][0]["args"] += ["--gpu-memory-utilization", "0.2"]
    (planned,) = fleet(sliced, made).planned
    assert planned.workload.server.gpu_memory_utilization is None
    assert planned.assumed == (
        "nodes: nvidia.com/gpu.replicas says how cards are cut, and is not followed",
        "flags: gpu-memory-utilization 0.2 is a part of a card that it shares now, and is not kept",
    )


def test_a_service_of_kserve_is_read_with_its_runtime() -> None:
    """What runs it, and so the release, stands in the ServingRuntime of its namespace."""
    container = {
        "name": "kserve-container", "image": "vllm/vllm-openai:v0.10.1",
        "args": ["--model", "facebook/opt-1.3b"],
        "resources": {"limits": {"nvidia.com/gpu": "1"}},
    }  # fmt: skip
    runtime = {
        "kind": "ServingRuntime",
        "metadata": {"name": "vllm", "namespace": "a"},
        "spec": {"supportedModelFormats": [{"name": "vLLM"}], "containers": [container]},
    }
    model = {"modelFormat": {"name": "vLLM"}, "runtime": "vllm"}
    notes = {f"rightslice.dev/{key}": text for key, text in LOAD.items()}
    service = {
        "kind": "InferenceService",
        "metadata": {"name": "chat", "namespace": "a", "annotations": notes},
        "spec": {"predictor": {"minReplicas": 2, "model": model}},
    }
    (planned,) = fleet(node("a"), service, runtime).planned
    assert planned.server.title == "InferenceService a/chat"
    assert (planned.server.replicas, planned.workload.engine_version) == (2, "0.10.1")


def test_an_object_that_cannot_be_read_is_listed() -> None:
    """A template without containers: the reason stands beside it."""
    spec = {"resourceClaims": [{"name": "gpu"}]}
    metadata = {"name": "s", "namespace": "a"}
    made = {"kind": "Deployment", "metadata": metadata, "spec": {"template": {"spec": spec}}}
    _, left = _names(made)
    assert "no container in it" in left["Deployment s"][0]
