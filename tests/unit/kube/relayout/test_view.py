"""Pods that leave a node, and what a change is still wanted for."""

from __future__ import annotations

from dataclasses import replace

from rightslice.kube.operate.decide import decide
from rightslice.kube.operate.transition import Scale, Target, steps
from rightslice.kube.operate.view import Key, Part, Running
from rightslice.kube.relayout.pods import read_gpu_pod
from rightslice.kube.relayout.record import Record
from rightslice.kube.relayout.step import LayoutStep
from rightslice.kube.relayout.view import Pass, unwanted, with_leaving
from tests.unit.kube.operate.worlds import NOW, served, world
from tests.unit.kube.relayout.clusters import big, cut_node, pod

TARGET = Target(revision="r1", guaranteed=2, elastic=0)


def running(replicas: int, ready: int, leaving: int = 0) -> Running:
    """Return the guaranteed Deployment of *chat*."""
    return Running(
        name="chat-r1", revision="r1", part=Part.GUARANTEED, replicas=replicas, pods=replicas,
        ready=ready, offer=None, leaving=leaving,
    )  # fmt: skip


def test_successors_come_first_and_go_when_the_old_have_gone() -> None:
    """Two leave: two more are wanted, and none is given up before they are gone."""
    assert steps((running(2, 2, 2),), TARGET) == (Scale(name="chat-r1", replicas=4),)
    assert steps((running(4, 3, 2),), TARGET) == ()
    assert steps((running(4, 4, 2),), TARGET) == ()
    assert steps((running(4, 3, 1),), TARGET) == (Scale(name="chat-r1", replicas=3),)
    assert steps((running(3, 2, 0),), TARGET) == (Scale(name="chat-r1", replicas=2),)


def test_pods_on_the_node_are_counted_for_their_deployment() -> None:
    """Those that are going already, and those of others, are not."""
    given = replace(served("chat"), running=(running(2, 2),))
    going = pod("z", "a", owner="chat", deletionTimestamp="2026-11-22T12:00:00Z")
    pods = [read_gpu_pod(one) for one in (pod("x", "a", owner="chat"), going, pod("y", "a"))]
    found = with_leaving({("n", "chat"): given}, [one for one in pods if one is not None])
    assert found["n", "chat"].running[0].leaving == 1


def record(key: Key, saves: str = "") -> Record:
    """Return the record of a change for a ModelDeployment."""
    return Record(
        demand="/".join(key), step=LayoutStep.CORDONED, since="", former="a", wanted="b",
        saves=saves,
    )  # fmt: skip


def test_a_change_is_wanted_while_its_load_waits() -> None:
    """Not when it has found a place, is not enforced any more, or is gone."""
    waits, settled = big("waits"), big("has")
    small, large = world(cut_node("a")), world(cut_node("a", {"nvidia.com/gpu": "1"}))
    advised = big("advised", mode="advise")
    decisions = {
        waits.key: decide(waits, small, NOW),
        settled.key: decide(settled, large, NOW),
        advised.key: decide(advised, small, NOW),
    }
    found = Pass(decisions=decisions, served={}, world=small, now="")
    assert unwanted(record(waits.key), found) is None
    assert unwanted(record(settled.key), found) == "n/has does not need it any more"
    assert unwanted(record(settled.key, "nvidia.com/mig-1g.10gb"), found) is None
    assert unwanted(record(settled.key, "nvidia.com/gpu"), found) is not None
    assert unwanted(record(advised.key), found) == "n/advised is in mode advise now"
    assert unwanted(record(("n", "none")), found) == "n/none is gone"
