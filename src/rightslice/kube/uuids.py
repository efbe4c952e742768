"""Names for GPU UUIDs that a plan cannot know: shell variables, filled in by ``envsubst``."""

from __future__ import annotations

import re


def uuid_variable(node: str, card: int) -> str:
    """Return the variable that stands for the UUID of a card.

    >>> uuid_variable("p4d-0", 2)
    'P4D_0_GPU_2'
    """
    name = re.sub(r"[^A-Z0-9]", "_", f"{node}_gpu_{card}".upper())
    return name if name[0].isalpha() else f"N_{name}"


def uuid_reference(node: str, card: int) -> str:
    """Return that variable as it is written into a manifest.

    >>> uuid_reference("p4d-0", 2)
    '${P4D_0_GPU_2}'
    """
    return f"${{{uuid_variable(node, card)}}}"
