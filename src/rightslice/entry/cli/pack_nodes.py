"""`rightslice pack FILE`: workloads onto nodes with walls, drawn, with how good it is proven."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Final

from rightslice.core.catalog.mig import Placement
from rightslice.core.packing.backends import Backend
from rightslice.core.packing.node_ask import NodeAsk, NodeCard, NodePacking, PackedNode
from rightslice.core.packing.node_pack import pack_nodes
from rightslice.edge.catalog_files import Catalog
from rightslice.edge.certificate_file import write_certificate
from rightslice.edge.pack_file import read_pack
from rightslice.edge.text_files import check_target
from rightslice.entry.cli.card_drawing import draw_card, draw_ruler, slot_width
from rightslice.entry.cli.console import searching
from rightslice.errors import InputError
from rightslice.units import format_bytes, format_usd

_DRAWN_NODES: Final = 12
"""Longest picture, in nodes; the JSON form holds every card."""

FREE: Final = "free"


def is_file(words: Sequence[str]) -> bool:
    """Return whether the words are one pack file and no list of slices.

    >>> is_file(["pack.yaml"]), is_file(["1g.5gb=3"])
    (True, False)
    """
    return len(words) == 1 and Path(words[0]).suffix in (".yaml", ".yml", ".json")


def answered(
    path: Path, backend: Backend | None, certificate: Path | None, seconds: float
) -> tuple[NodeAsk, NodePacking]:
    """Return what *path* asks, and the answer; write its certificate where one is wanted.

    Raises:
        InputError: when the file is wrong, or no certificate covers the answer.
        UnavailableError: when a file cannot be read or written, or nothing was found in time.
    """
    if certificate is not None:
        check_target(certificate)
    ask = read_pack(path, Catalog(), backend)
    with searching("looking for the fewest GPUs") as told:
        answer = pack_nodes(ask, time_limit_seconds=seconds, report=told)
    if certificate is not None:
        if answer.certificate is None:
            raise InputError("no certificate: it covers one kind of GPU with nothing left over")
        write_certificate(certificate, answer.certificate)
    return ask, answer


def describe_nodes(ask: NodeAsk, answer: NodePacking) -> list[str]:
    """Return the answer as lines of text."""
    asked = sum(each.count for each in ask.workloads)
    missing = sum(answer.left_over.values())
    head = (
        f"{_count(asked - missing, 'slice')} on {_count(answer.gpus_used, 'GPU')} of"
        f" {_count(len(answer.nodes), 'node')}"
    )
    if any(kind.card_usd_per_hour for kind in ask.kinds):
        head += f"; {format_usd(answer.cost)} an hour"
    left = [f"Left over: {name}, {_count(n, 'replica')}" for name, n in answer.left_over.items()]
    return [head, "", *_pictures(ask, answer), *left, *_proof(answer)]


def _pictures(ask: NodeAsk, answer: NodePacking) -> Iterator[str]:
    grids = {kind.grid.name: kind.grid for kind in ask.kinds}
    for gpu, nodes in groupby(answer.nodes[:_DRAWN_NODES], key=lambda node: node.gpu):
        every, grid = list(nodes), grids[gpu]
        cards = [card for node in every for card in node.cards]
        named = [[(p, _label(h)) for p, h in _held(card)] for card in cards]
        width = slot_width(grid, named)
        column = max(len(f"  GPU {card.index}") for card in cards) + 2
        for node in every:
            yield f"{node.name} ({_load(node)})"
            yield " " * column + draw_ruler(grid, width)
            for card in node.cards:
                labels = {place: _label(holder) for place, holder in _held(card)}
                picture = draw_card(grid, card.layout, labels, width)
                yield f"  GPU {card.index}".ljust(column) + picture
            yield ""
    if len(answer.nodes) > _DRAWN_NODES:
        yield f"... and {len(answer.nodes) - _DRAWN_NODES} more nodes; --output json lists each"
        yield ""


def _held(card: NodeCard) -> list[tuple[Placement, str | None]]:
    return list(zip(card.layout, card.holders, strict=True))


def _label(holder: str | None) -> str:
    return FREE if holder is None else holder


def _load(node: PackedNode) -> str:
    used = [f"{_count(len(node.cards), 'GPU')} of {node.gpu}"]
    if node.cpu_cores:
        used.append(f"{node.cpu_cores:g} CPU")
    if node.memory_bytes:
        used.append(format_bytes(node.memory_bytes))
    return ", ".join(used)


def _proof(answer: NodePacking) -> list[str]:
    said = []
    if answer.is_proven:
        said.append("Proven: nothing that places as much costs less.")
        if answer.bound_of.startswith("the nodes"):
            said.append(f"The bound is of a relaxed problem and is met: {answer.bound_of}.")
    else:
        said.append(
            f"Not proven: the best may be {answer.gap:.1%} better. The bound is of"
            f" {answer.bound_of}."
        )
    claim = answer.certificate
    if claim is not None:
        prices = ", ".join(f"{name} {price}" for name, price in claim.certificate.prices.items())
        least = _count(claim.at_least, "GPU")
        said += [
            "Certificate, of the slices alone, nodes aside: no card's layout costs more than 1 at",
            f"the prices {prices};",
            f"with each workload at its cheapest profile that is {least} at least.",
        ]
    return said


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
