"""A snapshot holds what is read, in one order, and survives its own file."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightslice.errors import InputError
from rightslice.kube.snapshot.value import NotRead, document_of, read_document, snapshot_of


def _pod(name: str, namespace: str = "a", resource: str | None = None) -> dict[str, Any]:
    limits = {} if resource is None else {resource: "1"}
    container = {
        "name": "main", "image": "app:1", "terminationMessagePath": "/dev/null",
        "resources": {"limits": limits} if limits else {},
    }  # fmt: skip
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": "0-1",
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "HF_TOKEN=abc"},
        },
        "spec": {"containers": [container], "nodeName": "n"},
        "status": {"phase": "Running", "podIP": "10.0.0.1"},
    }


def test_only_read_fields_are_kept() -> None:
    """A pod without a GPU keeps its place and its requests, one with a GPU its command line."""
    plain, gpu = snapshot_of([_pod("p"), _pod("q", resource="nvidia.com/gpu")]).of("Pod")
    assert plain == {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", "namespace": "a"},
        "spec": {"containers": [{"name": "main"}], "nodeName": "n"},
        "status": {"phase": "Running"},
    }
    assert "image" in gpu["spec"]["containers"][0]  # type: ignore[index]  # a pod's plain data
    assert "last-applied" not in str(gpu)


def test_kinds_that_are_not_read_are_passed_over() -> None:
    """Secrets never get into a snapshot, whatever the file held."""
    secret = {"kind": "Secret", "metadata": {"name": "s"}, "data": {"k": "dg=="}}
    assert snapshot_of([secret]).objects == {}


def test_deployments_without_accelerators_are_left_out() -> None:
    """A Deployment is kept when its pods ask for a GPU, or speak of vLLM."""

    def made(image: str) -> dict[str, Any]:
        template = {"spec": {"containers": [{"name": "c", "image": image}]}}
        return {"kind": "Deployment", "metadata": {"name": image}, "spec": {"template": template}}

    kept = snapshot_of([made("nginx"), made("vllm/vllm-openai")]).of("Deployment")
    assert [one["metadata"]["name"] for one in kept] == ["vllm/vllm-openai"]  # type: ignore[index]  # plain data


@given(st.permutations([("b", "x"), ("a", "y"), ("a", "x"), ("b", "a")]))
def test_the_order_is_always_the_same(places: list[tuple[str, str]]) -> None:
    """Whatever order the server lists in, the file is the same."""
    found = snapshot_of([_pod(name, namespace) for namespace, name in places])
    ordered = [(one["metadata"]["namespace"], one["metadata"]["name"]) for one in found.of("Pod")]  # type: ignore[index]  # plain data
    assert ordered == sorted(places)


def test_a_snapshot_survives_its_file() -> None:
    """Written and read again it is equal, gaps and hidden places included."""
    gap = NotRead(object_kind="ResourceQuota", reason="forbidden")
    secret = _pod("p", resource="nvidia.com/gpu")
    secret["spec"]["containers"][0]["env"] = [{"name": "API_KEY", "value": "abc"}]
    taken = snapshot_of([secret], not_read=[gap], taken_at="2026-11-22T10:00:00+00:00")
    assert taken.hidden == ("Pod a/p containers main env API_KEY",)
    assert read_document(document_of(taken), where="f") == taken


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"apiVersion": "rightslice.dev/v9"}, "is not known"),
        ({"items": {}}, "items: a list of Kubernetes objects is wanted"),
        ({"items": [{"kind": "Pod"}]}, r"items\[0\]: kind and metadata.name are wanted"),
        ({"items": ["x"]}, r"items\[0\]"),
    ],
)
def test_other_files_are_refused(change: dict[str, object], problem: str) -> None:
    """Another version, no list, no objects: what would be right is said."""
    with pytest.raises(InputError, match=problem):
        read_document({**document_of(snapshot_of([])), **change}, where="f")
