"""Objects put together as the operator has them."""

from __future__ import annotations

from typing import Any

import pytest

from rightslice.kube.admission.settings import Mode
from rightslice.kube.operate.gather import OperatorRules, is_operator, operator_rules, served_of
from tests.unit.entry.kubectl.fleets import operator, served


def _deployment(owner: str = "chat", uid: str = "u-chat") -> dict[str, Any]:
    labels = {
        "rightslice.dev/model-deployment": owner, "rightslice.dev/revision": "0a",
        "rightslice.dev/part": "guaranteed",
    }  # fmt: skip
    metadata = {
        "namespace": "a", "name": "chat-0a", "labels": labels, "ownerReferences": [{"uid": uid}],
    }  # fmt: skip
    return {"kind": "Deployment", "metadata": metadata, "spec": {"replicas": 2}}


def test_a_model_deployment_has_the_deployments_that_name_it() -> None:
    """By label and by uid: one of the same name that went before owns nothing here."""
    found = served_of([served("chat")], [_deployment(), _deployment(uid="u-former")])
    assert [one.replicas for one in found["a", "chat"].running] == [2]
    assert served_of([served("chat")], [_deployment("other")])["a", "chat"].running == ()


def test_what_is_being_deleted_is_not_served() -> None:
    """Nothing is decided about it any more."""
    one = served("chat")
    one["metadata"]["deletionTimestamp"] = "2026-11-23T00:00:00Z"
    assert served_of([one], []) == {}


def test_the_operators_arguments_are_its_rules() -> None:
    """Ceiling and settling time are read from the chart's Deployment, and where is told."""
    found = operator_rules([_deployment(), operator("advise", 30)])
    assert (found.ceiling, found.settle_seconds) == (Mode.ADVISE, 30)
    assert found.origin == "arguments of Deployment rightslice/op"
    assert operator_rules([_deployment()]) == OperatorRules()


@pytest.mark.parametrize("settle", ["x", "", "-1", "1e9"])
def test_arguments_that_cannot_be_read_leave_the_defaults(settle: str) -> None:
    """The operator itself would not start with them."""
    one = operator("sometimes")
    one["spec"]["template"]["spec"]["containers"][0]["args"][2] = f"--settle={settle}"
    assert operator_rules([one]).settle_seconds == 600
    assert operator_rules([one]).ceiling is Mode.ADVISE
    assert is_operator(one)
