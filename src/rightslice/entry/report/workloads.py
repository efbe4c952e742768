"""The section of workloads: a line each, unfolding into flags, memory, and refused offers."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from rightslice.core.catalog.estimate import Estimate
from rightslice.core.perf.result import Latency
from rightslice.core.plan.result import NotPlaced, Placed, WorkloadPlan
from rightslice.core.sizing.result import Sizing
from rightslice.entry.report.details import details
from rightslice.entry.report.layouts import swatch
from rightslice.entry.report.look import Look
from rightslice.entry.report.markup import NOTHING, Html, element, text
from rightslice.entry.report.section import section
from rightslice.entry.report.svg_bars import memory_bar, target_bar
from rightslice.entry.report.wording import band, dollars, load, plural, share, statistic
from rightslice.units import format_bytes, format_duration

_COLUMNS: Final = (
    "Workload", "Runs on", "Memory a GPU", "TPOT", "TTFT", "Headroom", "Cost",
)  # fmt: skip


def workloads(look: Look) -> Html:
    """Return the section."""
    head = element("div", *(element("span", text(name)) for name in _COLUMNS), class_="row head")
    lead = (
        "Unfold a line for its vLLM flags, its memory term by term, and why each cheaper offer was"
        " refused. Latencies are those of one replica under its part of the load, with the band"
        " that holds the truth in nine of ten cases; the upright line is the target."
    )
    rows = (_row(item, look) for item in look.plan.workloads)
    return section("workloads", "Workloads", lead, _legend(), head, *rows)


def _legend() -> Html:
    entries = (
        ("m-weights", "weights"),
        ("m-activation", "activation"),
        ("m-graphs", "CUDA graphs"),
        ("m-other", "context and other"),
        ("m-kv", "KV cache"),
        ("free", "unused"),
    )
    return element(
        "ul",
        element("li", element("b", text("Memory"))),
        *(element("li", swatch(class_), text(words)) for class_, words in entries),
        class_="legend",
    )


def _row(item: WorkloadPlan, look: Look) -> Html:
    cells = (
        _placed_cells(item, item.outcome)
        if isinstance(item.outcome, Placed)
        else _not_placed_cells(item.outcome)
    )
    summary = element("summary", _name(item, look), *cells)
    return element("details", summary, details(item), class_="row", id=look.anchor(item.name))


def _name(item: WorkloadPlan, look: Look) -> Html:
    workload = item.workload
    return _cell(
        element("b", swatch(look.hue(item.name)), text(item.name)),
        _muted(str(workload.model.name)),
        _muted(f"{item.team} · {load(workload.traffic)}"),
    )


def _not_placed_cells(outcome: NotPlaced) -> list[Html]:
    return [
        element(
            "span",
            element("b", text("not placed"), class_="bad"),
            element("span", text(outcome.reason)),
            class_="cell wide",
        )
    ]


def _placed_cells(item: WorkloadPlan, placed: Placed) -> list[Html]:
    candidate = placed.candidate
    offer = candidate.offer
    ranks = f" × {offer.tensor_parallel}" if offer.tensor_parallel > 1 else ""  # noqa: RUF001 - a multiplication sign
    prediction = candidate.prediction
    slo = item.workload.slo
    tpot = None if prediction is None else prediction.tpot
    ttft = None if prediction is None else prediction.ttft
    return [
        _cell(
            element("span", text(f"{offer.device.label}{ranks}")),
            _muted(f"{plural(placed.replicas, 'replica')} · {offer.pool}"),
        ),
        _memory(candidate.sizing),
        _latency(tpot, slo.tpot_seconds, slo.tpot_percentile),
        _latency(ttft, slo.ttft_seconds, slo.ttft_percentile),
        _headroom(placed),
        _cost(placed),
    ]


def _memory(sizing: Sizing | None) -> Html:
    if sizing is None:
        return _cell(_muted("not sized"))
    tokens = f"{sizing.kv.tokens.expected:,} KV tokens"
    used = f"{format_bytes(sizing.device.memory_bytes)} · {tokens}"
    return _cell(memory_bar(sizing), _muted(used))


def _latency(latency: Latency | None, target: float | None, percentile: float | None) -> Html:
    if latency is None:
        return _cell(_muted("not predicted"))
    estimate = latency.at(percentile)
    aim = "no target" if target is None else f"of {format_duration(target)}"
    value = element(
        "span",
        element("b", text(format_duration(estimate.expected)), class_=_verdict(estimate, target)),
        element("span", text(f" {aim}"), class_="muted"),
    )
    drawn = NOTHING if target is None else target_bar(estimate, target)
    return _cell(value, drawn, _muted(f"{statistic(percentile)}, {band(estimate)}"))


def _verdict(estimate: Estimate, target: float | None) -> str | None:
    return "bad" if target is not None and estimate.expected > target else None


def _headroom(placed: Placed) -> Html:
    holds = placed.candidate.holds
    if holds is None:
        return _cell(_muted("best effort"))
    return _cell(
        element("b", text(share(holds.headroom_ratio))),
        _muted("to nearest target"),
    )


def _cost(placed: Placed) -> Html:
    cost = placed.cost
    if cost is None:
        return _cell(_muted("price not known"), class_="cell num")
    million = cost.usd_per_million_tokens
    tokens = "no traffic" if million is None else f"{_small(million)} / 1M tokens"
    return _cell(
        element("b", text(f"{dollars(cost.usd_per_hour)}/h")),
        _muted(f"{dollars(cost.usd_per_month, digits=0)}/month"),
        _muted(tokens),
        class_="cell num",
    )


def _small(amount_usd: Decimal) -> str:
    return dollars(amount_usd, digits=2 if amount_usd >= 1 else 3)


def _cell(*children: Html, class_: str = "cell") -> Html:
    return element("span", *children, class_=class_)


def _muted(words: str) -> Html:
    return element("span", text(words), class_="muted") if words else NOTHING
