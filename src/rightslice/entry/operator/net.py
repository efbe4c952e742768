"""One ModelDeployment that cannot be decided about must not keep the others from it.

Whatever an object may hold ends in a condition. What is caught here is a mistake of ours: it is
logged whole and counted, the object keeps the status that it has, and it is left out until it
changes or everything is listed anew.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

from rightslice.kube.operate.again import Memory, decide_again
from rightslice.kube.operate.decide import decide
from rightslice.kube.operate.view import Key, Served, World

logger = logging.getLogger(__name__)


@dataclass
class Net:
    """Decides pass after pass, and remembers what could not be decided about."""

    left_out: dict[Key, Served] = field(default_factory=dict)

    def decided(
        self, served: Mapping[Key, Served], world: World, now: dt.datetime, last: Memory
    ) -> Memory:
        """Return what `decide_again` does, without those that it fails for.

        Raises:
            Exception: what `decide_again` raises for all of them together, and for none alone.
        """
        self.left_out = {key: one for key, one in self.left_out.items() if served.get(key) == one}
        rest = [one for key, one in served.items() if key not in self.left_out]
        try:
            return decide_again(rest, world, now, last)
        except Exception:
            found = {one.key: one for one in rest if _fails(one, world, now)}
            if not found:
                raise
            self.left_out |= found
        return decide_again([one for one in rest if one.key not in found], world, now, Memory())


def _fails(one: Served, world: World, now: dt.datetime) -> bool:
    try:
        decide(one, world, now)
    except Exception:
        logger.exception("%s is left out: deciding about it failed", "/".join(one.key))
        return True
    return False
