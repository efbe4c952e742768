"""What a DRA node hands out, and under which names."""

from __future__ import annotations

from rightslice.edge.catalog_files import Catalog
from rightslice.kube.cluster.dra_hardware import node_hardware
from rightslice.kube.cluster.dra_read import DeviceClasses, read_classes, read_stocks
from rightslice.kube.cluster.hardware import NodeHardware
from rightslice.kube.cluster.read import read_node
from tests.unit.kube.cluster.dra_worlds import NODE, SLICES, bare_node
from tools.testbed.dra import DraNode, device_class, driver_classes

STOCK = read_stocks(SLICES)["a"]
CLASSES = read_classes([*driver_classes(), device_class("x", "2g.10gb", "nvidia.com/mig-2g.10gb")])


def _hardware(classes: DeviceClasses = CLASSES) -> NodeHardware:
    return node_hardware(read_node(bare_node()), STOCK, classes, Catalog().gpu)


def test_claims_for_all_and_extended_resources_where_a_class_stands_for_one() -> None:
    """Every profile by a claim of the driver's class; cards and one profile in the old way too."""
    found = _hardware()
    names = {one.resource for one in found.handed_out}
    assert names == {
        "resourceclaim:gpu", "nvidia.com/gpu", "resourceclaim:2g.10gb", "nvidia.com/mig-2g.10gb",
        *(f"resourceclaim:{one}" for one in ("1g.5gb", "1g.5gb+me", "1g.10gb", "3g.20gb", "4g.20gb",
                                             "7g.40gb")),
    }  # fmt: skip
    by_name = {one.resource: one for one in found.handed_out}
    assert by_name["nvidia.com/mig-2g.10gb"].device == by_name["resourceclaim:2g.10gb"].device
    assert found.problem is None


def test_a_node_of_the_device_plugin_is_the_plugins() -> None:
    """One card is not offered twice."""
    node = read_node(bare_node({"nvidia.com/gpu": 1}))
    found = node_hardware(node, STOCK, CLASSES, Catalog().gpu)
    assert all(one.unit is None for one in found.handed_out)


def test_without_the_drivers_classes_nothing_can_be_asked_for() -> None:
    """And it says which are missing."""
    found = _hardware(DeviceClasses())
    assert found.handed_out == ()
    assert "DeviceClass mig.nvidia.com" in (found.problem or "")


def test_an_unknown_board_is_told() -> None:
    """Its product is in no catalogue."""
    strange = DraNode(node="a", grid=NODE.grid, product="NVIDIA Z9000")
    stock = read_stocks(strange.slices())["a"]
    found = node_hardware(read_node(bare_node()), stock, CLASSES, Catalog().gpu)
    assert found.handed_out == ()
    assert "Z9000" in (found.problem or "")
