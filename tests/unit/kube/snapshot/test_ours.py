"""ModelDeployments beside the servers that a plan places."""

from __future__ import annotations

import datetime as dt
from typing import Any

from rightslice.edge.catalog_files import Catalog
from rightslice.edge.cluster.operated import operated
from rightslice.edge.cluster.snapshot import sources_of
from rightslice.edge.constants import fitted_constants
from rightslice.kube.snapshot.compare import Asking, plan_cluster
from rightslice.kube.snapshot.fleet import Rules
from rightslice.kube.snapshot.result import ClusterPlan
from rightslice.kube.snapshot.value import snapshot_of
from tests.unit.entry.kubectl.fleets import (
    NOW,
    Manifest,
    answers,
    catalog,
    gpu_node,
    model,
    operator,
    played,
    served,
)
from tests.unit.kube.snapshot.objects import node, server

SLICES = {"nvidia.com/mig-1g.5gb": 2, "nvidia.com/mig-2g.10gb": 2, "nvidia.com/mig-3g.20gb": 2}


def _plan(objects: list[Manifest]) -> ClusterPlan:
    snapshot = snapshot_of(objects)
    decided = operated(snapshot, catalog(), answers().by, NOW).decided()
    asking = Asking(constants=fitted_constants(), today=dt.date(2026, 11, 23), decided=decided)
    return plan_cluster(snapshot, sources_of(Catalog(), {}), Rules(), asking)


def _cluster(*ours: Manifest, more: Any = (), rounds: int = 4) -> list[Manifest]:  # noqa: ANN401 - plain objects
    start = [gpu_node("gpu-0", SLICES, cards=2), model(), operator(), *ours, *more]
    return played(start, rounds)


def test_what_the_operator_runs_is_counted_once() -> None:
    """Its Deployment is no server; the ModelDeployment is one row, now and as decided."""
    objects = _cluster(served("chat", mode="enforce"))
    assert [one["kind"] for one in objects].count("Deployment") == 2
    answer = _plan(objects)
    (one,) = answer.servers
    assert (one.object_kind, one.name) == ("ModelDeployment", "chat")
    assert one.current.devices == ("1 x A100-SXM-40GB 2g.10gb",)
    assert one.current.verdict == "holds"
    assert one.proposed is not None
    assert one.proposed.resource == "1 x nvidia.com/mig-2g.10gb"
    assert one.saved_usd_per_hour == 0
    assert 0 < one.proposed.headroom_ratio < 1
    assert answer.left_out == ()
    assert [each.name for each in answer.model_deployments] == ["chat"]


def test_its_cards_are_no_part_of_the_plan_of_others() -> None:
    """A server beside it is planned on what is left, and is told what is not held back."""
    other = [node("gpu-1"), *server("s", ["gpu-1"])]
    answer = _plan(_cluster(served("chat", mode="enforce"), served("next"), more=other))
    assert [one.name for one in answer.servers] == ["s", "chat", "next"]
    assert {card.node for card in answer.plan.cards} <= {"gpu-0", "gpu-1"}
    assert any("does not hold back" in one and "next" in one for one in answer.assumed)


def test_one_that_does_not_run_has_a_proposal_and_no_saving() -> None:
    """As a server whose pods wait."""
    (one,) = _plan(_cluster(served("chat"))).servers
    assert (one.current.verdict, one.current.usd_per_hour) == ("nothing of it runs", None)
    assert one.proposed is not None
    assert one.saved_usd_per_hour is None


def test_one_that_is_to_move_says_so() -> None:
    """What runs is not what the operator would run."""
    objects = _cluster(served("chat", mode="enforce"))
    for one in objects:
        if one["kind"] == "ModelDeployment":
            one["spec"] |= {"load": {"concurrency": 300}, "replicas": {"min": 1, "max": 4}}
    (row,) = _plan(objects).servers
    assert row.current.verdict == "not what the operator would run"
    assert row.saved_usd_per_hour is not None
    assert row.saved_usd_per_hour < 0
    assert row.reason.startswith("not A100-SXM-40GB ")


def test_off_is_left_out_and_invalid_has_no_offer() -> None:
    """Each with its reason."""
    answer = _plan(_cluster(served("out", mode="off"), served("bad", model="none")))
    assert [(one.name, one.reasons) for one in answer.left_out] == [("out", ("its mode is off",))]
    (bad,) = answer.servers
    assert bad.proposed is None
    assert "there is no Model none" in bad.reason


def test_a_cluster_of_nothing_else_has_a_plan_of_nothing() -> None:
    """All cards are held by ModelDeployments: no error, an empty plan."""
    one = served("chat", mode="enforce", load={"concurrency": 1})
    start = [gpu_node("gpu-0", {"nvidia.com/gpu": 1}, cards=1), model(), operator(), one]
    del start[0]["metadata"]["labels"]["node.kubernetes.io/instance-type"]
    answer = _plan(played(start, 4))
    assert answer.plan.workloads == ()
    assert [row.current.verdict for row in answer.servers] == ["holds"]
