"""The state file: the slices that exist on cards of one kind, and the pods that run in them.

One YAML document::

    gpu: H100-80GB
    floors: {chat: 2}
    cards:
    - name: GPU-0
      node: worker-1
      slices:
      - {profile: 1g.10gb, start: 0, pod: chat-1, workload: chat}
      - {profile: 3g.40gb, start: 4, pod: rag-1, moveWeight: 2, pinned: true}
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

from rightslice.core.catalog.mig import MigGrid, Placement, ProfileName
from rightslice.core.packing.live import LiveCard, LivePod, LiveSlice, LiveState, check_state
from rightslice.edge.catalog_files import Catalog
from rightslice.edge.shapes import check_shape
from rightslice.edge.yaml_files import Document, read_document, read_text

_Text = Annotated[str, Meta(min_length=1, max_length=253)]


class _Shape(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Unknown fields are errors: a misspelt one must not be lost silently."""


class _Slice(_Shape, frozen=True, kw_only=True):
    profile: _Text
    start: int
    pod: _Text | None = None
    workload: str = ""
    move_weight: Annotated[float, Meta(ge=0, le=1e9)] = 1.0
    pinned: bool = False
    start_seconds: Annotated[float, Meta(ge=0, le=1e6)] | None = None


class _Card(_Shape, frozen=True, kw_only=True):
    name: _Text
    node: str = ""
    slices: tuple[_Slice, ...] = ()


class _State(_Shape, frozen=True, kw_only=True):
    gpu: _Text
    cards: tuple[_Card, ...]
    floors: dict[str, Annotated[int, Meta(ge=0, le=1_000_000)]] = {}


def read_state(path: Path, catalog: Catalog) -> LiveState:
    """Return the state that *path* describes.

    Raises:
        FieldError: for a bad field, with its line; for slices that cannot exist, with the node,
            the GPU and the slot.
        InputError: when the file is no such YAML, or its GPU is unknown or has no MIG.
        UnavailableError: when the operating system will not read it.
    """
    document = read_document(read_text(path), where=str(path))
    shape = check_shape(document, _State)
    grid = catalog.gpu(shape.gpu).mig
    if grid is None:
        raise document.field_error("$.gpu", _no_mig(shape))
    state = _state(document, shape, grid)
    check_state(state)
    return state


def _no_mig(shape: _State) -> str:
    """Return why no slice can exist, with the first one that is said to."""
    why = f"{shape.gpu} has no MIG: it cannot hold slices"
    for card in shape.cards:
        for each in card.slices:
            node = f"node {card.node}, " if card.node else ""
            return f"{why}; {each.profile} is given for {node}GPU {card.name}, slot {each.start}"
    return why


def _state(document: Document, shape: _State, grid: MigGrid) -> LiveState:
    for c, card in enumerate(shape.cards):
        for s, each in enumerate(card.slices):
            if each.pod is None and (each.workload or each.pinned):
                raise document.field_error(
                    f"$.cards[{c}].slices[{s}]",
                    "a slice without a pod has no workload and no pin; name the pod",
                )
    return LiveState(
        grid=grid,
        cards=tuple(
            LiveCard(name=card.name, node=card.node, slices=tuple(map(_slice, card.slices)))
            for card in shape.cards
        ),
        floors=shape.floors,
    )


def _slice(each: _Slice) -> LiveSlice:
    pod = None
    if each.pod is not None:
        pod = LivePod(
            name=each.pod,
            workload=each.workload,
            move_weight=each.move_weight,
            pinned=each.pinned,
            start_seconds=each.start_seconds,
        )
    placement = Placement(profile=ProfileName(each.profile), start=each.start)
    return LiveSlice(placement=placement, pod=pod)
