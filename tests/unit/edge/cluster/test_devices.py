"""DRA as the mirror tells it, object by object."""

from __future__ import annotations

from typing import Any

import pytest

from rightslice.edge.cluster.state import ClusterState
from rightslice.edge.gpu_table import find_gpu
from rightslice.kube.admission.offers import ClusterOffer, cluster_offers, needs_of
from rightslice.kube.cluster.read import read_cluster
from tests.unit.kube.cluster.dra_worlds import NODE, SLICES, bare_node, claim, claiming_pod
from tools.testbed.dra import device_class, driver_classes

EXTENDED = "nvidia.com/mig-1g.5gb"
CLASSES = [*driver_classes(), device_class("mine", "1g.5gb", EXTENDED)]
DEVICE, OTHER = "gpu-0-mig-1g5gb-19-0", "gpu-0-mig-1g5gb-19-1"


@pytest.fixture
def state() -> ClusterState:
    """Return a cluster of one DRA node."""
    made = ClusterState(find_gpu=find_gpu, now=lambda: 0.0)
    made.replace_all("Node", [bare_node()])
    made.replace_all("ResourceSlice", SLICES)
    made.replace_all("DeviceClass", CLASSES)
    made.replace_all("ResourceClaim", [])
    return made


def _free(state: ClusterState) -> dict[str, int]:
    needs = needs_of({"spec": {}}, "n", 1)
    found: tuple[ClusterOffer, ...] = cluster_offers(needs, state.cluster(), state.hardware)
    return {one.resource: one.free for one in found}


def test_offers_of_a_dra_node(state: ClusterState) -> None:
    """A card, or seven slices, by the extended resources that classes stand for."""
    assert _free(state) == {"nvidia.com/gpu": 1, EXTENDED: 7}


def test_a_claim_takes_its_slice_and_the_card(state: ClusterState) -> None:
    """Until it goes."""
    state.put("ResourceClaim", claim("c", DEVICE, pod="p"))
    assert _free(state) == {"nvidia.com/gpu": 0, EXTENDED: 6}
    state.remove("ResourceClaim", claim("c", DEVICE))
    assert _free(state) == {"nvidia.com/gpu": 1, EXTENDED: 7}


@pytest.mark.parametrize("kind", ["ResourceSlice", "ResourceClaim", "DeviceClass"])
def test_without_one_kind_nothing_is_offered(state: ClusterState, kind: str) -> None:
    """Claims that cannot be read may hold anything; once they can, offers are back."""
    state.miss(kind)
    assert _free(state) == {}
    again: dict[str, Any] = {"ResourceSlice": SLICES, "ResourceClaim": [], "DeviceClass": CLASSES}
    state.replace_all(kind, again[kind])
    assert _free(state) == {"nvidia.com/gpu": 1, EXTENDED: 7}


def test_a_pod_that_waits_counts_once(state: ClusterState) -> None:
    """By its note, not by its claim as well; a claim of somebody else's pod by itself."""
    noted = claiming_pod("p", note="resourceclaim:1g.5gb=1", claims=("c",))
    state.put("Pod", noted)
    state.put("ResourceClaim", claim("c", None, pod="p"))
    assert _free(state)[EXTENDED] == 6
    state.put("Pod", claiming_pod("other", claims=("d",)))
    state.put("ResourceClaim", claim("d", None, pod="other"))
    assert _free(state)[EXTENDED] == 5


def test_a_bound_pod_whose_claim_is_not_seen_yet_still_counts(state: ClusterState) -> None:
    """Pods and claims are watched apart."""
    pod = claiming_pod("p", on="a", note="resourceclaim:1g.5gb=1", claims=("c",))
    state.put("Pod", pod)
    assert _free(state)[EXTENDED] == 6
    state.put("ResourceClaim", claim("c", DEVICE, pod="p"))
    assert _free(state)[EXTENDED] == 6
    state.remove("Pod", pod)
    assert _free(state)[EXTENDED] == 6
    state.remove("ResourceClaim", claim("c", DEVICE))
    assert _free(state)[EXTENDED] == 7


def test_a_pod_whose_claim_is_allocated_waits_for_nothing_more(state: ClusterState) -> None:
    """The scheduler allocates before it binds."""
    pod = claiming_pod("p", note="resourceclaim:1g.5gb=1", claims=("c",))
    state.put("Pod", pod)
    state.put("ResourceClaim", claim("c", DEVICE, pod="p"))
    assert _free(state)[EXTENDED] == 6
    state.put("Pod", claiming_pod("p", on="a", note="resourceclaim:1g.5gb=1", claims=("c",)))
    assert _free(state)[EXTENDED] == 6


def test_a_bigger_claim_that_waits_costs_what_it_may_break(state: ClusterState) -> None:
    """3g.20gb covers four slots of the seven that 1g.5gb can have."""
    state.put("Pod", claiming_pod("p", note="resourceclaim:3g.20gb=1"))
    assert _free(state) == {"nvidia.com/gpu": 0, EXTENDED: 3}


def test_a_promise_counts_as_a_pod_that_waits(state: ClusterState) -> None:
    """What the webhook said yes to has not been seen yet."""
    state.promise("uid", "n", {EXTENDED: 1})  # type: ignore[dict-item] # an int is a number too
    assert _free(state) == {"nvidia.com/gpu": 0, EXTENDED: 6}


def test_the_value_stays_while_claims_say_nothing_new(state: ClusterState) -> None:
    """A claim's conditions change without its devices."""
    state.put("ResourceClaim", claim("c", DEVICE, pod="p"))
    before = state.cluster()
    again = claim("c", DEVICE, pod="p")
    again["metadata"]["resourceVersion"] = "2"
    state.put("ResourceClaim", again)
    state.put("ResourceSlice", {**SLICES[0], "metadata": {**SLICES[0]["metadata"], "uid": "x"}})
    assert state.cluster() is before


def test_a_node_that_publishes_no_more_offers_no_more(state: ClusterState) -> None:
    """Its driver is gone."""
    for one in SLICES:
        state.remove("ResourceSlice", one)
    assert _free(state) == {}


def test_step_by_step_is_as_all_at_once(state: ClusterState) -> None:
    """The same value as from a snapshot."""
    claims = [claim("c", DEVICE, pod="p"), claim("d", None, pod="q"), claim("e", OTHER, pod="r")]
    note = "resourceclaim:1g.5gb=1"
    pods = [
        claiming_pod("p", on="a", claims=("c",)),
        claiming_pod("q", claims=("d",)),
        claiming_pod("r", note=note, claims=("e",)),
    ]
    for one in claims:
        state.put("ResourceClaim", one)
    for one in pods:
        state.put("Pod", one)
    given = {
        "Node": [bare_node()], "Pod": pods, "ResourceClaim": claims, "ResourceSlice": SLICES,
        "DeviceClass": CLASSES,
    }  # fmt: skip
    assert state.cluster() == read_cluster(given).cluster
    assert NODE.node in state.hardware
