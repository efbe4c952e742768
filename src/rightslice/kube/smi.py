"""Commands of ``nvidia-smi`` that make and remove one slice at a chosen start.

``-cgi`` takes ``profile:start`` and ``-C`` adds the compute instance (NVIDIA MIG user guide,
"Creating GPU Instances"). An instance is removed by its id, which only the node knows, so the
functions look it up by profile and start; they do nothing where the work is done already, so a
script that was cut off can be run again. The driver refuses to remove an instance in use.
"""

from __future__ import annotations

from typing import Final

from rightslice.core.catalog.mig import MigGrid, Placement
from rightslice.errors import InputError

FUNCTIONS: Final = r"""instance() {  # GPU PROFILE_ID START: the id of that instance, or nothing
  nvidia-smi mig -i "$1" -lgi | tr '|' ' ' | awk -v p="$2" -v s="$3:" \
    '$2 == "MIG" && $4 == p && index($6, s) == 1 { print $5 }'
}
create() {  # GPU PROFILE_ID START
  [ -n "$(instance "$1" "$2" "$3")" ] || nvidia-smi mig -i "$1" -cgi "$2:$3" -C
}
destroy() {  # GPU PROFILE_ID START
  gi=$(instance "$1" "$2" "$3")
  [ -n "$gi" ] || return 0
  nvidia-smi mig -i "$1" -gi "$gi" -dci
  nvidia-smi mig -i "$1" -gi "$gi" -dgi
}
"""
"""POSIX shell; every command of a script is one of these."""


def tuple_of(grid: MigGrid, placement: Placement) -> tuple[int, int]:
    """Return the profile id and the start slot of *placement*, as ``-cgi`` takes them.

    Raises:
        InputError: when nobody has published the profile's id.
    """
    number = grid.profile(placement.profile).profile_id
    if number is None:
        raise InputError(
            f"the profile id of {placement.profile} on {grid.name} is not known; run"
            " nvidia-smi mig -lgip on such a card to learn it"
        )
    return number, placement.start


def create_line(grid: MigGrid, gpu: str, placement: Placement) -> str:
    """Return the command that makes one slice of the card that ``nvidia-smi -i`` knows as *gpu*."""
    number, start = tuple_of(grid, placement)
    return f"create {gpu} {number} {start}  # {placement.profile}"
