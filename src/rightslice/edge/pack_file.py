"""The pack file: nodes with their GPUs, CPU and memory, and workloads with acceptable profiles.

One YAML or JSON document::

    prefer: spread
    nodes:
    - {name: h100, count: 4, gpu: H100-80GB, gpusPerNode: 8, cpu: 96, memory: 1Ti}
    workloads:
    - name: chat
      replicas: 6
      cpu: 8
      memory: 64Gi
      apart: node
      accept:
      - {profile: 1g.20gb, usdPerHour: 0.5}
      - {profile: 2g.20gb, usdPerHour: 0.6}
    reserve:
    - {profile: 7g.80gb, count: 1}

A profile without a ``gpu`` is accepted on every kind of node that has it.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct

from rightslice.core.catalog.mig import MigGrid, ProfileName
from rightslice.core.catalog.together import Apart, Preference
from rightslice.core.packing.backends import Backend
from rightslice.core.packing.node_ask import Accepted, NodeAsk, NodeKind, Replicas
from rightslice.edge.catalog_files import Catalog
from rightslice.edge.shapes import check_shape
from rightslice.edge.yaml_files import Document, read_document, read_text
from rightslice.errors import InputError
from rightslice.units import parse_bytes, parse_cores

_Text = Annotated[str, Meta(min_length=1, max_length=253)]
_Count = Annotated[int, Meta(ge=1, le=1_000_000)]


class _Shape(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Unknown fields are errors: a misspelt one must not be lost silently."""


class PackNodes(_Shape, frozen=True, kw_only=True):
    """Nodes that are alike."""

    name: _Text
    gpu: Annotated[_Text, Meta(description="Board name or alias.", examples=["H100-80GB"])]
    gpus_per_node: Annotated[int, Meta(ge=1, le=64, description="Cards of one node.")]
    count: Annotated[int, Meta(ge=1, le=100_000, description="How many nodes.")] = 1
    cpu: Annotated[
        str | float | None,
        Meta(description="What pods may ask for on one node; left out: no limit.", examples=[96]),
    ] = None
    memory: Annotated[
        str | int | None, Meta(description="The same of memory.", examples=["1Ti"])
    ] = None
    gpu_usd_per_hour: Annotated[
        float, Meta(ge=0, le=1e6, description="Price of a card; without any, cards are counted.")
    ] = 0.0


class PackAccept(_Shape, frozen=True, kw_only=True):
    """A profile that serves a workload."""

    profile: _Text
    gpu: Annotated[
        _Text | None, Meta(description="On this GPU only; left out: on each that has it.")
    ] = None
    usd_per_hour: Annotated[
        float, Meta(ge=0, le=1e6, description="Price of the slice: the last tie-break.")
    ] = 0.0


class PackWorkload(_Shape, frozen=True, kw_only=True):
    """Pods that are alike, each with one slice."""

    name: _Text
    accept: Annotated[
        tuple[PackAccept, ...], Meta(description="Each replica takes any one of these.")
    ]
    replicas: _Count = 1
    cpu: Annotated[str | float, Meta(description="What one pod asks for.", examples=["500m"])] = 0.0
    memory: Annotated[str | int, Meta(description="The same of memory.", examples=["64Gi"])] = 0
    apart: Annotated[
        Literal["nothing", "gpu", "node"],
        Meta(description="What no two replicas may share: a hard rule."),
    ] = "nothing"


class PackReserve(_Shape, frozen=True, kw_only=True):
    """Slices that are cut and kept free: head-room for large profiles."""

    profile: _Text
    count: _Count = 1
    gpu: _Text | None = None


class PackFile(_Shape, frozen=True, kw_only=True):
    """What `rightslice pack FILE` reads."""

    nodes: tuple[PackNodes, ...]
    workloads: tuple[PackWorkload, ...]
    reserve: tuple[PackReserve, ...] = ()
    prefer: Annotated[
        Literal["spread", "pack"],
        Meta(description="Among equal costs: replicas on many nodes, or nodes left empty."),
    ] = "spread"


def read_pack(path: Path, catalog: Catalog, backend: Backend | None = None) -> NodeAsk:
    """Return what *path* asks to be packed, for *backend*.

    Raises:
        FieldError: for a bad field, with its line.
        InputError: when the file is no such document, or names repeat.
        UnavailableError: when the operating system will not read it.
    """
    document = read_document(read_text(path), where=str(path))
    shape = check_shape(document, PackFile)
    kinds = tuple(_kind(document, catalog, n, each) for n, each in enumerate(shape.nodes))
    grids = {kind.grid.name: kind.grid for kind in kinds}
    workloads = [_replicas(document, grids, n, each) for n, each in enumerate(shape.workloads)]
    workloads += [
        Replicas(
            name=f"reserve {n}: {each.profile}",
            count=each.count,
            accepts=_accepted(document, grids, f"$.reserve[{n}]", each),
            is_reserve=True,
        )
        for n, each in enumerate(shape.reserve)
    ]
    return NodeAsk(
        kinds=kinds,
        workloads=tuple(workloads),
        preference=Preference(shape.prefer),
        backend=backend,
    )


def _kind(document: Document, catalog: Catalog, number: int, shape: PackNodes) -> NodeKind:
    at = f"$.nodes[{number}]"
    try:
        grid = catalog.gpu(shape.gpu).mig
    except InputError as error:
        raise document.field_error(f"{at}.gpu", str(error)) from None
    if grid is None:
        raise document.field_error(f"{at}.gpu", f"{shape.gpu} has no MIG: it cannot be cut")
    return NodeKind(
        name=shape.name,
        grid=grid,
        count=shape.count,
        cards=shape.gpus_per_node,
        cpu_cores=math.inf if shape.cpu is None else _cores(document, f"{at}.cpu", shape.cpu),
        memory_bytes=(
            math.inf if shape.memory is None else _bytes(document, f"{at}.memory", shape.memory)
        ),
        card_usd_per_hour=shape.gpu_usd_per_hour,
    )


def _replicas(
    document: Document, grids: dict[str, MigGrid], number: int, shape: PackWorkload
) -> Replicas:
    at = f"$.workloads[{number}]"
    accepts = tuple(
        found
        for n, each in enumerate(shape.accept)
        for found in _accepted(document, grids, f"{at}.accept[{n}]", each)
    )
    if not accepts:
        raise document.field_error(f"{at}.accept", "is empty; name a profile that serves it")
    pairs = [(each.gpu, each.profile) for each in accepts]
    for gpu, profile in pairs:
        if pairs.count((gpu, profile)) > 1:
            raise document.field_error(f"{at}.accept", f"{profile} of {gpu} is given twice")
    return Replicas(
        name=shape.name,
        count=shape.replicas,
        accepts=accepts,
        cpu_cores=_cores(document, f"{at}.cpu", shape.cpu),
        memory_bytes=_bytes(document, f"{at}.memory", shape.memory),
        apart=Apart(shape.apart),
    )


def _accepted(
    document: Document, grids: dict[str, MigGrid], at: str, shape: PackAccept | PackReserve
) -> tuple[Accepted, ...]:
    if shape.gpu is not None and shape.gpu not in grids:
        known = ", ".join(sorted(grids))
        raise document.field_error(f"{at}.gpu", f"no node has {shape.gpu}; there are {known}")
    named = [grids[shape.gpu]] if shape.gpu is not None else list(grids.values())
    having = [g for g in named if any(p.name == shape.profile for p in g.profiles)]
    if not having:
        known = ", ".join(sorted({profile.name for grid in named for profile in grid.profiles}))
        raise document.field_error(
            f"{at}.profile", f"no GPU of these nodes has {shape.profile}; they have {known}"
        )
    price = shape.usd_per_hour if isinstance(shape, PackAccept) else 0.0
    return tuple(
        Accepted(gpu=grid.name, profile=ProfileName(shape.profile), usd_per_hour=price)
        for grid in having
    )


def _cores(document: Document, at: str, value: str | float) -> float:
    try:
        return parse_cores(str(value))
    except InputError as error:
        raise document.field_error(at, str(error)) from None


def _bytes(document: Document, at: str, value: str | int) -> float:
    try:
        size = float(value) if isinstance(value, int) else float(parse_bytes(value))
    except InputError as error:
        raise document.field_error(at, str(error)) from None
    if size < 0:
        raise document.field_error(at, f"{value} bytes; give 0 or more")
    return size
