"""GPU boards (`data/gpus.toml`), and the spellings by which people and clusters call them."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache
from typing import Final

import msgspec

from rightslice.core.catalog.gpu import Gpu, GpuName, LinkKind, MatmulDtype
from rightslice.core.catalog.mig import MigGrid
from rightslice.core.catalog.source import Source
from rightslice.edge.data_files import bytes_of_gib, read_toml
from rightslice.edge.mig_table import board_sms, mig_grids
from rightslice.errors import UnknownNameError

_GB: Final = 1e9
_TERA: Final = 1e12
_PREFIX = re.compile(r"^(nvidia-)?(geforce-)?")
_SHARED = re.compile(r"-shared$")
"""Suffix that GPU feature discovery adds to the product label of a time-sliced or MPS GPU."""


class _Board(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    aliases: list[str]
    architecture: str
    compute_capability: str
    memory_label_gb: int
    tflops: dict[MatmulDtype, float]
    link: LinkKind
    source: str
    date: str
    memory_gib: float | None = None
    memory_range_gib: tuple[float, float] | None = None
    bandwidth_gb_per_second: float | None = None
    sms: int | None = None
    link_gb_per_second: float | None = None
    power_watts: int | None = None
    mig: str | None = None
    memory_source: str = ""
    note: str = ""


class _Table(msgspec.Struct, forbid_unknown_fields=True):
    gpu: list[_Board]


@lru_cache(maxsize=1)
def gpus() -> tuple[Gpu, ...]:
    """Return every board of the catalogue.

    Raises:
        ValueError: when our own file is wrong.
    """
    table = msgspec.convert(read_toml("gpus.toml"), _Table)
    return tuple(_gpu(board) for board in table.gpu)


def find_gpu(name: str) -> Gpu:
    """Return the board called *name*: canonical, an alias, or a cluster's product label.

    Case does not count, nor do blanks, underscores and hyphens differ. A short name that fits
    several boards means the SXM board, of the smaller memory.

    Raises:
        UnknownNameError: when nothing is called so; near matches are named.
    """
    found = _by_spelling().get(spelling(name))
    if found is None:
        known = [alias for gpu in gpus() for alias in (gpu.name, *gpu.aliases)]
        raise UnknownNameError("GPU", name, known)
    return found


def spelling(name: str) -> str:
    """Return what is compared of a GPU's name.

    >>> spelling("NVIDIA H100 80GB HBM3") == spelling("nvidia-h100-80gb-hbm3")
    True
    """
    dashed = re.sub(r"[\s_-]+", "-", name.strip().lower())
    return _SHARED.sub("", _PREFIX.sub("", dashed))


@lru_cache(maxsize=1)
def _by_spelling() -> dict[str, Gpu]:
    table: dict[str, Gpu] = {}
    for gpu in gpus():
        for alias in (gpu.name, *gpu.aliases):
            other = table.setdefault(spelling(alias), gpu)
            if other is not gpu:
                raise ValueError(f"gpus.toml: {alias!r} means {other.name} and {gpu.name}")
    return table


def _gpu(board: _Board) -> Gpu:
    low, high = board.memory_range_gib or (board.memory_gib, board.memory_gib)
    memory_source = f"; memory: {board.memory_source}" if board.memory_source else ""
    return Gpu(
        name=GpuName(board.name),
        aliases=tuple(board.aliases),
        architecture=board.architecture,
        compute_capability=board.compute_capability,
        memory_label_gb=board.memory_label_gb,
        memory_bytes=bytes_of_gib(board.memory_gib),
        memory_low_bytes=bytes_of_gib(low),
        memory_high_bytes=bytes_of_gib(high),
        bandwidth_bytes_per_second=_scaled(board.bandwidth_gb_per_second, _GB),
        flops={dtype: rate * _TERA for dtype, rate in board.tflops.items()},
        sms=board.sms,
        link=board.link,
        link_bytes_per_second=_scaled(board.link_gb_per_second, _GB),
        power_watts=board.power_watts,
        mig=None if board.mig is None else _grid(board.mig, board.sms),
        note=board.note,
        source=Source(text=board.source + memory_source, date=board.date),
    )


def _scaled(figure: float | None, unit: float) -> float | None:
    return None if figure is None else figure * unit


def _grid(name: str, sms: int | None) -> MigGrid:
    """Return the grid, without its SM counts when they were read on a board of other size."""
    grid = mig_grids()[name]
    if sms == board_sms()[name]:
        return grid
    return replace(
        grid,
        profiles=tuple(replace(profile, sms=None) for profile in grid.profiles),
        note=f"{grid.note} SM counts of the profiles are unknown on this board.".strip(),
    )
