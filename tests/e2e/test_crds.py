"""Model and ModelDeployment on a real API server: what it fills in, refuses and shows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from rightslice.kube.crd.definition import API_VERSION
from rightslice.kube.operate.decide import Outcome, decide
from rightslice.kube.operate.view import read_served
from tests.e2e.conftest import eventually
from tests.unit.kube.admission.worlds import node
from tests.unit.kube.crd.specs import fuzzed, spec
from tests.unit.kube.operate.worlds import NOW, world
from tools.crds import FOLDER
from tools.testbed.api import Api, Reply
from tools.testbed.control_plane import ControlPlane

FUZZED = 2000


@pytest.fixture(scope="module")
def api(plane: ControlPlane) -> Iterator[Api]:
    """Return a connection to a server that knows our kinds."""
    plane.kubectl("apply", "--server-side", "-f", str(FOLDER))
    plane.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
    connection = Api(plane)
    eventually(lambda: connection.call("GET", f"/apis/{API_VERSION}/models").status == 200)
    yield connection
    connection.close()


def _create(api: Api, kind: str, given: dict[str, Any], *, name: str = "one") -> Reply:
    """Ask what would come of an object of *kind* with the spec *given*."""
    body = {
        "apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": given,
    }  # fmt: skip
    plural = f"{kind.lower()}s"
    path = f"/apis/{API_VERSION}/namespaces/default/{plural}?dryRun=All&fieldValidation=Strict"
    return api.call("POST", path, body)


def test_what_is_not_said_is_filled_in(api: Api) -> None:
    """The defaults stand in the object itself."""
    reply = _create(api, "ModelDeployment", spec())
    assert reply.status == 201, reply.body
    assert reply.body["spec"] == spec(
        prefixCacheHit="0%", replicas={"min": 1, "max": 1}, priority=0, isolation="hardware",
        confidence="90%", engine={}, pod={}, mode="advise",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"load": {}}, "give either concurrency"),
        ({"load": {"concurrency": 1, "rate": "5/s"}}, "give either concurrency"),
        ({"load": {"concurrency": 0}}, "greater than or equal to 1"),
        ({"load": {"rate": "5"}}, "must be a rate with a unit, as in 5/s"),
        ({"load": {"rate": "0/s"}}, "must be more than zero, as in 5/s"),
        ({"input": 0}, "must be tokens of a request"),
        ({"input": "many"}, "must be tokens of a request"),
        ({"prefixCacheHit": "100%"}, "must be a share below 100%"),
        ({"slo": {}}, "give a target: tpot"),
        ({"slo": {"tpot": "30"}}, "must be a duration with a unit, as in 30ms"),
        ({"slo": {"tpot": "0ms"}}, "must be more than zero, as in 30ms"),
        ({"slo": {"tpot": "30ms", "percentile": "p49"}}, "from p50 to p99.9"),
        ({"replicas": {"min": 3, "max": 2}}, "min must be at most max"),
        ({"replicas": {"min": 2}}, "min must be at most max"),
        ({"isolation": "some"}, "supported values"),
        ({"confidence": "40%"}, "must be from 50% to less than 100%"),
        ({"engine": {"version": "new"}}, "must be a vLLM release"),
        ({"engine": {"flags": ["-x"]}}, "must be one flag with its value"),
        ({"engine": {"flags": ["--port=1"]}}, "is set by rightslice"),
        ({"mode": "Enforce"}, "supported values"),
        ({"model": "No Name"}, "lower-case letters, digits and dashes"),
        ({"modell": "x"}, "unknown field"),
        ({"pod": {"env": [{"name": "A"}]}}, "give either value or secret"),
        ({"pod": {"env": [{"name": "HF_HOME", "value": "/x"}]}}, "is set by rightslice"),
        ({"pod": {"modelCache": "Upper"}}, "must be an object's name"),
        ({"pod": {"labels": {"app.kubernetes.io/name": "x"}}}, "are set by rightslice"),
        ({"pod": {"labels": {"no name": "x"}}}, "a name must be letters"),
        ({"pod": {"labels": {"team": "two words"}}}, "a label's value"),
        ({"pod": {"annotations": {"": "x"}}}, "a name must be letters"),
        ({"pod": {"nodeSelector": {"a b": "x"}}}, "a name must be letters"),
        ({"pod": {"tolerations": [{"effect": "NoSchedule"}]}}, "give a key, or the operator"),
        ({"pod": {"tolerations": [{"key": "a", "operator": "Exists", "value": "b"}]}}, "leave it"),
    ],
)
def test_what_is_wrong_is_refused_with_what_would_be_right(
    api: Api, changed: dict[str, Any], message: str
) -> None:
    """By the schema or a CEL rule, before anything sees it."""
    reply = _create(api, "ModelDeployment", spec(**changed))
    assert reply.status in (400, 422)
    assert message in reply.body["message"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"source": "two words"}, "must be what vLLM loads"),
        ({"source": "a/b", "architecture": {}}, "give exactly one of catalog"),
        ({"source": "a/b", "architecture": {"catalog": "x", "config": {}}}, "exactly one of"),
        ({"source": "a/b", "architecture": {"configMap": {"name": "A"}}}, "must be an object's"),
    ],
)
def test_a_wrong_model_is_refused(api: Api, given: dict[str, Any], message: str) -> None:
    """As a ModelDeployment is."""
    reply = _create(api, "Model", given)
    assert reply.status == 422
    assert message in reply.body["message"]


def test_names_leave_room_for_what_is_named_after_them(api: Api) -> None:
    """A Deployment has the name, a revision and a part."""
    assert _create(api, "ModelDeployment", spec(), name="a" * 46).status == 201
    for name in ("a" * 47, "7b-chat"):
        reply = _create(api, "ModelDeployment", spec(), name=name)
        assert "must start with a letter" in reply.body["message"]


def test_a_model_is_another_service(plane: ControlPlane, api: Api, namespace: str) -> None:
    """What is served under a name does not change."""
    path = f"/apis/{API_VERSION}/namespaces/{namespace}/modeldeployments"
    body = {"apiVersion": API_VERSION, "kind": "ModelDeployment", "metadata": {"name": "one"}}
    made = api.call("POST", path, {**body, "spec": spec()})
    changed = {**made.body, "spec": spec(model="other")}
    assert "model cannot change" in api.call("PUT", f"{path}/one", changed).body["message"]


def test_people_see_what_matters(plane: ControlPlane, api: Api, namespace: str) -> None:
    """`kubectl get`, the scale subresource, and that a status is written apart from the spec."""
    path = f"/apis/{API_VERSION}/namespaces/{namespace}/modeldeployments"
    body = {"apiVersion": API_VERSION, "kind": "ModelDeployment", "metadata": {"name": "chat"}}
    made = api.call("POST", path, {**body, "spec": spec(replicas={"min": 1, "max": 3})})
    offer = {"offer": "A100 2g", "resource": "r", "count": 1, "replicas": 2, "usdPerHour": "0.78"}
    status = {"recommendation": {"offer": offer}, "replicas": 2, "readyReplicas": 2}
    api.call("PUT", f"{path}/chat/status", {**made.body, "status": status})
    shown = plane.kubectl("-n", namespace, "get", "mdep").splitlines()
    assert shown[0].split() == [
        "NAME", "MODEL", "MODE", "OFFER", "REPLICAS", "READY", "USD/H", "SETTLED", "AGE",
    ]  # fmt: skip
    assert shown[1].split()[:8] == ["chat", "opt", "advise", "A100", "2g", "2", "2", "0.78"]
    plane.kubectl("-n", namespace, "scale", "mdep", "chat", "--replicas=2")
    assert api.call("GET", f"{path}/chat").body["spec"]["replicas"] == {"min": 2, "max": 3}


def test_fuzzed_specs_are_refused_or_read(api: Api) -> None:
    """What the API server lets pass is decided, and a condition says what of it."""
    passed = 0
    around = world(node("a", {"nvidia.com/mig-2g.10gb": "4"}))
    around = replace(around, models={("default", name[1]): m for name, m in around.models.items()})
    for seed in range(FUZZED):
        reply = _create(api, "ModelDeployment", fuzzed(seed))
        assert reply.status in (201, 400, 422), reply.body
        if reply.status == 201:
            passed += 1
            one = read_served(reply.body)
            assert one.problems == ()
            decided = decide(one, around, NOW)
            told = [each.message for each in decided.status.conditions[:2] if each.message]
            assert told or decided.outcome is Outcome.OFF, reply.body
    assert 50 < passed < FUZZED / 2, passed
