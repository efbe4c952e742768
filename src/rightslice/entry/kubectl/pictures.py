"""Nodes drawn: every card with its slices, and whose they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final

from rightslice.core.catalog.mig import MigGrid, Placement, ProfileName
from rightslice.edge.catalog_files import Catalog
from rightslice.edge.cluster.occupancy import CardUse, NodeUse, SliceUse
from rightslice.entry.cli.card_drawing import LEGEND, draw_card, draw_ruler, slot_width

DRAWN_NODES: Final = 12
"""Longest picture, in nodes; the JSON form holds every one."""
FREE: Final = "free"
_LONGEST_NAME: Final = 12
"""Of a card that is called by its UUID: its first part tells it from the node's others."""
INFERRED: Final = "layout and holders inferred from counts"
KNOWN: Final = "as DRA or DAS tells"


def node_lines(nodes: Sequence[NodeUse], catalog: Catalog, most: int = DRAWN_NODES) -> list[str]:
    """Return *nodes* as lines of text, the first *most* of them."""
    lines = [line for node in nodes[:most] for line in (*_node(node, catalog), "")]
    if len(nodes) > most:
        lines += [f"... and {len(nodes) - most} more nodes; -o wide draws each", ""]
    marks = [text for mark, text in LEGEND.items() if any(mark in line for line in lines)]
    return [*lines, *(["   ".join(marks), ""] if marks else [])]


def _node(node: NodeUse, catalog: Catalog) -> Iterator[str]:
    said = [node.gpu or "unknown GPU"]
    if node.cards:
        said.append(f"{_count(len(node.cards), 'card')}: {INFERRED if node.is_inferred else KNOWN}")
    if not node.is_ready:
        said.append("not ready, or cordoned")
    yield f"{node.name}  {', '.join(said)}"
    if node.cards:
        yield from _cards(node, catalog)
    if node.problem is not None:
        yield f"  cannot be drawn: {node.problem}"
    drawn = {one.pod for card in node.cards for one in card.slices}
    for one in node.holders:
        if f"{one.namespace}/{one.pod}" not in drawn:
            who = one.model_deployment or one.pod
            yield f"  {one.namespace}/{who} holds {one.count} x {one.resource}"
    free = [f"{count} x {name}" for name, count in node.free.items() if count]
    if node.free:
        yield f"  free: {', '.join(free) or 'nothing'}"


def _cards(node: NodeUse, catalog: Catalog) -> Iterator[str]:
    grid = catalog.mig_gpu(node.gpu)
    width = slot_width(grid, [_labels(card) for card in node.cards])
    runs = [list(run) for _, run in groupby(node.cards, key=_alike)]
    titles = [_title(run) for run in runs]
    column = max(map(len, titles)) + 2
    yield " " * column + draw_ruler(grid, width)
    for title, run in zip(titles, runs, strict=True):
        yield from _card(run[0], grid, (title.ljust(column), width))


def _card(card: CardUse, grid: MigGrid, shown: tuple[str, int]) -> Iterator[str]:
    title, width = shown
    who = dict(_labels(card))
    yield title + draw_card(grid, who, who, width)
    if who:
        yield " " * len(title) + draw_card(grid, who, None, width)


def _labels(card: CardUse) -> list[tuple[Placement, str]]:
    return [
        (Placement(profile=ProfileName(one.profile), start=one.start), _who(one))
        for one in card.slices
    ]


def _who(one: SliceUse) -> str:
    if one.pod is None:
        return FREE
    return one.model_deployment or one.pod.rpartition("/")[2]


def _alike(card: CardUse) -> object:
    """Return what makes a card look like its neighbour: the same layout with nobody in it."""
    is_alone = any(one.pod for one in card.slices) or not card.name.isdecimal()
    return card.name if is_alone else card.slices


def _title(run: Sequence[CardUse]) -> str:
    first, last = run[0].name, run[-1].name
    if not first.isdecimal():
        return f"  {first[:_LONGEST_NAME]}"
    return f"  GPU {first}" if first == last else f"  GPU {first}-{last} ({len(run)}x)"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
