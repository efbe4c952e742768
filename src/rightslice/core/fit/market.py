"""Offers of the open market: each board at the lowest price a card that some cloud asks for it.

A slice or a whole card costs its part of the instance type that is cheapest a card; a
tensor-parallel group needs a type with that many cards. Cards of a larger instance are priced at
their part of it: on a shared cluster the rest of the node serves others.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction

from rightslice.core.catalog.gpu import Gpu
from rightslice.core.catalog.instance import InstanceType, Price
from rightslice.core.fit.offers import CardKind, all_offers
from rightslice.core.fit.result import Offer

_SIZES = (1, 2, 4, 8, 16)


def market_offers(gpu: Gpu, listed: Sequence[tuple[InstanceType, Price]]) -> tuple[Offer, ...]:
    """Return every way to use *gpu*, priced by the *listed* types that carry it."""
    found: list[Offer] = []
    for cards in _SIZES:
        cheapest = min(
            (pair for pair in listed if pair[0].gpu_count >= cards), key=_card_order, default=None
        )
        if cheapest is not None:
            found.extend(o for o in all_offers(_kind(gpu, cheapest)) if o.tensor_parallel == cards)
    return tuple(found)


def unpriced_offers(gpu: Gpu, cards: int = 8) -> tuple[Offer, ...]:
    """Return every way to use *gpu* where no list price is known, as for cards of one's own."""
    return all_offers(
        CardKind(
            pool=str(gpu.name),
            gpu=gpu,
            cards_per_node=cards,
            memory_bytes=None,
            instance=None,
            price=None,
            card_usd_per_hour=None,
        )
    )


def instance_offers(instance: InstanceType, price: Price | None, gpu: Gpu) -> tuple[Offer, ...]:
    """Return every way to use the cards of one instance type."""
    each = None if price is None else Fraction(price.usd_per_hour) / instance.gpu_count
    return all_offers(
        CardKind(
            pool=instance.name,
            gpu=gpu,
            cards_per_node=instance.gpu_count,
            memory_bytes=None,
            instance=instance,
            price=price,
            card_usd_per_hour=each,
        )
    )


def _kind(gpu: Gpu, listed: tuple[InstanceType, Price]) -> CardKind:
    instance, price = listed
    return CardKind(
        pool=instance.name,
        gpu=gpu,
        cards_per_node=instance.gpu_count,
        memory_bytes=None,
        instance=instance,
        price=price,
        card_usd_per_hour=_per_card(listed),
    )


def _per_card(listed: tuple[InstanceType, Price]) -> Fraction:
    return Fraction(listed[1].usd_per_hour) / listed[0].gpu_count


def _card_order(listed: tuple[InstanceType, Price]) -> tuple[Fraction, int, str]:
    return (_per_card(listed), listed[0].gpu_count, listed[0].name)


def by_gpu(
    listed: Iterable[tuple[InstanceType, Price]],
) -> dict[str, list[tuple[InstanceType, Price]]]:
    """Return priced instance types by the board that they carry."""
    found: dict[str, list[tuple[InstanceType, Price]]] = {}
    for instance, price in listed:
        if instance.gpu is not None and instance.gpu_count > 0:
            found.setdefault(str(instance.gpu), []).append((instance, price))
    return found
