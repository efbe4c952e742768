"""What part of a card's price a share pays.

One rule: a MIG slice pays for the scarcer of what it takes, the larger of its share of the card's
memory slots and its share of the compute slices. A ``1g.10gb`` of an H100 takes 1/8 of the memory
and 1/7 of the compute, so it pays 1/7: seven of them fill the card although a memory slot is left.
A ``3g.40gb`` pays 1/2, since it keeps half of the memory from everyone else. Two profiles can so
claim more than a card (``4g`` + ``3g``: 4/7 + 1/2 = 15/14); on such a card every slice is scaled
down by the same factor, and the card is full (`bill`). Time slices and MPS shares pay equal parts.
"""

from __future__ import annotations

from fractions import Fraction

from rightslice.core.catalog.device import Device
from rightslice.core.catalog.mig import slice_share
from rightslice.core.catalog.share import Exclusive, MigSlice


def card_share(device: Device) -> Fraction | None:
    """Return the part of its card's price that *device* pays; None on an unknown MIG grid.

    Of the order of 1/7 for the smallest slice, 1 for the whole card.
    """
    if isinstance(device.share, Exclusive):
        return Fraction(1)
    parts = 1 if isinstance(device.share, MigSlice) else device.share.replicas
    if device.profile is None and not isinstance(device.share, MigSlice):
        return Fraction(1, parts)
    if device.gpu.mig is None or device.profile is None:
        return None
    slots = slice_share(device.gpu.mig, device.profile)
    return None if slots is None else max(slots.memory, slots.compute) / parts
