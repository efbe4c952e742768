"""Cards of a plan, drawn: who sits in which slots, and what each slice is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, pairwise
from typing import Final

from rich.console import Console
from rich.text import Text

from rightslice.core.catalog.mig import MigGrid, Placement
from rightslice.core.plan.result import CardPlan, Plan
from rightslice.entry.cli.card_drawing import LEGEND, draw_card

_COLOURS: Final = ("cyan", "magenta", "green", "yellow", "bright_blue", "red")
_CARD_WIDTH: Final = 89
"""Columns of a drawn card: eight slots of ten; with the card's number it stays within 100."""


def print_cards(answer: Plan, out: Console) -> None:
    """Print every card in use, grouped by node; idle nodes in one line."""
    colours = {
        item.name: _COLOURS[index % len(_COLOURS)] for index, item in enumerate(answer.workloads)
    }
    idle: list[str] = []
    for node, cards in groupby(answer.cards, key=lambda card: card.node):
        on_node = list(cards)
        if all(card.idle for card in on_node):
            idle.append(f"{node} ({len(on_node)} x {on_node[0].gpu})")
            continue
        out.print(_title(on_node))
        for line in _node_lines(on_node, colours):
            out.print(line, no_wrap=True)
    if idle:
        out.print(Text(f"idle nodes: {', '.join(idle)}", style="dim"))
    if any(card.layout for card in answer.cards):
        out.print(Text("; ".join(LEGEND.values()), style="dim"))


def _title(cards: Sequence[CardPlan]) -> Text:
    group = cards[0].group
    what = "own node" if group.instance is None else group.instance.name
    how = f"mig {group.mig.value}"
    if group.time_slicing_replicas is not None:
        how = f"time-sliced 1/{group.time_slicing_replicas}"
    elif group.mps_replicas is not None:
        how = f"MPS 1/{group.mps_replicas}"
    return Text.assemble(
        (cards[0].node, "bold"), f"  {what}, {len(cards)} x {group.gpu.name}, {how}"
    )


def _node_lines(cards: Sequence[CardPlan], colours: Mapping[str, str]) -> Iterator[Text]:
    """Yield the lines of a node; neighbouring cards with the same whole-card tenant share one."""
    for _, run in groupby(cards, key=_tenant):
        alike = list(run)
        first, last = alike[0].card, alike[-1].card
        number = f"{first}" if first == last else f"{first}-{last}"
        if alike[0].idle:
            yield Text(f"{number:>5} {'│' + ' idle'.ljust(_CARD_WIDTH - 2) + '│'}", style="dim")
        elif alike[0].layout:
            yield from _sliced(alike[0], number, colours)
        else:
            yield _whole(alike, number, colours)


def _tenant(card: CardPlan) -> object:
    """Return what makes a card look like its neighbour: the same tenant, or nothing at all."""
    if card.layout:
        return card.card
    return (tuple((slot.workload, slot.replica) for slot in card.slots), card.replicas)


def _whole(cards: Sequence[CardPlan], number: str, colours: Mapping[str, str]) -> Text:
    card = cards[0]
    if card.replicas > 1:
        names = [slot.workload for slot in card.slots]
        label = " / ".join([*names, *["free"] * (card.replicas - len(names))])
    else:
        together = f", {len(cards)} cards in parallel" if len(cards) > 1 else ""
        label = f"{card.slots[0].workload} (whole card{together})"
    drawn = _fit_label(f" {label}", _CARD_WIDTH - 2)
    line = Text(f"{number:>5} │{drawn}│")
    _colour(line, [slot.workload for slot in card.slots], colours)
    return line


def _sliced(card: CardPlan, number: str, colours: Mapping[str, str]) -> Iterator[Text]:
    grid = card.group.gpu.mig
    assert grid is not None, "only cards with MIG have a layout"
    users = {slot.placement: slot.workload for slot in card.slots if slot.placement is not None}
    width = _slot_width(grid)
    who = draw_card(grid, card.layout, {p: users.get(p, "free") for p in card.layout}, width)
    line = Text(f"{number:>5} {who}")
    _colour_boxes(line, card.layout, users, colours)
    yield line
    profiles: dict[Placement, str] = {p: str(p.profile) for p in card.layout}
    yield Text(f"{'':>5} {draw_card(grid, card.layout, profiles, width)}", style="dim")


def _slot_width(grid: MigGrid) -> int:
    return max((_CARD_WIDTH - 1) // (grid.slots or 1) - 1, 1)


def _colour_boxes(
    line: Text,
    layout: Sequence[Placement],
    users: Mapping[Placement, str],
    colours: Mapping[str, str],
) -> None:
    """Colour each occupied box; boxes stand between the bars, in the order of the layout."""
    bars = [index for index, mark in enumerate(line.plain) if mark == "│"]
    boxes = [
        (start + 1, end)
        for start, end in pairwise(bars)
        if line.plain[start + 1 : end].strip("·░ ")
    ]
    for (start, end), placement in zip(boxes, layout, strict=True):
        user = users.get(placement)
        line.stylize("dim" if user is None else f"bold {colours[user]}", start, end)


def _colour(line: Text, names: Sequence[str], colours: Mapping[str, str]) -> None:
    for name in names:
        at = line.plain.find(name)
        if at >= 0:
            line.stylize(f"bold {colours[name]}", at, at + len(name))


def _fit_label(label: str, width: int) -> str:
    return label.ljust(width) if len(label) <= width else f"{label[: width - 1]}…"
