"""An API server that refuses, loses and forgets: the operator recovers, and acts once."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.e2e import operating
from tests.e2e.apiproxy import Call, Cut, Door, Fault, Refuse, door
from tests.e2e.operating import (
    PodWatch,
    found,
    gpu_nodes,
    make_models,
    running,
    serve,
    until_settled,
)
from tests.e2e.waiting import eventually
from tools.crds import FOLDER
from tools.testbed import nodes
from tools.testbed.control_plane import ControlPlane
from tools.testbed.nodes import GpuNode

SLICES = {"nvidia.com/mig-1g.5gb": 1, "nvidia.com/mig-2g.10gb": 1, "nvidia.com/mig-3g.20gb": 1}
"""One A100 40GB: 6 of 7 compute slices, 7 of 8 memory slices."""
SMALL, LARGE = 1, 128
ASKED = {"slo": {"tpot": "30ms"}}


@pytest.fixture
def card(plane: ControlPlane) -> Iterator[None]:
    """Make one card in slices."""
    with gpu_nodes(plane, GpuNode(name="faulty-card", resources=SLICES)):
        yield


def served_by(plane: ControlPlane, namespace: str, name: str = "opt") -> str:
    """Return the resource that a ModelDeployment runs on."""
    return str(found(plane, namespace, "mdep", name)["status"]["current"]["resource"])


def owned(plane: ControlPlane, namespace: str) -> Counter[str]:
    """Return how many objects of each kind ModelDeployments own; none may be without an owner."""
    uids = {one["metadata"]["uid"] for one in found(plane, namespace, "mdep")}
    counts: Counter[str] = Counter()
    for one in found(plane, namespace, "deployments,services,poddisruptionbudgets"):
        owners = {each["uid"] for each in one["metadata"].get("ownerReferences", [])}
        assert owners <= uids, one["metadata"]["name"]
        assert owners
        counts[one["kind"]] += 1
    return counts


EACH = Counter({"Deployment": 1, "Service": 1, "PodDisruptionBudget": 1})


class Dice:
    """Faults at random, the same for the same seed."""

    def __init__(self, faults: tuple[Fault, ...], share: float) -> None:
        """Throw one of *faults* for a *share* of the calls; conflicts are of writes only."""
        self._chosen = random.Random(7)  # noqa: S311 - repeatable, not secret
        self._faults = faults
        self._share = share
        self._lock = threading.Lock()
        self.thrown = 0

    def __call__(self, call: Call) -> Fault:
        """Return what happens to *call*."""
        with self._lock:
            fault = self._chosen.choice(self._faults)
            is_spared = self._chosen.random() >= self._share
            if is_spared or (fault == Refuse(409) and call.method == "GET"):
                return None
            self.thrown += 1
            return fault


@pytest.mark.usefixtures("card")
@pytest.mark.parametrize(
    "faults",
    [(Refuse(409),), (Refuse(429), Refuse(503)), (Cut(is_done=False), Cut(is_done=True))],
    ids=["conflict", "throttled", "lost"],
)
def test_calls_go_wrong_at_random(
    plane: ControlPlane, namespace: str, rights: Path, tmp_path: Path, faults: tuple[Fault, ...]
) -> None:
    """One call of seven: it ends where it should, each object made once, never too few pods."""
    make_models(plane, namespace)
    watch = PodWatch(plane, namespace)
    dice = Dice(faults, 0.15)
    with door(plane, rights) as (opened, kubeconfig), watch.following():
        opened.fault = dice
        with running(kubeconfig, tmp_path / "operator.log"):
            serve(plane, namespace, "opt", concurrency=SMALL, **ASKED)
            until_settled(plane, namespace, "opt")
            watch.arm()
            for concurrency in (LARGE, SMALL):
                serve(plane, namespace, "opt", concurrency=concurrency, **ASKED)
                until_settled(plane, namespace, "opt")
            assert served_by(plane, namespace) == "nvidia.com/mig-1g.5gb"
            eventually(lambda: owned(plane, namespace) == EACH)
    assert dice.thrown >= 5
    assert watch.fewest == {"opt": 1}
    assert_made_once(opened)


def assert_made_once(*doors: Door) -> None:
    """No object came to be while it was there, by one operator or by several."""
    calls = sorted((one for each in doors for one in each.calls), key=lambda one: one[0].at)
    there: set[str] = set()
    for call, status in calls:
        if call.writes and status == 201:
            assert call.place not in there
            there.add(call.place)
        elif call.method == "DELETE":
            there.discard(call.place)
    assert there


@pytest.mark.usefixtures("card")
def test_cut_watches_are_taken_up_again(
    plane: ControlPlane, namespace: str, rights: Path, tmp_path: Path
) -> None:
    """All watches end, several times; a change made meanwhile is seen within seconds."""
    make_models(plane, namespace)
    with (
        door(plane, rights) as (opened, kubeconfig),
        running(kubeconfig, tmp_path / "operator.log"),
    ):
        serve(plane, namespace, "opt", concurrency=SMALL, **ASKED)
        until_settled(plane, namespace, "opt")
        for concurrency in (LARGE, SMALL, LARGE):
            assert opened.cut_watches() > 5
            serve(plane, namespace, "opt", concurrency=concurrency, **ASKED)
            until_settled(plane, namespace, "opt", seconds=30)
        assert served_by(plane, namespace) == "nvidia.com/mig-3g.20gb"
    assert_made_once(opened)


@pytest.mark.usefixtures("card")
def test_the_api_server_restarts_in_the_midst(
    plane: ControlPlane, namespace: str, rights: Path, tmp_path: Path
) -> None:
    """A move that had begun is ended after the restart, by the same process."""
    make_models(plane, namespace)
    log = tmp_path / "operator.log"
    # For a moment a fresh API server knows of no rights.
    with running(rights, log, refused_is_fine=True) as process:
        serve(plane, namespace, "opt", concurrency=SMALL, **ASKED)
        until_settled(plane, namespace, "opt")
        serve(plane, namespace, "opt", concurrency=LARGE, **ASKED)
        plane.restart_api_server()
        until_settled(plane, namespace, "opt")
        assert served_by(plane, namespace) == "nvidia.com/mig-3g.20gb"
        eventually(lambda: owned(plane, namespace) == EACH)
        assert process.running is not None
        assert process.running.poll() is None


def _is_told(process: operating.Process, text: str, times: int) -> bool:
    return process.told().count(text) >= times


@pytest.mark.usefixtures("card")
def test_definitions_that_come_later(
    plane: ControlPlane, namespace: str, rights: Path, tmp_path: Path
) -> None:
    """Without the resources it waits for them, at the start and when they go; then it serves."""
    missing = "does not know Models"
    plane.kubectl("delete", "-f", str(FOLDER), "--timeout=30s")
    with running(rights, tmp_path / "operator.log") as process:
        for times in (1, 2):
            eventually(partial(_is_told, process, missing, times), 30)
            operating.install_rights(plane)
            make_models(plane, namespace)
            serve(plane, namespace, "opt", concurrency=SMALL, **ASKED)
            until_settled(plane, namespace, "opt")
            plane.kubectl("-n", namespace, "delete", "mdep", "--all")
            eventually(lambda: not found(plane, namespace, "deployments"), 60)
            plane.kubectl("delete", "-f", str(FOLDER), "--timeout=30s")
        assert process.running is not None
        assert process.running.poll() is None
    operating.install_rights(plane)


@pytest.mark.usefixtures("card")
def test_two_operators_never_act_together(
    plane: ControlPlane, namespace: str, rights: Path, tmp_path: Path
) -> None:
    """One writes; when it is killed or stops to renew, the other does: no write of both at once."""
    make_models(plane, namespace)
    with (
        door(plane, rights) as (first, one),
        door(plane, rights) as (second, other),
        running(one, tmp_path / "one.log") as leader,
        running(other, tmp_path / "other.log"),
    ):
        serve(plane, namespace, "opt", concurrency=SMALL, **ASKED)
        until_settled(plane, namespace, "opt")
        serve(plane, namespace, "opt", concurrency=LARGE, **ASKED)
        until_settled(plane, namespace, "opt")
        is_first = bool(first.writes())
        leads, waits = (first, second) if is_first else (second, first)
        assert waits.writes() == []
        leads.fault = lambda call: Refuse(503) if "/leases" in call.place else None
        stopped = time.monotonic()
        serve(plane, namespace, "opt", concurrency=SMALL, **ASKED)
        eventually(waits.writes, 60)
        until_settled(plane, namespace, "opt")
        assert served_by(plane, namespace) == "nvidia.com/mig-1g.5gb"
        last, begun = leads.writes()[-1].at, waits.writes()[0].at
        assert last < begun
        assert begun - stopped > 10
        assert leader.running is not None
    assert_made_once(first, second)


def test_a_node_vanishes_with_its_slices(
    plane: ControlPlane, namespace: str, rights: Path, tmp_path: Path
) -> None:
    """What it served goes where there is room, on another size; back when the node is back."""
    sliced = GpuNode(name="vanishing", resources=SLICES)
    whole = GpuNode(name="staying", resources={"nvidia.com/gpu": 1}, mig_strategy="none")
    make_models(plane, namespace)
    with gpu_nodes(plane, sliced, whole), running(rights, tmp_path / "operator.log"):
        serve(plane, namespace, "opt", concurrency=SMALL, **ASKED)
        until_settled(plane, namespace, "opt")
        assert served_by(plane, namespace) == "nvidia.com/mig-1g.5gb"
        plane.kubectl("delete", "node", "vanishing", "--wait=false")
        eventually(lambda: served_by(plane, namespace) == "nvidia.com/gpu", 90)
        until_settled(plane, namespace, "opt")
        eventually(lambda: owned(plane, namespace) == EACH, 60)
        nodes.create(plane, sliced)
        eventually(lambda: served_by(plane, namespace) == "nvidia.com/mig-1g.5gb", 60)
        eventually(lambda: owned(plane, namespace) == EACH, 60)
