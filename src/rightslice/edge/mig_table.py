"""MIG grids (`data/mig.toml`): geometries shared between GPUs, and each GPU's own figures."""

from __future__ import annotations

from functools import lru_cache

import msgspec

from rightslice.core.catalog.mig import MediaEngines, MigGrid, MigProfile, ProfileName
from rightslice.core.catalog.source import Source
from rightslice.edge.data_files import UNKNOWN, bytes_of_gib, known, read_toml

_Number = int | str
_ShapeRow = tuple[str, _Number, int, _Number, list[int] | str, int]
_ProfileRow = tuple[str, str, _Number, float | int | str, list[_Number]]


class _Geometry(msgspec.Struct, forbid_unknown_fields=True):
    compute_slices: int
    shapes: list[_ShapeRow]
    slots: int | None = None


class _Grid(msgspec.Struct, forbid_unknown_fields=True):
    geometry: str
    evidence: str
    source: str
    date: str
    profiles: list[_ProfileRow]
    board_sms: int | None = None
    note: str = ""


class _Tables(msgspec.Struct, forbid_unknown_fields=True):
    geometry: dict[str, _Geometry]
    gpu: dict[str, _Grid]


@lru_cache(maxsize=1)
def mig_grids() -> dict[str, MigGrid]:
    """Return the grid of every MIG GPU by its name.

    Raises:
        ValueError: when our own file is wrong.
    """
    tables = _tables()
    return {
        name: _grid(name, grid, tables.geometry[grid.geometry]) for name, grid in tables.gpu.items()
    }


@lru_cache(maxsize=1)
def board_sms() -> dict[str, int | None]:
    """Return by grid the SMs of the whole board on which its profiles' SM counts were read."""
    return {name: grid.board_sms for name, grid in _tables().gpu.items()}


@lru_cache(maxsize=1)
def _tables() -> _Tables:
    return msgspec.convert(read_toml("mig.toml"), _Tables)


def _grid(name: str, grid: _Grid, geometry: _Geometry) -> MigGrid:
    shapes = {row[0]: row for row in geometry.shapes}
    if [row[1] for row in grid.profiles] != list(shapes):
        raise ValueError(f"mig.toml: {name} does not list the shapes of {grid.geometry}")
    return MigGrid(
        name=name,
        slots=geometry.slots,
        compute_slices=geometry.compute_slices,
        profiles=tuple(_profile(row, shapes[row[1]]) for row in grid.profiles),
        placement_evidence=grid.evidence,
        note=grid.note,
        source=Source(text=grid.source, date=grid.date),
    )


def _profile(row: _ProfileRow, shape_row: _ShapeRow) -> MigProfile:
    name, shape, sms, gib, engines = row
    _, profile_id, compute_slices, slots, starts, most = shape_row
    copy, decoder, encoder, jpeg, optical_flow = (known(count) for count in engines)
    return MigProfile(
        name=ProfileName(name),
        shape=shape,
        profile_id=known(profile_id),
        compute_slices=compute_slices,
        memory_slots=known(slots),
        starts=tuple(starts) if isinstance(starts, list) else None,
        max_instances=most,
        sms=known(sms),
        memory_bytes=None if gib == UNKNOWN else bytes_of_gib(float(gib)),
        engines=MediaEngines(
            copy=copy, decoder=decoder, encoder=encoder, jpeg=jpeg, optical_flow=optical_flow
        ),
    )
