"""``--offers``: boards, instance types and their slices, by name."""

from __future__ import annotations

from decimal import Decimal

import pytest

from rightslice.core.catalog.instance import Price, PriceKind
from rightslice.core.catalog.mig import ProfileName
from rightslice.core.catalog.share import Exclusive, MigSlice, MpsShare, TimeSlice
from rightslice.edge.catalog_files import Catalog
from rightslice.entry.cli.offers import read_offers, read_shared_offers
from rightslice.errors import InputError, UnknownNameError


def own(item: str, usd: str) -> dict[str, Price]:
    """Return a price file of one item."""
    price = Price(
        item=item, kind=PriceKind.OWN, region="", usd_per_hour=Decimal(usd), as_of=None, source="me"
    )
    return {item: price}


def test_a_profile_is_one_offer() -> None:
    """Board and profile name exactly one slice."""
    (offer,) = read_offers("A100-40GB:2g.10gb", Catalog(), {})
    assert offer.device.share == MigSlice(profile=ProfileName("2g.10gb"))
    assert "2g.10gb" in offer.name


def test_whole_is_the_card_alone() -> None:
    """``whole`` leaves slices and parallel cards out."""
    offers = read_offers("A100-40GB:whole", Catalog(), {})
    assert {type(offer.device.share) for offer in offers} == {Exclusive}
    assert {offer.tensor_parallel for offer in offers} == {1}


def test_cards_in_parallel_are_named_by_their_number() -> None:
    """``x4`` is four cards of one node."""
    assert {o.tensor_parallel for o in read_offers("H100-80GB:x4", Catalog(), {})} == {4}


def test_an_instance_type_brings_its_price() -> None:
    """Slices of an instance type cost parts of it."""
    offers = read_offers("p4d.24xlarge", Catalog(), {})
    assert all(o.price is not None and o.price.item == "p4d.24xlarge" for o in offers)


@pytest.mark.parametrize("item", ["A100-SXM-40GB", "A100-40GB"])
def test_one_s_own_price_goes_first_under_any_name(item: str) -> None:
    """A card's own price is found under the board's name and under its aliases."""
    (whole,) = read_offers("A100-40GB:whole", Catalog(), own(item, "1.25"))
    assert whole.usd_per_hour == Decimal("1.25")


def test_without_names_every_priced_board_is_offered() -> None:
    """The market is all boards with a price and known speed."""
    boards = {str(offer.device.gpu.name) for offer in read_offers(None, Catalog(), {})}
    assert {"A100-SXM-40GB", "H100-SXM-80GB", "L4-24GB"} <= boards


def test_a_variant_is_offered_when_it_is_asked_for() -> None:
    """``+me`` slices are not among a board's offers, but can be named."""
    (offer,) = read_offers("H100-80GB:1g.10gb+me", Catalog(), {})
    assert "+me" in offer.name


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (",", "--offers is empty"),
        ("L4:1g.10gb", "has no MIG"),
        ("L4:x0", "is not among"),
        ("A30:9g.9gb", "unknown MIG profile"),
        ("p4d.25xlarge", "did you mean p4d.24xlarge"),
        ("H100-80GBB", "did you mean"),
    ],
)
def test_mistakes_say_what_is_right(text: str, said: str) -> None:
    """Unknown boards, profiles and numbers of cards are refused with near matches."""
    with pytest.raises(InputError, match=said):
        read_offers(text, Catalog(), {})


def test_unknown_names_are_looked_for_among_boards_and_instances() -> None:
    """The error carries the near matches."""
    with pytest.raises(UnknownNameError) as raised:
        read_offers("g5.48xlargee", Catalog(), {})
    assert "g5.48xlarge" in raised.value.near


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("L4:mps/2", "L4-24GB MPS 1/2"),
        ("L4:time/4", "L4-24GB time-sliced 1/4"),
        ("H100-80GB:3g.40gb:mps/2", "H100-SXM-80GB 3g.40gb MPS 1/2"),
    ],
)
def test_shares_are_named_by_their_number(text: str, label: str) -> None:
    """Clients of a card or slice, or turns on a card, at their part of the price."""
    (offer,) = read_offers(text, Catalog(), {})
    (alone,) = read_offers(
        text.rpartition(":")[0] + ":whole" * (text.count(":") == 1), Catalog(), {}
    )
    assert isinstance(offer.device.share, MpsShare | TimeSlice)
    assert offer.device.label == label
    assert alone.usd_per_hour is not None
    assert offer.usd_per_hour == alone.usd_per_hour / offer.device.share.replicas


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("H100-80GB:mps/3", "33 % of the threads"),
        ("H100-80GB:3g.40gb:time/2", "turns on a slice are not offered"),
        ("L4:mps/1", "at least 2"),
    ],
)
def test_shares_that_are_not_offered_are_refused(text: str, said: str) -> None:
    """With what would be right."""
    with pytest.raises(InputError, match=said):
        read_offers(text, Catalog(), {})


def test_boards_named_whole_are_shared_in_every_way() -> None:
    """What is named by its share stays alone."""
    boards = read_shared_offers("L4", Catalog(), {})
    kinds = {type(offer.device.share) for offer in boards}
    assert kinds == {Exclusive, MpsShare, TimeSlice}
    assert len(read_shared_offers("L4:whole", Catalog(), {})) == 1
