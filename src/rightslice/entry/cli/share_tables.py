"""How the comparison of sharing modes looks in a terminal."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from rightslice.core.catalog.estimate import Estimate
from rightslice.core.fit.result import Constraint, Refused
from rightslice.core.fit.sharing import SharingAdvice, SharingRow, StartCheck
from rightslice.core.fit.trial import load_size, load_text
from rightslice.entry.cli.console import console
from rightslice.entry.cli.fit_tables import latency_names, slo_text
from rightslice.units import format_duration, format_gib


def print_sharing(answer: SharingAdvice) -> None:
    """Print one table a board, then what to take and why, and what servers need at start."""
    out, question = console(), answer.question
    load = load_text(load_size(question.traffic), question.traffic)
    out.print(
        f"[bold]{escape(question.model.name)}[/], input {question.traffic.input.text}, output"
        f" {question.traffic.output.text}, {load}; {slo_text(question.slo)};"
        f" isolation {question.isolation.value}"
    )
    for gpu in dict.fromkeys(row.gpu for row in answer.rows):
        out.print(_table(gpu, answer))
    if any(not row.is_measured and row.candidate is not None for row in answer.rows):
        out.print(
            "[dim]* unmeasured: the worst case, every neighbour busy, with the widest band.[/]"
        )
    colour = "green" if answer.recommended is not None else "red"
    out.print(f"[bold {colour}]{_headline(answer)}[/]")
    out.print(f"{escape(answer.reason)}.")
    for row in answer.rows:
        if row.replicas and row.start is not None:
            out.print(f"[dim]{escape(_start_text(row, row.start))}[/]")


def _headline(answer: SharingAdvice) -> str:
    taken = answer.recommended
    if taken is None or taken.candidate is None:
        return "take none of them"
    replicas = "" if taken.replicas == 1 else f", {taken.replicas} replicas"
    return f"take {escape(taken.candidate.offer.name)} ({taken.mode.value}{replicas})"


def _table(gpu: str, answer: SharingAdvice) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column(escape(gpu), no_wrap=True)
    table.add_column("share", no_wrap=True)
    table.add_column("$/h", justify="right", no_wrap=True)
    for name in (*latency_names(answer.question.slo), "memory", "isolation", "outcome"):
        table.add_column(name)
    for row in answer.rows:
        if row.gpu != gpu:
            continue
        table.add_row(
            f"[bold]{row.mode.value}[/]" if row is answer.recommended else row.mode.value,
            _share(row),
            "" if row.candidate is None else _price(row),
            _latency(row, row.tpot),
            _latency(row, row.ttft),
            row.memory.replace(", ", "\n"),
            "" if row.candidate is None else row.isolation.partition(":")[0],
            _outcome(row),
        )
    return table


def _share(row: SharingRow) -> str:
    if row.candidate is None:
        return ""
    device, ranks = row.candidate.offer.device, row.candidate.offer.tensor_parallel
    text = device.label.removeprefix(str(device.gpu.name)).strip() or "whole"
    text += f" x{ranks}" if ranks > 1 else ""
    return text.replace(" MPS", "\nMPS").replace("time-sliced", "turn")


def _price(row: SharingRow) -> str:
    price = row.usd_per_hour
    return "?" if price is None else f"{float(price):,.2f}"


def _latency(row: SharingRow, latency: Estimate | None) -> str:
    if latency is None:
        return ""
    mark = "" if row.is_measured else "*"
    return f"{format_duration(latency.expected)}{mark}\nto {format_duration(latency.high)}"


def _outcome(row: SharingRow) -> str:
    outcome = row.outcome
    if not isinstance(outcome, Refused):
        return "[green]holds[/]"
    if row.candidate is None:
        return f"[dim]{escape(outcome.reason)}[/]"
    if outcome.constraint in (Constraint.UNMEASURED, Constraint.ISOLATION) and row.replicas:
        return f"[yellow]{outcome.constraint.value}[/]: holds at 50 % only"
    return f"[red]{outcome.constraint.value}[/]: {escape(outcome.reason)}"


def _start_text(row: SharingRow, start: StartCheck) -> str:
    """Say what a server that shares memory needs at start: vLLM checks what is free."""
    pinned = f"pin --kv-cache-memory-bytes {start.kv_cache_memory_bytes}; needs {row.needs}"
    most = start.neighbours_may_hold_bytes
    if most is None:
        return f"{row.offer}: {pinned}."
    return f"{row.offer}: starts while neighbours hold at most {format_gib(most)}; {pinned}."
