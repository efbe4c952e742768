"""Which node is cut, and why none is."""

from __future__ import annotations

from typing import Any

import pytest

from rightslice.kube.relayout.plan import NoRelayout, Relayout
from rightslice.kube.relayout.record import RECORD, Record, entries, write_record
from rightslice.kube.relayout.step import LayoutStep
from tests.unit.kube.relayout.clusters import big, cut_node, planned, pod

FREE = {"nvidia.com/mig-1g.5gb": "7"}


def only(found: list[Relayout | NoRelayout]) -> Relayout:
    """Return the one plan, which there is."""
    (one,) = found
    assert isinstance(one, Relayout), one
    return one


def refused(found: list[Relayout | NoRelayout]) -> NoRelayout:
    """Return the one refusal."""
    (one,) = found
    assert isinstance(one, NoRelayout), one
    return one


def test_an_empty_node_is_cut_for_what_no_node_hands_out() -> None:
    """The talk's load: a seventh with double memory will do; the card is filled with sevenths."""
    found = only(planned(cut_node("a")))
    assert (found.node, found.want.profile, found.want.missing) == ("a", "1g.10gb", 1)
    assert found.after == {"nvidia.com/mig-1g.5gb": 6, "nvidia.com/mig-1g.10gb": 1}
    assert entries(found.cuts) == [
        {"devices": "all", "mig-enabled": True, "mig-devices": {"1g.10gb": 1, "1g.5gb": 6}}
    ]
    assert found.wanted.startswith("rightslice-")
    assert "about 100 s" in found.reason


def test_one_cut_serves_all_that_wait_where_it_can() -> None:
    """A node rests after a change, and pods then stand in the way: both get theirs at once."""
    llama = big("llama", model="llama", load={"concurrency": 8}, slo={"tpot": "80ms"})
    found = planned(cut_node("a"), asks=(llama, big()))
    assert [one.demand.key[1] for one in found] == ["chat", "llama"]
    for one in found:
        assert isinstance(one, Relayout)
        assert one.after["nvidia.com/mig-3g.20gb"] == 1
        assert one.after["nvidia.com/mig-1g.10gb"] >= 1
        assert len(one.beside) == 1


def test_nothing_is_planned_while_a_slice_is_free() -> None:
    """Cutting is for those that have nothing at all."""
    assert planned(cut_node("a"), cut_node("b", {"nvidia.com/mig-2g.10gb": "3"})) == []


def test_a_whole_card_is_made_where_one_is_needed() -> None:
    """Cards that are cut are made whole again: all-disabled, whoever wrote it."""
    whole = big("llama", model="llama", load={"concurrency": 64}, slo={"tpot": "80ms"})
    found = only(planned(cut_node("a"), asks=(whole,)))
    assert found.want.profile is None
    assert found.after == {"nvidia.com/gpu": 1}


def test_the_node_from_which_fewest_pods_move_is_taken() -> None:
    """An empty one, even though another would do."""
    pods = (pod("x", "a", owner="opt"), pod("y", "a", owner="opt"))
    found = only(planned(cut_node("a"), cut_node("b"), pods=pods))
    assert (found.node, found.moves) == ("b", ())


def test_pods_have_a_place_before_they_move() -> None:
    """Both nodes have pods: the fewer move, to where sevenths are free."""
    pods = (pod("x", "a", owner="o"), pod("y", "a", owner="o"), pod("z", "b", owner="o"))
    found = only(planned(cut_node("a"), cut_node("b"), pods=pods))
    assert [(one.pod, one.to) for one in found.moves] == [("n/z", "a")]
    assert found.seconds == 10 + 90 + 455 + 30


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"labels": {"gpu_deploy_mig-manager": "false"}}, None),
        ({"pods": [pod("x", "a")]}, "annotate it rightslice.dev/movable=true"),
        ({"pods": [pod("x", "a", owner="o")]}, "no other node has 1 nvidia.com/mig-1g.5gb free"),
        ({"pods": [pod("x", "a", owner="o")], "stays": {("n", "o"): "is in mode advise"}},
         "pod n/x is of n/o, which is in mode advise"),
    ],
)  # fmt: skip
def test_a_node_that_may_not_be_cut_says_why(changed: dict[str, Any], says: str | None) -> None:
    """With the smallest change that would turn it; without any that could, nothing is said."""
    found = planned(
        cut_node("a", **changed.get("labels", {})), pods=tuple(changed.get("pods", ())),
        stays=changed.get("stays"),
    )  # fmt: skip
    if says is None:
        assert found == []
        return
    assert says in refused(found).reason
    assert "would turn" in refused(found).reason


def test_others_that_wait_lose_nothing() -> None:
    """Seven sevenths, seven pods that wait for them: six would be left."""
    waiting = [pod(f"w{i}", "") for i in range(7)]
    for one in waiting:
        one["spec"].pop("nodeName")  # type: ignore[attr-defined]  # decoded JSON
        one["status"] = {"phase": "Pending"}
    found = refused(planned(cut_node("a"), pods=tuple(waiting)))
    assert "pods that wait need some" in found.reason


def test_advised_and_enforced_in_the_order_of_priority() -> None:
    """Those that act come first, then by priority, as in the operator's own pass."""
    asks = (big("a"), big("b", priority=5), big("c", mode="advise", priority=9))
    found = planned(cut_node("n1"), asks=asks)
    assert [one.demand.key[1] for one in found] == ["b", "a", "c"]


@pytest.mark.parametrize(
    ("step", "says"),
    [
        (LayoutStep.ROLLED_BACK, "RolledBack: no luck"),
        (LayoutStep.DONE, "was cut a short while ago"),
        (LayoutStep.CORDONED, "is being cut for n/other"),
    ],
)
def test_a_node_rests_after_a_change(step: LayoutStep, says: str) -> None:
    """It is left alone while another change runs, and for a while after one."""
    record = Record(
        demand="n/other", step=step, since="2026-11-22T12:04:00Z", former="x", wanted="y",
        message="no luck",
    )  # fmt: skip
    given: Any = cut_node("a")
    given["metadata"]["annotations"] = {RECORD: write_record(record)}
    found = planned(given, cut_node("b", gpu_count="2"), pods=(pod("x", "b"),))
    assert says in refused(found).reason
