"""Market offers: every board at the lowest price a card, every way to hold it."""

from __future__ import annotations

from fractions import Fraction

import pytest

from rightslice.core.catalog.instance import PriceKind
from rightslice.core.catalog.share import Exclusive
from rightslice.core.fit.market import by_gpu, instance_offers, market_offers, unpriced_offers
from rightslice.edge.catalog_files import Catalog
from rightslice.errors import InputError

CATALOG = Catalog()
LISTED = [
    (instance, price)
    for instance in CATALOG.instances()
    if (price := CATALOG.price(instance.name, region=None, kind=PriceKind.ON_DEMAND)) is not None
]
BOARDS = by_gpu(LISTED)


def _memory(name: str) -> int | None:
    return CATALOG.gpu(name).memory_bytes


@pytest.mark.parametrize("name", [name for name in sorted(BOARDS) if _memory(name)])
def test_a_card_costs_the_least_that_any_type_asks(name: str) -> None:
    """A whole card is priced by the type that is cheapest a card, a group by those large enough."""
    for offer in market_offers(CATALOG.gpu(name), BOARDS[name]):
        cheapest = min(
            Fraction(price.usd_per_hour) / instance.gpu_count
            for instance, price in BOARDS[name]
            if instance.gpu_count >= offer.tensor_parallel
        )
        assert offer.cards is not None
        assert offer.usd_per_hour == cheapest * offer.cards


@pytest.mark.parametrize("name", [name for name in sorted(BOARDS) if not _memory(name)])
def test_a_board_of_unknown_memory_is_asked_for(name: str) -> None:
    """Its memory is never derived from its name."""
    with pytest.raises(InputError, match="is not known; give it"):
        market_offers(CATALOG.gpu(name), BOARDS[name])


def test_types_without_a_whole_card_are_left_out() -> None:
    """What holds a fraction of a card, or an unknown one, is no offer."""
    assert all(i.gpu_count > 0 and str(i.gpu) == g for g, found in BOARDS.items() for i, _ in found)


def test_an_instance_offers_what_its_cards_can_do() -> None:
    """Six slice profiles, one card, and groups up to the eight that a node has."""
    instance = CATALOG.instance("p5.48xlarge")
    price = CATALOG.price("p5.48xlarge", region=None, kind=PriceKind.ON_DEMAND)
    found = instance_offers(instance, price, CATALOG.gpu("H100-SXM-80GB"))
    whole = [o.tensor_parallel for o in found if isinstance(o.device.share, Exclusive)]
    assert whole == [1, 2, 4, 8]
    assert len(found) - len(whole) == 6
    assert all(o.price is price and o.pool == "p5.48xlarge" for o in found)


def test_without_a_price_nothing_is_made_up() -> None:
    """Offers stay comparable by their part of a card only."""
    found = unpriced_offers(CATALOG.gpu("H100-SXM-80GB"))
    assert all(offer.usd_per_hour is None and offer.cards is not None for offer in found)
    assert found[0].name == "H100-SXM-80GB 1g.10gb"
    blank = instance_offers(CATALOG.instance("p5.48xlarge"), None, CATALOG.gpu("H100-SXM-80GB"))
    assert all(offer.usd_per_hour is None for offer in blank)
