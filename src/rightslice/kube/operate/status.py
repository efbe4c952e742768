"""The status of a ModelDeployment: what it needs, why, what runs, and what it waits for."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import Final

from rightslice.core.catalog.question import Question
from rightslice.core.fit.result import Candidate, Refused
from rightslice.core.perf.result import Latency
from rightslice.kube.admission.settings import Mode
from rightslice.kube.crd.condition import Condition, ConditionStatus, carried_over
from rightslice.kube.crd.deployment import (
    ModelDeploymentStatus,
    OfferStatus,
    PredictedLatency,
    RecommendationStatus,
    RefusedOffer,
)
from rightslice.kube.explain import latency_text, load_text
from rightslice.kube.operate.choose import Chosen, timestamp
from rightslice.kube.operate.objects import Rendered, offer_status
from rightslice.kube.operate.offers import Choice
from rightslice.kube.operate.view import OWNER_LABEL, PART_LABEL, Part, Served
from rightslice.units import format_duration, format_ratio, format_usd

MOST_REFUSED: Final = 16
LARGEST_RATIO: Final = 99.0
"""A status has room for so much; nobody asks by how much it is more."""
_LONGEST: Final = {"reason": 1024, "remedy": 512}


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What a decision found, step by step."""

    served: Served
    mode: Mode
    now: dt.datetime
    problems: tuple[str, ...] = ()
    question: Question | None = None
    assumed: tuple[str, ...] = ()
    chosen: Chosen | None = None
    rendered: Rendered | None = None
    revision: str = ""


def status_of(findings: Findings, reason: str) -> ModelDeploymentStatus:
    """Return the status; *reason* is the decision's outcome in a word."""
    served, chosen = findings.served, findings.chosen
    choice = None if chosen is None else chosen.choice
    wanted = None if choice is None else offer_status(choice, findings.revision)
    current = _current(served)
    proposed = None if current is not None and _same(current, wanted) else wanted
    conditions = carried_over(
        _conditions(findings, reason, settled=wanted is not None and proposed is None),
        served.before.conditions,
        timestamp(findings.now),
    )
    if reason == "NotReady":  # what was found before is kept until the cluster is seen again
        return replace(served.before, conditions=conditions)
    waiting = () if chosen is None else chosen.waiting
    return ModelDeploymentStatus(
        observed_generation=served.generation,
        replicas=sum(one.pods for one in served.running),
        ready_replicas=served.ready,
        guaranteed_replicas=sum(one.pods for one in served.running if one.part is Part.GUARANTEED),
        selector=f"{OWNER_LABEL}={served.name},{PART_LABEL}={Part.GUARANTEED.value}",
        current=current,
        proposed=proposed,
        recommendation=_recommendation(findings, choice),
        lowering=None if chosen is None else chosen.lowering,
        waiting_for=(*waiting, *_unready(findings, wanted, current))[:8],
        layout_change=served.before.layout_change,  # changed after all have been decided
        move=served.before.move,  # the same
        conditions=conditions,
    )


def _same(current: OfferStatus, wanted: OfferStatus | None) -> bool:
    return wanted is not None and (current.revision, current.replicas) == (
        wanted.revision, wanted.replicas,
    )  # fmt: skip


def _current(served: Served) -> OfferStatus | None:
    """Return the revision with most ready pods, as long as it has any replicas."""
    running = [one for one in served.running if one.offer is not None and one.replicas > 0]
    ready = {one.revision: 0 for one in running}
    for one in running:
        ready[one.revision] += one.ready
    if not ready:
        return None
    revision = max(ready, key=lambda name: (ready[name], name))
    of_it = [one for one in running if one.revision == revision]
    assert of_it[0].offer is not None
    count = sum(one.replicas for one in of_it)
    return replace(of_it[0].offer, replicas=count, revision=revision)


def _unready(
    findings: Findings, wanted: OfferStatus | None, current: OfferStatus | None
) -> tuple[str, ...]:
    if findings.mode is not Mode.ENFORCE or wanted is None:
        return ()
    ready = sum(one.ready for one in findings.served.running if one.revision == wanted.revision)
    if ready >= wanted.replicas:
        return ()
    kept = "" if current is None or current.revision == wanted.revision else (
        f"; {current.replicas} x {current.offer} keep serving until then"
    )  # fmt: skip
    return (f"{ready} of {wanted.replicas} pods on {wanted.offer} to be ready{kept}",)


def _recommendation(findings: Findings, choice: Choice | None) -> RecommendationStatus | None:
    question, chosen, made = findings.question, findings.chosen, findings.rendered
    if choice is None or question is None or chosen is None or made is None:
        return None
    candidates = chosen.recommendation.candidates
    before = candidates[: candidates.index(choice.candidate)]
    refused = [_refused(one) for one in reversed(before)]
    outcome = choice.candidate.judgement.judged
    return RecommendationStatus(
        offer=offer_status(choice, findings.revision),
        flags=made.arguments,
        latency=_latencies(choice.candidate, question),
        headroom=format_ratio(max(-LARGEST_RATIO, min(LARGEST_RATIO, outcome.headroom_ratio))),
        because=_because(choice, question, chosen),
        refused=tuple(one for one in refused if one is not None)[:MOST_REFUSED],
        assumed=findings.assumed[:32],
    )


def _refused(candidate: Candidate) -> RefusedOffer | None:
    outcome = candidate.outcome
    if not isinstance(outcome, Refused):
        return None
    price = candidate.offer.usd_per_hour
    return RefusedOffer(
        offer=candidate.offer.name,
        usd_per_hour=None if price is None else format_usd(float(price)).lstrip("$"),
        reason=outcome.reason[: _LONGEST["reason"]],
        remedy=outcome.remedy[: _LONGEST["remedy"]],
    )


def _latencies(candidate: Candidate, question: Question) -> tuple[PredictedLatency, ...]:
    prediction, slo = candidate.prediction, question.slo
    assert prediction is not None
    return (
        _latency("TPOT", prediction.tpot, slo.tpot_percentile, slo.tpot_seconds),
        _latency("TTFT", prediction.ttft, slo.ttft_percentile, slo.ttft_seconds),
    )


def _latency(
    what: str, latency: Latency, percentile: float | None, target: float | None
) -> PredictedLatency:
    estimate = latency.at(percentile)
    name = "mean" if percentile is None else f"p{percentile * 100:g}"
    return PredictedLatency(
        of=f"{name} {what}",
        expected=format_duration(estimate.expected),
        low=format_duration(estimate.low),
        high=format_duration(estimate.high),
        target=None if target is None else format_duration(target),
    )


def _because(choice: Choice, question: Question, chosen: Chosen) -> str:
    prediction, slo = choice.candidate.prediction, question.slo
    assert prediction is not None
    parts = [f"{choice.replicas} x {choice.name} hold {load_text(question.traffic)}"]
    if slo.tpot_seconds is not None:
        parts.append(f"TPOT {latency_text(prediction.tpot, slo.tpot_percentile, slo.tpot_seconds)}")
    if slo.ttft_seconds is not None:
        parts.append(f"TTFT {latency_text(prediction.ttft, slo.ttft_percentile, slo.ttft_seconds)}")
    parts.append(f"at {format_ratio(question.confidence)} confidence")
    ideal = chosen.ideal
    if ideal is not None and ideal.name == choice.name:
        parts.append("no cheaper offer of the cluster does")
    return "; ".join(parts)[:1024]


def _conditions(findings: Findings, reason: str, *, settled: bool) -> tuple[Condition, ...]:
    served, mode = findings.served, findings.mode
    generation = served.generation
    accepted = findings.question is not None
    told = "; ".join(findings.problems)
    recommended = findings.chosen is not None and findings.chosen.choice is not None
    least = 1 if served.spec is None else served.spec.replicas.min
    by_type = {
        "Accepted": (_status(accepted), "Accepted" if accepted else reason,
                     "" if accepted else told),
        "Recommended": (_status(recommended), reason, _recommended(findings, told)),
        "Available": (_status(served.ready >= least),
                      "Enough" if served.ready >= least else "TooFew",
                      f"{served.ready} pods are ready, {least} are guaranteed"),
        "Settled": (_status(settled), "Settled" if settled else _unsettled(mode),
                    "" if settled else _unsettled_text(mode)),
    }  # fmt: skip
    if reason in ("Off", "NotReady"):
        unknown = ConditionStatus.UNKNOWN
        by_type["Accepted"] = (unknown, reason, told)
        by_type["Recommended"] = (unknown, reason, told)
    return tuple(
        Condition(type=name, status=status, reason=why, message=message,
                  observed_generation=generation)
        for name, (status, why, message) in by_type.items()
    )  # fmt: skip


def _status(holds: bool) -> ConditionStatus:  # noqa: FBT001 - the fact that is told
    return ConditionStatus.TRUE if holds else ConditionStatus.FALSE


def _unsettled(mode: Mode) -> str:
    return "Moving" if mode is Mode.ENFORCE else "NotEnforced"


def _unsettled_text(mode: Mode) -> str:
    if mode is Mode.ENFORCE:
        return "what runs is not yet what is recommended"
    return f"mode {mode.value}: nothing is changed; set mode to enforce to have it run"


def _recommended(findings: Findings, told: str) -> str:
    chosen, question = findings.chosen, findings.question
    if chosen is None or question is None:
        return told
    if chosen.choice is not None:
        return _because(chosen.choice, question, chosen)
    if chosen.ideal is not None:
        return f"waits for {'; '.join(chosen.waiting)}"
    best = chosen.recommendation.best_effort or chosen.recommendation.candidates[0]
    outcome = best.outcome
    assert isinstance(outcome, Refused)
    return (
        f"no offer of the cluster holds {load_text(question.traffic)}; the nearest,"
        f" {best.offer.name}: {outcome.reason}; would turn: {outcome.remedy}"
    )
