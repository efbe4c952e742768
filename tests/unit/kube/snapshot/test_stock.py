"""What a cluster hands out: how many, and how many are free."""

from __future__ import annotations

from rightslice.edge.catalog_files import Catalog
from rightslice.edge.cluster.snapshot import sources_of
from rightslice.kube.snapshot.fleet import look
from rightslice.kube.snapshot.stock import stock_of
from tests.unit.kube.cluster.dra_worlds import SLICES, claim
from tests.unit.kube.snapshot.objects import Objects, node, server, taken

Counts = dict[str, tuple[int, int, int]]


def _stock(*given: dict[str, object] | Objects) -> Counts:
    facts = sources_of(Catalog(), {}).facts
    found = stock_of(look(taken(*given), facts), facts)
    return {one.offer_name.split(" on ")[0]: (one.total, one.free, one.waiting) for one in found}


def test_whole_cards_are_counted_one_by_one_and_together() -> None:
    """Three of eight taken: five free, two pairs, one group of four; a pending pod is told."""
    found = _stock(node("a"), server("s", ["a"] * 3), server("t", [""]))
    assert found == {
        "A100-SXM-40GB": (8, 5, 1),
        "A100-SXM-40GB x2": (4, 2, 1),
        "A100-SXM-40GB x4": (2, 1, 1),
        "A100-SXM-40GB x8": (1, 0, 1),
    }


def test_slices_are_counted_as_they_are_cut() -> None:
    """Nothing is cut anew here: what the node hands out is what there is."""
    cut = node("a", {"nvidia.com/mig-1g.5gb": 7, "nvidia.com/mig-3g.20gb": 2})
    found = _stock(cut, server("s", ["a"], resource="nvidia.com/mig-3g.20gb"))
    assert found == {
        "A100-SXM-40GB 1g.5gb": (7, 7, 0), "A100-SXM-40GB 3g.20gb": (2, 1, 0),
    }  # fmt: skip


def _dra(*, static: bool) -> dict[str, object]:
    uuid = {"uuid": {"string": "MIG-0"}} if static else {}
    attributes = {
        "type": {"string": "mig"}, "profile": {"string": "3g.20gb"},
        "productName": {"string": "NVIDIA A100-SXM4-40GB"}, "parentUUID": {"string": "GPU-0"},
    }  # fmt: skip
    devices = [
        {"name": f"gpu-0-mig-3g.20gb-9-{start}", "attributes": {**attributes, **uuid}}
        for start in (0, 4)
    ]
    pool = {"name": "a", "generation": 1}
    return {
        "kind": "ResourceSlice",
        "metadata": {"name": "a-gpu"},
        "spec": {"driver": "gpu.nvidia.com", "nodeName": "a", "pool": pool, "devices": devices},
    }


def _claim(device: str) -> dict[str, object]:
    result = {"driver": "gpu.nvidia.com", "pool": "a", "device": device, "request": "gpu"}
    return {
        "kind": "ResourceClaim",
        "metadata": {"name": "c", "namespace": "a"},
        "status": {
            "allocation": {"devices": {"results": [result]}},
            "reservedFor": [{"resource": "pods", "name": "p"}],
        },
    }


def test_claimed_devices_are_not_free() -> None:
    """Under DRA a slice is free until a claim holds it; one made on demand needs a free card."""
    empty = node("a", {}, count=1)
    held = _claim("gpu-0-mig-3g.20gb-9-4")
    assert _stock(empty, _dra(static=True), held) == {"A100-SXM-40GB 3g.20gb": (2, 1, 0)}
    assert _stock(empty, _dra(static=False), held) == {"A100-SXM-40GB 3g.20gb": (2, 0, 0)}


def test_counters_say_what_is_free_of_a_card_in_use() -> None:
    """A slice of 1g leaves six more, two of 2g, and no whole card."""
    held = {**claim("c", "gpu-0-mig-1g5gb-19-0", pod="p"), "kind": "ResourceClaim"}
    found = _stock(node("a", {}), *SLICES, held)
    assert found["A100-SXM-40GB 1g.5gb"] == (7, 6, 0)
    assert found["A100-SXM-40GB 2g.10gb"] == (3, 2, 0)
    assert found["A100-SXM-40GB"] == (1, 0, 0)
