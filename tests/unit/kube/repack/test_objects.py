"""A pod's replacement, and the claim template that pins it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from rightslice.errors import InputError
from rightslice.kube.repack.objects import move_name, note_of, pinned_template, replacement
from rightslice.kube.repack.plan import NextMove
from rightslice.kube.repack.pods import HASH_LABEL, MOVE, read_own_pod
from tests.unit.kube.operate.worlds import served
from tests.unit.kube.repack.worlds import own_pod, pod_object

MOVED = NextMove(
    pod=own_pod("old", "chat"), profile="1g.5gb", former="GPU-1", wanted="GPU-0", moves=1, aim="so",
)  # fmt: skip
OWNER = replace(served("chat"), uid="uid")


def _template() -> dict[str, Any]:
    exactly = {"deviceClassName": "mig.nvidia.com", "selectors": [{"cel": {"expression": "x"}}]}
    requests = [{"name": "gpu", "exactly": exactly}]
    return {"spec": {"spec": {"devices": {"requests": requests}}}}


def _deployment() -> dict[str, Any]:
    pod = pod_object("old", "chat")
    labels = {k: v for k, v in pod["metadata"]["labels"].items() if k != HASH_LABEL}
    notes = pod["metadata"]["annotations"]
    claims = [{"name": "gpu", "resourceClaimTemplateName": "chat-r1-gpu"}]
    spec = {"containers": [{"name": "vllm"}], "resourceClaims": claims}
    template = {"metadata": {"labels": labels, "annotations": notes}, "spec": spec}
    return {"spec": {"template": template}}


def test_the_template_selects_one_card_more() -> None:
    """Beside what the revision's template selects."""
    made: Any = pinned_template(_template(), MOVED, OWNER)
    (request,) = made["spec"]["spec"]["devices"]["requests"]
    assert [one["cel"]["expression"] for one in request["exactly"]["selectors"]] == [
        "x", "device.attributes['gpu.nvidia.com'].parentUUID == 'GPU-0'",
    ]  # fmt: skip
    assert made["metadata"]["name"] == move_name(MOVED)


def test_the_replacement_is_a_sibling_outside_the_replica_set() -> None:
    """The Service finds it; the ReplicaSet does not, until it gets the hash."""
    made: Any = replacement(_deployment(), MOVED, OWNER)
    found = read_own_pod({**made, "status": {}})
    assert found is not None
    assert (found.owner, found.revision, found.template_hash) == (("n", "chat"), "r1", "")
    assert found.note == note_of(MOVED)
    assert made["spec"]["resourceClaims"][0]["resourceClaimTemplateName"] == move_name(MOVED)
    (owner,) = made["metadata"]["ownerReferences"]
    assert (owner["uid"], owner["controller"]) == ("uid", False)


def test_a_note_that_cannot_be_read_is_none() -> None:
    """Somebody wrote into it, or took the label off."""
    given = pod_object("new", "chat")
    given["metadata"]["labels"][MOVE] = "under-way"
    for written in ("{", json.dumps({"pod": 1}), None):
        given["metadata"]["annotations"][MOVE] = written
        found = read_own_pod(given)
        assert found is not None
        assert found.note is None


def test_a_strange_template_is_refused() -> None:
    """Nothing is made from what somebody else made."""
    with pytest.raises(InputError, match="not as rightslice makes them"):
        pinned_template({"spec": {}}, MOVED, OWNER)
