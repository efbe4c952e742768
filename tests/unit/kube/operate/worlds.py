"""Clusters, ModelDeployments and a player of Deployments for the tests of decisions."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from rightslice.core.catalog.question import Question
from rightslice.core.fit.fit import fit
from rightslice.core.fit.result import Offer, Recommendation
from rightslice.edge.catalog_files import Catalog
from rightslice.kube.admission.decide import device_key
from rightslice.kube.cluster.hardware import hardware_of
from rightslice.kube.cluster.read import read_cluster
from rightslice.kube.crd.decode import encode
from rightslice.kube.operate.ask import Release
from rightslice.kube.operate.decide import Decision, decide
from rightslice.kube.operate.transition import Apply, Delete, Scale
from rightslice.kube.operate.view import Running, Served, World, read_running, read_served
from tests.unit.kube.admission.worlds import constants
from tests.unit.kube.crd.specs import spec

NOW = dt.datetime(2026, 11, 22, 12, 0, tzinfo=dt.UTC)
_answers: dict[object, Recommendation] = {}


@lru_cache(maxsize=1)
def catalog() -> Catalog:
    """Return the catalogue."""
    return Catalog()


def recommend(question: Question, offers: list[Offer]) -> Recommendation:
    """Return `fit`'s answer, worked out once a question."""
    key = question, tuple((device_key(one), one.usd_per_hour) for one in offers)
    if key not in _answers:
        _answers[key] = fit(question, offers, constants=constants())
    return _answers[key]


def world(*nodes: Mapping[str, object], pods: tuple[Mapping[str, object], ...] = ()) -> World:
    """Return a world of *nodes* that knows the three models of the talk."""
    cluster = read_cluster({"Node": list(nodes), "Pod": list(pods)}).cluster
    names = {
        "opt": "facebook/opt-1.3b",
        "mistral": "mistralai/Mistral-7B-Instruct-v0.3",
        "llama": "meta-llama/Meta-Llama-3-8B",
    }
    return World(
        cluster=cluster,
        hardware={one.name: hardware_of(one, catalog().gpu) for one in cluster.nodes},
        models={("n", name): catalog().model(model) for name, model in names.items()},
        release=Release(find=catalog().engine),
        recommend=recommend,  # type: ignore[arg-type]  # offers come as lists here
    )


def served(name: str = "chat", **changed: object) -> Served:
    """Return a ModelDeployment with the talk's load and *changed* fields."""
    metadata = {"namespace": "n", "name": name, "uid": f"uid-{name}", "generation": 1}
    engine = {"version": "0.6.3"}
    given = {"confidence": "50%", "engine": engine, **changed}
    return read_served({"metadata": metadata, "spec": spec(**given)})


@dataclass
class Play:
    """One ModelDeployment in Enforce, and the Deployments that decisions about it make.

    Pods become ready by `ready`, one at a time, in any order that a test likes.
    """

    one: Served
    deployments: dict[str, dict[str, Any]] = field(default_factory=dict)
    now: dt.datetime = NOW
    settle_seconds: float = 600.0

    @property
    def running(self) -> tuple[Running, ...]:
        """The Deployments as they are seen."""
        found = [read_running(one) for one in self.deployments.values()]
        return tuple(one for one in found if one is not None)

    @property
    def ready(self) -> int:
        """Pods that serve."""
        return sum(one.ready for one in self.running)

    def load(self, concurrency: int, **changed: object) -> None:
        """Change the spec."""
        fresh = served(self.one.name, load={"concurrency": concurrency}, mode="enforce", **changed)
        self.one = replace(fresh, before=self.one.before)

    def decide(self, around: World) -> Decision:
        """Decide, carry out what is to be done, and keep the status."""
        around = replace(around, settle_seconds=self.settle_seconds)
        decision = decide(replace(self.one, running=self.running), around, self.now)
        for action in decision.actions:
            self._do(action)
        body = json.loads(json.dumps({"status": encode(decision.status)}))
        self.one = replace(self.one, before=read_served(body).before)
        return decision

    def _do(self, action: Apply | Scale | Delete) -> None:
        if isinstance(action, Delete):
            assert self.deployments.pop(action.name)["status"]["replicas"] == 0
            return
        if isinstance(action, Apply):
            made: Any = json.loads(json.dumps(action.manifest))
            if made["kind"] == "Deployment":
                name = made["metadata"]["name"]
                fresh = {"replicas": made["spec"]["replicas"], "readyReplicas": 0}
                made["status"] = self.deployments.get(name, {"status": fresh})["status"]
                self.deployments[name] = made
            return
        found = self.deployments[action.name]
        found["spec"]["replicas"] = action.replicas
        status = found["status"]
        status["readyReplicas"] = min(status["readyReplicas"], action.replicas)
        status["replicas"] = action.replicas

    def make_ready(self, index: int) -> None:
        """Make one more pod of some Deployment ready, where one is not."""
        waiting = [
            one for one in self.deployments.values()
            if one["status"]["readyReplicas"] < one["status"]["replicas"]
        ]  # fmt: skip
        if waiting:
            waiting[index % len(waiting)]["status"]["readyReplicas"] += 1

    def settle(self, around: World, rounds: int = 30) -> Decision:
        """Decide and let pods become ready until nothing changes."""
        decision = self.decide(around)
        for _ in range(rounds):
            self.make_ready(0)
            decision = self.decide(around)
        return decision
