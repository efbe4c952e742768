"""Counts of the device plugin: inferred, marked, and refused where they cannot be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rightslice.errors import InputError

Made = dict[str, Callable[..., Any]]
Reader = Callable[..., Any]


def node(product: str = "NVIDIA-A100-SXM4-40GB", cards: str = "2", **counts: str) -> dict[str, Any]:
    """Return a node as GPU feature discovery and the device plugin describe it."""
    names = {key.replace("_", "."): value for key, value in counts.items()}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": "worker-1",
            "labels": {"nvidia.com/gpu.product": product, "nvidia.com/gpu.count": cards},
        },
        "status": {"allocatable": {f"nvidia.com/{key}": value for key, value in names.items()}},
    }


def asking(name: str, resource: str, count: str = "1") -> dict[str, Any]:
    """Return a pod on worker-1 with one extended resource."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "search"},
        "spec": {
            "nodeName": "worker-1",
            "containers": [{"name": "vllm", "resources": {"limits": {resource: count}}}],
        },
    }


def test_cards_that_can_be_cut_alike_are(read: Reader, made: Made) -> None:
    """Four 3g on two cards are two each, at the driver's starts; the state is marked."""
    counts = {"mig-3g_20gb": "4"}
    state = read(made["listed"](node(**counts), asking("a", "nvidia.com/mig-3g.20gb")))
    assert state.is_inferred
    assert [[each.placement.start for each in card.slices] for card in state.cards] == [[0, 4]] * 2
    assert [each.pod.name for card in state.cards for each in card.slices if each.pod] == [
        "search/a"
    ]


def test_uneven_counts_are_packed(read: Reader, made: Made) -> None:
    """A 7g and two 3g need a card each."""
    counts = {"mig-3g_20gb": "2", "mig-7g_40gb": "1"}
    state = read(made["listed"](node(**counts)))
    assert sorted(len(card.slices) for card in state.cards) == [1, 2]


def test_the_single_strategy_tells_its_profile_in_the_product(read: Reader, made: Made) -> None:
    """Slices called nvidia.com/gpu have their profile in the product label."""
    one = node("NVIDIA-A100-SXM4-40GB-MIG-3g.20gb", "1", gpu="2")
    state = read(made["listed"](one, asking("a", "nvidia.com/gpu")))
    assert [each.placement.profile for each in state.cards[0].slices] == ["3g.20gb"] * 2
    assert state.cards[0].slices[0].pod is not None


@pytest.mark.parametrize(
    ("objects", "message"),
    [
        (
            [node(**{"mig-7g_40gb": "3"})],
            "node worker-1: status.allocatable: no cutting of 2 x A100-40GB gives 3 x 7g.40gb",
        ),
        ([node(product="", **{"mig-7g_40gb": "1"})], "lacks nvidia.com/gpu.product"),
        ([node(cards="", **{"mig-7g_40gb": "1"})], "lacks nvidia.com/gpu.count"),
        (
            [node(**{"mig-7g_40gb": "1"}), asking("a", "nvidia.com/mig-1g.5gb")],
            "node worker-1: pod search/a: holds a 1g.5gb more than the node has",
        ),
        (
            [node(**{"mig-7g_40gb": "2"}), asking("a", "nvidia.com/mig-7g.40gb", "2")],
            "asks for 2 slices",
        ),
        ([node()], "tells of no GPU that is cut"),
        ([{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}}], "holds ConfigMap"),
    ],
)
def test_what_cannot_be_inferred_is_refused(
    objects: list[dict[str, Any]], message: str, read: Reader, made: Made
) -> None:
    """Counts and labels that contradict each other name the node."""
    with pytest.raises(InputError) as caught:
        read(made["listed"](*objects))
    assert message in str(caught.value)
