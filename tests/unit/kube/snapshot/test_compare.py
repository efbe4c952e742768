"""What a server has stands against what it needs, in dollars that compare."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.kube.snapshot.objects import Objects, fleet, node, plan, quota, server


def test_a_small_model_on_a_whole_card_gets_a_slice() -> None:
    """Two A100s become two slices; the dollars are list shares of the same card."""
    answer = plan(node("a"), server("s", ["a", "a"]))
    (one,) = answer.servers
    assert one.current.devices == ("2 x A100-SXM-40GB",)
    assert one.current.verdict == "holds"
    assert one.proposed is not None
    assert one.proposed.resource.startswith("1 x nvidia.com/mig-")
    now, proposed = one.current.usd_per_hour, one.proposed.usd_per_hour
    assert now is not None
    assert proposed is not None
    assert one.saved_usd_per_hour == now - proposed > 0


def test_the_sums_are_those_of_the_servers() -> None:
    """What is saved in all is the sum of the lines, to the cent."""
    answer = plan(node("a"), server("s", ["a"]), server("t", ["a"] * 3))
    lines = [one.saved_usd_per_hour or Decimal(0) for one in answer.servers]
    assert answer.savings.saved_usd_per_hour == sum(lines)
    assert answer.savings.servers_counted == 2


def test_nodes_that_nobody_needs_are_named() -> None:
    """A node that others use in part is never called free."""
    busy = server("silent", ["b"], notes={})
    answer = plan(node("a"), node("b"), node("c"), server("s", ["a"]), busy)
    assert len(answer.savings.nodes_free) == 1
    assert "b" not in answer.savings.nodes_free
    assert not [one for one in answer.plan.notes if one.startswith("nothing runs on")]


def test_cards_carry_the_nodes_real_names() -> None:
    """The picture speaks of the cluster's nodes, not of numbers."""
    answer = plan(node("ip-1"), node("ip-2"), server("s", ["ip-1"]))
    assert {one.node for one in answer.plan.cards} == {"ip-1", "ip-2"}


def test_waiting_pods_have_no_price_now() -> None:
    """A server that waits holds nothing; it has a proposal, and no saving."""
    (one,) = plan(node("a"), server("s", [""])).servers
    assert (one.current.waiting, one.current.usd_per_hour, one.saved_usd_per_hour) == (
        1,
        None,
        None,
    )
    assert one.current.verdict == "none of its pods runs"
    assert one.proposed is not None


def test_a_quota_that_is_too_small_refuses() -> None:
    """With nothing left of its resources a team's server has no offer, and the quota is named."""
    none = {f"requests.nvidia.com/{name}": "0" for name in (
        "gpu", "mig-1g.5gb", "mig-1g.10gb", "mig-2g.10gb", "mig-3g.20gb", "mig-4g.20gb",
    )}  # fmt: skip
    (one,) = plan(node("a"), server("s", ["a"]), quota(none)).servers
    assert one.proposed is None
    assert "a: nvidia.com/gpu: needs 1, 0 left" in one.reason


def test_under_dra_the_proposal_is_a_claim() -> None:
    """Cards that ResourceSlices list are asked for by device class, not as a resource."""
    attributes = {"productName": {"string": "NVIDIA A100-SXM4-40GB"}, "type": {"string": "gpu"}}
    card = {"name": "gpu-0", "attributes": attributes}
    listed = {"driver": "gpu.nvidia.com", "nodeName": "a", "pool": {"name": "a"}, "devices": [card]}
    slices = {"kind": "ResourceSlice", "metadata": {"name": "a"}, "spec": listed}
    (one,) = plan(node("a", {}), slices, server("s", [""])).servers
    assert one.proposed is not None
    assert one.proposed.resource == "1 x mig.nvidia.com 1g.10gb (DRA claim)"


@settings(max_examples=5, deadline=None)
@given(st.permutations(range(4)))
def test_the_order_of_objects_changes_nothing(order: list[int]) -> None:
    """The same cluster, listed in another order, is the same fleet."""
    parts: list[dict[str, Any] | Objects] = [
        node("a"), node("b"), server("s", ["a"]), server("t", ["b"], notes={}),
    ]  # fmt: skip
    assert fleet(*(parts[index] for index in order)) == fleet(*parts)
