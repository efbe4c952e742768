"""The section of layouts: every card of every node, grouped by node; idle nodes in a line."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Final

from rightslice.core.catalog.fleet import MigStrategy, NodeGroup
from rightslice.core.plan.result import CardPlan
from rightslice.entry.report.look import Look
from rightslice.entry.report.markup import NOTHING, Html, element, join, text
from rightslice.entry.report.section import section
from rightslice.entry.report.svg_layout import SlotCount, card_drawing, count_slots, idle_drawing
from rightslice.entry.report.wording import UNKNOWN, dollars, plural, share

_OPEN_NODES: Final = 12
"""Nodes drawn unfolded; those after them are a click away."""


def layouts(look: Look) -> Html:
    """Return the section."""
    nodes = [list(cards) for _, cards in groupby(look.plan.cards, lambda card: card.node)]
    busy = [cards for cards in nodes if any(not card.idle for card in cards)]
    idle = [cards for cards in nodes if all(card.idle for card in cards)]
    drawn = (_node(cards, look, is_open=index < _OPEN_NODES) for index, cards in enumerate(busy))
    lead = (
        f"{plural(len(busy), 'node')} in use, {len(idle)} idle."
        " Columns are memory slots, to scale; the strip below a card shows its compute slices."
        f" {_gap(look.plan.proven_gap_ratio)}"
    )
    return section("layouts", "Layouts", lead, _legend(), *drawn, *_idle_nodes(idle))


def _gap(ratio: float) -> str:
    if ratio <= 0:
        return "No packing of these slices needs dearer cards: proven optimal."
    if ratio < 0.001:
        return "The cards in use cost at most 0.1 % more than the best packing: proven."
    return f"The cards in use cost at most {share(ratio)} more than the best packing."


def _node(cards: list[CardPlan], look: Look, *, is_open: bool) -> Html:
    first = cards[0]
    group = first.group
    busy = [card for card in cards if not card.idle]
    idle = [card for card in cards if card.idle]
    summary = element(
        "summary",
        element("span", text(first.node), class_="node-name"),
        element("span", text(_hardware(group, len(cards))), class_="muted"),
        element("span", text(_use(busy, cards)), class_="muted right"),
    )
    figures = join(_card(card, look) for card in busy)
    spare = (
        element("div", *(_idle_card(card) for card in idle), class_="idle-cards")
        if idle
        else NOTHING
    )
    return element(
        "details", summary, element("div", figures, class_="cards"), spare,
        class_="node", open="" if is_open else None,
    )  # fmt: skip


def _hardware(group: NodeGroup, count: int) -> str:
    kind = [group.instance.name] if group.instance is not None else []
    kind.append(f"{count} × {group.gpu.name}")  # noqa: RUF001 - the multiplication sign is meant
    if group.time_slicing_replicas is not None:
        kind.append(f"time-sliced by {group.time_slicing_replicas}")
    elif group.mps_replicas is not None:
        kind.append(f"MPS, {group.mps_replicas} clients a card")
    elif group.gpu.mig is not None:
        kind.append(f"MIG {group.mig.value}" if group.mig is not MigStrategy.NONE else "MIG off")
    price = None if group.price is None else group.price.usd_per_hour
    kind.append(f"price {UNKNOWN}" if price is None else f"{dollars(price)}/h")
    return " · ".join(kind)


def _use(busy: list[CardPlan], cards: list[CardPlan]) -> str:
    return f"{len(busy)} of {plural(len(cards), 'card')} in use"


def _card(card: CardPlan, look: Look) -> Html:
    caption = element(
        "figcaption",
        element("b", text(f"card {card.card}")),
        element("span", text(_slots(count_slots(card))), class_="muted"),
    )
    return element("figure", caption, card_drawing(card, look), class_="card")


def _slots(count: SlotCount) -> str:
    if count.total == 1:
        return "whole, in use" if count.used else "whole, free"
    lost = f", {count.unreachable} out of reach" if count.unreachable else ""
    if not count.free and not lost:
        idle = plural(count.idle_compute, "compute slice")
        return f"full, {idle} idle" if count.idle_compute else "full"
    return f"{count.used} of {count.total} used, {count.free} free{lost}"


def _idle_card(card: CardPlan) -> Html:
    caption = element("figcaption", text(f"card {card.card} idle"))
    return element("figure", caption, idle_drawing(card), class_="card small")


def _idle_nodes(idle: list[list[CardPlan]]) -> Iterator[Html]:
    for group_name, found in groupby(idle, lambda cards: cards[0].group_name):
        nodes = list(found)
        names = [cards[0].node for cards in nodes]
        listed = names if len(names) <= 6 else [*names[:5], "…", names[-1]]
        count = f"{plural(len(nodes), 'idle node')} of {plural(len(nodes[0]), 'card')}"
        yield element(
            "div",
            element("span", text(group_name), class_="node-name"),
            element("span", text(f"{count}: {', '.join(listed)}")),
            element("span", text(_hardware(nodes[0][0].group, len(nodes[0]))), class_="muted"),
            class_="idle-node",
        )


def _legend() -> Html:
    entries = (
        ("w0", "a workload's slice, labelled"),
        ("spare-slice", "cut, spare"),
        ("free", "free"),
        ("lost", "out of reach of any further slice"),
    )
    return element(
        "ul",
        *(element("li", swatch(class_), text(words)) for class_, words in entries),
        class_="legend",
    )


def swatch(class_: str) -> Html:
    """Return a small box in the colour of *class_*."""
    return element("i", class_=f"swatch {class_}")
