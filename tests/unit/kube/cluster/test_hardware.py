"""What a node's GPU resources stand for."""

from __future__ import annotations

from fractions import Fraction

import pytest

from rightslice.core.catalog.share import Exclusive, MigSlice, MpsShare, TimeSlice
from rightslice.edge.gpu_table import find_gpu
from rightslice.kube.cluster.hardware import gpu_resources, hardware_of, profile_of
from rightslice.kube.cluster.view import ClusterNode


def _node(product: str, resource: str, **labels: str) -> ClusterNode:
    named = {f"nvidia.com/gpu.{key}": value for key, value in labels.items()}
    return ClusterNode(
        name="n",
        labels={"nvidia.com/gpu.product": product, **named},
        allocatable={resource: Fraction(1), "nvidia.com/mig-9g.0gb": Fraction(0)},
    )


@pytest.mark.parametrize(
    ("node", "share"),
    [
        (_node("NVIDIA-A100-SXM4-40GB", "nvidia.com/gpu"), Exclusive()),
        (
            _node("NVIDIA-A100-SXM4-40GB", "nvidia.com/mig-2g.10gb"),
            MigSlice(profile=profile_of("nvidia.com/mig-2g.10gb")),
        ),
        (
            _node("NVIDIA-A100-SXM4-40GB-MIG-2g.10gb", "nvidia.com/gpu"),
            MigSlice(profile=profile_of("2g.10gb")),
        ),
        (
            _node("NVIDIA-A100-SXM4-40GB-SHARED", "nvidia.com/gpu", replicas="4"),
            TimeSlice(replicas=4),
        ),
        (
            _node("NVIDIA-A100-SXM4-40GB-SHARED", "nvidia.com/gpu.shared", replicas="2",
                  **{"sharing-strategy": "mps"}),
            MpsShare(replicas=2),
        ),
    ],
)  # fmt: skip
def test_labels_tell_what_one_unit_is(node: ClusterNode, share: object) -> None:
    """Whole, a slice under mixed or single, a turn, an MPS share."""
    found = hardware_of(node, find_gpu)
    assert [one.device.share for one in found.handed_out] == [share]
    assert found.handed_out[0].device.gpu_name == "A100-SXM-40GB"


def test_a_board_that_the_catalogue_lacks_is_a_problem() -> None:
    """Named with its node; the cluster's other nodes are not touched by it."""
    problem = hardware_of(_node("NVIDIA-X9000", "nvidia.com/gpu"), find_gpu).problem
    assert problem is not None
    assert "node n" in problem
    assert hardware_of(ClusterNode(name="cpu"), find_gpu).problem is None


def test_resources_that_hand_out_nothing_do_not_count() -> None:
    """An allocatable of zero is what is left after a layout change."""
    assert gpu_resources(_node("x", "nvidia.com/gpu")) == ("nvidia.com/gpu",)
