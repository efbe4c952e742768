"""Every way that a kind of card can be offered: whole, in parallel, or in slices.

Slices come from the grid's plain profiles with known placements; ``+me``, ``-me`` and ``+gfx``
variants have the same memory and bandwidth and differ in media engines only, so they are offered
when they are asked for by name. Tensor parallelism never spans slices: a CUDA process sees one MIG
instance a card, and instances have no P2P (NVIDIA MIG user guide).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

from rightslice.core.catalog.device import Device, device_of
from rightslice.core.catalog.fleet import MigStrategy, NodeGroup
from rightslice.core.catalog.gpu import Gpu
from rightslice.core.catalog.instance import InstanceType, Price
from rightslice.core.catalog.mig import MigProfile
from rightslice.core.catalog.share import (
    Exclusive,
    MigSlice,
    MpsShare,
    Share,
    TimeSlice,
    is_sound,
)
from rightslice.core.cost.share import card_share
from rightslice.core.fit.result import Offer

_PARALLEL = (1, 2, 4, 8, 16)
SHARES: Final = (2, 3, 4, 8)
"""Into how many parts a card is shared in turns or by MPS. An LLM server on less than an eighth of
a card has no memory left for a KV cache."""


@dataclass(frozen=True, kw_only=True)
class CardKind:
    """Cards of one kind in one place, and what one of them costs."""

    pool: str
    gpu: Gpu
    cards_per_node: int
    memory_bytes: int | None
    instance: InstanceType | None
    price: Price | None
    card_usd_per_hour: Fraction | None


def group_offers(group: NodeGroup) -> tuple[Offer, ...]:
    """Return every offer of a node group, as its nodes hand out their cards."""
    kind = CardKind(
        pool=group.name,
        gpu=group.gpu,
        cards_per_node=group.gpus_per_node,
        memory_bytes=group.gpu_memory_bytes,
        instance=group.instance,
        price=group.price,
        card_usd_per_hour=group.card_usd_per_hour,
    )
    if group.mig is MigStrategy.NONE:
        return tuple(offers(kind, [group.whole_share]))
    return tuple(offers(kind, [*_parts(group.gpu), Exclusive()]))


def _parts(gpu: Gpu) -> Iterator[MigSlice]:
    """Yield the slices that are less than the card: a ``7g`` is the card with fewer SMs."""
    for share in slices(gpu):
        part = card_share(device_of(gpu, share))
        if part is not None and part < 1:
            yield share


def all_offers(kind: CardKind) -> tuple[Offer, ...]:
    """Return every offer of cards that may be used whole or cut in any way."""
    return tuple(offers(kind, [*slices(kind.gpu), Exclusive()]))


def sharing_offers(found: Iterable[Offer]) -> Iterator[Offer]:
    """Yield the ways to share what the offers *found* hold alone, each at its part of the price.

    Whole cards in turns and by MPS; slices by MPS inside MIG. Tensor-parallel groups are not
    shared: their servers would have to take turns in step.
    """
    for offer in found:
        if offer.tensor_parallel == 1:
            for share in _ways_to_share(offer.device):
                yield shared(offer, share)


def shared(offer: Offer, share: TimeSlice | MpsShare) -> Offer:
    """Return *share* of what *offer* holds alone, at its part of the price."""
    device, part = offer.device, Fraction(1, share.replicas)
    given = device.memory_bytes if device.memory_origin == "given" else None
    return replace(
        offer,
        device=device_of(device.gpu, share, memory_bytes=given),
        cards=None if offer.cards is None else offer.cards * part,
        usd_per_hour=None if offer.usd_per_hour is None else offer.usd_per_hour * part,
    )


def _ways_to_share(device: Device) -> list[TimeSlice | MpsShare]:
    """Return turns and MPS clients of a card, or clients of a slice, at sound thread shares."""
    match device.share:
        case Exclusive():
            clients = [MpsShare(replicas=count) for count in SHARES]
            sound = [share for share in clients if is_sound(share, device.gpu.architecture)]
            return [*sound, *(TimeSlice(replicas=count) for count in SHARES)]
        case MigSlice(profile=profile):
            pair = MpsShare(replicas=2, profile=profile)
            return [pair] if is_sound(pair, device.gpu.architecture) else []
        case _:
            return []


def slices(gpu: Gpu) -> Iterator[MigSlice]:
    """Yield the plain MIG profiles of *gpu* whose placements and memory are known."""
    if gpu.mig is None:
        return
    for profile in gpu.mig.profiles:
        if is_plain(profile) and profile.starts is not None and profile.memory_bytes is not None:
            yield MigSlice(profile=profile.name)


def is_plain(profile: MigProfile) -> bool:
    """Whether the profile is not a variant that differs in media or graphics engines only."""
    return "+" not in profile.name and "-" not in profile.name


def offers(kind: CardKind, shares: Iterable[Share]) -> Iterator[Offer]:
    """Yield one offer a share, and for whole cards one a tensor-parallel size that a node holds."""
    for share in shares:
        whole = isinstance(share, Exclusive)
        memory = kind.memory_bytes if not isinstance(share, MigSlice) else None
        device = device_of(kind.gpu, share, memory_bytes=memory)
        for ranks in _PARALLEL if whole else (1,):
            if ranks <= kind.cards_per_node:
                yield _offer(kind, device, ranks)


def _offer(kind: CardKind, device: Device, ranks: int) -> Offer:
    share = card_share(device)
    cards = None if share is None else share * ranks
    known = cards is not None and kind.card_usd_per_hour is not None
    return Offer(
        device=device,
        tensor_parallel=ranks,
        pool=kind.pool,
        instance=kind.instance,
        price=kind.price,
        cards=cards,
        usd_per_hour=cards * kind.card_usd_per_hour if known else None,  # type: ignore[operator]  # known says that neither is None
    )
