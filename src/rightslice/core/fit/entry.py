"""What is judged: a device, with the sets of flags to try on it."""

from __future__ import annotations

from typing import NamedTuple

from rightslice.core.catalog.server import ServerConfig
from rightslice.core.fit.result import Offer


class Entry(NamedTuple):
    """A device to judge, and the sets of flags to try on it."""

    offer: Offer
    servers: tuple[ServerConfig, ...]
