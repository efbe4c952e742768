"""What runs where, from a snapshot."""

from __future__ import annotations

from rightslice.edge.cluster.occupancy import node_uses
from rightslice.kube.snapshot.value import snapshot_of
from tests.unit.entry.kubectl.fleets import (
    Manifest,
    catalog,
    gpu_node,
    model,
    operator,
    played,
    served,
)

SLICES = {"nvidia.com/mig-1g.5gb": 2, "nvidia.com/mig-2g.10gb": 2, "nvidia.com/mig-3g.20gb": 2}


def _cluster(*nodes: Manifest) -> list[Manifest]:
    return played([*nodes, model(), operator(), served("chat", mode="enforce")], 3)


def test_slices_have_their_holders() -> None:
    """Worked out from counts, by ModelDeployment; the rest is free."""
    (one,) = node_uses(snapshot_of(_cluster(gpu_node("gpu-0", SLICES, cards=2))), catalog())
    assert (one.is_inferred, one.gpu, len(one.cards)) == (True, "A100-SXM-40GB", 2)
    held = [each for card in one.cards for each in card.slices if each.pod is not None]
    assert [(each.profile, each.model_deployment) for each in held] == [("2g.10gb", "chat")]
    assert one.free["nvidia.com/mig-2g.10gb"] == 1
    assert [each.model_deployment for each in one.holders] == ["chat"]


def test_whole_cards_have_holders_and_no_slices() -> None:
    """A card that is not cut is not drawn."""
    (one,) = node_uses(snapshot_of(_cluster(gpu_node("gpu-0", {"nvidia.com/gpu": 4}))), catalog())
    assert (one.cards, one.is_inferred) == ((), False)
    assert [(each.resource, each.count) for each in one.holders] == [("nvidia.com/gpu", 1)]
    assert one.free == {"nvidia.com/gpu": 3}


def test_a_node_that_contradicts_itself_is_named_beside_the_others() -> None:
    """Its counts fit no cutting of its cards; the others are drawn all the same."""
    odd = gpu_node("odd", {"nvidia.com/mig-3g.20gb": 9}, cards=1)
    unknown = gpu_node("strange", {"nvidia.com/gpu": 1})
    unknown["metadata"]["labels"]["nvidia.com/gpu.product"] = "NVIDIA-X9000"
    nodes = (gpu_node("gpu-0", SLICES, cards=2), odd, unknown)
    good, bad, strange = node_uses(snapshot_of(_cluster(*nodes)), catalog())
    assert good.problem is None
    assert "no cutting of 1 x" in str(bad.problem)
    assert "NVIDIA-X9000" in str(strange.problem)
    assert strange.gpu == ""
