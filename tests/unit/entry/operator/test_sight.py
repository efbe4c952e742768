"""What the watches told."""

from __future__ import annotations

from typing import Any

from rightslice.entry.operator.sight import CLAIM_TEMPLATE, DEPLOYMENT, Sight
from rightslice.kube.crd.definition import MODEL, MODEL_DEPLOYMENT
from rightslice.kube.crd.deployment import ModelDeploymentStatus
from rightslice.kube.operate.view import OWNER_LABEL, PART_LABEL, REVISION_LABEL
from tests.unit.kube.crd.specs import spec

KIND = MODEL_DEPLOYMENT.kind
CHAT = ("n", "chat")


def _object(name: str, version: int, **metadata: object) -> dict[str, Any]:
    given = {"namespace": "n", "name": name, "uid": f"uid-{name}", "generation": 1}
    return {"metadata": {**given, "resourceVersion": str(version), **metadata}}


def _chat(version: int, **changed: object) -> dict[str, Any]:
    return _object("chat", version) | {"spec": spec(**changed)}


def _deployment(version: int, replicas: int, owner: str = "uid-chat") -> dict[str, Any]:
    labels = {OWNER_LABEL: "chat", REVISION_LABEL: "r", PART_LABEL: "guaranteed"}
    one = _object("chat-r", version, labels=labels, ownerReferences=[{"uid": owner}])
    return one | {"spec": {"replicas": replicas}}


def test_what_says_nothing_new_stays_the_same_value() -> None:
    """So that nobody has to look at it again."""
    sight = Sight()
    assert sight.take(KIND, _chat(1))
    before = sight.served[CHAT]
    assert not sight.take(KIND, _chat(2))
    assert sight.served[CHAT] is before


def test_an_older_version_is_passed_over() -> None:
    """A watch lags behind our own write."""
    sight = Sight()
    sight.take(KIND, _chat(5, priority=5))
    assert not sight.take(KIND, _chat(4, priority=4))
    status = ModelDeploymentStatus(replicas=3)
    sight.wrote(KIND, CHAT, status, "9")
    assert not sight.take(KIND, _chat(8, priority=8))
    one = sight.served[CHAT]
    assert one.spec is not None
    assert (one.spec.priority, one.before) == (5, status)


def test_a_list_is_the_truth_whatever_its_versions_are() -> None:
    """What it does not hold is gone; after a restore versions start lower."""
    sight = Sight()
    sight.take(KIND, _chat(50))
    sight.take(KIND, _object("old", 51) | {"spec": spec()})
    assert sight.replace_all(KIND, [_chat(7, priority=7)])
    one = sight.served[CHAT].spec
    assert (list(sight.served), one and one.priority) == ([CHAT], 7)


def test_deployments_go_with_whom_they_name_as_their_owner() -> None:
    """By uid: one of an earlier ModelDeployment of that name is not ours."""
    sight = Sight()
    sight.take(KIND, _chat(1))
    sight.take(DEPLOYMENT, _deployment(2, 3))
    assert [one.replicas for one in sight.served[CHAT].running] == [3]
    sight.take(DEPLOYMENT, _deployment(3, 3, owner="uid-earlier"))
    assert sight.served[CHAT].running == ()


def test_what_we_scaled_is_known_before_the_watch_tells() -> None:
    """The next decision starts from it."""
    sight = Sight()
    sight.take(KIND, _chat(1))
    sight.take(DEPLOYMENT, _deployment(2, 3))
    sight.scaled(CHAT, "chat-r", 5)
    assert [one.replicas for one in sight.served[CHAT].running] == [5]


def test_what_is_being_deleted_is_not_served() -> None:
    """Nothing is decided for it any more."""
    sight = Sight()
    sight.take(KIND, _chat(1))
    going = _chat(2)
    going["metadata"]["deletionTimestamp"] = "2026-11-23T00:00:00Z"
    assert sight.take(KIND, going)
    assert sight.served == {}
    assert not sight.take(KIND, going, is_gone=True)


def test_claim_templates_are_known_by_name() -> None:
    """Those that a ModelDeployment owns."""
    sight = Sight()
    sight.take(KIND, _chat(1))
    labels = {OWNER_LABEL: "chat"}
    owners = [{"uid": "uid-chat"}]
    sight.take(CLAIM_TEMPLATE, _object("chat-r-gpu", 2, labels=labels, ownerReferences=owners))
    assert sight.served[CHAT].templates == ("chat-r-gpu",)
    sight.deleted((CLAIM_TEMPLATE, "n", "chat-r-gpu"))
    assert sight.served[CHAT].templates == ()


def test_models_are_kept_as_they_are() -> None:
    """They are read where their files are."""
    sight = Sight()
    given = _object("opt", 1) | {"spec": {"source": "facebook/opt-1.3b"}}
    assert sight.take(MODEL.kind, given)
    assert not sight.take(MODEL.kind, given)
    assert sight.take(MODEL.kind, given, is_gone=True)
    assert sight.models == {}
