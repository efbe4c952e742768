"""How a plan looks in a terminal: who runs where, every card drawn, the bill, the reasons."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from rightslice.core.catalog.traffic import Slo
from rightslice.core.perf.result import Prediction
from rightslice.core.plan.result import Bill, NotPlaced, Plan, WorkloadPlan
from rightslice.entry.cli.console import console
from rightslice.entry.cli.fit_tables import slo_text
from rightslice.entry.cli.plan_cards import print_cards
from rightslice.units import HOURS_PER_MONTH, format_duration, format_ratio, format_usd


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
    print_cards(answer, out)
    out.print()
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
