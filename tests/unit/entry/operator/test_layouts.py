"""Changes of layouts carried out on an API server that may not answer, by operators that die."""

from __future__ import annotations

import asyncio
import copy
import datetime as dt
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rightslice.edge.mig_configs import FILE
from rightslice.entry.operator.api import ClusterCalls
from rightslice.entry.operator.layouts import LayoutRules, Layouts, layout_rules
from rightslice.entry.operator.metrics import Metrics
from rightslice.entry.operator.node_calls import NodeCalls
from rightslice.errors import InputError
from rightslice.kube.crd.decode import encode
from rightslice.kube.operate.decide import decide_all
from rightslice.kube.operate.view import Key, Served, read_served
from rightslice.kube.relayout.limits import Limits
from rightslice.kube.relayout.machine import Patch
from rightslice.kube.relayout.record import RECORD, write_record
from tests.unit.kube.operate.worlds import NOW, world
from tests.unit.kube.relayout.clusters import big, cut_node, pod

CONFIG = "version: v1\nmig-configs:\n  all-1g.5gb: []\n"
MOVABLE: dict[str, Any] = {
    "annotations": {"rightslice.dev/movable": "true"},
    "ownerReferences": [{"kind": "ReplicaSet", "name": "r", "controller": True}],
}
NOT_CUT: dict[str, Any] = {"gpu_deploy_mig-manager": "false"}


@dataclass
class Server(NodeCalls):
    """The API server's part in memory; `faults` say of each call whether its answer is lost."""

    client: Any = None
    nodes: dict[str, Any] = field(default_factory=dict)
    pods: list[Any] = field(default_factory=list)
    files: dict[str, str] | None = field(default_factory=lambda: {FILE: CONFIG})
    faults: Iterator[bool] = field(default_factory=lambda: iter(()))
    comes: Mapping[str, str] = field(default_factory=dict)
    """State that mig-manager comes to, by the start of the configuration's name."""
    version: int = 1
    labels: list[str] = field(default_factory=list)
    """What mig-manager was told."""

    def _lost(self) -> None:
        if next(self.faults, False):
            raise OSError("the connection was cut")

    async def node(self, name: str) -> Any:  # noqa: ANN401 - decoded JSON
        """Return a node."""
        self._lost()
        found = copy.deepcopy(self.nodes.get(name))
        if found is not None:
            found["metadata"]["resourceVersion"] = str(self.version)
        return found

    async def patch(self, name: str, version: str, change: Patch) -> bool:
        """Change a node, and let mig-manager do its part."""
        if version != str(self.version):
            return False
        self.version += 1
        one = self.nodes[name]
        one["metadata"].setdefault("annotations", {})[RECORD] = write_record(change.record)
        if change.cordon is not None:
            one.setdefault("spec", {})["unschedulable"] = change.cordon
        if change.label is not None:
            self._cut(one, change)
        self._lost()
        return True

    def _cut(self, one: Any, change: Patch) -> None:  # noqa: ANN401 - decoded JSON
        label, record = str(change.label), change.record
        labels = one["metadata"]["labels"]
        labels["nvidia.com/mig.config"] = label
        self.labels.append(label)
        assert not [each for each in self.pods if each["spec"].get("nodeName")]
        state = next((s for start, s in self.comes.items() if label.startswith(start)), "success")
        labels["nvidia.com/mig.config.state"] = state
        if state == "success":
            given = record.after if label == record.wanted else record.before
            kept = {k: v for k, v in one["status"]["allocatable"].items() if "nvidia" not in k}
            one["status"]["allocatable"] = kept | {each.name: str(each.count) for each in given}

    async def pods_on(self, node: str) -> list[Any]:
        """Return the pods of a node."""
        self._lost()
        return [one for one in self.pods if one["spec"].get("nodeName") == node]

    async def evict(self, namespace: str, name: str) -> str | None:
        """Let a pod go at once."""
        self.pods = [
            one for one in self.pods
            if (one["metadata"]["namespace"], one["metadata"]["name"]) != (namespace, name)
        ]  # fmt: skip
        self._lost()
        return None

    async def config_files(self, where: Key) -> tuple[Mapping[str, str], str] | None:
        """Return the ConfigMap."""
        assert where == ("gpu-operator", "custom-mig-parted-config")
        self._lost()
        return None if self.files is None else (self.files, "1")

    async def write_config(self, where: Key, version: str, text: str) -> bool:
        """Write the ConfigMap."""
        assert (where[0], version) == ("gpu-operator", "1")
        self.files = {FILE: text}
        self._lost()
        return True


class Events(ClusterCalls):
    """Keeps what is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    async def tell(self, key: Key, uid: str, reason: str, message: str) -> None:
        """Keep an event."""
        assert key == ("n", "chat")
        assert uid
        assert message
        self.told.append(reason)


@dataclass
class Play:
    """Passes of operators that each know nothing of the one before."""

    server: Server
    asked: Served = field(default_factory=big)
    now: dt.datetime = NOW
    events: Events = field(default_factory=Events)

    @property
    def step(self) -> str | None:
        """What the status says of a change."""
        change = self.asked.before.layout_change
        return None if change is None else change.step.value

    @property
    def message(self) -> str:
        """In words."""
        change = self.asked.before.layout_change
        return "" if change is None else change.message

    def run(self, passes: int, until: str = "") -> None:
        """Let so many passes go by, twenty seconds apart, or as many as it takes."""
        for _ in range(passes):
            if until and self.step == until:
                return
            asyncio.run(self._pass())
            self.now += dt.timedelta(seconds=20)

    async def _pass(self) -> None:
        rules = LayoutRules(is_on=True)
        layouts = Layouts(rules, self.server, self.events, Metrics())
        around = world(*self.server.nodes.values(), pods=tuple(self.server.pods))
        served = await layouts.before({self.asked.key: self.asked}, around)
        decisions = {one.key: one for one in decide_all(served.values(), around, self.now)}
        changed = await layouts.after(decisions, served, around, self.now)
        status = {**decisions, **changed}[self.asked.key].status
        body = json.loads(json.dumps({"status": encode(status)}))
        self.asked = replace(self.asked, before=read_served(body).before)


def server(**changed: Any) -> Server:  # noqa: ANN401 - any field
    """Return a server with one node cut into sevenths."""
    return Server(nodes={"a": cut_node("a")}, **changed)


def test_a_load_that_waits_gets_its_slice() -> None:
    """Five steps, each told once; the node takes pods again, and the load has its place."""
    play = Play(server())
    play.run(20)
    assert play.step == "Done"
    assert play.server.nodes["a"]["spec"]["unschedulable"] is False
    assert play.asked.before.recommendation is not None
    assert play.events.told == [
        "LayoutCordoned", "LayoutConfigured", "LayoutDrained", "LayoutLabelled", "LayoutDone",
    ]  # fmt: skip


@settings(max_examples=12, deadline=None)
@given(
    faults=st.lists(st.booleans(), max_size=60),
    comes=st.sampled_from(["success", "failed", "pending"]),
    pods=st.integers(0, 1),
)
def test_lost_answers_change_nothing_in_the_end(faults: list[bool], comes: str, pods: int) -> None:
    """Whatever call is cut off, before or after it was carried out: cut once, or taken back."""
    play = Play(server(faults=iter(faults), comes={"rightslice": comes}))
    if pods:
        play.server.nodes["b"] = cut_node("b", **NOT_CUT)
        play.server.pods = [pod("x", "a", **MOVABLE)]
    ends = "Done" if comes == "success" else "RolledBack"
    play.run(160, until=ends)
    assert play.step == ends
    assert play.server.nodes["a"]["spec"]["unschedulable"] is False
    assert len(play.server.labels) == (1 if comes == "success" else 2)


def test_what_was_taken_back_is_told_once() -> None:
    """The status keeps saying so, and no event follows while the node rests."""
    play = Play(server(comes={"rightslice": "failed"}))
    play.run(60, until="RolledBack")
    play.run(20)
    assert play.step == "RolledBack"
    assert "could not cut the cards" in play.message
    assert play.events.told[-2:] == ["LayoutRollingBack", "LayoutRolledBack"]


def test_without_its_config_map_nothing_begins() -> None:
    """The status says which is missing, and what to do."""
    play = Play(server(files=None))
    play.run(8)
    assert play.step == "Planned"
    assert "there is no ConfigMap custom-mig-parted-config in gpu-operator" in play.message
    assert "spec" not in play.server.nodes["a"]


def test_a_node_that_could_not_be_taken_back_is_refused() -> None:
    """Its present configuration has to be in the ConfigMap."""
    play = Play(server(files={FILE: CONFIG.replace("all-1g.5gb", "all-disabled")}))
    play.run(8)
    assert play.step == "Refused"
    assert "its configuration all-1g.5gb is not in the ConfigMap" in play.message


def test_the_load_goes_away_before_the_label() -> None:
    """The node takes pods again, and nothing was cut."""
    play = Play(server())
    play.run(6)
    assert play.step in ("Cordoned", "Configured")
    play.asked = replace(play.asked, spec=replace(play.asked.spec, mode=big(mode="off").spec.mode))  # type: ignore[type-var, union-attr]  # it has a spec
    play.run(4)
    assert play.step == "Abandoned"
    assert "is in mode off now" in play.message
    assert play.server.labels == []


@pytest.mark.parametrize(
    ("config_map", "limits", "says"),
    [
        ("gpu-operator", Limits(), "give namespace/name"),
        ("a/b/c", Limits(), "give namespace/name"),
        ("a/b", Limits(config_seconds=-1), "at least 0 seconds"),
    ],
)
def test_options_say_what_would_be_right(config_map: str, limits: Limits, says: str) -> None:
    """The ConfigMap by namespace and name, times of nothing or more."""
    with pytest.raises(InputError, match=says):
        layout_rules(config_map, limits, is_on=True)
