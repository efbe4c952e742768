"""Nodes become groups, namespaces teams, servers workloads; what does not is named."""

from __future__ import annotations

from fractions import Fraction

import pytest

from rightslice.core.catalog.fleet import MigStrategy
from rightslice.core.catalog.traffic import ClosedLoop
from rightslice.edge.catalog_files import Catalog
from rightslice.edge.cluster.snapshot import sources_of
from rightslice.errors import InputError
from rightslice.kube.snapshot.fleet import Rules, fleet_of
from rightslice.kube.snapshot.value import NotRead, Snapshot
from tests.unit.kube.snapshot.objects import fleet, node, quota, server, taken


def test_equal_nodes_are_one_group() -> None:
    """Hardware, price and taints alike: one group, under the real names of its nodes."""
    found = fleet(node("b"), node("a"), node("c", labels={"karpenter.sh/nodepool": "other"}))
    assert [(one.name, one.count, one.gpus_per_node) for one in found.fleet.nodes] == [
        ("p4d.24xlarge", 2, 8), ("other", 1, 8),
    ]  # fmt: skip
    assert found.grouped.nodes["p4d.24xlarge"] == ("a", "b")


def test_spot_and_taints_set_nodes_apart() -> None:
    """What costs less, or is kept from others, is a group of its own."""
    spot = {"karpenter.sh/capacity-type": "spot"}
    taint = {"taints": [{"key": "team", "value": "a", "effect": "NoSchedule"}]}
    found = fleet(node("a"), node("b", labels=spot), node("c", spec=taint))
    assert [one.name for one in found.fleet.nodes] == [
        "p4d.24xlarge", "p4d.24xlarge-2", "p4d.24xlarge-3",
    ]  # fmt: skip
    prices = [one.price.usd_per_hour for one in found.fleet.nodes if one.price is not None]
    assert prices[1] < prices[0] == prices[2]


def test_cards_may_be_cut_unless_told_otherwise() -> None:
    """Whole A100s are planned as cuttable, and that is said; --keep-mig leaves them whole."""
    cut = fleet(node("a"))
    assert cut.fleet.nodes[0].mig is MigStrategy.MIXED
    assert any("the plan may cut them" in one for one in cut.assumed)
    assert fleet(node("a"), keeps_mig=True).fleet.nodes[0].mig is MigStrategy.NONE


def test_slices_of_one_profile_are_counted_back_to_cards() -> None:
    """Under strategy single the label may count slices: seven 1g.5gb are one card."""
    single = node("a", {"nvidia.com/gpu": 14}, product="NVIDIA-A100-SXM4-40GB-MIG-1g.5gb",
                  count=14, type="own")  # fmt: skip
    found = fleet(single, keeps_mig=True).fleet.nodes[0]
    assert (found.mig, found.gpus_per_node) == (MigStrategy.SINGLE, 2)


def test_time_sliced_nodes_keep_their_turns() -> None:
    """Sixteen turns at four a card are four cards."""
    labels = {"nvidia.com/gpu.replicas": "4"}
    sliced = node("a", {"nvidia.com/gpu": 16}, product="NVIDIA-L4-SHARED", labels=labels)
    found = fleet(sliced).fleet.nodes[0]
    assert (found.gpus_per_node, found.time_slicing_replicas) == (4, 4)


def test_mps_clients_are_told_from_turns() -> None:
    """The sharing strategy decides; shares at which results go wrong leave the nodes out."""
    labels = {"nvidia.com/gpu.replicas": "4", "nvidia.com/gpu.sharing-strategy": "mps"}
    shared = node("a", {"nvidia.com/gpu": 16}, product="NVIDIA-L4-SHARED", labels=labels)
    group = fleet(shared).fleet.nodes[0]
    assert (group.time_slicing_replicas, group.mps_replicas) == (None, 4)
    unsound = {**labels, "nvidia.com/gpu.replicas": "3"}
    h100 = node("b", {"nvidia.com/gpu": 24}, product="NVIDIA-H100-80GB-HBM3-SHARED", labels=unsound)
    said = " ".join(fleet(shared, h100).problems)
    assert "nodes like b (1) are left out" in said


def test_cards_that_others_hold_are_not_planned() -> None:
    """A server that says no load keeps its cards; its node is planned with what is left."""
    found = fleet(node("a"), node("b"), server("silent", ["a"], count=3, notes={}))
    assert {one.name: one.gpus_per_node for one in found.fleet.nodes} == {
        "p4d.24xlarge": 8, "p4d.24xlarge-5-left": 5,
    }  # fmt: skip
    whole, part = found.fleet.nodes
    assert part.price is not None
    assert part.price.usd_per_hour < whole.price.usd_per_hour  # type: ignore[union-attr]  # p4d is priced
    assert abs(part.card_usd_per_hour - whole.card_usd_per_hour) < Fraction(1, 1000)  # type: ignore[operator]  # as above
    assert found.grouped.whole == {"p4d.24xlarge"}


def test_a_server_without_a_load_is_listed_with_what_to_add() -> None:
    """Nothing is dropped in silence: the annotations that are missing are named."""
    (left,) = fleet(node("a"), server("silent", ["a"], notes={})).left_out
    assert (left.name, left.object_kind, left.holds) == (
        "silent", "Deployment", ("1 x nvidia.com/gpu",),
    )  # fmt: skip
    assert any("rightslice.dev/load-concurrency" in one for one in left.reasons)


def test_the_load_is_that_of_all_replicas() -> None:
    """Annotations speak of a pod: three replicas serve three times as much, and that is said."""
    (planned,) = fleet(node("a"), server("s", ["a"] * 3)).planned
    assert planned.workload.traffic.load == ClosedLoop(concurrency=12)
    assert (planned.workload.min_replicas, planned.workload.max_replicas) == (3, 3)
    assert any("each of its 3 replicas" in one for one in planned.assumed)


def test_quotas_are_the_teams_limits() -> None:
    """What other pods of the namespace hold is taken off; scoped quotas are told, not used."""
    limit = quota({"requests.nvidia.com/gpu": "6", "limits.cpu": "9"})
    found = fleet(node("a"), server("s", ["a"]), server("other", ["a"], notes={}), limit)
    assert found.fleet.team("a").quota.resources == {"nvidia.com/gpu": 5}
    scoped = quota({"requests.nvidia.com/gpu": "6"}, scopes=["BestEffort"])
    told = fleet(node("a"), server("s", ["a"]), scoped)
    assert told.fleet.team("a").quota.resources == {}
    assert any("counts some pods only" in one for one in told.assumed)


def test_equal_names_are_told_apart() -> None:
    """Two servers of one name get their namespaces."""
    found = fleet(node("a"), server("s", ["a"]), server("s", ["a"], namespace="b"))
    assert [one.name for one in found.fleet.workloads] == ["a-s", "b-s"]


def test_nodes_that_cannot_be_used_are_named() -> None:
    """Not ready, an unknown board, no count: each with its reason."""
    strange = node("x", product="NVIDIA-Z9000")
    uncounted = node("y", {"nvidia.com/mig-1g.5gb": 7}, count="?", type="own")
    found = fleet(node("a"), node("down", ready="False"), strange, uncounted)
    said = " ".join(found.problems)
    assert "node down is left out: it is not ready" in said
    assert "node x is left out: unknown GPU" in said
    assert "node y is left out: lacks the label nvidia.com/gpu.count" in said


def test_other_holders_are_listed() -> None:
    """A training pod without an owner is named with what it holds."""
    pod = server("train", ["a"], count=4)[1]
    pod["metadata"]["ownerReferences"] = []
    pod["spec"]["containers"] = [{"name": "t", "image": "train:1",
                                  "resources": {"limits": {"nvidia.com/gpu": "4"}}}]  # fmt: skip
    (left,) = fleet(node("a"), pod).left_out
    assert (left.object_kind, left.holds) == ("Pod", ("4 x nvidia.com/gpu",))


def test_a_cluster_without_nodes_is_no_fleet() -> None:
    """The reason is the server's own where nodes could not be listed."""
    with pytest.raises(InputError, match="no Nodes: add them"):
        fleet(server("s", ["a"]))
    objects = taken(node("a")).objects
    barred = Snapshot(objects=objects, not_read=(NotRead(object_kind="Pod", reason="forbidden"),))
    with pytest.raises(InputError, match=r"no Pods \(forbidden\)"):
        fleet_of(barred, sources_of(Catalog(), {}), Rules())
