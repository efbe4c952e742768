"""How the plugin's answers look in a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

import typer
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from rightslice.entry.cli.console import console, warn
from rightslice.entry.kubectl.options import Form
from rightslice.kube.operate.decided import Decided, offer_text
from rightslice.kube.operate.what_if import Change, WhatIf
from rightslice.units import format_usd

if TYPE_CHECKING:
    from rightslice.entry.kubectl.answers import ClusterStatus


def _table(*columns: tuple[str, str]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading, justify in columns:
        table.add_column(heading, justify=justify, overflow="fold")  # type: ignore[arg-type]  # rich's own literals
    return table


def print_status(found: ClusterStatus, drawn: Sequence[str], form: Form) -> None:
    """Print the nodes as they were drawn, and the table of ModelDeployments."""
    out = console()
    if form is Form.WIDE or found.nodes:
        for line in drawn:
            typer.echo(line)
    if not found.model_deployments:
        typer.echo("No ModelDeployments here; -A looks in every namespace.")
        return
    table = _table(
        ("ModelDeployment", "left"), ("mode", "left"), ("load", "left"), ("targets", "left"),
        ("runs, and should run", "left"), ("$/h", "right"), ("ready", "right"),
    )  # fmt: skip
    for one in found.model_deployments:
        table.add_row(*_status_row(one))
    out.print(table)
    for one in found.model_deployments:
        for text in _beside(one):
            out.print(f"[bold]{escape(one.namespace)}/{escape(one.name)}[/] {escape(text)}")
    for name in found.undecided:
        warn(f"{name}: its status does not speak of its present spec yet; does the operator run?")


def _status_row(one: Decided) -> Iterator[str]:
    status = one.status
    yield escape(f"{one.namespace}/{one.name}")
    yield one.mode
    yield escape(one.load.replace(", ", "\n", 1))
    yield escape(one.targets.replace(", ", "\n"))
    yield "\n".join(_run(one))
    yield money(one.usd_per_hour) if one.offer is not None else "-"
    wanted = 0 if one.offer is None else one.offer.replicas
    yield f"{status.ready_replicas}/{wanted}"


def _run(one: Decided) -> Iterator[str]:
    """Yield what runs, and below it what should run where that is something else."""
    status = one.status
    yield escape(offer_text(status.current))
    if one.offer is None:
        yield f"-> [red]{escape(one.outcome)}[/]"
    elif status.proposed is not None:
        yield f"-> {escape(offer_text(status.proposed))}"


def _beside(one: Decided) -> Iterator[str]:
    """Yield what a line of the table has no room for."""
    if one.offer is None and one.reason:
        yield one.reason
    for text in one.status.waiting_for:
        yield f"waits for {text}"
    change = one.status.layout_change
    if change is not None:
        where = f" node {change.node}" if change.node else ""
        yield f"change of layout{where}: {change.step.value}; {change.message}"


def money(amount: Decimal | None) -> str:
    """Return dollars; ``?`` where no price is known."""
    return "?" if amount is None else f"{amount:,.2f}"


def print_what_if(found: WhatIf, told: Sequence[str]) -> None:
    """Print what a change would do: before and after, line by line, with the difference."""
    out = console()
    for one in found.asked:
        for text in one.fields:
            out.print(f"{escape(one.after.name)}  {escape(text)}")
    out.print(f"[bold]{escape(found.verdict)}[/]")
    table = _table(
        ("ModelDeployment", "left"), ("now", "left"), ("$/h", "right"), ("then", "left"),
        ("$/h", "right"), ("difference", "right"),
    )  # fmt: skip
    for change in found.changes:
        table.add_row(*_change_row(change, change.after, settles=None))
        if change.changes_later:
            table.add_row(*_change_row(change, change.settled, settles=found.settle_seconds))
    out.print(table)
    _print_reasons(found)
    for text in _sums(found):
        out.print(text)
    for text in told:
        out.print(f"[dim]{escape(text)}[/]")


def _change_row(change: Change, then: Decided, *, settles: float | None) -> Iterator[str]:
    before = change.before
    name = f"{then.namespace}/{then.name}"
    yield escape(name) if settles is None else f"  after {settles:g} s"
    yield "not there" if before is None else escape(_what(before))
    yield "-" if before is None or before.offer is None else money(before.usd_per_hour)
    yield escape(_what(then))
    yield "-" if then.offer is None else money(then.usd_per_hour)
    had = Decimal(0) if before is None else before.usd_per_hour
    has = then.usd_per_hour
    yield "?" if had is None or has is None else f"{has - had:+,.2f}"


def _what(one: Decided) -> str:
    return one.outcome if one.offer is None else offer_text(one.offer)


def _print_reasons(found: WhatIf) -> None:
    out = console()
    for change in found.changes:
        after = change.after
        name = f"[bold]{escape(after.name)}[/]"
        if after.reason:
            out.print(f"{name}: {escape(after.reason)}")
        for text in after.status.waiting_for:
            out.print(f"{name} waits for {escape(text)}")


def _sums(found: WhatIf) -> Iterator[str]:
    before, after = found.usd_per_hour_before, found.usd_per_hour_after
    if before is None or after is None:
        yield "all ModelDeployments together: a price is not known"
        return
    yield (
        f"all ModelDeployments together: {format_usd(before)}/h now, {format_usd(after)}/h then"
        f" ([bold]{after - before:+,.2f}[/])"
    )
    settled = found.usd_per_hour_settled
    if settled is not None and settled != after:
        yield f"after {found.settle_seconds:g} s without another change {format_usd(settled)}/h"


def print_explanation(one: Decided, events: Sequence[str], notes: Sequence[str]) -> None:
    """Print why a ModelDeployment has, or should have, the offer that it has."""
    out = console()
    out.print(f"[bold]{escape(one.namespace)}/{escape(one.name)}[/]  model {escape(one.model)}")
    out.print(f"  load     {escape(one.load)}")
    out.print(f"  targets  {escape(one.targets)}")
    out.print(f"  mode     {one.mode}")
    out.print()
    for text in _chosen(one):
        out.print(text)
    _print_numbers(one)
    _print_refused(one)
    for text in _standing(one):
        out.print(text)
    for text in _conditions(one):
        out.print(text)
    found = one.status.recommendation
    for text in () if found is None else found.assumed:
        out.print(f"[dim]assumed: {escape(text)}[/]")
    if events:
        out.print("events, the latest first")
    for text in events:
        out.print(f"  {escape(text)}")
    for text in notes:
        warn(text)


def _conditions(one: Decided) -> Iterator[str]:
    found = one.status.recommendation
    because = "" if found is None else found.because
    for each in one.status.conditions:
        why = "" if each.message in ("", because) else f": {each.message}"
        yield f"  {each.type} {each.status.value} ({escape(each.reason)}){escape(why)}"


def _chosen(one: Decided) -> Iterator[str]:
    found = one.status.recommendation
    if found is None:
        yield f"[bold red]{escape(one.outcome)}[/]: {escape(one.reason) or 'no reason is told'}"
        return
    offer = found.offer
    price = "price not known" if one.usd_per_hour is None else f"{format_usd(one.usd_per_hour)}/h"
    each = f"each {offer.count} x {offer.resource}"
    yield f"[bold green]{escape(offer_text(offer))}[/]  {price}, {escape(each)}"
    yield f"  because {escape(found.because)}"
    if found.headroom:
        yield f"  room to the nearest target: {found.headroom}"
    if found.flags:
        yield f"  flags {escape(' '.join(found.flags))}"


def _print_numbers(one: Decided) -> None:
    found = one.status.recommendation
    if found is None or not found.latency:
        return
    table = _table(
        ("predicted", "left"), ("expected", "right"), ("90 % band", "right"), ("target", "right")
    )
    for row in found.latency:
        table.add_row(row.of, row.expected, f"{row.low} to {row.high}", row.target or "none")
    console().print(table)


def _print_refused(one: Decided) -> None:
    found = one.status.recommendation
    if found is None or not found.refused:
        return
    out = console()
    out.print("cheaper offers, the nearest first")
    for row in found.refused:
        price = "" if row.usd_per_hour is None else f" (${row.usd_per_hour}/h)"
        out.print(f"  [bold]{escape(row.offer)}[/]{price}: {escape(row.reason)}")
        out.print(f"    would turn: {escape(row.remedy)}")


def _standing(one: Decided) -> Iterator[str]:
    status = one.status
    yield f"runs now: {escape(offer_text(status.current))}, {status.ready_replicas} ready"
    if status.proposed is not None:
        yield f"should run: {escape(offer_text(status.proposed))}"
    if status.lowering is not None:
        yield f"would do: {escape(status.lowering.offer)}, since {status.lowering.since}"
    for text in _beside(one):
        yield escape(text)
