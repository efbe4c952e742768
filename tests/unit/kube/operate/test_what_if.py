"""What a change would do, to itself and to its neighbours."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from rightslice.kube.operate.decided import Moment
from rightslice.kube.operate.gather import served_of
from rightslice.kube.operate.what_if import WhatIf, what_if
from tests.unit.entry.kubectl.fleets import NOW, Manifest, gpu_node, model, played, seen, served

SLICES = {"nvidia.com/mig-1g.5gb": 1, "nvidia.com/mig-2g.10gb": 1, "nvidia.com/mig-3g.20gb": 1}


def _cluster(*ours: Manifest, rounds: int = 0) -> list[Manifest]:
    return played([gpu_node("gpu-0", SLICES, cards=1), model(), *ours], rounds)


def _moment(objects: list[Manifest], **rules: Any) -> Moment:  # noqa: ANN401 - of `seen`
    ours = [one for one in objects if one["kind"] == "ModelDeployment"]
    made = [one for one in objects if one["kind"] == "Deployment"]
    return Moment(served=served_of(ours, made), world=seen(objects, **rules), now=NOW)


def _asked(objects: list[Manifest], name: str, **changed: Any) -> WhatIf:  # noqa: ANN401 - of `served`
    """Return what the changed fields of one spec do."""
    after = [
        {**one, "spec": {**one["spec"], **changed}} if one["metadata"]["name"] == name else one
        for one in objects
    ]
    if name not in [one["metadata"]["name"] for one in objects]:
        after.append(served(name, **changed))
    return what_if(_moment(objects), _moment(after), [("a", name)])


def test_no_change_is_an_answer() -> None:
    """Nothing differs, nobody else is named, and the sums are equal."""
    found = _asked(_cluster(served("chat"), served("other")), "chat")
    assert found.verdict == "no change: 1 x A100-SXM-40GB 2g.10gb"
    assert [one.fields for one in found.changes] == [()]
    assert found.usd_per_hour_before == found.usd_per_hour_after
    assert found.holds


def test_a_neighbour_that_has_to_go_elsewhere_is_shown() -> None:
    """Who comes first takes the slice; the other's change stands beside."""
    objects = _cluster(served("a1", load={"concurrency": 4}), served("b1"))
    found = _asked(objects, "a1", load={"concurrency": 64})
    assert [one.after.name for one in found.changes] == ["a1", "b1"]
    assert found.changes[0].fields == ("load.concurrency: 4 -> 64",)
    assert found.verdict.endswith("1 other changes with it")
    offers = [one.after.offer.resource for one in found.changes if one.after.offer is not None]
    assert offers == ["nvidia.com/mig-2g.10gb", "nvidia.com/mig-3g.20gb"]


def test_a_lower_load_is_followed_after_the_settling_time() -> None:
    """At once it keeps what runs; the answer says what comes then."""
    objects = _cluster(served("chat", mode="enforce", confidence="50%"), rounds=3)
    found = _asked(objects, "chat", load={"concurrency": 2})
    (change,) = found.changes
    assert not change.changes_at_once
    assert change.changes_later
    assert "keeps 1 x A100-SXM-40GB 2g.10gb; after 600 s at that load 1 x" in found.verdict
    assert found.usd_per_hour_settled is not None
    assert found.usd_per_hour_before is not None
    assert found.usd_per_hour_settled < found.usd_per_hour_before


def test_a_new_one_is_no_change_of_anything() -> None:
    """It had nothing, and costs what its offer costs."""
    found = _asked(_cluster(), "chat", load={"concurrency": 4})
    assert found.changes[0].before is None
    assert found.verdict == "new: 1 x A100-SXM-40GB 1g.5gb"
    assert found.usd_per_hour_before == Decimal(0)


def test_what_nothing_holds_is_a_no() -> None:
    """With the nearest offer and what would turn it."""
    found = _asked(_cluster(served("chat")), "chat", slo={"tpot": "1ms"})
    assert not found.holds
    assert "no offer of the cluster holds" in found.verdict
    assert "would turn" in found.verdict


def test_off_decides_nothing() -> None:
    """It is no failure to have none."""
    found = _asked(_cluster(served("chat")), "chat", mode="off")
    assert found.verdict == "nothing is decided: its mode is off"
    assert found.holds


@settings(max_examples=10, deadline=None, derandomize=True)
@given(st.integers(1, 900), st.integers(1, 900))
def test_there_and_back_is_no_change(one: int, other: int) -> None:
    """What a change costs, the change back saves."""
    objects = _cluster(served("chat", load={"concurrency": one}, replicas={"min": 1, "max": 9}))
    back = _cluster(served("chat", load={"concurrency": other}, replicas={"min": 1, "max": 9}))
    there = _asked(objects, "chat", load={"concurrency": other})
    again = _asked(back, "chat", load={"concurrency": one})
    assert there.usd_per_hour_after == again.usd_per_hour_before
    assert there.usd_per_hour_before == again.usd_per_hour_after
