"""How one prediction looks in a terminal: latencies, parts, capacity, the curve, the verdict."""

from __future__ import annotations

import math
from typing import Final

from rich.table import Table

from rightslice.core.catalog.estimate import Estimate
from rightslice.core.catalog.traffic import ClosedLoop
from rightslice.core.perf.result import Latency, Outlook
from rightslice.core.sizing.result import TooBig
from rightslice.entry.cli.console import console
from rightslice.entry.cli.plot import Mark, Plot, bar, draw, top
from rightslice.units import format_duration, format_rate

_BAR: Final = 28


def print_outlook(answer: Outlook, *, plot: bool) -> None:
    """Print the prediction, with the curve when *plot* is set."""
    sizing = answer.curve.sizing
    out = console()
    traffic = answer.prediction.traffic
    load = (
        f"{traffic.load.concurrency} concurrent"
        if isinstance(traffic.load, ClosedLoop)
        else format_rate(traffic.load.requests_per_second)
    )
    out.print(f"[bold]{sizing.model.name}[/] on [bold]{sizing.device.label}[/]", highlight=False)
    out.print(
        f"vLLM {sizing.engine.version}; input {traffic.input.text}, output {traffic.output.text},"
        f" {load}"
    )
    if isinstance(sizing.verdict, TooBig):
        out.print(f"\n[bold red]does not fit[/]: {sizing.verdict.reason}")
        return
    if math.isfinite(answer.prediction.tpot.mean.expected):
        _print_latencies(answer)
        _print_terms(answer)
    _print_capacity(answer)
    if plot and len(answer.curve.points) > 1:
        _print_curve(answer)
    _print_verdict(answer)


def _print_latencies(answer: Outlook) -> None:
    guess = answer.prediction
    table = Table(box=None, padding=(0, 2, 0, 0), title_justify="left")
    for heading in ("", "mean", "90 % band", "p50", "p90", "p95", "p99"):
        table.add_column(heading, justify="left" if not heading else "right")
    rows: tuple[tuple[str, Latency], ...] = (
        ("TPOT", guess.tpot),
        ("TTFT", guess.ttft),
        ("whole request", guess.end_to_end),
    )
    for name, latency in rows:
        table.add_row(
            name,
            format_duration(latency.mean.expected),
            _band(latency.mean),
            *(
                format_duration(part.expected)
                for part in (latency.p50, latency.p90, latency.p95, latency.p99)
            ),
        )
    console().print()
    console().print(table)
    tokens, requests = guess.output_tokens_per_second, guess.requests_per_second
    console().print(
        f"{tokens.expected:,.0f} output tokens/s ({tokens.low:,.0f} to {tokens.high:,.0f}),"
        f" {format_rate(requests.expected)} requests; {guess.running:,.1f} running,"
        f" {guess.waiting:,.1f} waiting"
    )


def _band(estimate: Estimate) -> str:
    return f"{format_duration(estimate.low)} to {format_duration(estimate.high)}"


def _print_terms(answer: Outlook) -> None:
    guess = answer.prediction
    whole = guess.tpot.mean.expected
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_column()
    for term in guess.terms:
        if term.seconds > 0:
            table.add_row(term.name, format_duration(term.seconds), bar(term.seconds / whole, _BAR))
    console().print(f"\nTime per output token, {format_duration(whole)}: {guess.bound.value} bound")
    console().print(table)


def _print_capacity(answer: Outlook) -> None:
    places = answer.prediction.capacity
    knee = answer.curve.knee
    console().print(
        f"\nCapacity: {places.sequences:,} sequences at once (at least {places.sequences_low:,}),"
        f" limited by {places.limit}"
    )
    if knee.concurrency:
        console().print(
            f"Knee: {knee.concurrency:,} concurrent, {knee.output_tokens_per_second:,.0f} tokens/s"
            f" at {format_duration(knee.tpot_seconds)} a token ({knee.binding})"
        )


def _print_curve(answer: Outlook) -> None:
    guess, knee = answer.prediction, answer.curve.knee
    held = [point for point in answer.curve.points if point.held]
    if len(held) < 2:
        return
    marks = [Mark(x=knee.output_tokens_per_second, y=knee.tpot_seconds, symbol="◆")]
    if math.isfinite(guess.tpot.mean.expected) and guess.waiting < 1:
        marks.append(
            Mark(
                x=guess.output_tokens_per_second.expected,
                y=guess.tpot.mean.expected,
                symbol="●",
            )
        )
    limit = answer.slo.tpot_seconds if answer.slo is not None else None
    picture = Plot(
        points=[(p.output_tokens_per_second.expected, p.tpot.expected) for p in held],
        marks=marks,
        limit=limit,
        band=[(p.output_tokens_per_second.expected, p.tpot.low, p.tpot.high) for p in held],
    )
    high = format_duration(top(picture))
    legend = "◆ knee   ● this load   ░ 90 % band" + (
        "   ╌ TPOT target" if limit is not None else ""
    )
    out = console()
    out.print(f"\nTPOT over output tokens/s, 1 to {held[-1].concurrency:,} concurrent    {legend}")
    for number, line in enumerate(draw(picture)):
        label = high if number == 0 else ""
        out.print(f"{label:>9} │{line}", markup=False)
    far = f"{held[-1].output_tokens_per_second.expected:,.0f} tokens/s"
    out.print(f"{'0':>9} └{'─' * picture.width}")
    out.print(f"{'':>11}0{far:>{picture.width - 1}}")


def _print_verdict(answer: Outlook) -> None:
    out = console()
    load = answer.prediction.traffic.load
    is_closed = isinstance(load, ClosedLoop)
    expected, surely = (
        f"{amount:,.0f} concurrent" if is_closed else f"{format_rate(amount)[:-2]} requests/s"
        for amount in (answer.largest.expected, answer.largest.at_90_percent)
    )
    within = "within the targets" if answer.slo is not None else "without queueing"
    what = "[bold green]held[/]" if answer.is_held else f"[bold red]not held[/]{_why(answer)}"
    out.print(
        f"\nThis load is {what}. Largest {within}: {expected} expected, {surely} with"
        " 90 % confidence."
    )


def _why(answer: Outlook) -> str:
    guess = answer.prediction
    if guess.waiting >= 1 and math.isfinite(guess.waiting) and not guess.utilization < 1:
        return f": {guess.waiting:,.0f} requests would queue"
    if not isinstance(guess.traffic.load, ClosedLoop) and guess.utilization > 0.85:
        return f": {guess.utilization:.0%} of the largest stable rate, and 85% is the most promised"
    return ": a latency target is missed"
