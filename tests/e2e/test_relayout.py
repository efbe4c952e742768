"""Slices on demand: the operator's process, a real control plane, and mig-manager's protocol."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from rightslice.kube.relayout.record import RECORD
from tests.e2e.operating import (
    ACCOUNT,
    CHART,
    NAMESPACE,
    PodWatch,
    Process,
    found,
    gpu_nodes,
    make_models,
    running,
    serve,
    until_settled,
)
from tests.e2e.waiting import eventually
from tools.crds import FOLDER
from tools.testbed.control_plane import ControlPlane
from tools.testbed.mig_manager import ERRS, MigManager, labels
from tools.testbed.nodes import GpuNode

SMALL = "nvidia.com/mig-1g.5gb"
CONFIG_MAP = "gpu-operator", "custom-mig-parted-config"
CONFIGS = """\
version: v1
mig-configs:
  all-disabled:
    - devices: all
      mig-enabled: false
  all-1g.5gb:
    - devices: all
      mig-enabled: true
      mig-devices:
        "1g.5gb": 7
"""
OPTIONS = (
    "--ceiling=enforce", "--settle=0", "--relayout", "--relayout-patience=1", "--config-delay=1",
    "--change-limit=5",
)  # fmt: skip
STEPS = ("Cordoned", "Configured", "Drained", "Labelled", "Done")
TAKEN_BACK = (*STEPS[:-1], "RollingBack", "RolledBack")
# Llama-3-8B weighs 16 GB: 8 clients need a 3g.20gb at least, 160 a whole card.


@pytest.fixture(scope="module")
def account(plane: ControlPlane) -> Path:
    """Return a kubeconfig with the rights that the chart gives with `operator.relayout`."""
    plane.kubectl("apply", "--server-side", "-f", str(FOLDER))
    for one in ("gpu-operator", NAMESPACE):
        text = json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": one}})
        plane.kubectl("apply", "-f", "-", stdin=text)
    text = plane.helm(
        "template", "e2e", str(CHART), "-n", NAMESPACE, "--show-only=templates/operator.yaml",
        "--set=operator.enabled=true,operator.ceiling=enforce,operator.relayout.enabled=true",
    )  # fmt: skip
    plane.kubectl("apply", "-f", "-", stdin=text)
    plane.kubectl("-n", NAMESPACE, "scale", "deploy", "--all", "--replicas=0")
    return plane.service_account(NAMESPACE, ACCOUNT)


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Where a test plays: a namespace with the three models, and an account for operators."""

    plane: ControlPlane
    namespace: str
    account: Path
    log: Path

    def operator(self, *arguments: str) -> AbstractContextManager[Process]:
        """Return an operator that runs while its context lasts."""
        return running(self.account, self.log, *OPTIONS, *arguments)

    def change(self, name: str = "llama") -> dict[str, Any]:
        """Return the change of layout that a status tells of."""
        status = found(self.plane, self.namespace, "mdep", name).get("status", {})
        told: dict[str, Any] = status.get("layoutChange", {})
        return told

    def until(self, *steps: str, seconds: float = 90) -> dict[str, Any]:
        """Wait until the status tells of one of *steps*, and return what it tells."""
        try:
            eventually(lambda: self.change().get("step") in steps, seconds)
        except AssertionError as error:
            error.add_note(self.plane.kubectl("-n", self.namespace, "get", "mdep", "-o", "yaml"))
            error.add_note(self.plane.kubectl("get", "nodes", "-o", "yaml")[:6000])
            raise
        return self.change()

    def node(self, name: str) -> Any:  # noqa: ANN401 - decoded JSON
        """Return a node."""
        return json.loads(self.plane.kubectl("get", "node", name, "-o", "json"))

    def is_cordoned(self, name: str) -> bool:
        """Whether pods are kept away from a node."""
        return bool(self.node(name)["spec"].get("unschedulable", False))

    def handed_out(self, name: str) -> dict[str, int]:
        """Return the GPU resources that a node hands out."""
        given = self.node(name)["status"]["allocatable"]
        return {one: int(n) for one, n in given.items() if "nvidia" in one and n != "0"}

    def events(self) -> list[str]:
        """Return the reasons of the events about changes of layouts."""
        given = found(self.plane, self.namespace, "events")
        return sorted(one["reason"] for one in given if one["reason"].startswith("Layout"))

    def foreign(self, name: str, on: str) -> None:
        """Start a pod of somebody else's on a node, and wait until it runs."""
        container = {"name": "c", "image": "x", "resources": {"limits": {SMALL: 1}}}
        body = {
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
            "spec": {"nodeSelector": {"kubernetes.io/hostname": on}, "containers": [container]},
        }  # fmt: skip
        self.plane.kubectl("-n", self.namespace, "apply", "-f", "-", stdin=json.dumps(body))
        eventually(lambda: found(self.plane, self.namespace, "pod", name)["status"].get("phase")
                   == "Running")  # fmt: skip

    def end(self) -> None:
        """Delete what serves, and wait until it is gone."""
        self.plane.kubectl("-n", self.namespace, "delete", "mdep", "--all")
        self.plane.kubectl("-n", self.namespace, "delete", "pods", "--all", "--force")
        eventually(lambda: not found(self.plane, self.namespace, "pods"), 60)


@pytest.fixture
def stage(plane: ControlPlane, namespace: str, account: Path, tmp_path: Path) -> Stage:
    """Return where a test plays."""
    make_models(plane, namespace)
    return Stage(plane=plane, namespace=namespace, account=account, log=tmp_path / "log")


def node(name: str) -> GpuNode:
    """Return a node with one card cut into sevenths, that mig-manager looks after."""
    return GpuNode(name=name, resources={SMALL: 7}, labels=labels("all-1g.5gb"))


@contextmanager
def cutting(plane: ControlPlane, *given: GpuNode) -> Iterator[MigManager]:
    """Make *given* the only GPU nodes, with a mig-manager that looks after them."""
    namespace, name = CONFIG_MAP
    body = {
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name},
        "data": {"config.yaml": CONFIGS},
    }  # fmt: skip
    plane.kubectl("-n", namespace, "apply", "-f", "-", stdin=json.dumps(body))
    with gpu_nodes(plane, *given), MigManager(plane, namespace, name) as manager:
        yield manager
        assert manager.disturbed == []


@pytest.mark.parametrize(
    ("concurrency", "resource"), [(8, "nvidia.com/mig-3g.20gb"), (160, "nvidia.com/gpu")]
)
def test_an_empty_node_is_cut_for_what_no_node_hands_out(
    stage: Stage, concurrency: int, resource: str
) -> None:
    """An A100 cut into sevenths gives a 3g.20gb, or becomes a whole card again; the pod runs."""
    with cutting(stage.plane, node("cut-a")) as manager, stage.operator():
        serve(stage.plane, stage.namespace, "llama", concurrency=concurrency)
        until_settled(stage.plane, stage.namespace, "llama", seconds=90)
        told = stage.until("Done")
        assert (told["node"], told["former"]) == ("cut-a", "all-1g.5gb")
        assert resource in stage.handed_out("cut-a")
        assert not stage.is_cordoned("cut-a")
        assert [one[2] for one in manager.changes] == ["success"]
        assert stage.events() == [f"Layout{one}" for one in sorted(STEPS)]
        stage.end()


def test_one_cut_serves_all_that_wait(stage: Stage) -> None:
    """Two loads need slices that no node hands out: the card is cut once, for both."""
    plane, namespace = stage.plane, stage.namespace
    with cutting(plane, node("both-a")) as manager, stage.operator("--relayout-patience=3"):
        serve(plane, namespace, "llama", concurrency=8)
        serve(plane, namespace, "mistral", concurrency=8)
        until_settled(plane, namespace, "llama", "mistral", seconds=90)
        assert [one[2] for one in manager.changes] == ["success"]
        stage.end()


def test_an_empty_node_is_cut_to_lower_a_bill(stage: Stage) -> None:
    """A small load has a whole card; another card is cut, it moves there, and the first is free."""
    plane, namespace = stage.plane, stage.namespace
    whole = {"nvidia.com/gpu": 1}
    given = [
        GpuNode(name=name, resources=whole, labels=labels("all-disabled"))
        for name in ("bill-a", "bill-b")
    ]
    watch = PodWatch(plane, namespace)
    with (
        cutting(plane, *given) as manager,
        stage.operator("--relayout-to-save", "--relayout-patience=0.5"),
        watch.following(),
    ):
        serve(plane, namespace, "opt")
        until_settled(plane, namespace, "opt")
        watch.arm()
        eventually(lambda: held(stage, "opt").startswith("nvidia.com/mig-"), 90)
        until_settled(plane, namespace, "opt")
        assert watch.fewest["opt"] >= 1
        assert [one[2] for one in manager.changes] == ["success"]
        stage.end()


def held(stage: Stage, name: str) -> str:
    """Return the resource that a ModelDeployment runs on."""
    status = found(stage.plane, stage.namespace, "mdep", name).get("status", {})
    return str(status.get("current", {}).get("resource", ""))


def test_pods_of_others_move_before_the_node_is_cut(stage: Stage) -> None:
    """Their successors serve on another node first; never fewer serve than are guaranteed."""
    plane, namespace = stage.plane, stage.namespace
    watch = PodWatch(plane, namespace)
    with cutting(plane, node("move-a"), node("move-b")), stage.operator(), watch.following():
        plane.kubectl("cordon", "move-b")
        serve(plane, namespace, "opt", replicas={"min": 2, "max": 2})
        until_settled(plane, namespace, "opt")
        plane.kubectl("uncordon", "move-b")
        stage.foreign("keeps", "move-b")
        watch.arm()
        serve(plane, namespace, "llama", concurrency=8)
        until_settled(plane, namespace, "llama", "opt", seconds=120)
        pods = found(plane, namespace, "pods")
        where = {one["metadata"]["name"].partition("-")[0]: one["spec"]["nodeName"] for one in pods}
        assert where == {"opt": "move-b", "keeps": "move-b", "llama": "move-a"}
        assert watch.fewest["opt"] >= 2
        assert stage.handed_out("move-a") == {SMALL: 4, "nvidia.com/mig-3g.20gb": 1}
        assert not stage.is_cordoned("move-a")
        stage.end()


@pytest.mark.parametrize(
    ("errs", "ends", "says"),
    [
        ("fails", "RolledBack", "could not cut the cards"),
        ("hangs", "RolledBack", "mig-manager says pending"),
        ("lies", "RolledBack", "the node hands out nothing"),
        ("fails-always", "Failed", "nor did that come about"),
    ],
)
def test_what_mig_manager_cannot_do_is_taken_back(
    stage: Stage, errs: str, ends: str, says: str
) -> None:
    """The former configuration comes back, the node takes pods again, the status says why."""
    with cutting(stage.plane, node("errs-a")), stage.operator():
        stage.plane.kubectl("annotate", "node", "errs-a", f"{ERRS}={errs}")
        serve(stage.plane, stage.namespace, "llama", concurrency=8)
        told = stage.until(ends)
        assert says in told["message"]
        assert not stage.is_cordoned("errs-a")
        label = stage.node("errs-a")["metadata"]["labels"]["nvidia.com/mig.config"]
        assert label == "all-1g.5gb"
        time.sleep(6)  # and it is not tried again
        assert stage.change()["step"] == ends
        stage.end()


@pytest.mark.parametrize(
    ("errs", "steps", "came"),
    [("", STEPS, ["success"]), ("fails", TAKEN_BACK, ["failed", "success"])],
    ids=["done", "taken-back"],
)
def test_killed_after_every_step_it_goes_on(
    stage: Stage, errs: str, steps: tuple[str, ...], came: list[str]
) -> None:
    """SIGKILL as each step is seen, and another process goes on; nothing is left cordoned."""
    plane, namespace = stage.plane, stage.namespace
    process = Process(stage.account, stage.log, OPTIONS)
    with cutting(plane, node("kill-a"), node("kill-b")) as manager:
        plane.kubectl("annotate", "node", "kill-a", f"{ERRS}={errs}")
        plane.kubectl("cordon", "kill-b")
        try:
            process.start()
            serve(plane, namespace, "opt")
            until_settled(plane, namespace, "opt")
            plane.kubectl("uncordon", "kill-b")
            stage.foreign("keeps", "kill-b")
            serve(plane, namespace, "llama", concurrency=8)
            for step in steps:
                eventually(partial(reached, stage, "kill-a", step, steps), 90)
                process.end(signal.SIGKILL)
                process.start()
            eventually(lambda: not stage.is_cordoned("kill-a"), 60)
            until_settled(plane, namespace, "opt", *(["llama"] if not errs else []), seconds=90)
        finally:
            process.end()
        assert "Traceback" not in process.told()
        assert [one[2] for one in manager.changes] == came
        deployments = [one["metadata"]["name"] for one in found(plane, namespace, "deploy")]
        assert len(deployments) == len({one.partition("-")[0] for one in deployments})
        stage.end()


def reached(stage: Stage, name: str, step: str, steps: tuple[str, ...]) -> bool:
    """Whether a node's record has come to *step*, or is past it."""
    written = stage.node(name)["metadata"].get("annotations", {}).get(RECORD)
    return written is not None and steps.index(json.loads(written)["step"]) >= steps.index(step)


@pytest.mark.parametrize(
    ("arguments", "mode"), [(("--ceiling=advise",), "enforce"), ((), "advise")]
)
def test_advise_says_what_would_be_cut_and_changes_nothing(
    stage: Stage, arguments: tuple[str, ...], mode: str
) -> None:
    """The status names the node, the layout and why; node and ConfigMap stay as they are."""
    with cutting(stage.plane, node("say-a")) as manager:
        before = _lasting(stage.plane)
        with stage.operator(*arguments):
            serve(stage.plane, stage.namespace, "llama", mode=mode, concurrency=8)
            told = stage.until("Advised")
            assert "3g.20gb" in told["message"]
            assert (told["node"], told["former"]) == ("say-a", "all-1g.5gb")
            time.sleep(3)
            assert _lasting(stage.plane) == before
            assert stage.events() == ["LayoutAdvised"]
            assert manager.changes == []
            stage.end()


def _lasting(plane: ControlPlane) -> list[object]:
    """Return nodes and ConfigMap without what changes by itself."""
    namespace, name = CONFIG_MAP
    given = [*found(plane, "default", "nodes"), found(plane, namespace, "configmap", name)]
    for one in given:
        one["metadata"] = {
            key: one["metadata"].get(key) for key in ("name", "labels", "annotations")
        }
        one.pop("status", None)
    return given


def test_a_node_with_a_pod_that_may_not_move_is_refused(stage: Stage) -> None:
    """Somebody else's pods keep the nodes, by name; one that is gone keeps none."""
    plane, namespace = stage.plane, stage.namespace
    with cutting(plane, node("keep-a"), node("keep-b")) as manager, stage.operator():
        stage.foreign("one", "keep-a")
        stage.foreign("two", "keep-b")
        serve(plane, namespace, "llama", concurrency=8)
        told = stage.until("Refused")
        assert f"pod {namespace}/one is not of a ModelDeployment" in told["message"]
        assert f"{namespace}/two gone or movable" in told["message"]
        assert manager.changes == []
        plane.kubectl("-n", namespace, "delete", "pod", "one", "--force")
        until_settled(plane, namespace, "llama", seconds=90)
        assert stage.until("Done")["node"] == "keep-a"
        stage.end()


def test_a_movable_pod_is_evicted_and_its_budget_kept(stage: Stage) -> None:
    """A Deployment of somebody else's says that it may be moved; its budget holds the drain up."""
    plane, namespace = stage.plane, stage.namespace
    with cutting(plane, node("evict-a"), node("evict-b")) as manager, stage.operator():
        plane.kubectl("label", "node", "evict-b", "rightslice.dev/relayout=never")
        plane.kubectl("cordon", "evict-b")
        plane.kubectl("-n", namespace, "apply", "-f", "-", stdin=json.dumps(_movable()))
        eventually(lambda: found(plane, namespace, "deploy", "theirs")["status"].get(
            "readyReplicas"), 60)  # fmt: skip
        plane.kubectl("uncordon", "evict-b")
        plane.kubectl("-n", namespace, "create", "pdb", "theirs", "--selector=app=theirs",
                      "--min-available=1")  # fmt: skip
        serve(plane, namespace, "llama", concurrency=8)
        told = stage.until("Configured")
        eventually(lambda: "disruption budget" in stage.change().get("message", ""), 30)
        assert (told["node"], manager.changes) == ("evict-a", [])
        plane.kubectl("-n", namespace, "delete", "pdb", "theirs")
        until_settled(plane, namespace, "llama", seconds=90)
        plane.kubectl("-n", namespace, "delete", "deploy", "theirs")
        stage.end()


def _movable() -> dict[str, Any]:
    labels_ = {"app": "theirs"}
    container = {"name": "c", "image": "x", "resources": {"limits": {SMALL: 1}}}
    metadata = {"labels": labels_, "annotations": {"rightslice.dev/movable": "true"}}
    template = {"metadata": metadata, "spec": {"containers": [container]}}
    spec = {"replicas": 1, "selector": {"matchLabels": labels_}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "theirs"},
            "spec": spec}  # fmt: skip
