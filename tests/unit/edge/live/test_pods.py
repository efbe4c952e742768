"""Pods and disruption budgets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rightslice.edge.live.objects import read_objects
from rightslice.edge.live.pods import Tenants, read_tenants
from rightslice.errors import InputError

Made = dict[str, Callable[..., Any]]


def tenants(made: Made, *objects: dict[str, Any]) -> Tenants:
    """Return what *objects* say of pods."""
    return read_tenants(read_objects(made["listed"](*objects), where="x"), where="x")


def test_a_pod_that_is_not_listed_stands_for_itself(made: Made) -> None:
    """No workload, no pin, no start time is made up."""
    live = tenants(made).live("search", "a")
    assert (live.name, live.workload, live.pinned, live.start_seconds) == (
        "search/a",
        "",
        False,
        None,
    )


def test_restarted_pods_tell_no_start_time(made: Made) -> None:
    """After a restart the times are those of another start."""
    status = {
        **made["pod"]("a")["status"],
        "containerStatuses": [{"name": "vllm", "restartCount": 2}],
    }
    pod = made["pod"]("chat-x", "chat", status=status)
    assert tenants(made, pod).live("search", "chat-x").start_seconds is None


@pytest.mark.parametrize(
    ("requirement", "is_selected"),
    [
        ({"key": "app", "operator": "In", "values": ["chat"]}, True),
        ({"key": "app", "operator": "NotIn", "values": ["chat"]}, False),
        ({"key": "gone", "operator": "Exists"}, False),
        ({"key": "gone", "operator": "DoesNotExist"}, True),
        ({"key": "app", "operator": "Like"}, True),
    ],
)
def test_budgets_select_by_expressions_too(
    requirement: dict[str, Any], *, is_selected: bool, made: Made
) -> None:
    """Every operator of Kubernetes is followed; an unknown one keeps the budget."""
    budget = made["budget"]("chat", 2)
    budget["spec"]["selector"] = {"matchExpressions": [requirement]}
    found = tenants(made, made["pod"]("chat-x", "chat"), budget)
    assert found.floors == ({"search/chat": 2} if is_selected else {})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "x: is not JSON"),
        ("[1]", "holds no Kubernetes objects"),
        ('{"kind": "List", "items": [3]}', "holds no Kubernetes objects"),
    ],
)
def test_what_is_no_list_of_objects_is_refused(text: str, message: str) -> None:
    """Broken JSON and other data are told from a cluster's objects."""
    with pytest.raises(InputError, match=message):
        read_objects(text, where="x")


def test_yaml_and_typed_lists_are_read() -> None:
    """A PodList's items have no kind of their own; YAML is as good as JSON."""
    objects = read_objects(
        "apiVersion: v1\nkind: PodList\nitems:\n- metadata: {name: a}\n", where="x"
    )
    assert list(objects) == ["Pod"]
