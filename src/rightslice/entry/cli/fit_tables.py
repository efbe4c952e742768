"""How a recommendation looks in a terminal: the offer, its numbers, and why the others were not."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from rightslice.core.catalog.estimate import Estimate
from rightslice.core.catalog.traffic import Slo
from rightslice.core.fit.result import Candidate, Constraint, Holds, Recommendation, Refused
from rightslice.core.fit.trial import load_size, load_text
from rightslice.entry.cli.console import console
from rightslice.entry.cli.fit_frontier import frontier_lines
from rightslice.units import format_duration, format_gib, format_ratio, format_usd

_NEAREST = 12


def print_recommendation(answer: Recommendation, *, show_all: bool) -> None:
    """Print the answer, the flags to set, and the other offers in order of price."""
    out = console()
    question = answer.question
    load = load_text(load_size(question.traffic), question.traffic)
    out.print(
        f"[bold]{escape(question.model.name)}[/], input {question.traffic.input.text}, output"
        f" {question.traffic.output.text}, {load}; {slo_text(question.slo)};"
        f" vLLM {question.engine.version}"
    )
    if answer.chosen is not None:
        out.print(f"[bold green]take {escape(answer.chosen.offer.name)}[/]")
        out.print(_facts(answer.chosen, question.slo))
        _print_certainty(answer)
    else:
        out.print("[bold red]no offer holds this load within its targets[/]")
        _print_best_effort(answer)
    others = [c for c in answer.candidates if c is not answer.chosen]
    shown = others if show_all else _nearest(others)
    out.print(_others(shown))
    if len(shown) < len(others):
        small = sum(_is_too_small(c) for c in others)
        out.print(
            f"[dim]{_counted(len(others) - len(shown), 'more offer')}: --all shows all;"
            f" memory refuses {small} of all.[/]"
        )
    for line in frontier_lines(answer):
        out.print(line, highlight=False)
    for note in answer.notes:
        out.print(f"[dim]note: {escape(note)}[/]")


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _nearest(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Return the offers worth a look: those that the weights fit, cheapest first."""
    return [c for c in candidates if not _is_too_small(c)][:_NEAREST]


def _is_too_small(candidate: Candidate) -> bool:
    outcome = candidate.outcome
    return isinstance(outcome, Refused) and outcome.constraint is Constraint.MEMORY


def slo_text(slo: Slo) -> str:
    """Return the targets in words."""
    parts = [
        f"{_which(percentile)} {name} {format_duration(target)}"
        for name, target, percentile in (
            ("TPOT", slo.tpot_seconds, slo.tpot_percentile),
            ("TTFT", slo.ttft_seconds, slo.ttft_percentile),
        )
        if target is not None
    ]
    return ", ".join(parts)


def latency_names(slo: Slo) -> tuple[str, str]:
    """Return TPOT and TTFT with the percentile that their targets are held at."""
    return f"{_which(slo.tpot_percentile)} TPOT", f"{_which(slo.ttft_percentile)} TTFT"


def _which(percentile: float | None) -> str:
    return "mean" if percentile is None else f"p{percentile * 100:g}"


def banded(estimate: Estimate) -> str:
    """Return a latency with its 90 % band."""
    text = format_duration(estimate.expected)
    if estimate.log_sd == 0:
        return text
    return f"{text} ({format_duration(estimate.low)} to {format_duration(estimate.high)})"


def _facts(candidate: Candidate, slo: Slo) -> Table:
    holds, sizing, prediction = candidate.holds, candidate.sizing, candidate.prediction
    assert holds is not None
    assert sizing is not None
    assert prediction is not None
    table = Table.grid(padding=(0, 2))
    table.add_row("replicas", str(holds.replicas))
    table.add_row("price", _price(candidate))
    table.add_row("TPOT, mean", banded(prediction.tpot.at(slo.tpot_percentile)))
    table.add_row("TTFT, p95", banded(prediction.ttft.p95))
    table.add_row(
        "throughput", f"{prediction.output_tokens_per_second.expected:,.0f} tokens/s a replica"
    )
    table.add_row("headroom", f"{format_ratio(holds.headroom_ratio)} to the nearest target")
    table.add_row("KV cache", f"{format_gib(sizing.kv.size_bytes.expected)},"
                  f" {prediction.capacity.sequences} such sequences at once")  # fmt: skip
    table.add_row("flags", _flags(candidate))
    return table


def _flags(candidate: Candidate) -> str:
    assert candidate.sizing is not None
    flags = candidate.sizing.flags
    cache = "" if flags.kv_cache_dtype == "auto" else f" --kv-cache-dtype {flags.kv_cache_dtype}"
    return (
        f"--gpu-memory-utilization {flags.gpu_memory_utilization:g}"
        f" --max-model-len {flags.max_model_len} --max-num-seqs {flags.max_num_seqs}"
        f" --max-num-batched-tokens {flags.max_num_batched_tokens}{cache}"
    )


def _price(candidate: Candidate) -> str:
    holds, price = candidate.holds, candidate.offer.price
    if holds is None or holds.usd_per_hour is None or price is None:
        return "not known: give it with --prices"
    date = "undated" if price.as_of is None else price.as_of.isoformat()
    where = f" in {price.region}" if price.region else ""
    return f"{format_usd(float(holds.usd_per_hour))}/h, {price.item}{where}, {date}"


def _print_certainty(answer: Recommendation) -> None:
    chosen = answer.chosen
    confidence = answer.question.confidence
    if chosen is None or confidence <= 0.5:
        return
    sure = format_ratio(confidence)
    if answer.at_point_estimate == chosen.offer.name:
        console().print(f"[dim]Held at {sure} confidence; 50 % would take the same offer.[/]")
    else:
        console().print(
            f"[dim]Held at {sure} confidence; 50 % would take {answer.at_point_estimate}.[/]"
        )


def _print_best_effort(answer: Recommendation) -> None:
    best = answer.best_effort
    if best is None or not isinstance(best.outcome, Refused):
        return
    held = best.outcome.held_load or 0.0
    traffic = answer.question.traffic
    out = console()
    asked = load_text(load_size(traffic), traffic)
    out.print(
        f"The largest of them, [bold]{escape(best.offer.name)}[/], would hold"
        f" {load_text(held, traffic)} of {asked}."
    )
    out.print(f"It falls short: {escape(best.outcome.reason)}.")
    out.print(f"What would turn it: {escape(best.outcome.remedy)}.")


def _others(candidates: Sequence[Candidate]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, title_justify="left")
    table.add_column("other offers, cheapest first", no_wrap=True)
    table.add_column("$/h", justify="right", no_wrap=True)
    table.add_column("outcome")
    for candidate in candidates:
        outcome = candidate.outcome
        if isinstance(outcome, Holds):
            cost = outcome.usd_per_hour
            text = f"[green]holds[/] with {outcome.replicas}, dearer or no smaller"
        else:
            cost = candidate.offer.usd_per_hour
            text = f"[red]{outcome.constraint.value}[/]: {escape(outcome.reason)}"
        price = "?" if cost is None else f"{float(cost):,.2f}"
        table.add_row(escape(candidate.offer.name), price, text)
    return table
