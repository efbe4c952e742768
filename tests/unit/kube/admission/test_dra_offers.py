"""Offers of DRA nodes, beside those of a device plugin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

from rightslice.edge.catalog_files import Catalog
from rightslice.kube.admission.offers import ClusterOffer, cluster_offers, needs_of
from rightslice.kube.cluster.dra_hardware import node_hardware
from rightslice.kube.cluster.dra_read import read_classes, read_stocks
from rightslice.kube.cluster.read import read_cluster
from tests.unit.kube.admission.worlds import A100, node
from tests.unit.kube.cluster.dra_worlds import SLICES, bare_node, claim
from tools.testbed.dra import device_class, driver_classes

EXTENDED = "nvidia.com/mig-2g.10gb"
CLASSES = [*driver_classes(), device_class("mine", "2g.10gb", EXTENDED)]


def _offers(
    *nodes: dict[str, Any], by_claim: bool = False, **objects: list[dict[str, Any]]
) -> Mapping[str, ClusterOffer]:
    given = {"Node": [bare_node(), *nodes], "ResourceSlice": SLICES, **objects}
    cluster = read_cluster(given).cluster
    stocks, classes = read_stocks(SLICES), read_classes(CLASSES)
    hardware = {
        one.name: node_hardware(one, stocks.get(one.name), classes, Catalog().gpu)
        for one in cluster.nodes
    }
    needs = replace(needs_of({"spec": {}}, "n", 1), by_claim=by_claim)
    return {one.resource: one for one in cluster_offers(needs, cluster, hardware)}


def _quota(key: str) -> dict[str, Any]:
    return {
        "metadata": {"name": "q", "namespace": "n"},
        "spec": {"hard": {key: "0"}},
        "status": {"used": {key: "0"}},
    }


def test_the_webhook_is_offered_extended_resources_the_operator_claims() -> None:
    """What a pod's patch can say, and what needs an object made before."""
    assert set(_offers()) == {"nvidia.com/gpu", EXTENDED}
    claims = _offers(by_claim=True)
    assert {"resourceclaim:gpu", "resourceclaim:3g.20gb"} < set(claims)
    assert claims["resourceclaim:2g.10gb"].free == 3
    unit = claims["resourceclaim:2g.10gb"].unit
    assert unit is not None
    assert unit.product == "NVIDIA A100-SXM4-40GB"


def test_one_resource_of_both_kinds_of_nodes_is_one_offer() -> None:
    """A pod's request is the same; the scheduler knows who serves it where."""
    plugin = node("b", {EXTENDED: "2"})
    bare = bare_node()
    bare["metadata"]["labels"] = {"nvidia.com/gpu.product": A100}
    given = {"Node": [bare, plugin], "ResourceSlice": SLICES}
    cluster = read_cluster(given).cluster
    stocks, classes = read_stocks(SLICES), read_classes(CLASSES)
    hardware = {
        one.name: node_hardware(one, stocks.get(one.name), classes, Catalog().gpu)
        for one in cluster.nodes
    }
    (found,) = (
        one
        for one in cluster_offers(needs_of({"spec": {}}, "n", 1), cluster, hardware)
        if one.resource == EXTENDED
    )
    assert found.free == 5


def test_a_node_without_cpu_has_no_place() -> None:
    """Devices are not all that a pod needs."""
    full = bare_node()
    full["status"]["allocatable"]["pods"] = "2"
    cluster = read_cluster({"Node": [full], "ResourceSlice": SLICES}).cluster
    stocks, classes = read_stocks(SLICES), read_classes(CLASSES)
    hardware = {"a": node_hardware(cluster.nodes[0], stocks["a"], classes, Catalog().gpu)}
    found = cluster_offers(needs_of({"spec": {}}, "n", 1), cluster, hardware)
    assert {one.resource: one.free for one in found}[EXTENDED] == 2


def test_a_quota_of_the_device_class_counts() -> None:
    """By claims, by the class, and by the resource that it stands for."""
    for key in (
        "count/resourceclaims.resource.k8s.io",
        "mine.deviceclass.resource.k8s.io/devices",
        "requests.deviceclass.resource.kubernetes.io/mine",
    ):
        obstacle = _offers(ResourceQuota=[_quota(key)])[EXTENDED].obstacle
        assert obstacle is not None
        assert "ResourceQuota q leaves 0" in obstacle


def test_a_quota_of_cards_counts_for_claims_of_cards() -> None:
    """The driver's class stands for nvidia.com/gpu, and a claim of it counts as one."""
    quota = _quota("requests.nvidia.com/gpu")
    found = _offers(by_claim=True, ResourceQuota=[quota])
    assert found["resourceclaim:gpu"].obstacle == "ResourceQuota q leaves 0 nvidia.com/gpu"
    assert found["resourceclaim:1g.5gb"].obstacle is None


def test_nothing_free_is_told_with_its_number() -> None:
    """A whole card is held."""
    found = _offers(ResourceClaim=[claim("c", "gpu-0", pod="p")])
    assert found[EXTENDED].obstacle == f"none of 3 {EXTENDED} is free now"


def test_a_pod_that_waits_for_a_card_leaves_no_slice() -> None:
    """Where it goes is the scheduler's to say."""
    pod = {
        "metadata": {"name": "p", "namespace": "n"},
        "spec": {"containers": [{"resources": {"limits": {"nvidia.com/gpu": "1"}}}]},
    }
    found = _offers(Pod=[pod])
    assert found[EXTENDED].free == 0
    assert "pending pods wait" in (found[EXTENDED].obstacle or "")
    assert read_cluster({"Pod": [pod]}).cluster.pending["nvidia.com/gpu"] == Fraction(1)
