"""A placed workload's numbers as text: for annotations, and for the README."""

from __future__ import annotations

from rightslice.core.catalog.traffic import ClosedLoop, Traffic
from rightslice.core.perf.result import Latency
from rightslice.core.plan.result import Placed
from rightslice.kube.assignments import Assignment
from rightslice.kube.manifest import GROUP, Manifest
from rightslice.units import format_duration, format_rate, format_ratio, format_usd


def decision_notes(assignment: Assignment) -> Manifest:
    """Return what the plan decided, and on what grounds, as annotations."""
    workload, slo = assignment.workload, assignment.workload.slo
    prediction = assignment.prediction
    texts: dict[str, str] = {
        "fleet": assignment.fleet_name,
        "offer": assignment.offer.name,
        "load": load_text(workload.traffic),
        "predicted-tpot": latency_text(prediction.tpot, slo.tpot_percentile, slo.tpot_seconds),
        "predicted-ttft": latency_text(prediction.ttft, slo.ttft_percentile, slo.ttft_seconds),
        "confidence": format_ratio(workload.confidence),
        "cost": cost_text(assignment.placed),
        "reason": reason_text(assignment.placed),
    }
    return {f"{GROUP}/{name}": text for name, text in texts.items()}


def load_text(traffic: Traffic) -> str:
    """Return the load that all replicas hold together, in words."""
    load = traffic.load
    amount = (
        f"{load.concurrency} concurrent"
        if isinstance(load, ClosedLoop)
        else f"{format_rate(load.requests_per_second)} requests"
    )
    return f"{amount}, {traffic.input.text} tokens in, {traffic.output.text} out"


def latency_text(latency: Latency, percentile: float | None, target: float | None) -> str:
    """Return a predicted latency where its target is set: value, 90 % band, target."""
    estimate = latency.at(percentile)
    name = "mean" if percentile is None else f"p{percentile * 100:g}"
    text = (
        f"{name} {format_duration(estimate.expected)}"
        f" ({format_duration(estimate.low)} to {format_duration(estimate.high)})"
    )
    return text if target is None else f"{text}, target {format_duration(target)}"


def cost_text(placed: Placed) -> str:
    """Return what the workload costs, or that its price is not known."""
    cost = placed.cost
    if cost is None:
        return "price not known"
    text = f"{format_usd(cost.usd_per_hour)}/h, {format_usd(cost.usd_per_month)} a month"
    if cost.usd_per_million_tokens is None:
        return text
    return f"{text}, {format_usd(cost.usd_per_million_tokens)} per million output tokens"


def reason_text(placed: Placed) -> str:
    """Return why this offer was taken: the nearest cheaper one, and why it was not."""
    if not placed.passed:
        return "the cheapest offer of the fleet that holds the load within its targets"
    last = placed.passed[-1]
    return f"{len(placed.passed)} cheaper passed over; the nearest, {last.offer}: {last.reason}"
