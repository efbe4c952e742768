"""Which nodes a server may go to: what is followed, and what is told instead."""

from __future__ import annotations

from typing import Any

import pytest

from rightslice.core.catalog.together import Apart
from rightslice.kube.cluster.view import ClusterNode, Taint
from rightslice.kube.snapshot.bounds import bounds_of, likeness_by
from tests.unit.kube.snapshot.objects import fleet, node, server

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
NODE = ClusterNode(name="n", labels={"pool": "a", "nvidia.com/gpu.product": "NVIDIA-L4"})


def affinity(*expressions: dict[str, Any]) -> dict[str, Any]:
    """Return a pod's spec with one required term."""
    terms = [{"matchExpressions": list(expressions)}]
    return {"affinity": {"nodeAffinity": {_REQUIRED: {"nodeSelectorTerms": terms}}}}


@pytest.mark.parametrize(
    ("spec", "allowed"),
    [
        ({}, True),
        ({"nodeName": "other"}, True),
        ({"nodeSelector": {"pool": "a"}}, True),
        ({"nodeSelector": {"pool": "b"}}, False),
        ({"nodeSelector": {"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3"}}, False),
        ({"nodeSelector": {"nvidia.com/gpu.product": "NVIDIA-L4-SHARED"}}, True),
        ({"nodeSelector": {"nvidia.com/mig.config": "all-1g.5gb"}}, True),
        (affinity({"key": "pool", "operator": "NotIn", "values": ["a"]}), False),
        (affinity({"key": "nvidia.com/mig.strategy", "operator": "Exists"}), True),
    ],
)
def test_what_is_followed(spec: dict[str, Any], *, allowed: bool) -> None:
    """Selector and required affinity rule nodes out, but for labels that follow the cut."""
    assert bounds_of(spec, {}, ()).allows(NODE) is allowed


def test_taints_keep_out_who_does_not_tolerate_them() -> None:
    """The GPU's own taint keeps out no server; another does; where a pod runs it may stay."""
    gpu, own = (Taint(key=key, value="", effect="NoSchedule") for key in ("nvidia.com/gpu", "own"))
    tainted = ClusterNode(name="n", taints=(gpu, own))
    plain = ClusterNode(name="n", taints=(gpu,))
    tolerant = {"tolerations": [{"key": "own", "operator": "Exists"}]}
    assert bounds_of({}, {}, ()).allows(plain)
    assert not bounds_of({}, {}, ()).allows(tainted)
    assert bounds_of(tolerant, {}, ()).allows(tainted)
    assert bounds_of({}, {}, ["n"]).allows(tainted)


def test_its_own_anti_affinity_is_followed() -> None:
    """A required anti-affinity by host to its own pods is a rule of the plan; others are told."""
    term = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "s"}}}
    spec = {"affinity": {"podAntiAffinity": {_REQUIRED: [term]}}}
    own, other = bounds_of(spec, {"app": "s"}, ()), bounds_of(spec, {"app": "t"}, ())
    assert (own.apart, own.not_followed) == (Apart.NODE, ())
    assert other.apart is Apart.NOTHING
    assert "required podAntiAffinity" in other.not_followed[0]


def test_nodes_are_told_apart_by_who_may_use_them() -> None:
    """Nodes on which every server is allowed alike are alike."""
    like = likeness_by([bounds_of({"nodeSelector": {"pool": "a"}}, {}, ())])
    one, two = (ClusterNode(name=name, labels={"pool": "a"}) for name in "xy")
    assert like(one) == like(two) != like(ClusterNode(name="z"))


def test_groups_that_are_ruled_out_are_told() -> None:
    """Equal nodes become two groups, and the server is planned on the one that it may use."""
    made = server("s", ["a"])
    made[0]["spec"]["template"]["spec"]["nodeSelector"] = {"pool": "a"}
    found = fleet(node("a", labels={"pool": "a"}), node("b"), made)
    (planned,) = found.planned
    assert planned.workload.groups is not None
    (name,) = planned.workload.groups
    assert found.grouped.nodes[name] == ("a",)
    assert planned.assumed == (
        "nodes: by its selector, affinity or tolerations not on p4d.24xlarge-2",
    )


@pytest.mark.parametrize(("nodes", "apart"), [("abc", Apart.NODE), ("ab", Apart.NOTHING)])
def test_apart_where_a_group_has_the_nodes(nodes: str, apart: Apart) -> None:
    """Three replicas keep apart on three equal nodes; on two that is told and not followed."""
    made = server("s", ["a", "b", "b"])
    template = made[0]["spec"]["template"]
    template["metadata"]["labels"] = {"app": "s"}
    term = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "s"}}}
    template["spec"]["affinity"] = {"podAntiAffinity": {_REQUIRED: [term]}}
    (planned,) = fleet(*(node(name) for name in nodes), made).planned
    assert planned.workload.apart is apart
    told = any("its own pods is not followed" in text for text in planned.assumed)
    assert told == (apart is Apart.NOTHING)


def test_who_may_use_no_node_stays_where_it_is() -> None:
    """Its GPU is held, and the plan is made of the rest."""
    made, other = server("s", [""]), server("t", ["a"])
    made[0]["spec"]["template"]["spec"]["nodeSelector"] = {"pool": "x"}
    found = fleet(node("a"), made, other)
    assert [one.server.key[2] for one in found.planned] == ["t"]
    assert found.left_out[0].reasons == (
        "nodes: none that its pods may use has a GPU left to plan",
    )
