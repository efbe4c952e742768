"""ResourceSlices, claims and classes as values."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from rightslice.kube.cluster.dra_read import (
    asked_by,
    claims_of,
    class_expression,
    noted_claims,
    read_classes,
    read_stocks,
    taken_by,
)
from tests.unit.kube.cluster.dra_worlds import NODE, SLICES, claim, claiming_pod
from tools.testbed.dra import device_class, driver_classes


def test_a_node_publishes_its_card_and_every_placement() -> None:
    """Names with their pool, the card's UUID, and what they take of the counters."""
    stock = read_stocks(SLICES)["a"]
    found = {one.name: one for one in stock.devices}
    assert len(found) == 26
    slice_ = found["a/gpu-0-mig-2g10gb-14-2"]
    assert (slice_.profile, slice_.card) == ("2g.10gb", "GPU-a-0")
    assert slice_.takes["a/gpu-0-counter-set", "memory-slice-2"] == 1000
    assert found["a/gpu-0"].profile is None


def test_a_pool_counts_when_all_its_slices_are_there() -> None:
    """The scheduler allocates nothing of an incomplete pool."""
    assert read_stocks(SLICES[:1]) == {}


def test_an_older_generation_is_passed_over() -> None:
    """A driver publishes anew before the old slices are gone."""
    newer = NODE.slices(generation=2)
    old = [{**one, "metadata": {"name": f"old-{index}"}} for index, one in enumerate(SLICES)]
    assert read_stocks([*old, *newer]) == read_stocks(newer)


def test_a_slice_that_cannot_be_read_offers_nothing() -> None:
    """A counter that is no quantity."""
    broken = NODE.slices()
    broken[0]["spec"]["sharedCounters"][0]["counters"]["memory"]["value"] = "much"
    assert read_stocks(broken) == {}


def test_tainted_and_shared_devices_are_not_offered() -> None:
    """A taint keeps claims off; a device for several claims is of another kind."""
    slices = NODE.slices()
    devices = {one["name"]: one for one in slices[1]["spec"]["devices"]}
    devices["gpu-0"]["taints"] = [{"key": "k", "effect": "NoSchedule"}]
    devices["gpu-0-mig-7g40gb-0-0"]["allowMultipleAllocations"] = True
    profiles = {profile for _, profile in read_stocks(slices)["a"].by_unit}
    assert not profiles & {None, "7g.40gb"}


def test_a_class_is_known_by_its_words() -> None:
    """The driver's own, and ours; one that says anything else stands for nothing known."""
    other = device_class("other", "1g.5gb", "nvidia.com/mig-1g.5gb")
    other["spec"]["selectors"][0]["cel"]["expression"] += " && true"
    classes = [*driver_classes(), device_class("mine", "2g.10gb", "nvidia.com/mig-2g.10gb"), other]
    found = read_classes(classes)
    assert found.names == {"gpu.nvidia.com", "mig.nvidia.com", "mine", "other"}
    assert found.extended == {
        None: ("gpu.nvidia.com", "nvidia.com/gpu"),
        "2g.10gb": ("mine", "nvidia.com/mig-2g.10gb"),
    }


def test_of_two_classes_for_one_resource_the_newer_counts() -> None:
    """As in the scheduler; of one age, the first by name."""
    given: list[dict[str, Any]] = [
        device_class(name, "1g.5gb", "nvidia.com/mig-1g.5gb") for name in ("a", "c", "b")
    ]
    for one, age in zip(given, ("2026-01-01", "2026-02-01", "2026-02-01"), strict=True):
        one["metadata"]["creationTimestamp"] = age
    assert read_classes(given).extended["1g.5gb"][0] == "b"  # type: ignore[index] # a text


def test_a_class_with_a_configuration_is_left_to_its_owner() -> None:
    """It may share the device, or set it up in a way that is not known here."""
    one = device_class("mps", None, "nvidia.com/gpu")
    one["spec"]["config"] = [{"opaque": {"driver": "gpu.nvidia.com", "parameters": {}}}]
    assert read_classes([one]).extended == {}


def test_a_claim_holds_its_device_or_waits() -> None:
    """Allocated: the device; of a pod and not allocated: what it asks for; else nothing."""
    held = claim("c", "gpu-0-mig-1g5gb-19-0", pod="p")
    assert taken_by(held) == frozenset({"a/gpu-0-mig-1g5gb-19-0"})
    assert asked_by(held) == {}
    assert asked_by(claim("c", None, pod="p")) == {"resourceclaim:1g.5gb": 1}
    assert asked_by(claim("c", None)) == {}


@pytest.mark.parametrize(
    "request_",
    [
        {"exactly": {"deviceClassName": "gpu.nvidia.com", "count": 2}},
        {"firstAvailable": [{"name": "a", "deviceClassName": "mig.nvidia.com", "count": 1}]},
        {"exactly": {"deviceClassName": "rdma.example.com", "count": 1}},
    ],
)
def test_what_a_request_may_cost(request_: dict[str, Any]) -> None:
    """Cards; a choice counts as a card; other drivers' devices as nothing."""
    one = claim("c", None, pod="p")
    one["spec"]["devices"]["requests"] = [{"name": "r", **request_}]
    count = 2 if request_.get("exactly", {}).get("count") == 2 else 1
    wanted = {} if "rdma" in str(request_) else {"resourceclaim:gpu": Fraction(count)}
    assert asked_by(one) == wanted


def test_an_administrator_looks_at_a_device_without_holding_it() -> None:
    """With adminAccess, it takes nothing from anybody."""
    one = claim("c", "gpu-0", pod="p")
    one["status"]["allocation"]["devices"]["results"][0]["adminAccess"] = True
    assert taken_by(one) == frozenset()


def test_a_pod_says_its_claims_and_what_they_ask() -> None:
    """By its status, and by the operator's note."""
    pod = claiming_pod("p", note="resourceclaim:2g.10gb=1", claims=("p-gpu",))
    pod["status"]["extendedResourceClaimStatus"] = {"resourceClaimName": "p-extended"}
    assert claims_of(pod) == ("p-gpu", "p-extended")
    assert noted_claims(pod) == {"resourceclaim:2g.10gb": 1}
    assert noted_claims(claiming_pod("p", note="nonsense")) == {}


def test_expressions_of_classes_are_the_drivers() -> None:
    """The same words as in the driver's chart (deployments/helm, gpu-driver-config.yaml)."""
    assert class_expression("1g.5gb").startswith(
        "device.driver == 'gpu.nvidia.com' && device.attributes['gpu.nvidia.com'].type == 'mig' &&"
    )
