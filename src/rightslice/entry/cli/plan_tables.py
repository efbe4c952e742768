"""How a plan looks in a terminal: who runs where, every card drawn, the bill, the reasons."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from rightslice.core.catalog.mig import Placement
from rightslice.core.catalog.traffic import Slo
from rightslice.core.perf.result import Prediction
from rightslice.core.plan.result import Bill, CardPlan, NotPlaced, Plan, WorkloadPlan
from rightslice.entry.cli.console import console
from rightslice.entry.cli.fit_tables import slo_text
from rightslice.entry.cli.layouts import LEGEND, draw_card, slot_width
from rightslice.units import HOURS_PER_MONTH, format_duration, format_ratio, format_usd

_COLOURS: Final = ("cyan", "magenta", "green", "yellow", "blue", "red")
_WHOLE_WIDTH: Final = 56


def print_plan(answer: Plan, *, why: bool, written: Sequence[Path]) -> None:
    """Print the plan: workloads, cards, bill, teams, notes, and what was written."""
    out = console()
    placed = len(answer.workloads) - len(answer.not_placed)
    out.print(
        f"[bold]{escape(answer.fleet_name)}[/]: {placed} of {len(answer.workloads)} workloads"
        f" placed on {answer.cards_in_use} of {answer.cards_total} GPUs"
    )
    out.print(_workloads(answer))
    _print_missing(answer, out)
    _print_cards(answer, out)
    if answer.bill is not None:
        _print_bill(answer.bill, out)
    _print_teams(answer, out)
    if why:
        _print_why(answer, out)
    for note in answer.notes:
        out.print(f"[dim]note: {escape(note)}[/]")
    if not why:
        out.print("[dim]--why says for every workload why each cheaper offer was not taken.[/]")
    for path in written:
        out.print(f"wrote [bold]{escape(str(path))}[/]")


def _workloads(answer: Plan) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading, justify in (
        ("workload", "left"), ("team", "left"), ("offer", "left"), ("n", "right"),
        ("TPOT", "right"), ("p95 TTFT", "right"), ("room", "right"),
        ("$/h", "right"), ("$/1M tok", "right"),
    ):  # fmt: skip
        table.add_column(heading, justify=justify, no_wrap=heading != "offer")  # type: ignore[arg-type]  # both are rich's own words
    for item in answer.workloads:
        table.add_row(*_row(item))
    return table


def _row(item: WorkloadPlan) -> Iterator[str]:
    yield escape(item.name)
    yield escape(item.team)
    placed = item.placed
    if placed is None:
        yield from ("[red]not placed[/]", "", "", "", "", "", "")
        return
    candidate = placed.candidate
    prediction, holds = candidate.prediction, candidate.holds
    assert prediction is not None
    assert holds is not None
    yield escape(candidate.offer.name)
    yield str(placed.replicas)
    yield _tpot(prediction, item.workload.slo)
    yield format_duration(prediction.ttft.p95.expected)
    yield format_ratio(holds.headroom_ratio)
    yield "?" if placed.cost is None else f"{placed.cost.usd_per_hour:,.2f}"
    per_million = None if placed.cost is None else placed.cost.usd_per_million_tokens
    yield "?" if per_million is None else f"{per_million:,.2f}"


def _tpot(prediction: Prediction, slo: Slo) -> str:
    return format_duration(prediction.tpot.at(slo.tpot_percentile).expected)


def _print_missing(answer: Plan, out: Console) -> None:
    for item in answer.not_placed:
        outcome = item.outcome
        assert isinstance(outcome, NotPlaced)
        out.print(f"[bold red]{escape(item.name)}[/] is not placed: {escape(outcome.reason)}")
        out.print(f"  what would help: {escape(outcome.remedy)}")


def _print_cards(answer: Plan, out: Console) -> None:
    colours = {
        item.name: _COLOURS[index % len(_COLOURS)] for index, item in enumerate(answer.workloads)
    }
    idle: list[str] = []
    for node, cards in groupby(answer.cards, key=lambda card: card.node):
        on_node = list(cards)
        group = on_node[0].group
        busy = [card for card in on_node if not card.idle]
        if not busy:
            idle.append(f"{node} ({len(on_node)} x {group.gpu.name})")
            continue
        what = group.instance.name if group.instance is not None else "own node"
        out.print(
            f"[bold]{node}[/] {what}, {len(on_node)} x {group.gpu.name}, mig {group.mig.value}"
        )
        width = _width(busy)
        for card in busy:
            out.print(f"  {card.card:>2} {_drawn(card, colours, width)}", no_wrap=True)
        if len(busy) < len(on_node):
            out.print(f"     [dim]{len(on_node) - len(busy)} more cards idle[/]")
    if idle:
        out.print(f"[dim]idle nodes: {', '.join(idle)}[/]")
    if any(card.layout for card in answer.cards):
        out.print(f"[dim]{'; '.join(LEGEND.values())}[/]")
    out.print()


def _labels(card: CardPlan) -> dict[Placement, str]:
    users = {slot.placement: slot for slot in card.slots if slot.placement is not None}
    return {
        placement: f"{users[placement].workload}" if placement in users else "free"
        for placement in card.layout
    }


def _width(cards: Sequence[CardPlan]) -> int:
    grid = cards[0].group.gpu.mig
    if grid is None or not any(card.layout for card in cards):
        return 0
    return min(slot_width(grid, [_labels(card).items() for card in cards if card.layout]), 10)


def _drawn(card: CardPlan, colours: dict[str, str], width: int) -> str:
    grid = card.group.gpu.mig
    if card.layout and grid is not None:
        labels = _labels(card)
        text = escape(draw_card(grid, card.layout, labels, width))
        for name in sorted({slot.workload for slot in card.slots}, key=len, reverse=True):
            for shown in (name, *(f"{name[:cut]}…" for cut in range(len(name) - 1, 0, -1))):
                if f"│{shown}" in text:
                    text = text.replace(f"│{shown}", f"│[{colours[name]}]{shown}[/]")
                    break
        return f"{text} [dim]{' + '.join(str(p.profile) for p in sorted(card.layout))}[/]"
    names = [slot.workload for slot in card.slots]
    inside = (width + 1) * 8 - 1 if width else _WHOLE_WIDTH
    if card.replicas > 1:
        shares = [*names, *["free"] * (card.replicas - len(names))]
        return f"│{escape(' / '.join(shares))}│ [dim]time-sliced 1/{card.replicas}[/]"
    label = f"{names[0]} (whole card)".ljust(inside)[:inside]
    return f"│[{colours[names[0]]}]{escape(label)}[/]│"


def _print_bill(bill: Bill, out: Console) -> None:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_footer=True)
    table.add_column("bill", footer="nodes, as rented")
    table.add_column("$/h", justify="right", footer=f"{bill.total_usd_per_hour:,.2f}")
    table.add_column(
        "$/month", justify="right", footer=f"{bill.total_usd_per_hour * HOURS_PER_MONTH:,.0f}"
    )
    for line in bill.lines:
        month = line.usd_per_hour * HOURS_PER_MONTH
        style = "dim" if line.team is None else ""
        table.add_row(escape(line.name), f"{line.usd_per_hour:,.2f}", f"{month:,.0f}", style=style)
    out.print(table)
    out.print(f"cards in use cost [bold]{format_usd(bill.in_use_usd_per_hour)}/h[/]")
    for whole, what in (
        (bill.whole_gpu_per_model_usd_per_hour, "whole GPUs for every model"),
        (bill.whole_gpu_per_replica_usd_per_hour, "a whole GPU for every replica, as today"),
    ):
        out.print(f"  {_compared(bill.in_use_usd_per_hour, whole, what)}")
    out.print()


def _compared(ours: Decimal, whole: Decimal | None, what: str) -> str:
    if whole is None:
        return f"{what}: no whole card of this fleet holds every load"
    if not whole:
        return f"{what}: {format_usd(whole)}/h"
    saved = float(1 - ours / whole)
    word = "saves" if saved >= 0 else "costs more by"
    colour = "green" if saved > 0 else "yellow"
    return f"{what}: {format_usd(whole)}/h; the plan [{colour}]{word} {format_ratio(abs(saved))}[/]"


def _print_teams(answer: Plan, out: Console) -> None:
    if not answer.teams:
        return
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("team", "servers", "GPUs", "of quota", "$/h", "of quota"):
        table.add_column(heading, justify="left" if heading == "team" else "right")
    for use in answer.teams:
        table.add_row(
            escape(use.team),
            str(use.workloads),
            f"{float(use.cards):.2f}",
            "-" if use.quota_cards is None else f"{float(use.quota_cards):g}",
            "?" if use.usd_per_hour is None else f"{use.usd_per_hour:,.2f}",
            "-" if use.quota_usd_per_hour is None else f"{use.quota_usd_per_hour:,.2f}",
        )
    out.print(table)


def _print_why(answer: Plan, out: Console) -> None:
    for item in answer.workloads:
        placed = item.placed
        if placed is None:
            continue
        half = item.recommendation.at_point_estimate
        out.print(
            f"[bold]{escape(item.name)}[/]: {slo_text(item.workload.slo)}; alone, 50 % confidence"
            f" would take {escape(half or 'nothing')}"
        )
        for passed in placed.passed:
            out.print(f"  not [bold]{escape(passed.offer)}[/]: {escape(passed.reason)}")
    out.print()
