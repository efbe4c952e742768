"""What waits for a node to be cut, and that cutting it is what was waited for."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from rightslice.kube.admission.settings import Mode
from rightslice.kube.operate.decide import Outcome, decide
from rightslice.kube.relayout.demands import is_early
from rightslice.kube.relayout.limits import Limits
from rightslice.kube.relayout.plan import Relayout
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
    assert found.demand.waited_seconds == 300
    assert not is_early(found.demand, Limits())
    assert is_early(found.demand, Limits(patience_seconds=301))


def test_the_mode_of_a_demand_is_that_of_its_owner() -> None:
    """Who is only advised has nothing cut."""
    (found,) = planned(cut_node("a"), asks=(big(mode="advise"),), pods=(pod("x", "b"),))
    assert found.demand.mode is Mode.ADVISE
