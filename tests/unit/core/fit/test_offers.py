"""Offers of a node group are what its nodes hand out, and nothing else."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from rightslice.core.catalog.fleet import MigStrategy, NodeGroup
from rightslice.core.catalog.instance import Price, PriceKind
from rightslice.core.catalog.share import Exclusive, MigSlice, TimeSlice
from rightslice.core.fit.offers import group_offers, is_plain, slices
from rightslice.edge.catalog_files import Catalog

CATALOG = Catalog()


def _group(**changes: Any) -> NodeGroup:  # noqa: ANN401 - fields of any type
    price = Price(
        item="g", kind=PriceKind.OWN, region="", usd_per_hour=Decimal(40), as_of=None, source=""
    )
    fields: dict[str, Any] = {
        "name": "g", "count": 1, "instance": None, "gpu": CATALOG.gpu("H100-SXM-80GB"),
        "gpus_per_node": 4, "gpu_memory_bytes": None, "vcpus": None, "memory_bytes": None,
        "mig": MigStrategy.NONE, "time_slicing_replicas": None, "price": price,
    }  # fmt: skip
    return NodeGroup(**{**fields, **changes})


def test_whole_cards_come_alone_and_in_groups() -> None:
    """Tensor parallel sizes are powers of two that a node holds, each priced by its cards."""
    found = group_offers(_group())
    assert [offer.tensor_parallel for offer in found] == [1, 2, 4]
    assert [offer.usd_per_hour for offer in found] == [10, 20, 40]
    assert all(isinstance(offer.device.share, Exclusive) for offer in found)


def test_time_sliced_cards_come_in_turns_only() -> None:
    """One turn of four costs a quarter of a card."""
    (offer,) = group_offers(_group(time_slicing_replicas=4))
    assert offer.device.share == TimeSlice(replicas=4)
    assert (offer.cards, offer.usd_per_hour) == (Fraction(1, 4), Fraction(5, 2))


@pytest.mark.parametrize("strategy", [MigStrategy.SINGLE, MigStrategy.MIXED])
def test_mig_cards_come_in_slices_and_whole(strategy: MigStrategy) -> None:
    """The five plain profiles below a whole H100, and its whole cards; no slice in a group."""
    found = group_offers(_group(mig=strategy))
    cut = [offer for offer in found if isinstance(offer.device.share, MigSlice)]
    assert len(cut) == 5
    assert all(offer.tensor_parallel == 1 for offer in cut)
    assert len(found) == 8


def test_memory_that_the_cluster_told_is_the_cards_not_the_slices() -> None:
    """A slice keeps the catalogue's size for its profile."""
    found = group_offers(_group(mig=MigStrategy.MIXED, gpu_memory_bytes=79 * 2**30))
    whole = {offer.device.memory_bytes for offer in found if offer.device.profile is None}
    cut = [offer.device.memory_bytes for offer in found if offer.device.profile is not None]
    assert whole == {79 * 2**30}
    assert max(cut) < 81 * 2**30
    assert all(offer.device.memory_origin == "catalogue" for offer in found if offer.device.profile)


@pytest.mark.parametrize("gpu", CATALOG.gpus(), ids=lambda gpu: gpu.name)
def test_only_known_plain_slices_are_offered(gpu: Any) -> None:  # noqa: ANN401 - a Gpu by its name
    """No media or graphics variants, no guessed placements, no unknown memory."""
    for share in slices(gpu):
        profile = gpu.mig.profile(share.profile)
        assert is_plain(profile)
        assert profile.starts is not None
        assert profile.memory_bytes is not None
