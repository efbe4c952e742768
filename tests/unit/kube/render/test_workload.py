"""Tests of a workload's objects, against the schemas of Kubernetes 1.34."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped] # it ships no type information
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rightslice.core.catalog.together import Apart, Preference
from rightslice.core.plan.result import Plan
from rightslice.kube.assignments import Assignment, assignments
from rightslice.kube.render.workload import image, render

Builder = Callable[[Mapping[str, Any]], Plan]
Assign = Callable[..., Assignment]

labels = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", fullmatch=True)
sharing: st.SearchStrategy[tuple[dict[str, Any], dict[str, Any]]] = st.sampled_from(
    [
        ({"mig": "mixed"}, {"profile": "1g.5gb+me"}),
        ({"mig": "mixed"}, {"profile": "3g.20gb"}),
        ({"mig": "single"}, {"profile": "2g.10gb"}),
        ({"mig": "single"}, {}),
        ({"time_slicing": 4}, {}),
        ({"instance": "p4d.24xlarge"}, {"tensor_parallel": 8}),
        ({"vcpus": None, "memory_gib": None}, {"tensor_parallel": 2}),
        ({"gpu": "L4", "gpus_per_node": 1, "vcpus": 4, "memory_gib": 16}, {}),
    ]
)


@st.composite
def plans(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a described plan of one workload, anywhere on two nodes."""
    node, serve = draw(sharing)
    name, team = draw(labels), draw(labels)
    at = draw(st.lists(st.sampled_from(["g-0", "g-1"]), min_size=1, max_size=3))
    place = [0, 0] if "profile" in serve else [0]
    group = {**node, "name": "g", "count": 2}
    placed = {
        **serve, "name": name, "team": team, "pool": "g", "replicas": len(at),
        "at": [[where, *place] for where in at], "passed": draw(st.lists(st.text(), max_size=2)),
        "version": draw(st.sampled_from(["0.6.6", "0.19.0", "0.33.0"])),
    }  # fmt: skip
    return {"nodes": [group], "workloads": [placed]}


def parts(assignment: Assignment) -> tuple[Any, Any, Any]:
    """Return Service, PodDisruptionBudget and Deployment, free of static types."""
    service, budget, deployment = render(assignment)
    return service, budget, deployment


@settings(max_examples=150, deadline=None)
@given(described=plans())
def test_objects_pass_their_real_schemas(build_plan: Builder, described: dict[str, Any]) -> None:
    """Each object is valid, unknown fields being errors."""
    for item in assignments(build_plan(described)):
        for manifest in render(item):
            kubernetes_validate.validate(manifest, "1.34", strict=True)


@given(described=plans())
def test_gpu_requests_equal_limits(build_plan: Builder, described: dict[str, Any]) -> None:
    """Extended resources cannot be overcommitted; MIG slices are asked for one at a time."""
    (item,) = assignments(build_plan(described))
    resources = parts(item)[2]["spec"]["template"]["spec"]["containers"][0]["resources"]
    gpus = {k: v for k, v in resources["requests"].items() if k.startswith("nvidia.com/")}
    assert gpus == resources["limits"]
    (amount,) = gpus.values()
    assert amount == str(item.offer.tensor_parallel)


@given(described=plans())
def test_services_and_budgets_select_the_pods(
    build_plan: Builder, described: dict[str, Any]
) -> None:
    """All three selectors are labels of the pod."""
    (item,) = assignments(build_plan(described))
    service, budget, deployment = parts(item)
    pod = deployment["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"].items() <= pod.items()
    assert budget["spec"]["selector"]["matchLabels"] == service["spec"]["selector"]
    assert deployment["spec"]["selector"]["matchLabels"] == service["spec"]["selector"]


@given(described=plans())
def test_rendering_the_same_plan_twice_gives_the_same(
    build_plan: Builder, described: dict[str, Any]
) -> None:
    """Neither a clock nor chance has a say."""
    first, second = (assignments(build_plan(described)) for _ in range(2))
    assert [render(item) for item in first] == [render(item) for item in second]


@given(described=plans())
def test_a_budget_never_blocks_every_drain(build_plan: Builder, described: dict[str, Any]) -> None:
    """One pod may always go; with a single replica the consequence is written down."""
    (item,) = assignments(build_plan(described))
    budget = parts(item)[1]
    assert budget["spec"]["maxUnavailable"] == 1
    assert "minAvailable" not in budget["spec"]
    assert ("annotations" in budget["metadata"]) == (item.placed.replicas == 1)


def test_a_full_card_updates_without_surge(assign: Assign) -> None:
    """A further pod would stay Pending, so the old one goes first."""
    node = {"mig": "mixed", "gpus_per_node": 1}
    serve = {"profile": "3g.20gb", "at": [["a100-0", 0, 4]]}
    full = parts(assign(node, serve, layouts={"a100-0/0": [["3g.20gb", 4]]}))[2]
    assert full["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}
    assert "Pending" in full["metadata"]["annotations"]["rightslice.dev/rollout"]
    halves = {"a100-0/0": [["3g.20gb", 0], ["3g.20gb", 4]]}
    spare = parts(assign(node, serve, layouts=halves))[2]
    assert spare["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


def says(assignment: Assignment, **changes: Any) -> Any:  # noqa: ANN401 - fields of any type
    """Return the Deployment of a workload that says so."""
    workload = replace(assignment.workload, **changes)
    deployment = parts(replace(assignment, workload=workload))[2]
    kubernetes_validate.validate(deployment, "1.34", strict=True)
    return deployment


def test_cpu_and_memory_are_asked_for_as_said(assign: Assign) -> None:
    """What the workload says goes before its part of the node."""
    found = says(assign({}, {}), pod_cpu_cores=1.5, pod_memory_bytes=3 * 2**29)
    (container,) = found["spec"]["template"]["spec"]["containers"]
    asked = container["resources"]["requests"]
    assert (asked["cpu"], asked["memory"]) == ("1500m", "1536Mi")


def test_replicas_keep_apart_by_node(assign: Assign) -> None:
    """The scheduler is told, and an update makes room first."""
    found = says(assign({}, {"replicas": 2}), apart=Apart.NODE)
    (term,) = found["spec"]["template"]["spec"]["affinity"]["podAntiAffinity"][
        "requiredDuringSchedulingIgnoredDuringExecution"
    ]
    assert term["topologyKey"] == "kubernetes.io/hostname"
    assert term["labelSelector"] == found["spec"]["selector"]
    assert found["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}


def test_what_no_scheduler_is_told_is_said(assign: Assign) -> None:
    """Apart by GPU holds by the layout alone; few nodes are a preference."""
    apart = says(assign({}, {}), apart=Apart.GPU)
    assert "no scheduler is told" in apart["metadata"]["annotations"]["rightslice.dev/apart"]
    packed = says(assign({}, {}), preference=Preference.PACK)
    assert "podAffinity" in packed["spec"]["template"]["spec"]["affinity"]


def test_ranks_share_memory(assign: Assign) -> None:
    """Several ranks talk through /dev/shm, which is 64 MiB unless it is mounted."""
    pod = parts(assign({}, {"tensor_parallel": 8}))[2]["spec"]["template"]["spec"]
    shm = {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "8Gi"}}
    assert shm in pod["volumes"]
    assert pod["containers"][0]["volumeMounts"][1]["name"] == "shm"
    single = parts(assign({}, {}))[2]["spec"]["template"]["spec"]
    assert [volume["name"] for volume in single["volumes"]] == ["models"]


def test_pods_spread_only_where_the_plan_does(assign: Assign) -> None:
    """Two replicas planned on one node are not pulled apart."""
    two = {"replicas": 2, "at": [["a100-0", 0], ["a100-1", 0]]}
    apart = parts(assign({"count": 2}, two))[2]["spec"]["template"]["spec"]
    assert "topologySpreadConstraints" in apart
    one = {"replicas": 2, "at": [["a100-0", 0], ["a100-0", 1]]}
    together = parts(assign({"count": 2}, one))[2]["spec"]["template"]["spec"]
    assert "topologySpreadConstraints" not in together


@pytest.mark.parametrize("version", ["0.33", "0.33.0"])
def test_image_tags_name_three_numbers(version: str) -> None:
    """There is no tag v0.33."""
    assert image(version) == "vllm/vllm-openai:v0.33.0"


def test_other_services_do_not_leak_into_the_server(assign: Assign) -> None:
    """A Service called vllm would set VLLM_PORT, and no pod needs the API server."""
    pod = parts(assign({}, {}))[2]["spec"]["template"]["spec"]
    assert pod["enableServiceLinks"] is False
    assert pod["automountServiceAccountToken"] is False
