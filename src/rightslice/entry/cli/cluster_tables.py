"""How a cluster looks in a terminal: what it has, what the plan gives, and what that saves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from rightslice.entry.cli.console import console
from rightslice.entry.cli.plan_cards import print_cards
from rightslice.kube.snapshot.result import ClusterPlan, Comparison, Savings
from rightslice.kube.snapshot.stock import ClusterFit
from rightslice.units import HOURS_PER_MONTH, format_ratio, format_usd

_MOST_NODES = 8


def print_cluster_plan(found: ClusterPlan, *, written: Sequence[Path]) -> None:
    """Print every server now and as proposed, what is left out, the cards, and what it saves."""
    out = console()
    taken = f", as of {found.taken_at}" if found.taken_at else ""
    ours = len(found.servers) - len(found.plan.workloads)
    theirs = f", {ours} as the operator decides (ModelDeployments)" if ours else ""
    out.print(
        f"[bold]{len(found.plan.workloads)} servers planned[/]{theirs},"
        f" {len(found.left_out)} left where they are{taken}"
    )
    if found.servers:
        out.print(_table(found.servers))
    for one in found.servers:
        _print_reasons(one, out)
    _print_left_out(found, out)
    print_cards(found.plan, out)
    out.print()
    _print_savings(found.savings, len(found.servers), out)
    own = [f"{one.name}: {note}" for one in found.servers for note in one.assumed]
    for note in (*found.problems, *found.assumed, *own, *found.plan.notes):
        out.print(f"[dim]note: {escape(note)}[/]")
    for path in written:
        out.print(f"wrote [bold]{escape(str(path))}[/]")


def _table(servers: Sequence[Comparison]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading, justify in (
        ("server", "left"), ("team", "left"), ("n", "right"), ("holds now", "left"),
        ("$/h", "right"), ("proposed", "left"), ("$/h", "right"), ("saved", "right"),
    ):  # fmt: skip
        table.add_column(heading, justify=justify, overflow="fold")  # type: ignore[arg-type]  # rich's own literals
    for one in servers:
        table.add_row(*_row(one))
    return table


def _row(one: Comparison) -> Iterator[str]:
    yield escape(one.name)
    yield escape(one.namespace)
    yield str(one.current.replicas)
    yield escape(", ".join(one.current.devices)) or "[yellow]waits[/]"
    yield _dollars(one.current.usd_per_hour)
    if one.proposed is None:
        yield "[bold red]nothing holds it[/]"
        yield "-"
    else:
        count = one.proposed.replicas
        yield escape(f"{count} x {one.proposed.offer}")
        yield _dollars(one.proposed.usd_per_hour)
    saved = one.saved_usd_per_hour
    colour = "green" if saved is not None and saved > 0 else "yellow"
    yield f"[{colour}]{_dollars(saved)}[/]"


def _dollars(amount: Decimal | None) -> str:
    return "?" if amount is None else f"{amount:,.2f}"


def _print_reasons(one: Comparison, out: Console) -> None:
    if one.current.verdict != "holds":
        out.print(f"[bold]{escape(one.name)}[/] now: {escape(one.current.verdict)}")
    if one.proposed is None:
        out.print(f"[bold]{escape(one.name)}[/] has no offer: {escape(one.reason)}")


def _print_left_out(found: ClusterPlan, out: Console) -> None:
    for one in found.left_out:
        holds = ", ".join(one.holds) or "nothing"
        out.print(
            f"left: {escape(one.object_kind)} [bold]{escape(one.namespace)}/{escape(one.name)}[/]"
            f" holds {escape(holds)}"
        )
        for reason in one.reasons:
            out.print(f"  {escape(reason)}")
    if found.left_out:
        out.print()


def _print_savings(savings: Savings, servers: int, out: Console) -> None:
    if savings.saved_usd_per_hour is not None:
        now, proposed = savings.usd_per_hour_now, savings.usd_per_hour_proposed
        month = savings.saved_usd_per_hour * HOURS_PER_MONTH
        of_all = "" if savings.servers_counted == servers else f" of {savings.servers_counted}"
        share = f" ({format_ratio(float(savings.saved_usd_per_hour / now))})" if now else ""
        out.print(
            f"servers{of_all} now {format_usd(now or 0)}/h, proposed {format_usd(proposed or 0)}/h:"
            f" [bold]{format_usd(savings.saved_usd_per_hour)}/h saved[/]{share},"
            f" ${month:,.0f} a month"
        )
    if savings.nodes_free:
        names = list(savings.nodes_free)
        more = f" and {len(names) - _MOST_NODES} more" if len(names) > _MOST_NODES else ""
        usd = savings.nodes_free_usd_per_hour
        cost = "" if usd is None else f", {format_usd(usd)}/h"
        idle = len(savings.nodes_idle_now)
        out.print(
            f"nodes that could go: [bold]{escape(', '.join(names[:_MOST_NODES]))}{more}[/]{cost}"
            f" ({idle} of them idle already now)"
        )
    else:
        out.print("no node could go: what is saved is room for more servers")


def print_stock(found: ClusterFit) -> None:
    """Print what the cluster hands out, and the cheapest offer that is free now."""
    out = console()
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("in the cluster", "asked for as", "in all", "free", "waited for"):
        table.add_column(heading, justify="left" if heading[0] in "ia" and "all" not in heading
                         else "right")  # fmt: skip
    for one in found.stock:
        table.add_row(
            escape(one.offer_name), escape(one.resource), str(one.total), str(one.free),
            str(one.waiting),
        )  # fmt: skip
    out.print(table)
    chosen = found.recommendation.chosen
    if found.free_now is not None and chosen is not None and found.free_now != chosen.offer.name:
        out.print(f"[bold]free now: {escape(found.free_now)}[/]; the cheapest one is taken")
    elif chosen is not None and found.free_now is None:
        out.print("[bold yellow]nothing that holds this load is free now[/]")
    for note in found.problems:
        out.print(f"[dim]note: {escape(note)}[/]")
