"""Pass after pass says what a pass from scratch says."""

from __future__ import annotations

import datetime as dt
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from rightslice.core.catalog.question import Question
from rightslice.core.fit.result import Offer, Recommendation
from rightslice.kube.admission.settings import Mode
from rightslice.kube.crd.decode import encode
from rightslice.kube.operate.again import Memory, decide_again
from rightslice.kube.operate.decide import decide_all
from rightslice.kube.operate.view import (
    OWNER_LABEL,
    REVISION_LABEL,
    Served,
    World,
    read_running,
    read_served,
)
from tests.unit.kube.admission.worlds import node
from tests.unit.kube.operate.worlds import NOW, recommend, served, world

FEW = {"nvidia.com/mig-1g.5gb": "1", "nvidia.com/mig-2g.10gb": "2", "nvidia.com/mig-3g.20gb": "1"}
WHOLE = {"nvidia.com/gpu": "2"}
NAMES = ("a", "b", "c")


def _pod(name: str, on: str | None, resource: str, of: tuple[str, str]) -> dict[str, Any]:
    labels = {OWNER_LABEL: of[0], REVISION_LABEL: of[1]} if of[1] else {}
    spec: dict[str, Any] = {"containers": [{"resources": {"limits": {resource: 1}}}]}
    spec |= {} if on is None else {"nodeName": on}
    return {"metadata": {"name": name, "namespace": "n", "labels": labels}, "spec": spec}


@dataclass
class Story:
    """A cluster to which things happen."""

    chosen: random.Random
    now: dt.datetime = NOW
    nodes: dict[str, dict[str, str]] = field(default_factory=lambda: {"x": FEW})
    pods: dict[str, tuple[str | None, str, tuple[str, str]]] = field(default_factory=dict)
    served: dict[str, Served] = field(default_factory=lambda: {one: served(one) for one in NAMES})
    changed: dict[str, Any] = field(default_factory=dict)
    """Of the world."""

    @property
    def world(self) -> World:
        """The world as it is now."""
        nodes = [node(name, amounts) for name, amounts in self.nodes.items()]
        pods = [_pod(name, *where) for name, where in self.pods.items()]
        return replace(world(*nodes, pods=tuple(pods)), **self.changed)

    def happen(self, memory: Memory) -> None:
        """Let one thing happen."""
        things: list[Callable[[], None]] = [
            self._node, self._pod, self._spec, self._time, self._rule, self._running,
            lambda: self._write(memory), lambda: self._write(memory), lambda: self._write(memory),
        ]  # fmt: skip
        self.chosen.choice(things)()

    def _node(self) -> None:
        name = self.chosen.choice("xy")
        if name in self.nodes and self.chosen.random() < 0.5:
            del self.nodes[name]
        else:
            self.nodes[name] = self.chosen.choice([FEW, WHOLE])

    def _pod(self) -> None:
        name = self.chosen.choice("pqr")
        if self.pods.pop(name, None) is None:
            on = self.chosen.choice(["x", "y", None])
            resource = self.chosen.choice([*FEW, *WHOLE])
            self.pods[name] = on, resource, self._owner()

    def _owner(self) -> tuple[str, str]:
        """A revision of one of them that runs, or should; or nobody's."""
        name = self.chosen.choice(NAMES)
        one = self.served.get(name)
        found = [] if one is None else [each.revision for each in one.running]
        if one is not None and one.before.recommendation is not None:
            found.append(one.before.recommendation.offer.revision)
        return name, self.chosen.choice([*found, ""])

    def _spec(self) -> None:
        name = self.chosen.choice(NAMES)
        if self.served.pop(name, None) is not None and self.chosen.random() < 0.2:
            return
        self.served[name] = served(
            name,
            load={"concurrency": self.chosen.choice([1, 48, 64, 128])},
            mode=self.chosen.choice(["advise", "enforce", "off"]),
            priority=self.chosen.randint(0, 1),
            model=self.chosen.choice(["opt", "opt", "mistral", "none"]),
            replicas={"min": 1, "max": self.chosen.choice([1, 3])},
        )

    def _time(self) -> None:
        self.now += dt.timedelta(seconds=self.chosen.choice([0, 1, 300, 599, 601]))

    def _rule(self) -> None:
        told = self.chosen.choice(["problem", "ceiling", "settle_seconds"])
        values: dict[str, list[Any]] = {
            "problem": [None, "not seen"], "ceiling": [Mode.ADVISE, Mode.ENFORCE],
            "settle_seconds": [0.0, 600.0],
        }  # fmt: skip
        self.changed[told] = self.chosen.choice(values[told])

    def _write(self, memory: Memory) -> None:
        """The status of one, or of all, is written down, and its Deployments are made."""
        one = self.chosen.choice([None, *NAMES])
        for decision in memory.decisions:
            name = decision.key[1]
            if name in self.served and one in (None, name):
                body = json.loads(json.dumps({"status": encode(decision.status)}))
                made = [
                    action.manifest for action in decision.actions if hasattr(action, "manifest")
                ]
                running = tuple(filter(None, map(read_running, made)))
                self.served[name] = replace(
                    self.served[name],
                    before=read_served(body).before,
                    running=running or self.served[name].running,
                )

    def _running(self) -> None:
        name = self.chosen.choice(NAMES)
        if name in self.served:
            running = self.served[name].running
            count = self.chosen.randint(0, 2)
            self.served[name] = replace(
                self.served[name],
                running=tuple(replace(one, pods=count, ready=count) for one in running),
            )


@given(st.integers(0, 10**9))
@settings(max_examples=40, deadline=None)
def test_it_says_what_a_pass_from_scratch_says(seed: int) -> None:
    """Over any sequence of changes to objects, cluster, rules and the time."""
    chosen = random.Random(seed)  # noqa: S311 - repeatable, not secret
    story, memory = Story(chosen), Memory()
    for _ in range(12):
        story.happen(memory)
        around = story.world
        memory = decide_again(story.served.values(), around, story.now, memory)
        assert memory.decisions == decide_all(story.served.values(), around, story.now)


def _settled(nodes: dict[str, dict[str, str]]) -> tuple[Story, Memory]:
    """Return three ModelDeployments whose statuses say all there is to say."""
    chosen = random.Random(1)  # noqa: S311 - repeatable, not secret
    story, memory = Story(chosen, nodes=nodes), Memory()
    for _ in range(3):
        memory = decide_again(story.served.values(), story.world, story.now, memory)
        for decision in memory.decisions:
            name = decision.key[1]
            story.served[name] = replace(story.served[name], before=decision.status)
    return story, decide_again(story.served.values(), story.world, story.now, memory)


def test_a_calibration_decides_those_of_its_model() -> None:
    """Questions about it are answered by another."""
    story, memory = _settled({"x": dict.fromkeys(FEW, "9")})

    def measured(question: Question, offers: Sequence[Offer]) -> Recommendation:
        return recommend(question, list(offers))

    around = replace(story.world, recommends={("n", "mistral"): measured})
    memory = decide_again(story.served.values(), around, story.now, memory)
    assert memory.anew == frozenset()
    around = replace(story.world, recommends={("n", "opt"): measured})
    memory = decide_again(story.served.values(), around, story.now, memory)
    assert memory.anew == {("n", name) for name in NAMES}


def test_with_nothing_changed_nothing_is_decided() -> None:
    """Whatever the time is."""
    story, memory = _settled({"x": FEW})
    later = story.now + dt.timedelta(days=1)
    memory = decide_again(story.served.values(), story.world, later, memory)
    assert memory.anew == frozenset()
    assert memory.due is None


def test_a_change_of_one_decides_one() -> None:
    """The others have what they had, since there is enough for all."""
    plenty = dict.fromkeys(FEW, "9")
    story, memory = _settled({"x": plenty})
    story.served["b"] = replace(served("b", load={"concurrency": 128}),
                                before=story.served["b"].before)  # fmt: skip
    memory = decide_again(story.served.values(), story.world, story.now, memory)
    assert memory.anew == {("n", "b")}


def test_a_pod_elsewhere_decides_nobody_whom_it_takes_nothing_from() -> None:
    """How many are free is not what a decision rests on, but whether its own can be had."""
    plenty = dict.fromkeys(FEW, "9")
    story, memory = _settled({"x": plenty})
    story.pods["p"] = "x", "nvidia.com/mig-2g.10gb", ("", "")
    memory = decide_again(story.served.values(), story.world, story.now, memory)
    assert memory.anew == frozenset()


def test_only_the_one_that_settles_wakes() -> None:
    """At the moment when what it waits for is due, and not before."""
    story, memory = _settled({"x": dict.fromkeys(FEW, "9")})
    low = served("b", load={"concurrency": 1})
    story.served["b"] = replace(low, before=story.served["b"].before)
    memory = decide_again(story.served.values(), story.world, story.now, memory)
    due = memory.due
    assert due == story.now + dt.timedelta(seconds=600)
    decision = next(one for one in memory.decisions if one.key == ("n", "b"))
    story.served["b"] = replace(story.served["b"], before=decision.status)
    memory = decide_again(story.served.values(), story.world, story.now, memory)
    before = due - dt.timedelta(seconds=1)
    memory = decide_again(story.served.values(), story.world, before, memory)
    assert memory.anew == frozenset()
    memory = decide_again(story.served.values(), story.world, due, memory)
    assert memory.anew == {("n", "b")}
