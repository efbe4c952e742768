"""The webhook over HTTP."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from rightslice.core.fit.answers import Answers
from rightslice.edge.catalog_files import Catalog
from rightslice.edge.cluster.state import ClusterState
from rightslice.entry.webhook.answers import Reviewer
from rightslice.entry.webhook.metrics import Metrics
from rightslice.entry.webhook.server import Served, admission_app, health_app
from rightslice.entry.webhook.warm import warm_up
from rightslice.kube.admission.decide import Outcome
from rightslice.kube.admission.reading import reader
from rightslice.kube.admission.review import Reviewed
from rightslice.kube.admission.settings import Mode, Settings
from rightslice.kube.parse.question import Defaults, Lookups
from tests.unit.kube.admission.worlds import SLICES, constants, node, talk_pod

Client = TestClient[web.Request, web.Application]


class Told:
    """Keeps what would have become events."""

    def __init__(self) -> None:
        self.reviews: list[Reviewed] = []

    def tell(self, reviewed: Reviewed) -> None:
        """Keep it."""
        self.reviews.append(reviewed)


class State:
    """What tests turn: whether the cluster is known, and why not."""

    problem: str | None = None


def _reviewer(state: State) -> Reviewer:
    catalog = Catalog()
    defaults = Defaults(confidence=0.5)
    cluster = ClusterState(find_gpu=catalog.gpu, now=lambda: 0.0)
    cluster.put("Node", node("a", SLICES))
    cluster.put("Namespace", {"metadata": {"name": "n"}})
    return Reviewer(
        state=cluster,
        settings=Settings(mode=Mode.ENFORCE, defaults=defaults),
        read=reader(Lookups(model=catalog.model, engine=catalog.engine), defaults),
        answers=Answers(constants()),
        problem=lambda: state.problem,
    )


@pytest.fixture
def state() -> State:
    """Return the switch."""
    return State()


@pytest.fixture
def served(state: State) -> Served:
    """Return what the handlers share, on a cluster of one node."""
    return Served(
        reviewer=_reviewer(state),
        metrics=Metrics(),
        events=Told(),  # type: ignore[arg-type]  # a fake of the one method that is called
        is_ready=lambda: state.problem is None,
    )


@pytest.fixture
async def client(served: Served) -> AsyncIterator[Client]:
    """Return a client of the admission server."""
    async with TestClient(TestServer(admission_app(served))) as made:
        yield made


def _request(pod: object, uid: str = "u", **more: object) -> dict[str, Any]:
    kind = {"kind": "Pod"}
    return {"request": {"uid": uid, "kind": kind, "namespace": "n", "object": pod, **more}}


async def _patched(client: Client, request: dict[str, Any]) -> tuple[Any, Any]:
    reply = await client.post("/mutate?timeout=2s", json=request)
    assert reply.status == 200
    response = (await reply.json())["response"]
    patch = json.loads(base64.b64decode(response.get("patch", "W10=")))
    return response, {one["path"]: one["value"] for one in patch if "value" in one}


NOTE = "/metadata/annotations/rightslice.dev~1"
LIMIT = "/spec/containers/0/resources/limits/nvidia.com~1mig-2g.10gb"


async def test_a_pod_is_patched_and_counted(client: Client, served: Served) -> None:
    """The reply allows it; the outcome is counted, the event told."""
    response, patch = await _patched(client, _request(talk_pod()))
    assert (response["uid"], response["allowed"], patch[LIMIT]) == ("u", True, "1")
    counted = served.metrics.registry.get_sample_value(
        "rightslice_admission_reviews_total", {"mode": "enforce", "outcome": "Resized"}
    )
    assert counted == 1
    assert isinstance(served.events, Told)
    assert served.events.reviews[0].decision.outcome is Outcome.RESIZED


@pytest.mark.parametrize("body", ["", "{", "[]", "{}", "null", '{"request": {}}', "[" * 100_000])
async def test_what_is_no_review_gets_400(client: Client, served: Served, body: str) -> None:
    """With failurePolicy Ignore the pod then passes; the count tells of it."""
    reply = await client.post("/mutate", data=body)
    assert reply.status == 400
    assert "not an AdmissionReview" in await reply.text()
    name = "rightslice_admission_failures_total"
    assert served.metrics.registry.get_sample_value(name, {"reason": "not a review"}) == 1


async def test_the_second_of_two_gets_another_slice(client: Client) -> None:
    """What was given is held back; a dry run gives nothing away."""
    for dry in (True, False):
        _, patch = await _patched(client, _request(talk_pod(), uid=f"u{dry}", dryRun=dry))
        assert LIMIT in patch
    _, patch = await _patched(client, _request(talk_pod(), uid="third"))
    assert LIMIT.replace("2g.10gb", "3g.20gb") in patch


async def test_a_pod_that_comes_back_keeps_its_slice(client: Client, served: Served) -> None:
    """Another webhook changed it: nothing more is to do, though no other slice is left."""
    _, patch = await _patched(client, _request(talk_pod()))
    notes = {path.removeprefix(NOTE): value for path, value in patch.items() if NOTE in path}
    pod = talk_pod(annotations={f"rightslice.dev/{key}": value for key, value in notes.items()})
    slices = {"nvidia.com/mig-2g.10gb": "1"}
    pod["spec"]["containers"][0]["resources"] = {"limits": slices, "requests": slices}
    response, _ = await _patched(client, _request(pod, uid="again"))
    assert response == {"uid": "again", "allowed": True}
    assert served.reviewer.state.has_promised("u")


async def test_a_cluster_that_is_not_known_changes_nothing(client: Client, state: State) -> None:
    """The pod passes unchanged, with a warning that says why."""
    state.problem = "Node of the cluster could not be followed for 40 s"
    response, patch = await _patched(client, _request(talk_pod()))
    assert patch == {}
    assert "could not be followed" in response["warnings"][0]


async def test_a_namespace_that_was_not_seen_is_advised_at_most(client: Client) -> None:
    """Its labels may say less than the default."""
    request = _request(talk_pod())
    request["request"]["namespace"] = "new"
    _, patch = await _patched(client, request)
    assert patch
    assert not any(path.startswith("/spec") for path in patch)


async def test_health_follows_the_mirror(served: Served, state: State) -> None:
    """Alive always; ready when the cluster is known; metrics in Prometheus' format."""
    async with TestClient(TestServer(health_app(served))) as client:
        assert (await client.get("/healthz")).status == 200
        assert (await client.get("/readyz")).status == 200
        state.problem = "not yet"
        assert (await client.get("/readyz")).status == 503
        text = await (await client.get("/metrics")).text()
        assert "rightslice_admission_duration_seconds_bucket" in text


def test_warming_up_leaves_no_trace(served: Served) -> None:
    """It goes through fitting and prediction, on a cluster of its own."""
    before = served.reviewer.state.cluster()
    reviewed = warm_up(served.reviewer, Catalog())
    assert reviewed.decision.candidate is not None
    assert reviewed.decision.candidate.prediction is not None
    assert served.reviewer.state.cluster() == before
