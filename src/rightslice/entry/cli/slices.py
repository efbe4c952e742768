"""Lists of slices as people type them: ``1g.5gb=3 2g.10gb``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rightslice.core.catalog.mig import ProfileName
from rightslice.errors import InputError


def parse_slices(slices: Sequence[str]) -> dict[ProfileName, int]:
    """Return the count of each profile that ``PROFILE=COUNT`` words name; repeats add up.

    Raises:
        InputError: when a word is not of that form.
    """
    counts = Counter[ProfileName]()
    for word in slices:
        name, _, count = word.partition("=")
        if not name or (count and not (count.isascii() and count.isdigit())) or word.endswith("="):
            raise InputError(f"{word!r} is not PROFILE=COUNT; write it like 1g.5gb=3")
        if len(count) > 6:
            raise InputError(f"{count} slices of {name} are too many; give at most 999,999")
        counts[ProfileName(name)] += int(count or "1")
    return dict(counts)
