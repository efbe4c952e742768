"""Which nodes mig-manager could cut, and why the others are left alone."""

from __future__ import annotations

from typing import Any

import pytest

from rightslice.kube.cluster.hardware import hardware_of
from rightslice.kube.cluster.read import read_node
from rightslice.kube.relayout.limits import Limits
from rightslice.kube.relayout.nodes import CuttableNode, Refusal, cuttable, is_candidate
from tests.unit.kube.admission.worlds import node
from tests.unit.kube.operate.worlds import catalog
from tests.unit.kube.relayout.clusters import cut_node

NOW = "2026-11-22T12:00:00Z"


def judged(given: dict[str, object]) -> CuttableNode | Refusal:
    """Return what is made of a decoded node."""
    one = read_node(given)
    return cuttable(one, hardware_of(one, catalog().gpu), Limits(), NOW)


def labelled(**labels: str) -> dict[str, object]:
    """Return a node that could be cut, but for *labels*; dots are underscores."""
    given: Any = cut_node("a")
    given["metadata"]["labels"] |= {name.replace("_", "/"): one for name, one in labels.items()}
    return dict(given)


def test_a_node_that_mig_manager_looks_after_can_be_cut() -> None:
    """With its cards, and what they hand out."""
    found = judged(cut_node("a"))
    assert isinstance(found, CuttableNode)
    assert (found.former, found.cards.cards, found.in_use) == ("all-1g.5gb", 1, 0)
    assert found.handed_out == {"nvidia.com/mig-1g.5gb": 7}


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        ({"rightslice.dev_relayout": "never"}, "is labelled rightslice.dev/relayout=never"),
        ({"nvidia.com_gpu.deploy.mig-manager": "false"}, "no mig-manager would cut it"),
        ({"nvidia.com_mig.strategy": "single"}, "has nvidia.com/mig.strategy=single"),
        ({"nvidia.com_mig.config.state": "failed"}, "mig.config.state is failed"),
        ({"nvidia.com_gpu.count": "0"}, "says nvidia.com/gpu.count=0"),
        ({"nvidia.com_gpu.product": "Tesla-T4"}, ""),
        ({"nvidia.com_mig-1g.5gb.replicas": "2"}, "take turns"),
    ],
)
def test_a_node_that_is_left_alone_says_why(labels: dict[str, str], says: str) -> None:
    """With the change that would turn it."""
    found = judged(labelled(**labels))
    assert isinstance(found, Refusal)
    assert says in found.told
    assert "would turn" in found.told


def test_shared_and_cordoned_nodes_are_left_alone() -> None:
    """Turns on whole cards would be lost; who cordoned a node has a reason."""
    shared = cut_node("a", {"nvidia.com/gpu": "4"}, gpu_replicas="4", gpu_count="4")
    found = judged(shared)
    assert isinstance(found, Refusal)
    assert "shared in turns" in found.reason
    cordoned: Any = cut_node("a")
    cordoned["spec"] = {"unschedulable": True}
    found = judged(cordoned)
    assert isinstance(found, Refusal)
    assert found.reason == "is cordoned, not by us"


def test_of_nodes_without_gpus_nothing_is_said() -> None:
    """They are no candidates."""
    assert is_candidate(read_node(cut_node("a")))
    plain: Any = node("a", {})
    assert not is_candidate(read_node(plain))
