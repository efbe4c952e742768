"""What a pod asks of a node."""

from __future__ import annotations

from fractions import Fraction

from rightslice.kube.cluster.demand import pod_requests


def _container(cpu: str, **more: object) -> dict[str, object]:
    return {"name": "c", "resources": {"requests": {"cpu": cpu}}, **more}


def test_containers_add_up_and_limits_stand_in_for_requests() -> None:
    """A limit without a request is the request, as the API server sets it."""
    gpu = {"name": "g", "resources": {"limits": {"nvidia.com/gpu": 1, "cpu": "2"}}}
    asked = pod_requests({"spec": {"containers": [_container("500m"), gpu]}})
    assert asked == {"cpu": Fraction(5, 2), "nvidia.com/gpu": Fraction(1), "pods": Fraction(1)}


def test_an_init_container_counts_while_it_is_the_larger() -> None:
    """It runs alone, before the containers."""
    spec = {"containers": [_container("1")], "initContainers": [_container("4")]}
    assert pod_requests({"spec": spec})["cpu"] == 4


def test_a_sidecar_counts_beside_the_containers_and_later_init_containers() -> None:
    """A restartable init container stays."""
    sidecar = _container("1", restartPolicy="Always")
    spec = {"containers": [_container("2")], "initContainers": [sidecar, _container("3")]}
    assert pod_requests({"spec": spec})["cpu"] == 4


def test_overhead_of_the_runtime_class_comes_on_top() -> None:
    """Kata containers, for one."""
    spec = {"containers": [_container("1")], "overhead": {"cpu": "250m"}}
    assert pod_requests({"spec": spec})["cpu"] == Fraction(5, 4)
