"""``--offers``: which cards and slices may be chosen, as people write them.

``A100-40GB`` names a board with everything that can be made of it, ``A100-40GB:2g.10gb`` one
profile, ``H100-80GB:whole`` the whole card, ``H100-80GB:x4`` four cards in parallel;
``p4d.24xlarge`` and ``p4d.24xlarge:2g.10gb`` the same of one instance type. Shares without hardware
isolation are ``L4:mps/2``, ``L4:time/4`` and, inside a slice, ``H100-80GB:3g.40gb:mps/2``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Final

from rightslice.core.catalog.gpu import Gpu
from rightslice.core.catalog.instance import InstanceType, Price, PriceKind
from rightslice.core.catalog.mig import ProfileName
from rightslice.core.catalog.share import Exclusive, MigSlice, MpsShare, TimeSlice, is_sound
from rightslice.core.fit.market import by_gpu, instance_offers, market_offers, unpriced_offers
from rightslice.core.fit.offers import CardKind, offers, shared, sharing_offers
from rightslice.core.fit.result import Offer
from rightslice.edge.catalog_files import Catalog
from rightslice.edge.prices_file import card_price
from rightslice.errors import InputError, UnknownNameError

_SHARED: Final = re.compile(r"(mps|time)/(\d{1,4})")
_Offers = tuple[Offer, ...]


def read_offers(text: str | None, catalog: Catalog, own_prices: Mapping[str, Price]) -> _Offers:
    """Return the offers that *text* names, each alone on what it holds.

    Without *text*, every board with a price.

    Raises:
        InputError: for a board, instance type or profile that does not exist.
    """
    return _read(text, catalog, own_prices, lambda found: found)


def read_shared_offers(
    text: str | None, catalog: Catalog, own_prices: Mapping[str, Price]
) -> _Offers:
    """Return the same with every way to share the boards and instance types that are named whole.

    Raises:
        InputError: for a board, instance type or profile that does not exist.
    """
    return _read(
        text, catalog, own_prices, lambda found: (*found, *sharing_offers(_cards_of(found)))
    )


def _cards_of(found: _Offers) -> list[Offer]:
    """Return *found* without slices that are whole cards with fewer SMs."""
    return [offer for offer in found if _is_whole(offer) or (offer.cards or 0) < 1]


def _read(
    text: str | None,
    catalog: Catalog,
    own_prices: Mapping[str, Price],
    widened: Callable[[_Offers], _Offers],
) -> _Offers:
    listed = by_gpu(_listed(catalog, own_prices))
    if text is None:
        boards = [gpu for gpu in catalog.gpus() if gpu.name in listed and _is_usable(gpu)]
        found = [
            o for gpu in boards for o in _board(gpu, listed.get(str(gpu.name), []), own_prices)
        ]
        return widened(tuple(found))
    named = [name.strip() for name in text.split(",") if name.strip()]
    if not named:
        raise InputError("--offers is empty; write it like A100-40GB:2g.10gb,H100-80GB")
    chosen: list[Offer] = []
    for name in named:
        several = _named(name, catalog, listed, own_prices)
        chosen += several if ":" in name else widened(several)
    return tuple(chosen)


def _is_usable(gpu: Gpu) -> bool:
    """Whether memory, bandwidth and FLOP/s are known, so that an offer can be judged at all."""
    return None not in (gpu.memory_bytes, gpu.bandwidth_bytes_per_second) and bool(gpu.flops)


def _listed(catalog: Catalog, own: Mapping[str, Price]) -> list[tuple[InstanceType, Price]]:
    """Return every instance type with its price: one's own, else on demand in the home region."""
    pairs = []
    for instance in catalog.instances():
        price = own.get(instance.name) or catalog.price(
            instance.name, region=None, kind=PriceKind.ON_DEMAND
        )
        if price is not None:
            pairs.append((instance, price))
    return pairs


def _board(
    gpu: Gpu, listed: Sequence[tuple[InstanceType, Price]], own: Mapping[str, Price]
) -> tuple[Offer, ...]:
    price = card_price(own, gpu)
    if price is not None:
        return tuple(offers(_own_kind(gpu, price), _shares(gpu)))
    return market_offers(gpu, listed) if listed else unpriced_offers(gpu)


def _own_kind(gpu: Gpu, price: Price) -> CardKind:
    return CardKind(
        pool=str(gpu.name),
        gpu=gpu,
        cards_per_node=8,
        memory_bytes=None,
        instance=None,
        price=price,
        card_usd_per_hour=Fraction(price.usd_per_hour),
    )


def _shares(gpu: Gpu) -> list[Exclusive | MigSlice]:
    plain = unpriced_offers(gpu, cards=1)
    return [o.device.share for o in plain if isinstance(o.device.share, Exclusive | MigSlice)]


def _named(
    name: str,
    catalog: Catalog,
    listed: Mapping[str, Sequence[tuple[InstanceType, Price]]],
    own: Mapping[str, Price],
) -> tuple[Offer, ...]:
    item, _, share = name.partition(":")
    instance = next((i for i in catalog.instances() if i.name == item), None)
    if instance is None:
        gpu = _gpu(item, catalog)
        found = _board(gpu, listed.get(str(gpu.name), []), own)
    else:
        if instance.gpu is None or instance.gpu_count < 1:
            raise InputError(f"{instance.name} has no whole GPU that the catalogue knows")
        gpu = catalog.gpu(str(instance.gpu))
        price = own.get(item) or catalog.price(item, region=None, kind=PriceKind.ON_DEMAND)
        found = instance_offers(instance, price, gpu)
    return _only(found, share, gpu) if share else found


def _gpu(item: str, catalog: Catalog) -> Gpu:
    try:
        return catalog.gpu(item)
    except UnknownNameError as error:
        known = [str(gpu.name) for gpu in catalog.gpus()]
        known += [instance.name for instance in catalog.instances()]
        raise UnknownNameError("GPU or instance type", item, known) from error


def _only(found: Sequence[Offer], share: str, gpu: Gpu) -> tuple[Offer, ...]:
    held, _, how = share.rpartition(":")
    if match := _SHARED.fullmatch(how):
        return _parted(_only(found, held or "whole", gpu), match[1], int(match[2]))
    if share == "whole":
        kept = tuple(o for o in found if _is_whole(o) and o.tensor_parallel == 1)
    elif share.removeprefix("x").isdecimal() and share.startswith("x"):
        kept = tuple(o for o in found if _is_whole(o) and o.tensor_parallel == int(share[1:]))
    elif gpu.mig is None:
        raise InputError(f"{gpu.name} has no MIG; write {gpu.name}:whole or {gpu.name}:x2")
    else:
        profile = gpu.mig.profile(share).name
        kept = tuple(o for o in found if o.device.share == MigSlice(profile=profile))
        kept = kept or _variant(found, profile)
    if not kept:
        raise InputError(f"{gpu.name}:{share} is not among what {found[0].pool} offers")
    return kept


def _parted(held: Sequence[Offer], how: str, count: int) -> tuple[Offer, ...]:
    """Return *count*-th parts of what is *held*, by MPS or in turns."""
    device = held[0].device
    share: MpsShare | TimeSlice = TimeSlice(replicas=count)
    if how == "mps":
        share = MpsShare(replicas=count, profile=device.profile.name if device.profile else None)
    elif device.profile is not None:
        raise InputError(f"{device.label}: turns on a slice are not offered; write :mps/{count}")
    if not is_sound(share, device.gpu.architecture):
        raise InputError(
            f"{device.label}:mps/{count}: at {100 // count} % of the threads matrix products on"
            f" {device.gpu.architecture} are reported to be wrong; give mps/2, mps/4 or mps/8"
        )
    return tuple(shared(offer, share) for offer in held)


def _variant(found: Sequence[Offer], profile: ProfileName) -> tuple[Offer, ...]:
    """A ``+me`` or similar variant, which is offered only when it is asked for by name."""
    first = found[0]
    kind = CardKind(
        pool=first.pool,
        gpu=first.device.gpu,
        cards_per_node=1,
        memory_bytes=None,
        instance=first.instance,
        price=first.price,
        card_usd_per_hour=(
            None
            if first.usd_per_hour is None or not first.cards
            else first.usd_per_hour / first.cards
        ),
    )
    return tuple(offers(kind, [MigSlice(profile=profile)]))


def _is_whole(offer: Offer) -> bool:
    return isinstance(offer.device.share, Exclusive)
