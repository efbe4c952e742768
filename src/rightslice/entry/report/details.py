"""What unfolds under a workload: flags, memory, a step's time, refused offers, doubts."""

from __future__ import annotations

from collections.abc import Iterator

from rightslice.core.fit.result import Candidate, Refused
from rightslice.core.perf.result import Prediction
from rightslice.core.plan.result import Placed, WorkloadPlan
from rightslice.core.sizing.result import MemoryTerm, Sizing
from rightslice.entry.report.layouts import swatch
from rightslice.entry.report.markup import NOTHING, Html, element, join, text
from rightslice.entry.report.section import table
from rightslice.entry.report.svg_bars import memory_class
from rightslice.entry.report.wording import dollars, plural, share
from rightslice.units import format_duration, format_gib


def details(item: WorkloadPlan) -> Html:
    """Return everything about one workload."""
    candidate = _shown(item)
    sizing = None if candidate is None else candidate.sizing
    prediction = None if candidate is None else candidate.prediction
    return element(
        "div",
        _summary_line(item),
        element(
            "div",
            NOTHING if sizing is None else _memory(sizing),
            NOTHING if sizing is None else _flags(sizing),
            class_="columns",
        ),
        NOTHING if prediction is None else _step(prediction),
        _refusals(item),
        *_notes(item),
        class_="more",
    )


def _shown(item: WorkloadPlan) -> Candidate | None:
    if isinstance(item.outcome, Placed):
        return item.outcome.candidate
    return item.recommendation.chosen or item.recommendation.best_effort


def _summary_line(item: WorkloadPlan) -> Html:
    workload = item.workload
    words = [
        f"vLLM {workload.engine.version}",
        f"{share(workload.confidence)} confidence",
        f"priority {workload.priority}",
        _replicas(workload.min_replicas, workload.max_replicas),
        f"isolation: {workload.isolation.value}",
    ]
    if workload.kv_cache_dtypes:
        words.append(f"KV cache in {', '.join(workload.kv_cache_dtypes)} allowed")
    point = item.recommendation.at_point_estimate
    chosen = item.recommendation.chosen
    if point is not None and (chosen is None or point != chosen.offer.name):
        words.append(f"at 50 % confidence: {point}")
    elif point is not None and workload.confidence > 0.5:
        words.append("the same at 50 % confidence")
    return element("p", text(" · ".join(words)), class_="muted")


def _replicas(least: int, most: int) -> str:
    wanted = plural(most, "replica")
    return f"{wanted} wanted" if least == most else f"{least} to {wanted} allowed"


def _memory(sizing: Sizing) -> Html:
    rows = (
        (
            join((swatch(memory_class(term.name)), text(term.name))),
            text(format_gib(term.size_bytes.expected)),
            text(_range(term)),
            element("span", text(term.formula), title=term.source),
        )
        for term in sizing.terms
    )
    title = f"Memory of {sizing.device.label}: {format_gib(sizing.device.memory_bytes)}"
    return element(
        "div",
        element("h3", text(title)),
        table(("Term", "Expected", "90 % band", "Formula"), rows, class_="terms memory"),
    )


def _range(term: MemoryTerm) -> str:
    size = term.size_bytes
    if size.is_exact:
        return "exact"
    return f"{format_gib(size.low).split()[0]}–{format_gib(size.high).split()[0]}"  # noqa: RUF001 - an en dash


def _flags(sizing: Sizing) -> Html:
    rows = (
        (text(f"--{flag.name}"), text(flag.value), text(flag.origin))
        for flag in sizing.flags.explained
    )
    return element(
        "div",
        element("h3", text("vLLM flags")),
        table(("Flag", "Value", "Origin"), rows, class_="terms flags"),
    )


def _step(prediction: Prediction) -> Html:
    """Return the parts of the time per output token, largest first, in a line."""
    parts = sorted((t for t in prediction.terms if t.seconds > 0), key=lambda t: -t.seconds)
    if not parts:
        return NOTHING
    words = " + ".join(f"{term.name} {format_duration(term.seconds)}" for term in parts)
    total = format_duration(sum(term.seconds for term in parts))
    title = f"One output token: {total}, bound by {prediction.bound.value}"
    return element("div", element("h3", text(title)), element("p", text(words)))


def _refusals(item: WorkloadPlan) -> Html:
    rows = list(_refusal_rows(item))
    if not rows:
        return NOTHING
    title = "Why nothing cheaper" if item.placed is not None else "Why no offer was taken"
    return element(
        "div",
        element("h3", text(title)),
        table(("Offer", "$/h", "Reason", "What would turn it"), rows, class_="refusals"),
    )


def _refusal_rows(item: WorkloadPlan) -> Iterator[tuple[Html, ...]]:
    """Yield the plan's own list of cheaper offers, or what refused each when none was taken."""
    if not isinstance(item.outcome, Placed):
        for candidate in item.recommendation.cheaper_refused:
            yield _candidate_row(candidate, "")
        return
    known = {candidate.offer.name: candidate for candidate in item.recommendation.candidates}
    for passed in item.outcome.passed:
        if passed.offer in known:
            yield _candidate_row(known[passed.offer], passed.reason)
        else:
            yield (text(passed.offer), NOTHING, text(passed.reason), NOTHING)


def _candidate_row(candidate: Candidate, otherwise: str) -> tuple[Html, ...]:
    """Return an offer with its refusal; *otherwise* says why one that holds was not taken."""
    outcome = candidate.outcome
    reason, remedy = text(otherwise), NOTHING
    if isinstance(outcome, Refused):
        reason = join((element("b", text(outcome.constraint.value)), text(f" {outcome.reason}")))
        remedy = text(outcome.remedy)
    price = text(dollars(candidate.offer.usd_per_hour))
    return text(candidate.offer.name), price, reason, remedy


def _notes(item: WorkloadPlan) -> Iterator[Html]:
    for note in item.recommendation.notes:
        yield element("p", text(note), class_="note")
