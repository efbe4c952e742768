"""What waits for a node to be cut, and that cutting it is what was waited for."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from rightslice.kube.admission.settings import Mode
from rightslice.kube.operate.decide import Outcome, decide
from rightslice.kube.relayout.demands import is_early
from rightslice.kube.relayout.limits import Limits
from rightslice.kube.relayout.plan import NoRelayout, Relayout
from tests.unit.kube.operate.worlds import NOW, world
from tests.unit.kube.relayout.clusters import big, cut_node, planned, pod


@settings(max_examples=25, deadline=None)
@given(
    concurrency=st.sampled_from([1, 16, 64, 160]), model=st.sampled_from(["opt", "llama"]),
    cards=st.integers(1, 4), most=st.integers(1, 3),
)  # fmt: skip
def test_on_the_node_as_it_is_cut_the_load_has_a_place(
    concurrency: int, model: str, cards: int, most: int
) -> None:
    """The same decision that found no room recommends an offer of the new layout."""
    asked = big(
        "chat", model=model, load={"concurrency": concurrency}, slo={"tpot": "80ms"},
        replicas={"min": 1, "max": most},
    )  # fmt: skip
    before = {"nvidia.com/mig-1g.5gb": str(7 * cards)}
    for one in planned(cut_node("a", before, gpu_count=str(cards)), asks=(asked,)):
        assert isinstance(one, Relayout)
        after = {name: str(count) for name, count in one.after.items()}
        decision = decide(asked, world(cut_node("a", after, gpu_count=str(cards))), NOW)
        assert decision.outcome is Outcome.RECOMMENDED


def test_what_would_be_refused_anyway_is_no_demand() -> None:
    """A load that no slice holds, and a spec that cannot be read."""
    assert planned(cut_node("a"), asks=(big(load={"concurrency": 100_000}),)) == []
    assert planned(cut_node("a"), asks=(big(input="uniform(9,3)"),)) == []
    assert planned(cut_node("a"), asks=(big(mode="off"),)) == []


def test_places_that_are_free_are_counted() -> None:
    """Two are needed, one is free: one is cut, and the node keeps the one that it has."""
    nodes = (
        cut_node("a", {"nvidia.com/mig-1g.5gb": "4", "nvidia.com/mig-3g.20gb": "1"}),
        cut_node("b"),
    )
    llama = big(
        model="llama", load={"concurrency": 100}, slo={"tpot": "80ms"},
        replicas={"min": 2, "max": 2},
    )  # fmt: skip
    (found,) = planned(*nodes, asks=(llama,))
    assert isinstance(found, Relayout)
    assert (found.want.missing, found.after["nvidia.com/mig-3g.20gb"]) in ((1, 1), (1, 2))


def test_a_demand_waits_for_what_may_come_free_by_itself() -> None:
    """A minute, by the condition that tells since when it waits."""
    (found,) = planned(cut_node("a"))
    assert found.demand.since == "2026-11-22T12:00:00Z"
    assert is_early(found.demand, Limits(), "2026-11-22T12:00:59Z")
    assert not is_early(found.demand, Limits(), "2026-11-22T12:01:00Z")


def test_a_bill_is_lowered_on_an_empty_node_only() -> None:
    """Who runs on a whole card gets a slice where one is empty, ten times as late, if asked for."""
    whole = {"nvidia.com/gpu": "1"}
    nodes = cut_node("a", whole), cut_node("b", whole), cut_node("c", whole)
    here = (pod("x", "a", "nvidia.com/gpu", owner="chat"),)
    assert planned(*nodes, pods=here) == []
    (found,) = planned(*nodes, pods=here, to_save=True)
    assert isinstance(found, Relayout)
    assert (found.node, found.demand.is_saving) == ("b", True)
    assert found.record("").saves == "nvidia.com/mig-1g.10gb"
    assert is_early(found.demand, Limits(), "2026-11-22T12:09:59Z")
    assert "1 x A100-SXM-40GB 1g.10gb, cheaper, for n/chat" in found.reason


def test_no_bill_is_lowered_at_the_cost_of_others() -> None:
    """Not while the last free card is spoken for, and not where the cheaper slice is there."""
    whole = {"nvidia.com/gpu": "1"}
    one, two = (cut_node(name, whole) for name in "ab")
    (found,) = planned(one, two, pods=(pod("x", "a", "nvidia.com/gpu"),), to_save=True)
    assert isinstance(found, NoRelayout)
    assert "pods that wait need some" in found.reason
    cut = cut_node("c", {"nvidia.com/mig-1g.10gb": "4"})
    assert planned(one, two, cut, to_save=True) == []


def test_the_mode_of_a_demand_is_that_of_its_owner() -> None:
    """Who is only advised has nothing cut."""
    (found,) = planned(cut_node("a"), asks=(big(mode="advise"),), pods=(pod("x", "b"),))
    assert found.demand.mode is Mode.ADVISE
